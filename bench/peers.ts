/**
 * Other mail servers on this machine, each in a folder of its own and with every limit raised that would hold it back.
 * Each takes mail for anybody, and relays what is for `sink.test`; what is for `discard.test` it drops after it was
 * written, or, where it cannot, keeps in its queue without trying it.
 *
 * A peer that cannot be had or cannot run here is an error that says why.
 */

import { type ServerName } from './options.ts';
import { startExim } from './peers/exim.ts';
import { startHaraka } from './peers/haraka.ts';
import { startOpenSmtpd } from './peers/open-smtpd.ts';
import { type MeasuredServer, startPostfixServer } from './servers.ts';

export type PeerName = Exclude<ServerName, 'postrider' | 'ceiling'>;

export interface PeerOptions {
  readonly sinkPort: number;
  /** `kept`: a peer that cannot drop mail shall not try any. */
  readonly discarded: 'dropped' | 'kept';
}

export const PEERS: Readonly<Record<PeerName, (options: PeerOptions) => Promise<MeasuredServer>>> = {
  postfix: ({ sinkPort }) => startPostfixServer(sinkPort),
  exim: ({ sinkPort }) => startExim(sinkPort),
  opensmtpd: startOpenSmtpd,
  haraka: startHaraka,
};

export const PEER_NAMES = Object.keys(PEERS) as readonly PeerName[];

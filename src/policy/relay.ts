/**
 * Who may send through us, and where to: never an open relay.
 *
 * Accepted is what is for a local domain, for a domain we relay to (backup MX, gateway), or from a client
 * that has logged in or is in the listed networks. Everything else is refused at RCPT.
 */

import { type EnhancedStatus, type Reply, reply } from '../mail/reply.ts';
import { type Mailbox } from '../mail/path.ts';

export interface RelayRules {
  readonly isLocal: (mailbox: Mailbox) => boolean;
  readonly isRelayDomain: (domain: string) => boolean;
  readonly isTrusted: (clientAddress: string) => boolean;
}

export type RelayVerdict = 'local' | 'relayDomain' | 'user' | 'trustedClient' | 'refused';

export interface RelayClient {
  readonly address: string;
  /** It has logged in. */
  readonly identity?: object | undefined;
}

export function relayVerdict(rules: RelayRules, recipient: Mailbox, client: RelayClient): RelayVerdict {
  // `RCPT TO:<Postmaster>` names no domain and is always ours (RFC 5321 §4.5.1).
  if (recipient.domain === '' || rules.isLocal(recipient)) return 'local';
  if (rules.isRelayDomain(recipient.domain)) return 'relayDomain';
  if (client.identity !== undefined) return 'user';
  return rules.isTrusted(client.address) ? 'trustedClient' : 'refused';
}

const REFUSED: EnhancedStatus = '5.7.1';

export const RELAYING_DENIED: Reply = reply(550, REFUSED, 'Relaying denied: your network may not send to this domain');

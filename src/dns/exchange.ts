/**
 * One query to one server, over UDP or TCP. All sockets of the resolver are made here.
 *
 * Every query has a socket of its own, so the kernel picks an unpredictable source port for each, and a connected one,
 * so it drops what comes from anybody but the server (RFC 5452 §9). What is left for `accept` to judge is whether the
 * octets answer the question that was asked.
 */

import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { OctetCollector } from '../lib/octet-collector.ts';
import { type Timers } from '../ports/timers.ts';
import { type DnsReply } from '../wire/dns/message.ts';
import { type DnsServer } from './resolv-conf.ts';

export type Exchanged =
  | { readonly kind: 'reply'; readonly reply: DnsReply }
  /** Nobody answered, or not in DNS. */
  | { readonly kind: 'failed'; readonly reason: string };

/** What octets that arrived are: the reply, another message (wait on), or rubbish from the server itself. */
export type Accept = (octets: Buffer) => Exchanged | 'ignore';

export interface Exchange {
  readonly server: DnsServer;
  readonly query: Buffer;
  readonly accept: Accept;
  readonly timeoutMs: number;
  readonly timers: Timers;
  /** Where the exchange leaves what ends it early, for as long as it runs. */
  readonly aborts: Set<() => void>;
}

// A peer that floods us with wrong answers is not waited for.
const MAX_IGNORED = 100;

export function askByUdp({ server, query, accept, ...rest }: Exchange): Promise<Exchanged> {
  const family = server.address.includes(':') ? 6 : 4;
  // Addresses only: the default would fall back on libc.
  const socket = createSocket({
    type: family === 6 ? 'udp6' : 'udp4',
    lookup: (name, _options, done) => done(null, name, family),
  });
  return settleOnce(rest, (finish) => {
    let ignored = 0;
    let closed = false;
    socket.on('error', (error) => finish(failed(error.message)));
    socket.on('message', (octets) => {
      const accepted = accept(octets);
      if (accepted !== 'ignore') finish(accepted);
      else if (++ignored >= MAX_IGNORED) finish(failed('too many wrong answers'));
    });
    socket.connect(server.port, server.address, () => {
      if (!closed) socket.send(query);
    });
    return () => {
      closed = true;
      socket.close();
    };
  });
}

export function askByTcp({ server, query, accept, ...rest }: Exchange): Promise<Exchanged> {
  const socket = connect({ host: server.address, port: server.port, noDelay: true });
  return settleOnce(rest, (finish) => {
    const received = new OctetCollector();
    socket.on('error', (error) => finish(failed(error.message)));
    socket.on('close', () => finish(failed('connection closed without an answer')));
    socket.on('data', (chunk) => {
      received.push(chunk);
      const octets = received.view();
      // RFC 1035 §4.2.2: two octets of length, which also bound what is kept.
      if (octets.length < 2 || octets.length < 2 + octets.readUInt16BE(0)) return;
      const accepted = accept(Buffer.from(octets.subarray(2, 2 + octets.readUInt16BE(0))));
      finish(accepted === 'ignore' ? failed('answer to another question') : accepted);
    });
    const length = Buffer.alloc(2);
    length.writeUInt16BE(query.length);
    socket.write(Buffer.concat([length, query]));
    return () => void socket.destroy();
  });
}

type Limits = Pick<Exchange, 'timeoutMs' | 'timers' | 'aborts'>;

/** The first end counts: a result, the time limit or the resolver's close. `start` returns what frees the socket. */
function settleOnce(
  { timeoutMs, timers, aborts }: Limits,
  start: (finish: (result: Exchanged) => void) => () => void,
): Promise<Exchanged> {
  const { promise, resolve } = Promise.withResolvers<Exchanged>();
  let done = false;
  const finish = (result: Exchanged): void => {
    if (done) return;
    done = true;
    timer.cancel();
    aborts.delete(abort);
    free();
    resolve(result);
  };
  const abort = (): void => finish(failed('resolver closed'));
  const timer = timers.after(timeoutMs, () => finish(failed('no answer in time')));
  const free = start(finish);
  aborts.add(abort);
  return promise;
}

function failed(reason: string): Exchanged {
  return { kind: 'failed', reason };
}

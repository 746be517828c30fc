/**
 * Stateless relay: content goes to the next hop while it comes, behind one trace field. The final 250 is
 * given only once the next hop gave its own, and nothing is stored.
 */

import { formatMailbox } from '../mail/path.ts';
import { type Reply, replyText, temporary } from '../mail/reply.ts';
import { type ReceiveDeps } from './ports.ts';
import { type Relaying, type Transaction } from './receiver.ts';
import { traceOf } from './accept.ts';
import { type ContentSink } from './transaction.ts';

export async function relaySink(
  deps: ReceiveDeps,
  transaction: Transaction,
  relaying: Relaying,
): Promise<ContentSink | Reply> {
  const { next } = relaying;
  const go = await next.begin();
  if (go.code !== 354) {
    next.abort();
    return ours(deps, go);
  }
  const trace = Buffer.from(traceOf(deps, transaction, deps.nextId()), 'utf8');
  await next.write(trace);
  return new RelaySink(deps, transaction, relaying);
}

/** The next hop's reply as we give it on. */
function ours(deps: ReceiveDeps, theirs: Reply): Reply {
  return deps.settings().softBounce ? temporary(theirs) : theirs;
}

class RelaySink implements ContentSink {
  readonly #deps: ReceiveDeps;
  readonly #transaction: Transaction;
  readonly #relaying: Relaying;
  #octets = 0;

  constructor(deps: ReceiveDeps, transaction: Transaction, relaying: Relaying) {
    this.#deps = deps;
    this.#transaction = transaction;
    this.#relaying = relaying;
  }

  write(chunk: Buffer): void | Promise<void> {
    this.#octets += chunk.length;
    return this.#relaying.next.write(chunk);
  }

  async finish(): Promise<Reply | readonly Reply[]> {
    const answer = ours(this.#deps, await this.#relaying.next.finish());
    const { peer, sender, accepted } = this.#transaction;
    this.#deps.tell({
      kind: 'relayed',
      at: this.#deps.clock.now(),
      sender: sender.reversePath === null ? '' : formatMailbox(sender.reversePath),
      recipients: this.#relaying.recipients.map(formatMailbox),
      clientAddress: peer.address,
      host: this.#relaying.next.host,
      reply: replyText(answer),
      octets: this.#octets,
    });
    return peer.protocol === 'LMTP' ? Array.from({ length: accepted }, () => answer) : answer;
  }

  abort(): void {
    this.#relaying.next.abort();
  }
}

/**
 * Stateless relay: content goes to the next hop while it comes, behind one trace field. The final 250 is
 * given only once the next hop gave its own, and nothing is stored.
 *
 * The header section is gathered before any of it goes on, within the limits that hold for stored mail: so a loop
 * is refused, and what is taken out of stored mail does not pass either. The next hop of a message that is refused
 * here never gets the end of it.
 */

import { OctetCollector } from '../lib/octet-collector.ts';
import { headerEnd } from '../mail/header.ts';
import { HeaderSection } from '../mail/header-section.ts';
import { fieldOfOption, type OptionName } from '../mail/message-options.ts';
import { formatMailbox } from '../mail/path.ts';
import { type Reply, reply, replyText } from '../mail/reply.ts';
import { editHeader } from './header-edits.ts';
import { headerTooLarge, NO_ROOM, tooManyHops } from './message-sink.ts';
import { type ReceiveDeps } from './ports.ts';
import { type Relaying, type Transaction } from './receiver.ts';
import { traceOf } from './accept.ts';
import { type ContentSink } from './transaction.ts';

/** Tells of a refusal, and gives it as it is to be answered. */
type Refuse = (why: Reply) => Reply;

export async function relaySink(
  deps: ReceiveDeps,
  transaction: Transaction,
  relaying: Relaying,
  refuse: Refuse,
): Promise<ContentSink | Reply> {
  const { next } = relaying;
  try {
    const go = await next.begin();
    if (go.code === 354) return new RelaySink(deps, transaction, { relaying, refuse });
    next.abort();
    return refuse(go.code >= 400 ? go : NO_SENSE);
  } catch (error) {
    next.abort();
    throw error;
  }
}

const NO_SENSE = reply(451, '4.5.0', 'The next hop answered out of turn');

/** Of those that may give options: what needs the message to be kept, or another route. */
const UNMET = ['sendAt', 'pool'] as const satisfies readonly OptionName[];

function cannotBeMet(option: OptionName, route: string): Reply {
  return reply(550, '5.6.0', `${fieldOfOption(option)}: the route ${route} passes mail on at once and keeps none`);
}

interface Way {
  readonly relaying: Relaying;
  readonly refuse: Refuse;
}

class RelaySink implements ContentSink {
  readonly #deps: ReceiveDeps;
  readonly #transaction: Transaction;
  readonly #way: Way;
  /** The header section as far as it has come; nothing once it has gone on. */
  readonly #kept = new OctetCollector();
  #searched = 0;
  #passing: 'header' | 'body' = 'header';
  #refusal: Reply | undefined;
  #octets = 0;

  constructor(deps: ReceiveDeps, transaction: Transaction, way: Way) {
    this.#deps = deps;
    this.#transaction = transaction;
    this.#way = way;
  }

  write(chunk: Buffer): void | Promise<void> {
    if (this.#refusal !== undefined) return undefined;
    this.#octets += chunk.length;
    if (this.#passing === 'body') return this.#way.relaying.next.write(chunk);
    if (!this.#deps.budget.take(chunk.length)) return this.#refuse(NO_ROOM);
    this.#kept.push(chunk);
    const end = headerEnd(this.#kept.view(), this.#searched);
    this.#searched = this.#kept.length;
    if (end !== -1) return this.#passHeader(end);
    if (this.#kept.length > this.#settings.maxHeaderOctets)
      this.#refuse(headerTooLarge(this.#settings.maxHeaderOctets));
    return undefined;
  }

  async finish(): Promise<Reply | readonly Reply[]> {
    const { refuse, relaying } = this.#way;
    // A header section without a body behind it.
    if (this.#passing === 'header' && this.#refusal === undefined) await this.#passHeader(this.#kept.length);
    if (this.#refusal !== undefined) return this.#answerTo(refuse(this.#refusal));
    const answer = await relaying.next.finish();
    if (answer.code >= 300) return this.#answerTo(refuse(answer));
    this.#tell(answer);
    return this.#answerTo(answer);
  }

  abort(): void {
    this.#drop();
    this.#way.relaying.next.abort();
  }

  get #settings(): Transaction['settings'] {
    return this.#transaction.settings;
  }

  async #passHeader(end: number): Promise<void> {
    const { maxHeaderOctets, maxHops } = this.#settings;
    if (end > maxHeaderOctets) return this.#refuse(headerTooLarge(maxHeaderOctets));
    const octets = this.#drop();
    const given = new HeaderSection(octets.subarray(0, end));
    const edited = editHeader(given, this.#transaction.trusted ? 'trusted' : 'untrusted');
    if ('code' in edited) return this.#refuse(edited);
    const header = edited.facts;
    const unmet = UNMET.find((option) => header.options[option] !== undefined);
    if (unmet !== undefined) return this.#refuse(cannotBeMet(unmet, this.#way.relaying.route.name));
    if (header.hops > maxHops) return this.#refuse(tooManyHops(maxHops));
    this.#passing = 'body';
    const trace = Buffer.from(traceOf(this.#deps, this.#transaction, this.#deps.nextId()), 'utf8');
    await this.#way.relaying.next.write(Buffer.concat([trace, header.octets, octets.subarray(end)]));
    return undefined;
  }

  /** The rest of the content is swallowed. */
  #refuse(why: Reply): void {
    this.#refusal = why;
    this.abort();
  }

  /** What was kept, handed over. */
  #drop(): Buffer {
    this.#deps.budget.give(this.#kept.length);
    return this.#kept.take();
  }

  #tell(answer: Reply): void {
    const { peer, sender } = this.#transaction;
    const { next, recipients } = this.#way.relaying;
    this.#deps.tell({
      kind: 'relayed',
      at: this.#deps.clock.now(),
      sender: sender.reversePath === null ? '' : formatMailbox(sender.reversePath),
      recipients: recipients.map(formatMailbox),
      clientAddress: peer.address,
      host: next.host,
      reply: replyText(answer),
      octets: this.#octets,
    });
  }

  #answerTo(answer: Reply): Reply | readonly Reply[] {
    const { peer, accepted } = this.#transaction;
    return peer.protocol === 'LMTP' ? Array.from({ length: accepted }, () => answer) : answer;
  }
}

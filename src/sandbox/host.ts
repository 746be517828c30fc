/**
 * Which behaviour a session meets: that of one domain where every domain has an address of its own, or, where this
 * machine has only one loopback address, that of the domain of each recipient.
 */

import { type Duration } from '../lib/time.ts';
import { type Mailbox } from '../mail/path.ts';
import { type Reply, reply } from '../mail/reply.ts';
import { type Behaviour, type Reception } from './behaviour.ts';

/** Behaviours by domain. */
export type Behaviours = ReadonlyMap<string, Behaviour>;

const foreign = (domain: string): Reply => reply(550, '5.7.1', `Relaying denied: ${domain} is not served here`);

/** `domains` beside its own are taken too, by the same behaviour. */
export function ownHost(behaviour: Behaviour, domains: ReadonlySet<string>): (client: string) => Reception {
  return (client) => {
    const inner = behaviour.receive(client);
    return {
      pace: inner.pace,
      connect: () => inner.connect(),
      recipient: (reversePath, recipient) =>
        domains.has(recipient.domain) ? inner.recipient(reversePath, recipient) : foreign(recipient.domain),
      accepted: () => inner.accepted(),
      close: () => inner.close(),
    };
  };
}

/** What a domain says to a connection, it says here to the first recipient. */
export function sharedHost(behaviours: Behaviours): (client: string) => Reception {
  return (client) => new Shared(behaviours, client);
}

class Shared implements Reception {
  readonly #behaviours: Behaviours;
  readonly #client: string;
  readonly #met = new Map<Behaviour, Reception>();
  #last: Reception | undefined;

  constructor(behaviours: Behaviours, client: string) {
    this.#behaviours = behaviours;
    this.#client = client;
  }

  get pace(): Duration {
    return this.#last?.pace ?? 0;
  }

  connect(): Reply | undefined {
    return undefined;
  }

  recipient(reversePath: string, recipient: Mailbox): Reply {
    const behaviour = this.#behaviours.get(recipient.domain);
    if (behaviour === undefined) return foreign(recipient.domain);
    const met = this.#met.get(behaviour);
    const reception = met ?? behaviour.receive(this.#client);
    const refusal = met === undefined ? reception.connect() : undefined;
    this.#met.set(behaviour, reception);
    this.#last = reception;
    return refusal ?? reception.recipient(reversePath, recipient);
  }

  accepted(): void {
    this.#last?.accepted();
  }

  close(): void {
    for (const reception of this.#met.values()) reception.close();
    this.#met.clear();
  }
}

/**
 * How the simulated receiving servers behave: decisions alone, no I/O.
 *
 * A behaviour is shared by all sessions of its domain and keeps what such a server would know of its clients. Time is
 * the product's, so that moving the clock moves them too. What they remember of clients is bounded.
 */

import { Lru } from '../lib/lru.ts';
import { type Duration, type Instant, MINUTE, SECOND } from '../lib/time.ts';
import { formatMailbox, type Mailbox } from '../mail/path.ts';
import { type Reply, reply } from '../mail/reply.ts';
import { type Clock } from '../ports/clock.ts';

/** What one domain makes of one session. */
export interface Reception {
  /** Waits before each reply. */
  readonly pace: Duration;
  /** A refusal that is sent in place of the greeting. */
  connect(): Reply | undefined;
  /** `reversePath` as text, `''` for the null one. */
  recipient(reversePath: string, recipient: Mailbox): Reply;
  /** A message was taken. */
  accepted(): void;
  close(): void;
}

/** One simulated domain: a reception for each client that connects. */
export interface Behaviour {
  /** For people, on one line. */
  readonly does: string;
  receive(client: string): Reception;
}

const TAKEN = reply(250, '2.1.5', 'OK');
const REMEMBERED = 10_000;

class Open implements Reception {
  readonly pace: Duration;

  constructor(pace: Duration = 0) {
    this.pace = pace;
  }

  connect(): Reply | undefined {
    return undefined;
  }

  recipient(_reversePath: string, _recipient: Mailbox): Reply {
    return TAKEN;
  }

  accepted(): void {}

  close(): void {}
}

export function acceptsAll(): Behaviour {
  return { does: 'accepts everything', receive: () => new Open() };
}

export function repliesSlowly(pace: Duration = SECOND): Behaviour {
  return { does: `accepts everything, one reply in ${pace / SECOND} s`, receive: () => new Open(pace) };
}

/** Knows one mailbox, and says 550 5.1.1 to all others. */
export function knowsOnly(mailbox: string): Behaviour {
  class Strict extends Open {
    override recipient(_reversePath: string, recipient: Mailbox): Reply {
      const text = formatMailbox(recipient);
      if (text.toLowerCase() === mailbox) return TAKEN;
      return reply(550, '5.1.1', `<${text}>: Recipient address rejected: User unknown`);
    }
  }
  return { does: `knows only ${mailbox}, 550 5.1.1 to others`, receive: () => new Strict() };
}

/** 450 4.7.1 to a client, sender and recipient that it first saw less than `delay` ago. */
export function greylists(delay: Duration, clock: Clock): Behaviour {
  const firstSeen = new Lru<string, Instant>(REMEMBERED);
  class Greylisting extends Open {
    readonly #client: string;

    constructor(client: string) {
      super();
      this.#client = client;
    }

    override recipient(reversePath: string, recipient: Mailbox): Reply {
      const key = [this.#client, reversePath, formatMailbox(recipient)].join('\0').toLowerCase();
      const seen = firstSeen.get(key) ?? clock.now();
      firstSeen.set(key, seen);
      const left = seen + delay - clock.now();
      if (left <= 0) return TAKEN;
      return reply(450, '4.7.1', `<${formatMailbox(recipient)}>: Recipient address rejected: Greylisted`);
    }
  }
  return {
    does: `450 4.7.1 for the first ${delay / SECOND} s, then accepts`,
    receive: (client) => new Greylisting(client),
  };
}

export interface Limits {
  /** At once, from one client. */
  readonly connections: number;
  /** In a minute, from one client. */
  readonly messages: number;
}

export const DEFAULT_LIMITS: Limits = { connections: 2, messages: 5 };

/** After so many refusals in a session the server hangs up. */
const PATIENCE = 3;

/** Limits connections and rate in the words that big mailbox providers use. */
export function limits({ connections, messages }: Limits, clock: Clock): Behaviour {
  const ledger = new Ledger(messages, clock);
  return {
    does: `takes ${connections} connections at once and ${messages} messages a minute, else 421 and 450`,
    receive: (client) => new Limited(client, connections, ledger),
  };
}

/** What a limiting server knows of its clients. */
class Ledger {
  readonly #messages: number;
  readonly #clock: Clock;
  /** Sessions that are open, so never more entries than those. */
  readonly #open = new Map<string, number>();
  /** When messages were accepted, the newest last. */
  readonly #accepted = new Lru<string, readonly Instant[]>(REMEMBERED);

  constructor(messages: number, clock: Clock) {
    this.#messages = messages;
    this.#clock = clock;
  }

  open(client: string): number {
    return this.#open.get(client) ?? 0;
  }

  enter(client: string): void {
    this.#open.set(client, this.open(client) + 1);
  }

  leave(client: string): void {
    const left = this.open(client) - 1;
    if (left > 0) this.#open.set(client, left);
    else this.#open.delete(client);
  }

  accept(client: string): void {
    this.#accepted.set(client, [...this.#recent(client), this.#clock.now()].slice(-this.#messages));
  }

  isOver(client: string): boolean {
    return this.#recent(client).length >= this.#messages;
  }

  #recent(client: string): readonly Instant[] {
    const begin = this.#clock.now() - MINUTE;
    return (this.#accepted.get(client) ?? []).filter((at) => at > begin);
  }
}

class Limited extends Open {
  readonly #client: string;
  readonly #connections: number;
  readonly #ledger: Ledger;
  #entered = false;
  #refusals = 0;

  constructor(client: string, connections: number, ledger: Ledger) {
    super();
    this.#client = client;
    this.#connections = connections;
    this.#ledger = ledger;
  }

  override connect(): Reply | undefined {
    if (this.#ledger.open(this.#client) >= this.#connections)
      return reply(421, '4.7.0', 'Too many concurrent SMTP connections from your address; please try again later');
    this.#ledger.enter(this.#client);
    this.#entered = true;
    return undefined;
  }

  override recipient(_reversePath: string, _recipient: Mailbox): Reply {
    if (!this.#ledger.isOver(this.#client)) return TAKEN;
    this.#refusals += 1;
    if (this.#refusals < PATIENCE)
      return reply(
        450,
        '4.2.1',
        'The user you are trying to contact is receiving mail too quickly. Please resend your message at a later time.',
      );
    return reply(
      421,
      '4.7.28',
      'Our system has detected an unusual rate of unsolicited mail originating from your address.',
      'To protect our users, mail from it has been temporarily rate limited.',
    );
  }

  override accepted(): void {
    this.#ledger.accept(this.#client);
  }

  override close(): void {
    if (this.#entered) this.#ledger.leave(this.#client);
    this.#entered = false;
  }
}

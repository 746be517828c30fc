/** What the parts of the queue manager share. */

import { type DsnBudgetOptions } from '../../bounce/budget.ts';
import { type DsnOptions } from '../../bounce/compose.ts';
import { type Event } from '../../events/event.ts';
import { type Duration } from '../../lib/time.ts';
import { type Entry, type EntryRecipient } from '../../mail/entry.ts';
import { type Mailbox } from '../../mail/path.ts';
import { type Clock } from '../../ports/clock.ts';
import { type Log } from '../../ports/log.ts';
import { type Random } from '../../ports/random.ts';
import { type Timers } from '../../ports/timers.ts';
import { type RetryOptions } from '../../queue/retry.ts';
import { type PlannedMessage } from '../../receive/ports.ts';
import { type Signer } from '../../receive/signer.ts';
import { type Spool } from '../../spool/spool.ts';
import { type ClockState } from './clock-watch.ts';
import { type Settler } from './settler.ts';

/** The configuration of the queue manager, compiled. Replaced whole at a reload. */
export interface QueueSettings {
  readonly hostname: string;
  readonly postmaster: Mailbox;
  readonly retry: RetryOptions;
  readonly softBounce: boolean;
  readonly minFreeOctets: number;
  /** How often the free space is looked at. */
  readonly freeSpaceCheck: Duration;
  readonly dsn: DsnOptions;
  readonly dsnBudget: DsnBudgetOptions;
  /** Connections to one next hop of stateless relay. */
  readonly maxLeases: number;
  /** How far ahead a retry's due time is moved before it is dialled. */
  readonly recordAhead: Duration;
  /** Of our own reports. */
  readonly signer?: Signer | undefined;
  readonly entriesOf: (message: PlannedMessage, recipients: readonly EntryRecipient[]) => readonly Entry[];
}

export interface QueueManagerContext {
  readonly spool: Spool;
  readonly settler: Settler;
  readonly clock: Clock;
  readonly timers: Timers;
  /** `moved`: the wall clock jumped; what it says lets nothing expire. */
  readonly clockState: () => ClockState;
  readonly random: Random;
  readonly log: Log;
  readonly settings: () => QueueSettings;
  /** Events that belong to no commit. */
  readonly tell: (event: Event) => void;
  /** The process must end; nothing after it is to be trusted. */
  readonly broken: (error: unknown) => void;
}

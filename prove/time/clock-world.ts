/** The product between its ends, on a wall clock that can be set. */

import { setTimeout as pause } from 'node:timers/promises';
import { type EntryView } from '../../src/api/contract.ts';
import { type PostriderConfig } from '../../src/config/config.ts';
import { type Event } from '../../src/events/event.ts';
import { type MailWorld, startMailWorld } from '../../test/lib/mail-world.ts';
import { until } from '../../test/lib/wait.ts';
import { type SuiteContext } from '../suite.ts';
import { WallClock } from './wall.ts';

/** What the world says to a recipient; undefined: it takes the mail. */
export type Answers = (address: string, asked: number) => string | undefined;

export const LATER = '451 4.3.0 later';
/** The product looks at its clock every two seconds. */
const LOOKS_WITHIN = 3000;
const PATIENCE = { short: 60_000, long: 60_000, fault: 20_000 } as const;

export interface ClockWorld {
  readonly mail: MailWorld;
  readonly clock: WallClock;
  /** May be changed at any time. */
  answers: Answers;
  /** For what must happen sooner or later. */
  readonly patience: number;
  /** Set while the product runs; resolves when it has seen that. */
  set(by: number): Promise<void>;
  /** Set while it is down, after a power cut. */
  cut(by: number): Promise<void>;
  waiting(): Promise<readonly EntryView[]>;
  deferred(count: number): Promise<void>;
  events<K extends Event['kind']>(kind: K): Promise<readonly Extract<Event, { kind: K }>[]>;
}

export async function inClockWorld(
  context: SuiteContext,
  use: (world: ClockWorld) => Promise<void>,
  config: Partial<PostriderConfig> = {},
): Promise<void> {
  let clock: WallClock | undefined;
  const plants = context.fault?.plants ?? [];
  const open: { world?: ClockWorld } = {};
  const mail = await startMailWorld({
    ...{ config, testClock: false },
    world: { recipient: (address, asked) => open.world?.answers(address, asked) ?? undefined },
    environment: (folder) => (clock = new WallClock(folder)).environment(folder, plants),
  });
  try {
    if (clock === undefined) throw new Error('the product was started without its clock');
    open.world = worldOf(mail, clock, PATIENCE[context.length]);
    await use(open.world);
  } finally {
    await mail.product.kill();
    await mail.close();
  }
}

function worldOf(mail: MailWorld, clock: WallClock, patience: number): ClockWorld {
  const events = async <K extends Event['kind']>(kind: K): Promise<readonly Extract<Event, { kind: K }>[]> =>
    (await mail.product.events()).filter((event): event is Extract<Event, { kind: K }> => event.kind === kind);
  return {
    ...{ mail, clock, patience, events, answers: () => undefined },
    set: async (by) => {
      await clock.leap(by);
      await pause(LOOKS_WITHIN);
    },
    cut: async (by) => {
      await mail.product.kill();
      await clock.leap(by);
      await mail.restart({ testClock: false });
    },
    waiting: async () => (await mail.product.control.list({ limit: 1000 })).entries,
    deferred: async (count) => {
      await until(`${count} deferrals`, async () => (await events('deferred')).length >= count, patience);
    },
  };
}

/**
 * Bad neighbours: next hops, name servers and clients that do what they should not, beside good mail.
 *
 * Each may cost its own connection and nothing else. In every case good mail must flow, octet for octet and never put
 * off; memory must stay bounded and every thread's event loop on time; no worker may die; and mail for the bad ones
 * must be delivered, wait, or be returned.
 *
 * What is measured of the event loops holds only where the machine lets an idle thread run on time: a case in which it
 * did not is tried again, a few times, and said to be undecided when that does not help.
 */

import { type Event } from '../../src/events/event.ts';
import { until } from '../../test/lib/wait.ts';
import { type Suite, type SuiteContext, type SuiteResult } from '../suite.ts';
import { type Case, CASES } from './cases.ts';
import { casesFor, FAULTS } from './faults.ts';
import { deferredIn, GoodMail, transits } from './good-mail.ts';
import {
  type BadMessage,
  isDisturbed,
  judgeBad,
  judgeGood,
  judgeMeasured,
  lateThreads,
  type Measured,
  mib,
  THREADS,
} from './judge.ts';
import { startWorld, type World } from './world.ts';

const TRIES = { short: 2, fault: 3, long: 5 } as const;
const WARM = 200;
/** On a machine that others keep busy. */
const PATIENCE = 120_000;
/** How long a case is kept up once it stands. */
const SECONDS = { short: 3, fault: 3, long: 60 } as const;
const WORKERS = { short: [1], fault: [1], long: [1, 2, 4] } as const;

export const neighboursSuite: Suite = {
  name: 'neighbours',
  about: 'next hops, name servers and clients that do what they should not cost only themselves',
  faults: FAULTS,
  run: async (context) => {
    const report = new Report();
    const cases = casesFor(CASES, context.fault);
    const groups = [
      cases.filter(({ product }) => product === 'shared'),
      ...cases.filter(({ product }) => product === 'alone').map((one) => [one]),
    ].filter((group) => group.length > 0);
    for (const workers of WORKERS[context.length]) {
      for (const group of groups) await tryGroup(group, workers, context, report);
    }
    return report.result();
  },
};

/** Each time with a new product: what a next hop did to the last one is remembered there. */
async function tryGroup(group: readonly Case[], workers: number, context: SuiteContext, report: Report): Promise<void> {
  const most = TRIES[context.length];
  for (let tries = 1; tries <= most; tries += 1) {
    const connections = group.find((one) => one.connections !== undefined)?.connections;
    const world = await startWorld({ workers, fault: context.fault, connections });
    try {
      const undecided = await new Run(world, context, report).all(group);
      if (undecided.length === 0) return;
      for (const name of undecided) context.tell(`${name}: late, while the machine was busy with others`);
      if (tries < most) continue;
      for (const name of undecided)
        report.skipped.push(`event loops in "${name}": in ${most} tries the machine itself was too slow to tell`);
    } finally {
      await world.close();
    }
  }
}

class Report {
  readonly failures: string[] = [];
  readonly skipped: string[] = [];
  readonly cases: Record<string, number> = {};
  readonly figures: Record<string, number | string> = {};

  count(counted: Readonly<Record<string, number>>): void {
    for (const [what, count] of Object.entries(counted)) this.cases[what] = (this.cases[what] ?? 0) + count;
  }

  result(): SuiteResult {
    const { failures, skipped, cases, figures } = this;
    return { failures, skipped, cases, figures };
  }
}

class Run {
  readonly #world: World;
  readonly #context: SuiteContext;
  readonly #report: Report;
  readonly #accepted: string[] = [];
  readonly #good: { readonly name: string; readonly mail: GoodMail }[] = [];
  readonly #names: string[] = [];
  #round = 0;

  constructor(world: World, context: SuiteContext, report: Report) {
    this.#world = world;
    this.#context = context;
    this.#report = report;
  }

  /** Gives the cases in which threads were late while the machine was too busy to tell why. */
  async all(cases: readonly Case[]): Promise<readonly string[]> {
    await this.#warmUp();
    const undecided: string[] = [];
    for (const one of cases) {
      const measured = await this.#case(one);
      if (isDisturbed(measured) && lateThreads(measured).length > 0) undecided.push(one.name);
      // One sign of a planted fault is enough.
      if (this.#context.length === 'fault' && this.#report.failures.length > 0) return [];
    }
    await this.#reckon();
    return this.#report.failures.length > 0 ? [] : undecided;
  }

  /** What a first message costs once is no growth. */
  async #warmUp(): Promise<void> {
    const mail = this.#begin('warm');
    await until('some good mail', () => this.#world.sink.copies.length > WARM, PATIENCE);
    await mail.end();
  }

  async #case(one: Case): Promise<Measured> {
    this.#names.push(one.name);
    this.#round += 1;
    const mail = this.#begin(`r${this.#round}`);
    const seconds = SECONDS[this.#context.length];
    const { value: found, measured } = await this.#world.watch.during(() => one.run(this.#world, this.#round, seconds));
    await mail.end();
    const { max } = transits(mail.account(new Set()));
    this.#context.tell(`${one.name}: good mail within ${round(max)} ms`);
    this.#accepted.push(...found.accepted);
    this.#report.count(found.cases);
    Object.assign(this.#report.figures, found.figures, this.#shown(one, measured));
    this.#report.failures.push(
      ...this.#told(one, [...found.failures, ...judgeMeasured(measured, this.#boundsOf(one))]),
    );
    return measured;
  }

  #boundsOf({ grownOctets, grownPerWorker = 0 }: Case): { readonly grownOctets: number } {
    return { grownOctets: grownOctets + (this.#world.workers - 1) * grownPerWorker };
  }

  #begin(name: string): GoodMail {
    const mail = new GoodMail(`${name}w${this.#world.workers}`, this.#world.sink);
    mail.begin(this.#world.port);
    this.#good.push({ name, mail });
    return mail;
  }

  #shown({ name }: Case, { grownOctets, delays, machine, waited }: Measured): Readonly<Record<string, string>> {
    const threads = THREADS.map((thread) => `${thread} ${round(delays[thread].p99)}/${round(delays[thread].max)}`);
    const what = `${name}, ${this.#world.workers} worker(s)`;
    const figure = `+${mib(grownOctets)}; event loops p99/max ms: ${threads.join(', ')}; idle thread ${round(machine.p99)}/${round(machine.max)}; waited for a processor ${Math.round(waited * 100)} % of the time`;
    this.#context.tell(`${what}: ${figure}`);
    return { [what]: figure };
  }

  #told({ name }: Pick<Case, 'name'>, failures: readonly string[]): readonly string[] {
    return failures.map((failure) => `${name}, ${this.#world.workers} worker(s): ${failure}`);
  }

  /** What became of everything. */
  async #reckon(): Promise<void> {
    const { product } = this.#world;
    const waiting = await waitingIn(this.#world);
    const events = await product.events();
    const deferred = deferredIn(events);
    const good = this.#good.flatMap(({ mail }) => mail.account(deferred));
    const name = 'what became of the mail';
    this.#report.failures.push(...this.#told({ name }, judgeGood(good)));
    this.#report.failures.push(...this.#told({ name }, judgeBad(this.#bad(events, waiting))));
    const faults = product.running.output().match(/^.* error .*$/gm) ?? [];
    this.#report.failures.push(
      ...this.#told(
        { name },
        faults.slice(0, 3).map((line) => `it logged: ${line}`),
      ),
    );
    this.#report.count({
      'good messages beside them': good.length,
      'messages for bad neighbours': this.#accepted.length,
    });
    const { p50, max } = transits(good);
    this.#report.figures[`good mail beside ${this.#names.join(', ')}, ${this.#world.workers} worker(s)`] =
      `half within ${p50.toFixed(1)} ms of our 250, all within ${round(max)} ms`;
  }

  #bad(events: readonly Event[], waiting: ReadonlySet<string>): readonly BadMessage[] {
    const over = (...kinds: readonly Event['kind'][]): ReadonlySet<string> =>
      new Set(events.flatMap((event) => (kinds.includes(event.kind) && 'recipients' in event ? event.recipients : [])));
    const delivered = over('delivered');
    const told = over('failed', 'expired');
    return this.#accepted.map((to) => ({
      ...{ to, accepted: true, delivered: delivered.has(to), kept: waiting.has(to) || told.has(to) },
      read: this.#world.hops.some(({ read }) => read.has(to)),
    }));
  }
}

async function waitingIn({ product }: World): Promise<ReadonlySet<string>> {
  const waiting = new Set<string>();
  for (let after: string | undefined; ;) {
    const page = await product.control.list({ limit: 1000, ...(after !== undefined && { after }) });
    for (const { recipients } of page.entries) for (const recipient of recipients) waiting.add(recipient);
    if (page.next === undefined) return waiting;
    after = page.next;
  }
}

function round(ms: number): number {
  return Math.round(ms);
}

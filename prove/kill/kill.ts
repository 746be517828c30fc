/**
 * Kill anywhere: known messages go through the product while it is killed, at any instant and at every named point;
 * what was answered 250 is never lost, what comes twice had hardly been answered before a kill.
 */

import { type Length, type Suite, type SuiteContext, type SuiteResult } from '../suite.ts';
import { type Attack, attacksOf, nameOf } from './attacks.ts';
import { Chance } from '../chance.ts';
import { COMMIT_POINTS, whyNoTracer } from './commit-kill.ts';
import { monotonic } from './intervals.ts';
import { attacksFor, KILL_FAULTS } from './faults.ts';
import { judge } from './judge.ts';
import { type Bodies, makeBodies } from './letters.ts';
import { POINTS } from './points.ts';
import { type Outcome, World } from './world.ts';

/** Side by side, since a start is the work of one core. */
const WORLDS: Readonly<Record<Length, number>> = { short: 2, long: 2, fault: 1 };
/** Then the queue has to become empty, and all is judged. */
const LIVES = 60;
const TRIES = 3;
/** Of the attacks, one in so many is told of. */
const TOLD = 10;
const ENOUGH = 20;
/** Minutes: what is left then is not begun. */
const LONGEST: Readonly<Record<Length, number>> = { short: 10, long: 120, fault: 5 };
const MINUTE = 60_000;
const PATIENCE = 30_000;

export const killSuite: Suite = {
  name: 'kill',
  about: 'killed at any instant and at every named point, with mail on both sides: nothing lost, nothing told twice',
  run,
  faults: KILL_FAULTS,
};

async function run(context: SuiteContext): Promise<SuiteResult> {
  const run = new Run(context);
  await Promise.all(Array.from({ length: WORLDS[context.length] }, (_, i) => run.world(i)));
  return run.result();
}

interface Planned {
  readonly attack: Attack;
  readonly tries: number;
}

class Run {
  readonly #context: SuiteContext;
  readonly #failures: string[] = [];
  readonly #bodies: Bodies;
  readonly #planned: Planned[];
  readonly #skipped: string[] = [];
  readonly #outcomes = new Map<Outcome, number>();
  readonly #hits = new Map<string, number>();
  readonly #ages: number[] = [];
  readonly #startTimes: number[] = [];
  readonly #fates = new Map<string, number>();
  readonly #end: number;
  #reports = 0;
  #copies = 0;

  constructor(context: SuiteContext) {
    this.#context = context;
    const { length, seed, fault } = context;
    this.#bodies = makeBodies(new Chance(seed));
    this.#end = monotonic() + LONGEST[length] * MINUTE;
    const attacks = length === 'fault' ? attacksFor(fault) : attacksOf(length, new Chance(seed));
    const why = attacks.some(({ kind }) => kind === 'commit') ? whyNoTracer() : undefined;
    if (why !== undefined) this.#skipped.push(why);
    this.#planned = attacks
      .filter(({ kind }) => why === undefined || kind !== 'commit')
      .map((attack) => ({ attack, tries: 1 }));
  }

  /** World after world, until every attack was made. */
  async world(number: number): Promise<void> {
    for (let n = number; this.#planned.length > 0 && this.#failures.length === 0; n += WORLDS.long) {
      const world = await World.open({
        chance: new Chance(this.#context.seed + n),
        bodies: this.#bodies,
        plants: this.#context.fault?.plants ?? [],
        patience: PATIENCE,
      });
      try {
        await this.#lives(world);
        if (world.failures.length === 0) await this.#judge(world);
        else this.#failures.push(...world.failures);
      } catch (error) {
        // A driver that gave up has not found the fault.
        if (this.#context.length === 'fault') throw error;
        this.#failures.push(...world.failures, `the product could not be driven on: ${String(error)}`);
      } finally {
        await world.close();
      }
    }
  }

  async #lives(world: World): Promise<void> {
    for (let life = 0; life < LIVES && world.failures.length === 0; life++) {
      const planned = this.#next();
      if (planned === undefined) return;
      const { attack, tries } = planned;
      const outcome = await world.attack(attack);
      add(this.#outcomes, outcome);
      const what = attack.kind === 'commit' ? world.kills.at(-1)?.what : nameOf(attack);
      if (outcome === 'counted' || outcome === 'starting') add(this.#hits, what ?? nameOf(attack));
      else if (tries < TRIES) this.#planned.push({ attack, tries: tries + 1 });
      if (this.#planned.length % TOLD === 0)
        this.#context.tell(`${nameOf(attack)}: ${outcome}; ${this.#planned.length} to come`);
    }
  }

  /** Undefined when all is done, or has failed somewhere: then the others end in order, and are judged. */
  #next(): Planned | undefined {
    if (this.#failures.length > 0) return undefined;
    if (monotonic() > this.#end && this.#planned.length > 0) {
      this.#skipped.push(`${this.#planned.length} attacks were not made: the time was over`);
      this.#planned.length = 0;
    }
    return this.#planned.shift();
  }

  async #judge(world: World): Promise<void> {
    const evidence = await world.finish();
    const { failures, ages, reports } = judge(evidence);
    this.#failures.push(...world.failures, ...failures);
    this.#ages.push(...ages);
    this.#startTimes.push(...world.startTimes);
    for (const { fate } of evidence.sent) add(this.#fates, fate);
    this.#reports += reports;
    this.#copies += evidence.copies.length;
  }

  result(): SuiteResult {
    const count = (outcome: Outcome): number => this.#outcomes.get(outcome) ?? 0;
    return {
      cases: {
        'kills with at least ten transactions open on each side': count('counted'),
        'kills with fewer': count('idle'),
        'kills while it starts': count('starting'),
        'second servers refused': count('refused'),
        ...Object.fromEntries(
          [...this.#hits].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([name, hits]) => [`… at ${name}`, hits]),
        ),
        ...Object.fromEntries([...this.#fates].map(([fate, letters]) => [`messages ${fate}`, letters])),
        'copies received': this.#copies,
        'delivery reports': this.#reports,
      },
      figures: {
        'copies that came again': this.#ages.length,
        'longest time from the 250 of such a copy to a kill, ms': Math.round(Math.max(0, ...this.#ages)),
        'start, median, ms': Math.round(median(this.#startTimes)),
        'points not come by': count('missed'),
      },
      failures: this.#failures,
      skipped: [...this.#skipped, ...this.#rare()],
    };
  }

  /** Of a long run: the points that were not hit as often as they should. */
  #rare(): readonly string[] {
    if (this.#context.length !== 'long') return [];
    const named = [...POINTS, ...(this.#skipped.length === 0 ? COMMIT_POINTS : [])];
    return named
      .filter((name) => (this.#hits.get(name) ?? 0) < ENOUGH)
      .map((name) => `${name} was hit ${this.#hits.get(name) ?? 0} times, not ${ENOUGH}`);
  }
}

function add<K>(counts: Map<K, number>, key: K): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
}

/**
 * Values of which one must not be beyond another: waits, sizes, numbers of connections.
 *
 * What stands by default is never wrong: who writes `connections: 1` need not think of `startWindow`, and nothing
 * is lost where a default is beyond what was written.
 */

import { read, type Values } from '../lib/schema.ts';
import { type Fields, type Problem } from '../lib/schema-reading.ts';
import { formatDuration, formatOctets } from '../lib/schema-units.ts';
import { QUEUE_OPTIONS } from '../queue/config.ts';
import { LIMITS_OPTIONS } from '../receive/config.ts';
import { wrong } from './problems.ts';

interface Checkable {
  readonly queue: Values<typeof QUEUE_OPTIONS>;
  readonly limits: Values<typeof LIMITS_OPTIONS>;
}

export const ORDER_CHECKS = [limitsAreInOrder, pacesAreInOrder, schedulesAreInOrder, warningsComeInTime] as const;

const STANDING = { queue: standing(QUEUE_OPTIONS), limits: standing(LIMITS_OPTIONS) };

function standing<S extends Fields>(options: S, written: object = {}): Values<S> {
  const all = read(options, written);
  if (!all.ok) throw new Error('the defaults are not valid');
  return all.value;
}

interface Bounded {
  readonly path: string;
  readonly value: number | undefined;
  /** What stands when nothing is written. */
  readonly standing: number | undefined;
  /** The option that it must not be beyond. */
  readonly most: string;
  readonly bound: number;
  readonly shown: (value: number) => string;
}

function notBeyond({ path, value, standing: unwritten, most, bound, shown }: Bounded): readonly Problem[] {
  if (value === undefined || value <= bound || value === unwritten) return [];
  return [wrong(path, `${shown(value)} is more than ${most}, ${shown(bound)}`, `write less, or raise ${most}`)];
}

function limitsAreInOrder({ limits }: Checkable): readonly Problem[] {
  const { timeouts } = limits;
  const ofSession = (['command', 'content'] as const).flatMap((name) =>
    notBeyond({
      ...{ path: `limits.timeouts.${name}`, value: timeouts[name], standing: STANDING.limits.timeouts[name] },
      ...{ most: 'limits.timeouts.session', bound: timeouts.session, shown: formatDuration },
    }),
  );
  const ofMessage = notBeyond({
    ...{ path: 'limits.headerOctets', value: limits.headerOctets, standing: STANDING.limits.headerOctets },
    ...{ most: 'limits.messageOctets', bound: limits.messageOctets, shown: formatOctets },
  });
  return [...ofMessage, ...ofSession];
}

type Pace = Partial<Checkable['queue']['pace']['defaults']>;

function pacesAreInOrder({ queue: { pace } }: Checkable): readonly Problem[] {
  const { defaults } = pace;
  return [
    ...paceProblems('queue.pace.defaults', { ...defaults, standing: STANDING.queue.pace.defaults, defaults }),
    ...pace.rules.flatMap(({ limits }, i) =>
      paceProblems(`queue.pace.rules[${i}].limits`, { ...limits, standing: {}, defaults }),
    ),
  ];
}

interface PaceWithDefaults extends Pace {
  readonly standing: Pace;
  readonly defaults: Required<Pace>;
}

function paceProblems(path: string, pace: PaceWithDefaults): readonly Problem[] {
  const { standing: unwritten, defaults } = pace;
  const pairs = [
    ['startWindow', 'connections', String],
    ['backoff', 'maxBackoff', formatDuration],
  ] as const;
  return pairs.flatMap(([name, most, shown]) =>
    notBeyond({
      ...{ path: `${path}.${name}`, value: pace[name], standing: unwritten[name] },
      ...{ most: pace[most] === undefined ? `queue.pace.defaults.${most}` : `${path}.${most}` },
      ...{ bound: pace[most] ?? defaults[most], shown },
    }),
  );
}

type Retry = Checkable['queue']['retry'];
type Schedules = Readonly<Record<string, Retry['general'] | undefined>>;

function schedulesAreInOrder({ queue: { retry } }: Checkable): readonly Problem[] {
  const unwritten = unwrittenSchedules(retry);
  const classes = Object.keys(retry.classes) as (keyof Retry['classes'])[];
  return [
    ...scheduleProblems('queue.retry', { general: retry.general }, { general: unwritten.general }),
    ...scheduleProblems('queue.retry.schedules', retry.schedules, unwritten.schedules),
    ...classes.flatMap((name) =>
      scheduleProblems(
        `queue.retry.classes.${name}.schedules`,
        retry.classes[name].schedules,
        unwritten.classes[name].schedules,
      ),
    ),
  ];
}

/** Of the same reasons, with nothing in them. */
function unwrittenSchedules({ schedules, classes }: Retry): Retry {
  const ofClasses = Object.entries(classes).map(([name, one]) => [name, { schedules: emptied(one.schedules) }]);
  const retry = { schedules: emptied(schedules), classes: Object.fromEntries(ofClasses) as object };
  return standing(QUEUE_OPTIONS, { retry }).retry;
}

function emptied(all: object): object {
  return Object.fromEntries(Object.keys(all).map((name) => [name, {}]));
}

function scheduleProblems(path: string, schedules: Schedules, unwritten: Schedules): readonly Problem[] {
  return Object.entries(schedules).flatMap(([name, schedule]) => {
    if (schedule === undefined) return [];
    return notBeyond({
      ...{ path: `${path}.${name}.first`, value: schedule.first, standing: unwritten[name]?.first },
      ...{ most: `${path}.${name}.max`, bound: schedule.max, shown: formatDuration },
    });
  });
}

function warningsComeInTime({ queue: { retry } }: Checkable): readonly Problem[] {
  return (['transactional', 'normal', 'bulk'] as const).flatMap((name) => {
    const { warnAfter, giveUpAfter } = retry.classes[name];
    const unwritten = STANDING.queue.retry.classes[name].warnAfter;
    if (warnAfter === undefined || warnAfter < giveUpAfter || warnAfter === unwritten) return [];
    const path = `queue.retry.classes.${name}`;
    const what = `nobody would be warned: mail is given up after ${formatDuration(giveUpAfter)}`;
    return [wrong(`${path}.warnAfter`, what, `write less, or 'never', or raise ${path}.giveUpAfter`)];
  });
}

/**
 * What the promise says of a run that is over, its queue empty: what was answered 250 has come, octet for octet; what
 * was refused has not; what came twice had a reason; each sender was told once of each failure; and the log knows it
 * all, once.
 */

import { type Event } from '../../src/events/event.ts';
import { recipientOf } from './letters.ts';
import { type Copy } from './sink.ts';
import { type Sent } from './source.ts';

export interface Kill {
  /** Milliseconds of the system's monotonic clock: the last instant at which anything lived. */
  readonly at: number;
  readonly what: string;
}

/** From one instant to another the machine did not let a thread of the product run, or its store's sync return. */
export interface Stall {
  readonly from: number;
  readonly to: number;
}

/** The queue manager had heard what became of a recipient, and enough commits to tell it had begun since. */
export interface Recorded {
  /** The local part. */
  readonly name: string;
  readonly at: number;
}

export interface Evidence {
  readonly sent: readonly Sent[];
  readonly copies: readonly Copy[];
  readonly kills: readonly Kill[];
  readonly stalls: readonly Stall[];
  readonly recorded: readonly Recorded[];
  readonly events: readonly Event[];
}

export interface Judgement {
  readonly failures: readonly string[];
  /** Of each copy that another followed: how long before a kill it was answered, without the machine's stalls. */
  readonly ages: readonly number[];
  readonly reports: number;
}

/** What came longer before a kill must have been recorded by then. */
const WINDOW = 50;
/** A next hop may answer before it hears that nobody is there. */
const UNHEARD = 500;
const SHOWN = 5;

export function judge(evidence: Evidence): Judgement {
  const { sent, copies } = evidence;
  const reports = copies.flatMap(readReport);
  const byRecipient = Map.groupBy(
    copies.filter(({ report }) => report === undefined).flatMap((copy) => copy.recipients.map((to) => ({ to, copy }))),
    ({ to }) => to,
  );
  const told = Map.groupBy(
    reports.flatMap((report) => report.about.map((to) => ({ to, report }))),
    ({ to }) => to,
  );
  const letters = sent.flatMap((letter) => judgeLetter(letter, { byRecipient, told }));
  const twice = judgeDuplicates(evidence, [...byRecipient.values(), ...doubleReports(reports)]);
  const stray = strays(sent, byRecipient.keys());
  return {
    failures: [...grouped([...letters, ...stray, ...judgeEvents(sent, evidence.events)]), ...grouped(twice.failures)],
    ages: twice.ages,
    reports: new Set(reports.map(({ id }) => id)).size,
  };
}

interface Told {
  readonly id: string;
  readonly to: string;
  readonly about: readonly string[];
  readonly copy: Copy;
}

interface Came {
  readonly to: string;
  readonly copy: Copy;
}

interface Ends {
  readonly byRecipient: ReadonlyMap<string, readonly Came[]>;
  readonly told: ReadonlyMap<string, readonly { readonly report: Told }[]>;
}

function readReport(copy: Copy): readonly Told[] {
  return copy.report === undefined ? [] : [{ ...copy.report, to: copy.recipients.join(' '), copy }];
}

/** The same report, come more than once. */
function doubleReports(reports: readonly Told[]): readonly (readonly Came[])[] {
  const byId = Map.groupBy(reports, ({ id }) => id);
  return [...byId].map(([id, copies]) => copies.map(({ copy }) => ({ to: `report ${id}`, copy })));
}

function judgeLetter(letter: Sent, ends: Ends): readonly string[] {
  const reached = letter.to.map((to) => ({ to, end: endOf(letter, to, ends) }));
  const wrong = reached.flatMap(({ end }) => end.wrong);
  const hasCome = reached.some(({ end }) => end.isOver);
  if (letter.fate === 'refused' || letter.fate === 'unsent')
    return hasCome ? [`was delivered though it was ${letter.fate}: letter ${letter.number}`] : wrong;
  // Nobody answered: then it is ours whole, or not at all.
  if (letter.fate === 'unanswered' && !hasCome) return wrong;
  const lost = reached.filter(({ end }) => !end.isOver).map(({ to }) => `is lost (${letter.fate}): ${to}`);
  return [...wrong, ...lost];
}

interface End {
  readonly isOver: boolean;
  readonly wrong: readonly string[];
}

function endOf(letter: Sent, to: string, { byRecipient, told }: Ends): End {
  const copies = byRecipient.get(to) ?? [];
  const reports = told.get(to) ?? [];
  const isNever = recipientOf(to)?.fortune === 'never';
  const wrong = copies.flatMap(({ copy }) => wrongCopy(letter, copy, to));
  if (!isNever && reports.length > 0) wrong.push(`was reported though it arrived: ${to}`);
  if (isNever && copies.length > 0) wrong.push(`was taken by who refuses it: ${to}`);
  const ids = new Set(reports.map(({ report }) => report.id));
  if (ids.size > 1) wrong.push(`is told in ${ids.size} reports: ${to}`);
  for (const { report } of reports)
    if (report.to !== letter.from) wrong.push(`is told to ${report.to} instead of ${letter.from}: ${to}`);
  return { isOver: isNever ? reports.length > 0 : copies.length > 0, wrong };
}

function wrongCopy({ digest, from, queueId }: Sent, copy: Copy, to: string): string[] {
  const wrong: string[] = [];
  if (copy.digest !== digest) wrong.push(`arrived with other octets: ${to}`);
  if (copy.sender !== from) wrong.push(`arrived from ${copy.sender} instead of ${from}: ${to}`);
  if (queueId !== '' && copy.queueId !== queueId) wrong.push(`arrived as ${copy.queueId}, not ${queueId}: ${to}`);
  return wrong;
}

function strays(sent: readonly Sent[], arrived: Iterable<string>): readonly string[] {
  const known = new Set(sent.flatMap(({ to }) => to));
  return [...arrived].filter((to) => !known.has(to)).map((to) => `was never sent: ${to}`);
}

function judgeDuplicates(
  { kills, stalls, recorded }: Evidence,
  groups: readonly (readonly Came[])[],
): { readonly failures: readonly string[]; readonly ages: readonly number[] } {
  const failures: string[] = [];
  const ages: number[] = [];
  const outcomes = Map.groupBy(recorded, ({ name }) => name);
  for (const group of groups) {
    const inTurn = group.toSorted((a, b) => a.copy.answeredAt - b.copy.answeredAt);
    for (const { to, copy } of inTurn.slice(0, -1)) {
      const age = ageAtKill(copy.answeredAt, kills, stalls);
      const heardAt = recordedAt(outcomes, to, inTurn, copy);
      const story = (): string => `${to} (${storyOf({ copy, inTurn, kills, stalls })})`;
      if (heardAt !== undefined)
        failures.push(
          `came again though its outcome was heard ${Math.round(heardAt - copy.answeredAt)} ms later: ${story()}`,
        );
      else if (age < WINDOW) ages.push(age);
      else failures.push(`came again though it was answered ${Math.round(age)} ms before a kill: ${story()}`);
    }
  }
  return { failures, ages };
}

interface Twice {
  readonly copy: Copy;
  readonly inTurn: readonly Came[];
  readonly kills: readonly Kill[];
  readonly stalls: readonly Stall[];
}

/** For who reads of a failure: which kill it was, how much of the time before it counts, and when the next copy came. */
function storyOf({ copy: { answeredAt }, inTurn, kills, stalls }: Twice): string {
  const kill = kills.filter(({ at }) => at > answeredAt).toSorted((a, b) => a.at - b.at)[0];
  const again = inTurn.find(({ copy }) => copy.answeredAt > answeredAt)?.copy.answeredAt ?? answeredAt;
  const next = `answered again ${Math.round(again - answeredAt)} ms later`;
  if (kill === undefined) return `no kill followed; ${next}`;
  const before = Math.round(kill.at - answeredAt);
  return `${before} ms before a kill at ${kill.what}, stalled for ${Math.round(stalled(stalls, answeredAt, kill.at))} of them; ${next}`;
}

/** Between this copy and the next its outcome was heard, commits followed, and none of them held it. */
function recordedAt(
  outcomes: ReadonlyMap<string, readonly Recorded[]>,
  to: string,
  inTurn: readonly Came[],
  { answeredAt }: Copy,
): number | undefined {
  const next = inTurn.find(({ copy }) => copy.answeredAt > answeredAt)?.copy.answeredAt ?? Infinity;
  const heard = outcomes.get(to.slice(0, to.indexOf('@'))) ?? [];
  return heard.find(({ at }) => at > answeredAt && at < next)?.at;
}

/** How long before the next kill it was, without the time in which the machine let nothing run. */
export function ageAtKill(answeredAt: number, kills: readonly Kill[], stalls: readonly Stall[]): number {
  if (kills.some(({ at }) => at <= answeredAt && at > answeredAt - UNHEARD)) return 0;
  const next = Math.min(...kills.filter(({ at }) => at > answeredAt).map(({ at }) => at));
  return next - answeredAt - stalled(stalls, answeredAt, next);
}

/** Of two that overlap the time counts once. */
function stalled(stalls: readonly Stall[], from: number, to: number): number {
  let sum = 0;
  let until = from;
  const within = stalls.filter((stall) => stall.to > from && stall.from < to);
  for (const stall of within.toSorted((a, b) => a.from - b.from)) {
    sum += Math.max(0, Math.min(to, stall.to) - Math.max(until, stall.from));
    until = Math.max(until, Math.min(to, stall.to));
  }
  return sum;
}

/** The log tells of each acceptance and of each recipient's end once, whatever was killed. */
function judgeEvents(sent: readonly Sent[], events: readonly Event[]): readonly string[] {
  const ends = new Map<string, number>();
  const count = (key: string): void => void ends.set(key, (ends.get(key) ?? 0) + 1);
  for (const event of events) {
    if (event.kind === 'accepted') count(`acceptance of ${event.queueId}`);
    if (event.kind === 'delivered' || event.kind === 'failed')
      for (const to of event.recipients) count(`${event.kind} ${to} of ${event.queueId}`);
  }
  return sent
    .filter(({ fate }) => fate === 'accepted')
    .flatMap(({ queueId, to }) => [
      `acceptance of ${queueId}`,
      ...to.map((one) => `${recipientOf(one)?.fortune === 'never' ? 'failed' : 'delivered'} ${one} of ${queueId}`),
    ])
    .filter((key) => ends.get(key) !== 1)
    .map((key) => `is in the event log ${ends.get(key) ?? 0} times: ${key}`);
}

/** A broken promise breaks for many: a few of each kind are told. */
function grouped(failures: readonly string[]): readonly string[] {
  const kinds = Map.groupBy(failures, (failure) => failure.slice(0, failure.indexOf(':')).replaceAll(/\d+/g, 'n'));
  return [...kinds.values()].flatMap((group) => [
    ...group.slice(0, SHOWN),
    ...(group.length > SHOWN ? [`… and ${group.length - SHOWN} more like it: ${group[0]}`] : []),
  ]);
}

/**
 * Metrics: numbers that Prometheus collects.
 *
 * A metric is declared at the top of the file that counts it, and the declaration is its documentation:
 *
 *     const deferrals = counter('postrider_deferrals_total', 'Attempts that ended in a deferral.', {
 *       scope: ['recipient', 'host', 'path'],
 *     });
 *     deferrals.add(1, { scope: 'host' });
 *
 * The values of a label are a closed list: a domain, an address or anything else that a stranger chooses is
 * never one. Every thread has its own numbers; `snapshot` takes them along, `mergedText` adds them up.
 */

import client from '@prometheus-io/client';

/** Each label with all the values it can have. */
export type Labels = Readonly<Record<string, readonly string[]>>;

export type LabelValues<L extends Labels> = { readonly [K in keyof L]: L[K][number] };

/** No argument at all where there are no labels. */
type Given<L extends Labels> = keyof L extends never ? [] : [labels: LabelValues<L>];

export interface Counter<L extends Labels> {
  /** About 60 ns with a label, 15 ns without: cheap enough for every command of a session. */
  add(amount: number, ...labels: Given<L>): void;
}

export interface Gauge<L extends Labels> {
  set(value: number, ...labels: Given<L>): void;
  add(amount: number, ...labels: Given<L>): void;
}

export interface Histogram<L extends Labels> {
  observe(value: number, ...labels: Given<L>): void;
}

/** For the reference page. */
export interface MetricDescription {
  readonly name: string;
  readonly kind: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: Labels;
}

/** What a thread has counted: plain values that can cross to another. */
export type MetricsSnapshot = readonly object[];

export const METRICS_CONTENT_TYPE: string = client.prometheusContentType;

/** Series of one metric; more would be a label that is not from a short list. */
const MAX_SERIES = 500;
const NAME = /^postrider_[a-z0-9_]+$/;

const registry = new client.Registry();
const descriptions = new Map<string, MetricDescription>();
const NONE: Record<string, string> = {};

/** Only ever grows; its name ends with `_total`. */
export function counter<const L extends Labels = Record<never, never>>(
  name: string,
  help: string,
  labels?: L,
): Counter<L> {
  if (!name.endsWith('_total')) throw new Error(`the name of a counter ends with _total: ${name}`);
  const metric = new client.Counter<string>(declare({ name, kind: 'counter', help, labels: labels ?? {} }));
  const allowed = Object.entries(labels ?? {});
  for (const series of seriesOf(allowed)) metric.inc(series, 0);
  return {
    add(amount, ...[given]) {
      // Without labels the library takes a shorter way.
      if (given === undefined && allowed.length === 0) metric.inc(amount);
      else metric.inc(checked(name, allowed, given), amount);
    },
  };
}

/** Goes up and down. The threads' values are added up, or the largest of them stands for all. */
export function gauge<const L extends Labels = Record<never, never>>(
  name: string,
  help: string,
  labels?: L,
  aggregator: 'sum' | 'max' = 'sum',
): Gauge<L> {
  const declared = declare({ name, kind: 'gauge', help, labels: labels ?? {} });
  const metric = new client.Gauge<string>({ ...declared, aggregator });
  const allowed = Object.entries(labels ?? {});
  for (const series of seriesOf(allowed)) metric.set(series, 0);
  return {
    set: (value, ...[given]) => metric.set(checked(name, allowed, given), value),
    add: (amount, ...[given]) => metric.inc(checked(name, allowed, given), amount),
  };
}

/** Counts values by size; `buckets` are upper limits, ascending. */
export function histogram<const L extends Labels = Record<never, never>>(
  name: string,
  help: string,
  { buckets, labels }: { readonly buckets: readonly number[]; readonly labels?: L },
): Histogram<L> {
  const declared = declare({ name, kind: 'histogram', help, labels: labels ?? {} });
  const metric = new client.Histogram<string>({ ...declared, buckets: [...buckets] });
  const allowed = Object.entries(labels ?? {});
  for (const series of seriesOf(allowed)) metric.zero(series);
  return { observe: (value, ...[given]) => metric.observe(checked(name, allowed, given), value) };
}

/** What this thread has counted so far. */
export async function snapshot(): Promise<MetricsSnapshot> {
  return registry.getMetricsAsJSON();
}

/** The text of `/metrics` for the snapshots of all threads, each number added up over them. */
export async function mergedText(snapshots: readonly MetricsSnapshot[]): Promise<string> {
  return client.Registry.aggregate(snapshots.map((each) => [...each])).metrics();
}

/**
 * What threads that died had counted, as one snapshot to be merged with those of the living: without it sums
 * would fall, which Prometheus takes for a new beginning and counts again. Gauges died with their thread.
 */
export async function retire(retired: MetricsSnapshot, last: MetricsSnapshot): Promise<MetricsSnapshot> {
  const lasting = last.filter((metric) => !('type' in metric && metric.type === 'gauge'));
  return client.Registry.aggregate([[...retired], lasting]).getMetricsAsJSON();
}

/** All metrics declared by the files that have been loaded, by name. */
export function describeMetrics(): readonly MetricDescription[] {
  return [...descriptions.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function declare(description: MetricDescription) {
  const { name, help, labels } = description;
  if (!NAME.test(name)) throw new Error(`not a name for a metric of ours: ${name}`);
  if (descriptions.has(name)) throw new Error(`a metric is declared twice: ${name}`);
  const series = Object.values(labels).reduce((count, values) => count * values.length, 1);
  if (series === 0 || series > MAX_SERIES) throw new Error(`${name} would have ${series} series`);
  descriptions.set(name, description);
  return { name, help, labelNames: Object.keys(labels), registers: [registry] };
}

/** A value that is not in the list is a bug of ours; it must not become a series. */
function checked(
  name: string,
  allowed: readonly (readonly [string, readonly string[]])[],
  given: Record<string, string> | undefined,
): Record<string, string> {
  if (given === undefined) return allowed.length === 0 ? NONE : missing(name);
  for (const [label, values] of allowed) {
    const value = given[label];
    if (value === undefined || !values.includes(value)) throw new Error(`${name}: ${label} cannot be ${value}`);
  }
  return given;
}

function missing(name: string): never {
  throw new Error(`${name} needs its labels`);
}

/** Every series from the start, at nought: a rate over a series that appears with its first event misses it. */
function seriesOf(labels: readonly (readonly [string, readonly string[]])[]): readonly Record<string, string>[] {
  let series: readonly Record<string, string>[] = [{}];
  for (const [label, values] of labels)
    series = series.flatMap((each) => values.map((value) => Object.assign({}, each, { [label]: value })));
  return series;
}

/**
 * The product between two ends that a test holds: `home.test`, where the senders' mail (reports, too) arrives, and the
 * world, where it sends to. A name server of the test knows both; the world may be down, and come up later.
 */

import { type PostriderConfig } from '../../src/config/config.ts';
import { type Event } from '../../src/events/event.ts';
import { formatDuration } from '../../src/lib/schema-units.ts';
import { startDnsServer } from '../../src/sandbox/dns-server.ts';
import { zoneOf } from '../../src/sandbox/zone.ts';
import { LineClient, type TransactionParameters } from './line-client.ts';
import { freePort, removeFolder, testFolder } from './processes.ts';
import { type Product, type ProductOptions, startProduct } from './product.ts';
import { type Received, type Receiver, type ReceiverOptions, startReceiver } from './receiver.ts';
import { until } from './wait.ts';

export interface WorldOptions {
  /** How the world receives; not given: it is down. */
  readonly world?: ReceiverOptions;
  /** How the mailboxes of the senders receive. */
  readonly home?: ReceiverOptions;
  /** In the world, beside `far.test`. */
  readonly domains?: readonly string[];
  readonly config?: Partial<PostriderConfig>;
  readonly testClock?: boolean;
  /** Of the product, which lives in that folder. */
  readonly environment?: (folder: string) => Readonly<Record<string, string>>;
}

export interface MailWorld {
  readonly product: Product;
  readonly home: Receiver;
  /** Throws while it is down. */
  readonly world: Receiver;
  up(options?: ReceiverOptions): Promise<void>;
  down(): Promise<void>;
  /** The same product once more in the same folder, after `product.stop` or `product.kill`. */
  restart(options?: Pick<ProductOptions, 'testClock'>): Promise<void>;
  /** Gives the queue id. When it resolves the log has the acceptance too, which follows the 250 by a moment. */
  send(to: readonly string[], options?: SendOptions): Promise<string>;
  /** Moves time from one attempt to the next until it is so. */
  passUntil<T>(what: string, probe: () => T | undefined | false | Promise<T | undefined | false>): Promise<T>;
  /** Moves time from one attempt to the next until so much of it is over. */
  pass(duration: number): Promise<void>;
  /** Nothing waits any more, and nothing is to be told any more. */
  empty(): Promise<void>;
  close(): Promise<void>;
}

export interface SendOptions extends TransactionParameters {
  readonly from?: string;
  /** Header fields, each with its line end. */
  readonly fields?: string;
}

/** Of real time, on a busy machine. */
const PATIENCE = 60_000;
const SHORT = 200;

export async function startMailWorld(options: WorldOptions = {}): Promise<MailWorld> {
  const folder = await testFolder('world');
  const home = await startReceiver(options.home);
  let world = options.world === undefined ? undefined : await startReceiver(options.world);
  const port = world?.port ?? (await freePort());
  const here = '127.0.0.1';
  const domains = ['home.test', 'far.test', ...(options.domains ?? [])];
  const dns = await startDnsServer(zoneOf(new Map(domains.map((domain) => [domain, here])), new Map()));
  const config: Partial<PostriderConfig> = {
    dns: { servers: [`${dns.address}:${dns.port}`] },
    routes: [
      { kind: 'mx', name: 'home', port: home.port, match: { recipients: ['home.test'] } },
      { kind: 'mx', name: 'out', port },
    ],
    queue: { trustOptionHeaders: ['127.0.0.0/8'] },
    ...options.config,
  };
  const { testClock = true } = options;
  const env = options.environment?.(folder) ?? {};
  let product = await startProduct({ folder, config, testClock, env });
  const passing = (): Passing => new Passing(product);
  return {
    home,
    get product() {
      return product;
    },
    get world() {
      if (world === undefined) throw new Error('the world is down');
      return world;
    },
    up: async (how = {}) => void (world = await startReceiver({ ...how, port })),
    down: async () => {
      await world?.close();
      world = undefined;
    },
    restart: async (how = { testClock }) => {
      product = await startProduct({ folder, config, ports: product.ports, env, ...how });
    },
    send: (to, how) => send(product, to, how),
    passUntil: (what, probe) => passing().until(what, probe),
    pass: (duration) => passing().pass(duration),
    empty: async () => {
      await until('an empty queue', async () => (await product.control.status()).spool.messages === 0);
      await until('a log that says so', async () => hasEnded(await product.events()));
    },
    close: async () => {
      await product.stop();
      await Promise.all([home.close(), world?.close(), dns.close()]);
      await removeFolder(folder);
    },
  };
}

/** The log follows the queue by a moment: whether each recipient that came in is over by it too. */
function hasEnded(events: readonly Event[]): boolean {
  const open = new Set<string>();
  for (const event of events) {
    if (event.kind === 'accepted') for (const one of event.recipients) open.add(`${event.queueId} ${one}`);
    if (event.kind === 'dsn' && event.queueId !== '') open.add(`${event.queueId} ${event.to}`);
    if (event.kind === 'delivered' || event.kind === 'failed' || event.kind === 'expired' || event.kind === 'removed')
      for (const one of event.recipients) open.delete(`${event.queueId} ${one}`);
  }
  return open.size === 0;
}

async function send(product: Product, to: readonly string[], options: SendOptions = {}): Promise<string> {
  const { from = 'ann@home.test', fields = '', ...parameters } = options;
  const client = await LineClient.greeted(product.smtpPort);
  const header = `From: <ann@home.test>\r\nSubject: Hello\r\nMessage-ID: <first@home.test>\r\n${fields}`;
  const replies = await client.send(from, to, `${header}\r\nHello\r\n`, parameters);
  client.close();
  const text = replies.map((reply) => reply.text).join('');
  const [, id] = / ([0-9a-z]{20})\b/.exec(replies.at(-1)!.text) ?? [];
  if (replies.at(-1)!.code !== 250 || replies.some(({ code }) => code >= 400) || id === undefined)
    throw new Error(`not accepted: ${text}`);
  await product.event(`acceptance of ${id}`, (event) => event.kind === 'accepted' && event.queueId === id);
  return id;
}

/** Time passes in steps from one due attempt to the next, so that each is made at its time. */
class Passing {
  readonly #product: Product;

  constructor(product: Product) {
    this.#product = product;
  }

  async until<T>(what: string, probe: () => T | undefined | false | Promise<T | undefined | false>): Promise<T> {
    const end = performance.now() + PATIENCE;
    while (performance.now() < end) {
      const answer = await probe();
      if (answer !== undefined && answer !== false) return answer;
      await this.#step(Infinity);
    }
    throw new Error(`time passed in vain for ${what}`);
  }

  async pass(duration: number): Promise<void> {
    const { now } = await this.#product.control.status();
    const end = performance.now() + PATIENCE;
    while (await this.#step(now + duration))
      if (performance.now() > end) throw new Error(`${duration} ms of time do not pass`);
  }

  /** To the next time at which something may be tried, not further than `limit`; false when that is reached. */
  async #step(limit: number): Promise<boolean> {
    const { now } = await this.#product.control.status();
    const { entries } = await this.#product.control.list({ limit: 1000 });
    const waiting = entries.filter(({ lane }) => lane !== 'held');
    const isBusy = waiting.some(({ inFlight, dueAt }) => inFlight || dueAt <= now);
    // What is due and stays as it is waits for its site.
    if (isBusy && (await this.#changes(entries))) return true;
    if (now >= limit) return false;
    const times = [...waiting.map(({ dueAt }) => dueAt), ...(isBusy ? await this.#rests() : [])];
    const next = Math.min(limit, ...times.filter((at) => at > now));
    if (next < Infinity) await this.#product.advance(formatDuration(Math.ceil(next - now)));
    else await this.#changes(entries);
    return true;
  }

  async #changes(before: object): Promise<boolean> {
    const seen = JSON.stringify(before);
    const changed = async (): Promise<boolean> =>
      JSON.stringify((await this.#product.control.list({ limit: 1000 })).entries) !== seen;
    return until('a change', changed, SHORT).catch(() => false);
  }

  /** Until when sites are left alone. */
  async #rests(): Promise<readonly number[]> {
    const { sites } = await this.#product.control.sites({ limit: 1000 });
    return sites.flatMap(({ explanations }) =>
      explanations.flatMap(({ until }) => (until === undefined ? [] : [until])),
    );
  }
}

/** The events of one kind, of one message or of all. */
export async function eventsOf<K extends Event['kind']>(
  { product }: Pick<MailWorld, 'product'>,
  kind: K,
  queueId?: string,
): Promise<readonly Extract<Event, { kind: K }>[]> {
  return (await product.events()).filter(
    (event): event is Extract<Event, { kind: K }> =>
      event.kind === kind && (queueId === undefined || ('queueId' in event && event.queueId === queueId)),
  );
}

/** What a person reads in a report: its fields for each recipient, unfolded, in order. */
export function reportOf({ content }: Received): readonly Readonly<Record<string, string>>[] {
  const unfolded = content.replaceAll(/\r\n[ \t]+/g, ' ');
  const [, part = ''] =
    /\r\nContent-Type: message\/(?:global-)?delivery-status[^]*?\r\n\r\n([^]*?)\r\n--/i.exec(unfolded) ?? [];
  const [, ...groups] = part.split(/\r\n\r\n/).filter((group) => group.trim() !== '');
  return groups.map((group) =>
    Object.fromEntries(
      group
        .trim()
        .split('\r\n')
        .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]),
    ),
  );
}

/** Reports on encryption in a running server: joined to its threads, its folders and its resolver. */

import { randomBytes } from 'node:crypto';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorText } from '../lib/error-text.ts';
import { type Config } from '../config/config.ts';
import { openPolicyFolder } from '../deliver/sts/policy-folder.ts';
import { StubResolver } from '../dns/stub-resolver.ts';
import { type TlsEvent } from '../events/event.ts';
import { eventLine } from '../events/format.ts';
import { type EventPage } from '../events/search.ts';
import { isPrivate } from '../lib/ip.ts';
import { MINUTE, SECOND } from '../lib/time.ts';
import { type Clock } from '../ports/clock.ts';
import { type Log } from '../ports/log.ts';
import { openSentReports } from '../reports/sent-reports.ts';
import { type SentReport, TlsReporter } from '../reports/tls-reporter.ts';
import { syncFolder } from '../spool/lmdb/files.ts';
import { encodeHead } from '../wire/sendmail/pickup-file.ts';
import { pickupName, UNFINISHED } from '../wire/sendmail/pickup-name.ts';
import { FAMILIES } from './address-families.ts';
import { postReport } from './https-post.ts';
import { reportPickup } from './open-pickup.ts';
import { type Pickup } from './pickup.ts';
import { openPickupFolders } from './pickup-folder.ts';
import { systemRandom } from './random.ts';
import { dnsSettings } from './settings.ts';
import { stsSettings } from './sts-settings.ts';
import { type Threads } from './threads.ts';
import { systemTimers } from './timers.ts';

export interface OpenTlsReportsOptions {
  readonly config: Config;
  readonly threads: Threads;
  readonly clock: Clock;
  readonly log: Log;
}

export interface TlsReports {
  clockMoved(): void;
  stop(): Promise<void>;
}

const PAGE = 1000;
const POST_TIME = MINUTE;
const LOGGED_WITHIN = 2 * SECOND;
/** Of the folder of policies, among the workers. */
const READER = 'reports';

/** Undefined: none are sent. The server runs all the same when they cannot be, and the log says why. */
export async function openTlsReports(options: OpenTlsReportsOptions): Promise<TlsReports | undefined> {
  if (!options.config.tlsReports.send) return undefined;
  try {
    return await open(options);
  } catch (error) {
    options.log.error('no TLS reports are sent', { error: errorText(error) });
    return undefined;
  }
}

async function open({ config, threads, clock, log }: OpenTlsReportsOptions): Promise<TlsReports> {
  const { tlsReports, hostname, local, spool, dns } = config;
  const folder = join(spool.folder, 'reports');
  const folders = await openPickupFolders(folder, 'owner');
  const pickup = reportPickup(folders, threads, log);
  await pickup.start();
  const policies = await openPolicyFolder(join(spool.folder, 'mta-sts'), READER);
  const resolver = new StubResolver({ ...dnsSettings(config), clock, timers: systemTimers });
  const from = tlsReports.from ?? local.postmaster;
  const { ca, privateAddresses } = stsSettings(config) ?? { ca: undefined, privateAddresses: false };
  const reporter = new TlsReporter({
    ...{ clock, log, resolver, timers: systemTimers, sent: await openSentReports(folder) },
    settings: {
      ...{ from, submitter: hostname },
      organization: tlsReports.organization ?? hostname,
      contact: tlsReports.contact ?? from,
    },
    delay: Math.floor(systemRandom.next() * tlsReports.maxDelay),
    sessions: async (since, until, after) => {
      if (after === undefined) await tellNow(threads);
      const query = { kind: 'tls', since, until, limit: PAGE, ...(after !== undefined && { after }) };
      const { events, next } = (await threads.archivist.ask('search', query)) as EventPage;
      return { sessions: events as readonly TlsEvent[], next };
    },
    policyOf: async (domain) => (await policies.read(domain))?.policy,
    mail: (to, content) => drop(folders.drop, { to, content, now: clock.now(), pickup }),
    post: (url, compressed) =>
      postReport(url, compressed, {
        ...{ resolver, timers: systemTimers, family: FAMILIES[dns.family], timeout: POST_TIME, ca },
        prohibited: (address) => !privateAddresses && isPrivate(address),
      }),
    tell: (sent) => tell(threads, { clock, log }, sent),
  });
  reporter.start();
  return {
    clockMoved: () => reporter.clockMoved(),
    async stop() {
      reporter.stop();
      resolver.close();
      await pickup.stop();
    },
  };
}

/** What workers still gather is told first, and has a moment to come to the log. */
async function tellNow({ workers }: Threads): Promise<void> {
  await Promise.allSettled(workers.map(({ thread }) => thread.ask('tellTls')));
  await new Promise<void>((resolve) => void systemTimers.after(LOGGED_WITHIN, resolve));
}

interface Drop {
  readonly to: string;
  readonly content: Buffer;
  readonly now: number;
  readonly pickup: Pickup;
}

/** From then on it is in the folder for good. The null reverse-path: nobody is told of a report that does not arrive. */
async function drop(folder: string, { to, content, now, pickup }: Drop): Promise<void> {
  const name = pickupName(now, randomBytes(16));
  const draft = join(folder, `${UNFINISHED}${name}`);
  const head = encodeHead({ sender: '', recipients: [to] }, content.length);
  await writeFile(draft, Buffer.concat([head, content]), { mode: 0o600, flush: true });
  await rename(draft, join(folder, name));
  await syncFolder(folder);
  pickup.poke();
}

function tell({ queueManager }: Threads, { clock, log }: { clock: Clock; log: Log }, sent: SentReport): void {
  const line = eventLine({ kind: 'tlsReportSent', at: clock.now(), ...sent });
  queueManager.ask('record', line).catch((error: unknown) => {
    // The queue manager is gone, and this process with it.
    log.warn('that a TLS report was sent could not be recorded', { error: String(error) });
  });
}

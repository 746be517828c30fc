/**
 * The working process: main thread of a running server.
 *
 * Takes the spool's lock, starts the threads, opens the faces, and afterwards only reacts: to signals, to
 * what is asked through the control socket, to threads that die.
 */

import process from 'node:process';
import { errorText } from '../lib/error-text.ts';
import { type CertificatesView } from '../api/certificate-view.ts';
import { type DirectoryAdmin } from '../api/directory-contract.ts';
import { Refusal, type Reloaded, type SandboxPort } from '../api/contract.ts';
import { type Config } from '../config/config.ts';
import { type Log } from '../ports/log.ts';
import { makeFolderSynced } from '../spool/lmdb/files.ts';
import { acmeView, openAcme, type RunningAcme } from './open-acme.ts';
import { type Boot } from './boot.ts';
import { CertificateKeeper, LOOK_AT_CERTIFICATES } from './certificate-keeper.ts';
import { clockOffset, SystemClock } from './clock.ts';
import { refuseFaults } from './config-files.ts';
import { ConfigProblems, type ConfigSource, loadSource } from './config-source.ts';
import { controlOf } from './control.ts';
import { DirectoryCare, openDirectory } from './directory-care.ts';
import { controlSocket } from '../api/control-socket.ts';
import { type DirectoryStore } from '../directory/directory.ts';
import { type Explaining, type ExplainedEntry } from './explaining.ts';
import { EXIT } from './exit-codes.ts';
import { Faces } from './faces.ts';
import { PolicyServer } from './policy-server.ts';
import { LastResort } from './last-resort.ts';
import { operatorLog } from './operator-log.ts';
import { openPickup } from './open-pickup.ts';
import { openTlsReports, type TlsReports } from './open-tls-reports.ts';
import { type WorkingWord } from './parent.ts';
import { type Pickup } from './pickup.ts';
import { checkPorts, ListenProblem } from './port-check.ts';
import { reload } from './reload.ts';
import { aliasesOf, planOf, sharesPorts, workerCount } from './settings.ts';
import { ownStsText } from './own-sts.ts';
import { warnAtStart } from './start-warnings.ts';
import { type SpoolLock, takeSpoolLock } from './spool-lock.ts';
import { type ListeningAddress, Threads } from './threads.ts';
import { systemTimers } from './timers.ts';

export interface WorkingOptions {
  readonly config: ConfigSource;
  /** Only in the sandbox: what its simulated receivers show. */
  readonly sandbox: Omit<SandboxPort, 'moveClock'> | undefined;
  /** Shared with the sandbox, so that its small internet moves in time with the product. */
  readonly clockOffset?: SharedArrayBuffer;
  /** Time can be moved through the API. */
  readonly movableClock: boolean;
  /** Everything is up. */
  readonly ready: (ready: Ready) => void | Promise<void>;
  /** Event lines as they are logged. */
  readonly events: (lines: string) => void;
}

export interface Ready {
  readonly listeners: readonly ListeningAddress[];
  readonly http: { readonly host: string; readonly port: number } | undefined;
  readonly config: Config;
  readonly directory: DirectoryAdmin;
}

/** Runs until it is told to stop; resolves with the exit code. */
export async function runWorking(options: WorkingOptions): Promise<number> {
  const offset = options.clockOffset ?? clockOffset();
  const clock = new SystemClock(offset);
  const log = operatorLog(clock);
  try {
    const config = await loadSource(options.config);
    await refuseFaults(config, 'all');
    return await new Working(options, { config, clock, offset, log }).run();
  } catch (error) {
    return failedStart(error, log, options.sandbox);
  }
}

const SANDBOX_PORT_VARIABLES =
  'by POSTRIDER_SMTP_PORT, POSTRIDER_SUBMISSION_PORT, POSTRIDER_SUBMISSIONS_PORT or POSTRIDER_HTTP_PORT';

function failedStart(error: unknown, log: Log, sandbox: WorkingOptions['sandbox']): number {
  if (error instanceof ConfigProblems) {
    for (const problem of error.problems) log.error(problem);
    return EXIT.configuration;
  }
  const isPortOfSandbox = sandbox !== undefined && error instanceof ListenProblem;
  log.error(`${errorText(error)}${isPortOfSandbox ? ` (${SANDBOX_PORT_VARIABLES})` : ''}`);
  return EXIT.failed;
}

interface Basis {
  readonly config: Config;
  readonly clock: SystemClock;
  readonly offset: SharedArrayBuffer;
  readonly log: Log;
}

/** An exit would wait for every thread, and for every operation on a file. */
function killSelf(): void {
  process.kill(process.pid, 'SIGKILL');
}

/** For what is still being delivered when the time to drain is over. */
const CUT_OFF_MS = 1000;

class Working {
  readonly #options: WorkingOptions;
  readonly #clock: SystemClock;
  readonly #log: Log;
  readonly #offset: SharedArrayBuffer;
  readonly #startedAt: number;
  readonly #ended: Promise<number>;
  #end: (code: number) => void = () => undefined;
  #config: Config;
  readonly #started: Config;
  #source: ConfigSource;
  /** Of the configuration file: one for each time it was read, also in vain, since a thread keeps what it has read. */
  #version = 0;
  /** Settled when no reload is under way: two at once would each close what the other opens. */
  #reloading: Promise<unknown> = Promise.resolve();
  #threads: Threads | undefined;
  #faces: Faces | undefined;
  #lock: SpoolLock | undefined;
  #pickup: Pickup | undefined;
  #tlsReports: TlsReports | undefined;
  #directory: DirectoryStore | undefined;
  #care: DirectoryCare | undefined;
  readonly #certificates: CertificateKeeper;
  readonly #policies: PolicyServer;
  #acme: RunningAcme | undefined;
  #addresses: readonly ListeningAddress[] = [];
  #draining = false;
  readonly #hadParent = process.send !== undefined;
  readonly #lastResort: LastResort;

  constructor(options: WorkingOptions, { config, clock, offset, log }: Basis) {
    this.#options = options;
    this.#config = this.#started = config;
    this.#source = options.config;
    this.#clock = clock;
    this.#offset = offset;
    this.#log = log;
    this.#certificates = new CertificateKeeper(clock, log);
    this.#lastResort = new LastResort({ timers: systemTimers, clock, log, kill: killSelf });
    this.#policies = new PolicyServer({ log, policyOf: (domain) => ownStsText(this.#config, domain) });
    this.#startedAt = clock.now();
    this.#ended = new Promise((resolve) => (this.#end = resolve));
  }

  async run(): Promise<number> {
    const { folder } = this.#config.spool;
    if (this.#options.sandbox === undefined) void warnAtStart(this.#config, this.#log);
    await makeFolderSynced(folder);
    this.#lock = await takeSpoolLock(folder);
    if (this.#lock === undefined) {
      const path = controlSocket(folder);
      throw new Error(
        `another server has the spool ${folder} open (it answers at ${path}); stop it first, or give this one another spool.folder`,
      );
    }
    await checkPorts(this.#config.listeners);
    // Before the threads that read it.
    this.#directory = openDirectory(folder);
    const threads = this.#makeThreads();
    this.#threads = threads;
    this.#addresses = await threads.start();
    // Before anybody is told that the server is up: then `sendmail` finds its folder.
    this.#pickup = await openPickup({ config: this.#config, threads, log: this.#log });
    await this.#openTlsReports(threads);
    this.#watchCertificates();
    await this.#policies.apply(this.#config, this.#certificates.current);
    const care = this.#careFor(threads, this.#directory);
    this.#care = care;
    this.#faces = await this.#openFaces(threads, care);
    this.#tellParent({ drainTime: this.#config.drainTime });
    this.#listenToSignals();
    this.#log.info('running', { hostname: this.#config.hostname, pid: process.pid, spool: folder });
    this.#tellParent('ready');
    await this.#options.ready({
      listeners: this.#addresses,
      http: this.#faces.httpAddress,
      config: this.#config,
      directory: care.directory,
    });
    return this.#ended;
  }

  #makeThreads(): Threads {
    return new Threads({
      boot: this.#boot(),
      workers: workerCount(this.#config),
      reusePort: sharesPorts(),
      certificates: async () => {
        const certificates = await this.#certificates.load(this.#config);
        this.#certificates.take();
        return certificates;
      },
      log: this.#log,
      events: (lines) => this.#options.events(lines),
      fatal: (reason) => this.#fatal(reason),
    });
  }

  #boot(): Boot {
    return {
      config: this.#source,
      clockOffset: this.#offset,
      eventsWatched: this.#options.sandbox !== undefined,
    };
  }

  /** Not while a reload is under way, which brings its own. */
  #lookAtCertificates(): Promise<void> {
    const done = this.#reloading.then(() => this.#takeFreshCertificates());
    this.#reloading = done;
    return done;
  }

  async #takeFreshCertificates(): Promise<void> {
    const threads = this.#threads;
    const fresh = await this.#certificates.look();
    if (fresh === undefined || threads === undefined || this.#draining) return;
    threads.reloaded(this.#boot(), fresh);
    await this.#servePolicies();
    // One that cannot, as while it starts, is ended: its successor begins with them.
    await Promise.all(
      threads.workers.map(({ thread }) => thread.ask('recertify', fresh).catch(() => thread.terminate())),
    );
    this.#log.info('certificates have changed and are in use');
  }

  #watchCertificates(): void {
    setInterval(() => void this.#lookAtCertificates(), LOOK_AT_CERTIFICATES).unref();
    this.#openAcme();
  }

  /** A port that is taken is told of, and mail goes on. */
  async #servePolicies(): Promise<void> {
    await this.#policies.apply(this.#config, this.#certificates.current).catch((error: unknown) => {
      this.#log.error('no MTA-STS policy is served', { error: String(error) });
    });
  }

  /** Anew after each reload. */
  #openAcme(): void {
    this.#acme = openAcme(this.#acme, {
      ...{ config: this.#config, clock: this.#clock, log: this.#log },
      changed: () => this.#lookAtCertificates(),
    });
  }

  #certificatesView(): CertificatesView {
    return { certificates: this.#certificates.views(), acme: acmeView(this.#acme) };
  }

  #renewCertificate(): void {
    if (this.#acme === undefined) throw new Refusal('conflict', 'there is no ACME: set acme.enabled: true');
    const refused = this.#acme.acme.renew();
    if (refused !== undefined) throw new Refusal('conflict', refused);
  }

  #careFor(threads: Threads, directory: DirectoryStore): DirectoryCare {
    const known = { threads, clock: this.#clock, log: this.#log };
    return new DirectoryCare(directory, { ...known, config: () => this.#config });
  }

  #openFaces(threads: Threads, care: DirectoryCare): Promise<Faces> {
    const control = controlOf({
      threads,
      clock: this.#clock,
      facts: () => ({
        hostname: this.#config.hostname,
        configFile: this.#source.kind === 'file' ? this.#source.file : '',
        startedAt: this.#startedAt,
        draining: this.#draining,
        listeners: this.#addresses.map((address) => ({ ...address, protocol: this.#protocolOf(address.name) })),
      }),
      reload: () => this.#reload(),
      drain: () => void this.#drain(),
      explaining: () => this.#explaining(threads),
      ...{ directory: care.directory, resolver: care.resolver },
      certificates: { view: () => this.#certificatesView(), renew: () => this.#renewCertificate() },
    });
    const { movableClock, sandbox } = this.#options;
    return Faces.open({
      ...{ config: this.#config, threads, control, clock: this.#clock, log: this.#log, sandbox },
      draining: () => this.#draining,
      certificateHealth: () => this.#certificates.health(),
      ownPolicy: (domain) => ownStsText(this.#config, domain),
      moveClock: movableClock ? (by) => this.#moveClock(by) : undefined,
    });
  }

  #explaining(threads: Threads): Explaining {
    const aliases = aliasesOf(this.#config);
    return {
      plan: planOf(this.#config),
      expand: (mailbox) => aliases.expand(mailbox),
      lookUp: async (routingDomain, route) => {
        const worker = threads.workers[0];
        if (worker === undefined)
          return { kind: 'deferred', status: '4.3.2', diagnostic: 'postrider: no worker is running', ttl: 0 };
        return (await worker.thread.ask('site', { routingDomain, route })) as Awaited<ReturnType<Explaining['lookUp']>>;
      },
      entries: async (id) => (await threads.queueManager.ask('explainEntries', id)) as readonly ExplainedEntry[],
      standing: async (routingDomain, route) =>
        (await threads.queueManager.ask('standing', { routingDomain, route })) as Awaited<
          ReturnType<Explaining['standing']>
        >,
    };
  }

  #protocolOf(name: string): string {
    return this.#config.listeners.find((listener) => listener.name === name)?.protocol ?? 'smtp';
  }

  #listenToSignals(): void {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void this.#drain());
    process.on('SIGHUP', () => {
      this.#reload().catch((error: unknown) => this.#log.error('the reload failed', { error: String(error) }));
    });
    // The parent is gone: without it nobody would start this process again, or stop it.
    process.on('disconnect', () => void this.#drain());
    if (this.#hadParent && !process.connected) void this.#drain();
  }

  /** One after the other. */
  #reload(): Promise<Reloaded> {
    const done = this.#reloading.then(() => this.#reloadNow());
    this.#reloading = done.catch(() => undefined); // Told to the one who asked.
    return done;
  }

  async #reloadNow(): Promise<Reloaded> {
    const threads = this.#threads;
    if (threads === undefined || this.#draining)
      throw new Refusal('conflict', 'the server is starting or stopping, and reads no configuration anew');
    const next = this.#nextSource();
    const answer = await reload({
      ...{ threads, source: next, before: this.#config, started: this.#started },
      certificatesOf: (candidate) => this.#certificates.load(candidate),
      taken: (config, certificates) => {
        this.#config = config;
        this.#source = next;
        this.#certificates.take();
        threads.reloaded(this.#boot(), certificates);
      },
    });
    if (answer.result === 'swapped') {
      this.#tellParent({ drainTime: this.#config.drainTime });
      this.#addresses = await this.#addressesNow(threads);
      await this.#openTlsReports(threads);
      this.#openAcme();
      await this.#servePolicies();
    }
    for (const problem of answer.problems) this.#log.error(`reload refused, the old configuration stays: ${problem}`);
    for (const path of answer.needsRestart) this.#log.warn('a changed option needs a restart', { path });
    if (answer.result === 'swapped') this.#log.info('reloaded');
    return answer;
  }

  /** Anew after each reload. */
  async #openTlsReports(threads: Threads): Promise<void> {
    await this.#tlsReports?.stop();
    this.#tlsReports = await openTlsReports({ config: this.#config, threads, clock: this.#clock, log: this.#log });
  }

  /** Every worker listens on the same. While none is there, nobody listens anywhere; what was known stays. */
  async #addressesNow({ workers }: Threads): Promise<readonly ListeningAddress[]> {
    try {
      const addresses = await workers[0]?.thread.ask('addresses');
      return (addresses as readonly ListeningAddress[] | undefined) ?? this.#addresses;
    } catch {
      // It died just now; the next reload, or nobody, will miss it.
      return this.#addresses;
    }
  }

  #nextSource(): ConfigSource {
    if (this.#source.kind !== 'file') return this.#source;
    this.#version = Math.max(this.#version, this.#source.version) + 1;
    return { ...this.#source, version: this.#version };
  }

  async #moveClock(by: number): Promise<number> {
    this.#clock.advance(by);
    await this.#threads?.queueManager.ask('clockMoved');
    this.#tlsReports?.clockMoved();
    return this.#clock.now();
  }

  /** Sessions first, so that what they still bring is kept; then deliveries; then the spool. */
  async #drain(): Promise<void> {
    this.#watchStop();
    if (this.#draining) return;
    this.#draining = true;
    this.#log.info('stopping: transactions in flight may end', { withinMs: this.#config.drainTime });
    try {
      await this.#drainThreads();
      this.#end(EXIT.ok);
    } catch (error) {
      this.#log.error('stopping went wrong; nothing that was accepted is lost', { error: String(error) });
      this.#end(EXIT.failed);
    }
  }

  /** The parent does it; without one, this process by itself. */
  #watchStop(): void {
    if (process.connected) return this.#tellParent('stopping');
    this.#lastResort.allow(this.#config.drainTime);
    this.#lastResort.stopping();
  }

  #tellParent(word: WorkingWord): void {
    if (process.connected) process.send?.(word);
  }

  async #drainThreads(): Promise<void> {
    const threads = this.#threads;
    if (threads === undefined) return;
    threads.stopping();
    const within = this.#config.drainTime;
    this.#acme?.acme.stop();
    await Promise.all([this.#pickup?.stop(), this.#tlsReports?.stop()]);
    const workers = threads.workers.map(({ thread }) => thread);
    const queueDrained = threads.queueManager.ask('drain', within);
    // A worker that dies meanwhile has nothing that could be lost: the others, and the spool, end in good order.
    await Promise.allSettled(workers.map((thread) => thread.ask('drainIntake', within)));
    await queueDrained;
    await Promise.allSettled(workers.map((thread) => thread.ask('drainDeliveries', CUT_OFF_MS)));
    await this.#faces?.close();
    await this.#policies.close();
    await this.#care?.close();
    await threads.queueManager.ask('close');
    await threads.archivist.ask('close');
    this.#lock?.release();
  }

  #fatal(reason: string): void {
    this.#log.error(`this process must end, and loses nothing by it: ${reason}`);
    // A commit that hangs holds up the exit, which waits for every thread: then the parent ends it.
    this.#tellParent('ending');
    process.exit(EXIT.storage);
  }
}

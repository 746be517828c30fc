/**
 * Debian packages for the interop suites, fetched with `apt-get download` and unpacked with `dpkg -x` into
 * `.cache/debs/root-<name>`. Nothing is installed and nothing on the machine changes, so mail servers that
 * conflict as packages live side by side, and an ordinary user may do it.
 *
 * Packages they depend on and the machine lacks come along. Where the machine has no package lists, private ones
 * are fetched into the same cache.
 */

import { chmodSync, existsSync, globSync, statSync } from 'node:fs';
import { lstat, mkdir, open, readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

import { run } from './processes.ts';
import { until } from './wait.ts';

/** What each suite needs. Raise `RECIPE` when a list changes. */
const PACKAGES = {
  postfix: ['postfix'],
  exim: ['exim4-daemon-light'],
  opensmtpd: ['opensmtpd'],
  dovecot: ['dovecot-core', 'dovecot-imapd', 'dovecot-pop3d', 'dovecot-lmtpd'],
  swaks: ['swaks', 'libnet-ssleay-perl'],
  unbound: ['unbound'],
  // A name server, and what signs its zones; the last lets a program have a resolver of its own.
  dnssec: ['nsd', 'ldnsutils', 'libresolv-wrapper'],
  dkim: ['python3-dkim', 'python3-nacl', 'libmail-dkim-perl', 'opendkim', 'rspamd'],
  // Clients that log in.
  submission: ['gsasl', 'msmtp'],
  // Programs that hand in mail with a `sendmail` command.
  programs: ['bsd-mailx', 'mailutils', 'php-cli', 'git-email', 'libmailtools-perl'],
  // Users and groups that exist for one process only; see foreign-users.ts.
  wrappers: ['libnss-wrapper', 'libuid-wrapper'],
  // A web server.
  nginx: ['nginx'],
  // A small ACME authority.
  pebble: ['pebble'],
} as const;
const RECIPE = '1';

export type PackageSet = keyof typeof PACKAGES;
export const PACKAGE_SETS = Object.keys(PACKAGES) as readonly PackageSet[];

export type Unpacked =
  { readonly kind: 'ready'; readonly root: string } | { readonly kind: 'unavailable'; readonly reason: string };

/** A loader and its C library must match, so these are never taken from the cache. */
const NEVER = new Set(['libc6', 'libc-bin', 'libc6-dev', 'dpkg', 'apt']);
const FETCH_PATIENCE = 10 * 60_000;
/** For so long a failure is believed, so that twenty suites offline do not each wait for the network. */
const FAILURE_HOLDS = 5 * 60_000;

const found = new Map<PackageSet, Promise<Unpacked>>();

/** The folder with the unpacked packages of a set: at once if it was made before. */
export function debianPackages(name: PackageSet): Promise<Unpacked> {
  const known = found.get(name) ?? unpacked(name, cacheFolder());
  found.set(name, known);
  return known;
}

/** The folder of a set that is known to be there. */
export async function packageRoot(name: PackageSet): Promise<string> {
  const unpacked = await debianPackages(name);
  if (unpacked.kind === 'unavailable') throw new Error(`${name}: ${unpacked.reason}`);
  return unpacked.root;
}

/**
 * For `describe(…, { skip: await interopNeeds('exim', 'swaks') }, …)`: false when all are there, else the reason,
 * which is also printed at the end as `SKIPPED interop: exim: reason`.
 */
export async function interopNeeds(...names: readonly PackageSet[]): Promise<string | false> {
  for (const name of names) {
    const unpacked = await debianPackages(name);
    if (unpacked.kind === 'ready') continue;
    skipped.set(name, unpacked.reason);
    return `${name}: ${unpacked.reason}`;
  }
  return false;
}

const skipped = new Map<string, string>();
process.once('exit', () => {
  for (const [name, reason] of skipped) console.log(`SKIPPED interop: ${name}: ${reason}`);
});

/** Folders of a root that may hold shared libraries, for `LD_LIBRARY_PATH`. */
export function libraryFolders(root: string): readonly string[] {
  return globSync(['usr/lib/*-linux-*', 'lib/*-linux-*', 'usr/lib/postfix', 'usr/lib/dovecot'], { cwd: root }).map(
    (folder) => join(root, folder),
  );
}

/** Forgets failures, so that the next call tries again. */
export async function forgetFailures(): Promise<void> {
  found.clear();
  const cache = cacheFolder();
  for (const name of PACKAGE_SETS) await rm(failureFile(cache, name), { force: true });
}

async function unpacked(name: PackageSet, cache: string): Promise<Unpacked> {
  const root = join(cache, `root-${name}`);
  if (await isComplete(root, name)) return { kind: 'ready', root };
  const unfit = await whyUnfit();
  if (unfit !== undefined) return { kind: 'unavailable', reason: unfit };
  await mkdir(cache, { recursive: true });
  return alone(join(cache, `lock-${name}`), async () => {
    if (await isComplete(root, name)) return { kind: 'ready', root };
    const failure = await recentFailure(cache, name);
    if (failure !== undefined) return { kind: 'unavailable', reason: failure };
    try {
      await unpackInto(root, name, cache);
      return { kind: 'ready', root };
    } catch (error) {
      const reason = `packages could not be fetched: ${oneLine(error)}`;
      await writeFile(failureFile(cache, name), reason);
      return { kind: 'unavailable', reason };
    }
  });
}

async function whyUnfit(): Promise<string | undefined> {
  const release = await readFile('/etc/os-release', 'utf8').catch(() => '');
  if (!/^ID(?:_LIKE)?=.*\bdebian\b/m.test(release)) return 'not a Debian system';
  const missing = ['apt-get', 'dpkg'].filter((tool) => !existsSync(join('/usr/bin', tool)));
  return missing.length === 0 ? undefined : `${missing.join(' and ')} not found`;
}

/** Beside the sources, unless the users that mail servers turn into could not reach it there. */
function cacheFolder(): string {
  const beside = fileURLToPath(new URL('../../.cache/debs', import.meta.url));
  if (process.getuid?.() !== 0 || reachable(fileURLToPath(new URL('../..', import.meta.url)))) return beside;
  return '/var/cache/postrider-debs';
}

function reachable(folder: string): boolean {
  for (let at = folder; at !== dirname(at); at = dirname(at)) if ((statSync(at).mode & 0o001) === 0) return false;
  return true;
}

const stampText = (name: PackageSet) => `${RECIPE} ${PACKAGES[name].join(' ')}\n`;

async function isComplete(root: string, name: PackageSet): Promise<boolean> {
  return (await readFile(join(root, '.complete'), 'utf8').catch(() => '')) === stampText(name);
}

const failureFile = (cache: string, name: PackageSet) => join(cache, `failed-${name}`);

async function recentFailure(cache: string, name: PackageSet): Promise<string | undefined> {
  const path = failureFile(cache, name);
  const facts = await stat(path).catch(() => undefined);
  if (facts === undefined || Date.now() - facts.mtimeMs > FAILURE_HOLDS) return undefined;
  return readFile(path, 'utf8');
}

async function unpackInto(root: string, name: PackageSet, cache: string): Promise<void> {
  const downloads = join(cache, `downloads-${name}`);
  const fresh = `${root}.new`;
  for (const folder of [downloads, fresh, root]) await rm(folder, { recursive: true, force: true });
  await mkdir(downloads);
  await mkdir(fresh);
  await download(name, downloads, join(cache, 'apt'));
  for (const file of await readdir(downloads))
    if (file.endsWith('.deb')) await run({ argv: ['dpkg', '-x', join(downloads, file), fresh] });
  await dropSpecialBits(fresh);
  await writeFile(join(fresh, '.complete'), stampText(name));
  await rename(fresh, root);
  await rm(downloads, { recursive: true, force: true });
}

/** With the machine's package lists; if they are missing or outdated, with lists of our own. */
async function download(name: PackageSet, folder: string, apt: string): Promise<void> {
  try {
    await downloadWith([], name, folder);
  } catch {
    await mkdir(join(apt, 'lists', 'partial'), { recursive: true });
    await mkdir(join(apt, 'cache', 'archives', 'partial'), { recursive: true });
    const own = ['-o', `Dir::State::Lists=${join(apt, 'lists')}`, '-o', `Dir::Cache=${join(apt, 'cache')}`];
    await run({
      argv: ['apt-get', '-q', ...own, '-o', 'APT::Update::Error-Mode=any', 'update'],
      env: { LC_ALL: 'C' },
    });
    await downloadWith(own, name, folder);
  }
}

async function downloadWith(options: readonly string[], name: PackageSet, folder: string): Promise<void> {
  const packages = await withDependencies(options, PACKAGES[name]);
  // `_apt` could not write into the folder; as root apt would warn and go on, and this spares the warning.
  const argv = ['apt-get', '-q', ...options, '-o', 'APT::Sandbox::User=root', 'download', ...packages] as const;
  await run({ argv: [...argv], cwd: folder, env: { LC_ALL: 'C' } });
}

/** The packages, and what an installation of them would bring along on this machine. */
async function withDependencies(options: readonly string[], names: readonly string[]): Promise<readonly string[]> {
  const flags = ['-q', '-s', ...options, '-o', 'Debug::NoLocking=true', '--no-install-recommends'];
  const plan = await run({ argv: ['apt-get', ...flags, 'install', ...names], env: { LC_ALL: 'C' } });
  const brought = [...plan.matchAll(/^Inst (\S+)/gm)].map(([, name]) => name!);
  return [...new Set([...names, ...brought])].filter((name) => !NEVER.has(name.replace(/:.*$/, '')));
}

/** A program that turns into another user when run has no place in a cache. */
async function dropSpecialBits(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const { mode } = await lstat(path);
    if (!entry.isSymbolicLink() && (mode & 0o7000) !== 0) chmodSync(path, mode & 0o777);
  }
}

/** One process at a time; a lock left by one that died is taken over. */
async function alone<T>(lock: string, work: () => Promise<T>): Promise<T> {
  await until(`the lock ${lock}`, () => takeLock(lock), FETCH_PATIENCE);
  try {
    return await work();
  } finally {
    await rm(lock, { force: true });
  }
}

async function takeLock(lock: string): Promise<boolean> {
  try {
    const file = await open(lock, 'wx');
    await file.writeFile(String(process.pid));
    await file.close();
    return true;
  } catch {
    const owner = Number(await readFile(lock, 'utf8').catch(() => ''));
    if (owner > 0 && !isAlive(owner)) await rm(lock, { force: true });
    return false;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** What apt calls errors and warnings, where it does, on one line. */
function oneLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const complaints = text.split('\n').filter((line) => /^[EW]: /.test(line));
  return (complaints.length > 0 ? complaints.join(' ') : text).replace(/\s+/g, ' ').slice(0, 300);
}

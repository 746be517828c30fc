/**
 * Looks at every file and folder that a configuration names, as the server does when it starts: before a start or a
 * reload goes on, and for `postrider config check`.
 *
 * Nothing is made or changed. What ACME keeps in the spool is not looked at: the server starts without it.
 */

import { access, constants, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errorCode } from '../lib/error-text.ts';
import { type Instant } from '../lib/time.ts';
import { type Config } from '../config/config.ts';
import { strangeIn } from '../spool/lmdb/folder.ts';
import { sourcesOf } from './certificate-keeper.ts';
import { certificateIn, type NamedPair } from './certificates.ts';
import { ConfigProblems } from './config-source.ts';
import { controlSocket } from '../api/control-socket.ts';
import { tooLong } from './control-lock.ts';
import { readAuthorities, readPair, shownPairs } from './delivery-tls.ts';
import { authoritiesOf, jwksOf, secretOf } from './login-settings.ts';
import { FileFault, type NamedFile, readNamed, thisUser } from './named-file.ts';
import { signingKeyOf } from './signing-settings.ts';

/** Throws, or rejects with, a `FileFault`. */
type Look = () => unknown;

/** What is wrong with the files; none of them is looked at twice. */
export function faultsOfFiles(config: Config): Promise<readonly FileFault[]> {
  return faultsOf([
    ...pairsOf(config).flatMap(looksAtPair),
    ...authorities(config).map((named) => () => readAuthorities(named)),
    ...config.signing.keys.map((key, i) => () => signingKeyOf(key, i)),
    () => jwksOf(config.oauth),
    () => secretOf(config.oauth),
    () => authoritiesOf(config.oauth),
    ...externalKey(config).map((named) => () => readNamed(named)),
  ]);
}

/** The same of folders. They are looked at before a start; a reload keeps those that are in use. */
export function faultsOfFolders({ spool, events, pickup }: Config): Promise<readonly FileFault[]> {
  const spoolFolder = { option: 'spool.folder', file: spool.folder };
  const isInside = `${events.folder}/`.startsWith(`${spool.folder}/`);
  return faultsOf([
    async () => {
      lookAtSocket(spoolFolder);
      await lookAtFolder(spoolFolder);
      await lookForStrange(spoolFolder);
    },
    ...(isInside ? [] : [() => lookAtFolder({ option: 'events.folder', file: events.folder })]),
    ...(pickup.folder === undefined ? [] : [lookAtPickup(pickup.folder)]),
  ]);
}

/** Rejects with `ConfigProblems`. `files`: the folders stay what they are. */
export async function refuseFaults(config: Config, which: 'all' | 'files'): Promise<void> {
  const folders = which === 'all' ? await faultsOfFolders(config) : [];
  const faults = [...(await faultsOfFiles(config)), ...folders.filter((fault) => !isOfPickup(fault))];
  if (faults.length > 0) throw new ConfigProblems(faults.map(({ message }) => message));
}

/** Certificates that nobody would take any more: the server starts with them, and says so. */
export function expired(config: Config, now: Instant): readonly string[] {
  return pairsOf(config).flatMap(({ certificate }) => {
    try {
      const end = certificateIn(certificate, readNamed(certificate)).validToDate;
      if (end.getTime() > now) return [];
      return [`${certificate.option}: ${certificate.file} has expired, on ${end.toISOString()}; renew it`];
    } catch {
      // That is a fault, and told as one.
      return [];
    }
  });
}

/** Programs of routes that could not be run now: their mail waits until they can, and the server starts. */
export async function missingPrograms({ routes }: Config): Promise<readonly string[]> {
  const looks = routes.map(async (route, i) => {
    if (route.kind !== 'pipe') return [];
    const [program] = route.argv;
    const why = await whyNotRun(program);
    const fix = 'name one that can be run; the mail of this route waits until then';
    return why === undefined ? [] : [`routes[${i}].argv[0]: ${program} ${why}; ${fix}`];
  });
  return (await Promise.all(looks)).flat();
}

async function whyNotRun(program: string): Promise<string | undefined> {
  try {
    if (!(await stat(program)).isFile()) return 'is no file';
    await access(program, constants.X_OK);
    return undefined;
  } catch (error) {
    return errorCode(error) === 'EACCES' ? `may not be run by ${thisUser()}` : 'is not there';
  }
}

async function faultsOf(looks: readonly Look[]): Promise<readonly FileFault[]> {
  const faults = new Map<string, FileFault>();
  for (const look of looks)
    try {
      await look();
    } catch (error) {
      if (!(error instanceof FileFault)) throw error;
      faults.set(error.message, error);
    }
  return [...faults.values()];
}

function pairsOf(config: Config): readonly NamedPair[] {
  return [...sourcesOf(config).filter(({ isOptional }) => !isOptional), ...shownPairs(config)];
}

/** Each of the two by itself, since one that is missing says nothing of the other. */
function looksAtPair(named: NamedPair): readonly Look[] {
  const { certificate, key } = named;
  return [() => certificateIn(certificate, readNamed(certificate)), () => readNamed(key), () => readPair(named)];
}

function authorities({ tls, deliver, acme }: Config): readonly NamedFile[] {
  const files = {
    'tls.clientCa': tls.clientCa,
    'deliver.tls.ca': deliver.tls.ca,
    'deliver.mtaSts.ca': deliver.mtaSts.enabled ? deliver.mtaSts.ca : undefined,
    'acme.ca': acme.enabled ? acme.ca : undefined,
  };
  return Object.entries(files).flatMap(([option, file]) => (file === undefined ? [] : [{ option, file }]));
}

function externalKey({ acme: { enabled, externalKeyFile } }: Config): readonly NamedFile[] {
  return enabled && externalKeyFile !== undefined ? [{ option: 'acme.externalKeyFile', file: externalKeyFile }] : [];
}

/** That it is a folder of ours, or can be made. */
async function lookAtFolder({ option, file: folder }: NamedFile): Promise<void> {
  const nearest = await nearestOf({ option, file: folder });
  const isThere = nearest.path === folder;
  if (!nearest.isFolder) {
    const what = isThere ? `${folder} is no folder` : `${folder} cannot be made: ${nearest.path} is no folder`;
    throw new FileFault(option, [what, 'name a folder']);
  }
  try {
    await access(nearest.path, constants.W_OK | constants.X_OK | (isThere ? constants.R_OK : 0));
  } catch (error) {
    const what = `${thisUser()} may not ${isThere ? 'use' : 'make'} ${folder} (${errorCode(error)})`;
    const user = '<user of the server>';
    const fix = isThere ? `chown ${user} ${folder}` : `as root: install -d -m 0700 -o ${user} ${folder}`;
    throw new FileFault(option, [what, fix], error);
  }
}

interface Nearest {
  readonly path: string;
  readonly isFolder: boolean;
}

/** It, or the first above it that is there. */
async function nearestOf({ option, file }: NamedFile): Promise<Nearest> {
  for (let path = file; ; path = dirname(path)) {
    try {
      return { path, isFolder: (await stat(path)).isDirectory() };
    } catch (error) {
      const code = errorCode(error);
      // The root is always there.
      if ((code === 'ENOENT' || code === 'ENOTDIR') && path !== dirname(path)) continue;
      const what = `${thisUser()} may not look at ${path} (${code})`;
      throw new FileFault(option, [what, 'let the user of the server use every folder above it'], error);
    }
  }
}

function lookAtSocket({ option, file }: NamedFile): void {
  const why = tooLong(controlSocket(file));
  if (why !== undefined) throw new FileFault(option, why);
}

async function lookForStrange({ option, file }: NamedFile): Promise<void> {
  const strange = await strangeIn(file);
  if (strange === undefined) return;
  const what = `${file} is not a spool: it holds '${strange}' and no store`;
  throw new FileFault(option, [what, 'name an empty folder, or a spool']);
}

const PICKUP = 'pickup.folder';

function lookAtPickup(file: string): Look {
  return () => lookAtFolder({ option: PICKUP, file });
}

/** The server runs without it all the same, and the log says what is wrong. */
function isOfPickup({ message, isDenied }: FileFault): boolean {
  return isDenied && message.startsWith(`${PICKUP}:`);
}

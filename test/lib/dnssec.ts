/**
 * Real DNSSEC on loopback: zones signed by ldns, served by nsd, validated by unbound with trust anchors of the test's own.
 *
 * A zone without an anchor is unsigned as far as unbound can tell; one whose anchor is of another key is bogus.
 */

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { libraryFolders, packageRoot } from './debs.ts';
import { freePort, removeFolder, run, type Running, startProcess, testFolder } from './processes.ts';
import { isListening, until } from './wait.ts';

export interface SignedZone {
  readonly name: string;
  /** Without SOA and NS. */
  readonly records: string;
  readonly trust: 'anchored' | 'wrongAnchor' | 'none';
}

export interface Dnssec {
  /** The validating resolver. */
  readonly address: string;
  readonly port: number;
  /** For programs that ask a resolver at port 53: undefined where this user may not have that port. */
  readonly wellKnown: string | undefined;
  stop(): Promise<void>;
}

/** An address for port 53 that no resolver of the machine has. */
const WELL_KNOWN = '127.53.25.53';

export async function startDnssec(zones: readonly SignedZone[]): Promise<Dnssec> {
  const folder = await testFolder('dnssec');
  const [tools, unboundRoot] = [await packageRoot('dnssec'), await packageRoot('unbound')];
  const [authority, port] = [await freePort(), await freePort()];
  const env = { LD_LIBRARY_PATH: [...libraryFolders(tools), ...libraryFolders(unboundRoot)].join(':') };
  for (const zone of zones) await makeZone(zone, { folder, tools, env });
  await writeFile(join(folder, 'nsd.conf'), nsdConfiguration(folder, authority, zones));
  const nsd = startProcess({ argv: [join(tools, 'usr/sbin/nsd'), '-d', '-c', join(folder, 'nsd.conf')], env });
  const wellKnown = process.getuid?.() === 0 ? WELL_KNOWN : undefined;
  const interfaces = [`127.0.0.1@${port}`, ...(wellKnown === undefined ? [] : [`${wellKnown}@53`])];
  await writeFile(join(folder, 'unbound.conf'), unboundConfiguration({ folder, authority, interfaces, zones }));
  const unbound = startProcess({
    argv: [join(unboundRoot, 'usr/sbin/unbound'), '-d', '-c', join(folder, 'unbound.conf')],
    env,
  });
  await listening('nsd', nsd, authority);
  await listening('unbound', unbound, port);
  return {
    ...{ address: '127.0.0.1', port, wellKnown },
    stop: async () => {
      await Promise.all([unbound.stop(), nsd.stop()]);
      await removeFolder(folder);
    },
  };
}

function listening(name: string, server: Running, port: number): Promise<true> {
  let code: unknown;
  void server.exited.then((exit) => (code = exit));
  return until(`${name} to listen`, async () => {
    if (code !== undefined) throw new Error(`${name} ended with ${String(code)}: ${server.output()}`);
    return isListening(port);
  });
}

interface Place {
  readonly folder: string;
  readonly tools: string;
  readonly env: Readonly<Record<string, string>>;
}

async function makeZone({ name, records, trust }: SignedZone, { folder, tools, env }: Place): Promise<void> {
  const file = join(folder, name);
  await writeFile(file, `$ORIGIN ${name}.\n$TTL 300\n@ IN SOA ns root 1 7200 3600 1209600 120\n@ IN NS ns\nns IN A 127.0.0.1\n${records}`); // prettier-ignore
  const keygen = async (): Promise<string> => {
    const argv = [join(tools, 'usr/bin/ldns-keygen'), '-r', '/dev/urandom', '-k', '-a', 'ECDSAP256SHA256', name];
    return (await run({ argv: argv as [string, ...string[]], cwd: folder, env })).trim().split('\n').at(-1)!;
  };
  const key = await keygen();
  await run({
    argv: [join(tools, 'usr/bin/ldns-signzone'), '-o', name, '-f', `${file}.signed`, file, join(folder, key)],
    cwd: folder,
    env,
  });
  const anchor = trust === 'wrongAnchor' ? await keygen() : key;
  if (trust !== 'none') await writeFile(`${file}.anchor`, await readFile(join(folder, `${anchor}.key`), 'utf8'));
}

function nsdConfiguration(folder: string, port: number, zones: readonly SignedZone[]): string {
  const named = zones.map(({ name }) => `zone:\n  name: "${name}"\n  zonefile: "${folder}/${name}.signed"\n`);
  return `
server:
  ip-address: 127.0.0.1@${port}
  do-ip6: no
  username: ""
  chroot: ""
  zonesdir: "${folder}"
  pidfile: ""
  database: ""
  zonelistfile: "${folder}/zone.list"
  xfrdfile: "${folder}/xfrd.state"
  server-count: 1
remote-control:
  control-enable: no
${named.join('')}`;
}

interface ResolverPlan {
  readonly folder: string;
  readonly authority: number;
  readonly interfaces: readonly string[];
  readonly zones: readonly SignedZone[];
}

function unboundConfiguration({ folder, authority, interfaces, zones }: ResolverPlan): string {
  const anchors = zones.filter(({ trust }) => trust !== 'none');
  const stubs = zones.map(({ name }) => `stub-zone:\n  name: "${name}."\n  stub-addr: 127.0.0.1@${authority}\n`);
  return `
server:
${interfaces.map((each) => `  interface: ${each}\n`).join('')}  do-ip6: no
  do-daemonize: no
  do-not-query-localhost: no
  use-syslog: no
  username: ""
  chroot: ""
  directory: "${folder}"
  pidfile: ""
  module-config: "validator iterator"
  local-zone: "test." transparent
${anchors.map(({ name }) => `  trust-anchor-file: "${folder}/${name}.anchor"\n`).join('')}remote-control:
  control-enable: no
${stubs.join('')}`;
}

/**
 * Programs of others that verify DKIM signatures, from Debian's packages: each is given messages as files and the records
 * of keys, and says of each message which selectors' signatures passed.
 */

import { globSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type DnsServer, startDnsServer } from '../../src/sandbox/dns-server.ts';
import { packageRoot } from './debs.ts';
import { freePort, run, startProcess } from './processes.ts';
import { until } from './wait.ts';

export interface Verifying {
  /** An empty place for files. */
  readonly folder: string;
  /** By the name of the record. */
  readonly records: ReadonlyMap<string, string>;
  /** Paths of messages. */
  readonly messages: readonly string[];
}

/** By message: `<selector> pass`, or the selector and what it says instead. */
export type Results = ReadonlyMap<string, readonly string[]>;

export const VERIFIERS: Readonly<Record<string, (verifying: Verifying) => Promise<Results>>> = {
  'python3-dkim': byDkimpy,
  'libmail-dkim-perl': byPerl,
  opendkim: byOpendkim,
  rspamd: byRspamd,
};

const DKIMPY = `
import sys, dkim
keys = dict(line.rstrip('\\n').split(' ', 1) for line in open(sys.argv[1]))
def dns(name, timeout=5):
    record = keys.get(name.decode().rstrip('.'))
    return None if record is None else record.encode()
for path in sys.stdin.read().splitlines():
    message = open(path, 'rb').read()
    try:
        headers = dkim.DKIM(message).headers
    except dkim.DKIMException as error:
        print(path + '\\t? ' + repr(error))
        continue
    count = sum(1 for (name, _) in headers if name.lower() == b'dkim-signature')
    for i in range(count):
        one = dkim.DKIM(message)
        try:
            result = 'pass' if one.verify(i, dnsfunc=dns) else 'fail'
        except Exception as error:
            result = repr(error)
        print(path + '\\t' + (one.selector or b'?').decode() + ' ' + result)
`;

async function byDkimpy({ folder, records, messages }: Verifying): Promise<Results> {
  const root = await packageRoot('dkim');
  const keys = await keyFile(folder, records);
  const output = await run({
    argv: ['python3', '-c', DKIMPY, keys],
    env: { PYTHONPATH: join(root, 'usr/lib/python3/dist-packages'), LD_LIBRARY_PATH: libraries(root) },
    input: messages.join('\n'),
  });
  return resultsIn(output);
}

const PERL = `
use strict; use warnings; no warnings 'redefine';
use Mail::DKIM::Verifier; use Mail::DKIM::DNS;
{ package Answer; sub type { 'TXT' } sub txtdata { \${$_[0]} } sub char_str_list { \${$_[0]} } }
open my $in, '<', $ARGV[0] or die; my %keys = map { chomp; split / /, $_, 2 } <$in>;
sub answers { my $text = $keys{$_[0]}; defined $text ? (bless \\$text, 'Answer') : () }
*Mail::DKIM::DNS::query = sub { answers($_[0]) };
*Mail::DKIM::DNS::query_async = sub { my ($name, $type, %how) = @_; my $got = $how{Callbacks}{Success}->(answers($name)); sub { $got } };
for my $path (<STDIN>) {
  chomp $path; open my $message, '<:raw', $path or die; local $/;
  my $verifier = Mail::DKIM::Verifier->new; $verifier->PRINT(<$message>); $verifier->CLOSE;
  print "$path\\t", $_->selector, ' ', $_->result_detail, "\\n" for $verifier->signatures;
}
`;

/** Debian 12's knows no Ed25519. */
async function byPerl({ folder, records, messages }: Verifying): Promise<Results> {
  const root = await packageRoot('dkim');
  const keys = await keyFile(folder, records);
  const modules = globSync(['usr/share/perl5', 'usr/lib/*/perl5/*'], { cwd: root }).map((path) => join(root, path));
  const output = await run({
    argv: ['perl', '-e', PERL, keys],
    env: { PERL5LIB: modules.join(':'), LD_LIBRARY_PATH: libraries(root), LC_ALL: 'C' },
    input: messages.join('\n'),
  });
  return resultsIn(output);
}

async function byOpendkim({ folder, records, messages }: Verifying): Promise<Results> {
  const root = await packageRoot('dkim');
  const config = join(folder, 'opendkim.conf');
  const keys = await keyFile(folder, records);
  const lines = ['Mode v', `TestPublicKeys ${keys}`, 'Syslog no', 'AlwaysAddARHeader yes', `Socket local:${folder}/s`];
  await writeFile(config, `${lines.join('\n')}\n`);
  const results = new Map<string, string[]>();
  for (const message of messages) {
    // It ends with an error when no signature passes; what it says before tells of each.
    const running = startProcess({
      argv: [join(root, 'usr/sbin/opendkim'), '-x', config, '-t', message, '-vv'],
      env: { LD_LIBRARY_PATH: libraries(root) },
    });
    await running.exited;
    const said = running.output().matchAll(/dkim=(\S+)[^;]*?header\.s=(\S+)/g);
    results.set(
      message,
      [...said].map(([, result, selector]) => `${selector} ${result}`),
    );
  }
  return results;
}

async function byRspamd({ folder, records, messages }: Verifying): Promise<Results> {
  const root = await packageRoot('dkim');
  const dns = await dnsWith(records);
  const port = await freePort();
  await writeFile(join(folder, 'rspamd.conf'), rspamdConfiguration(folder, { dns: dns.port, own: port }));
  await writeFile(join(folder, 'tld.dat'), 'test\n');
  const shared = join(root, 'usr/share/rspamd');
  const folders = { SHAREDIR: shared, LUALIBDIR: join(shared, 'lualib'), DBDIR: folder, RUNDIR: folder };
  const rules = { RULESDIR: join(shared, 'rules'), PLUGINSDIR: join(shared, 'plugins') };
  const variables = Object.entries({ ...folders, ...rules }).map(([name, value]) => `--var=${name}=${value}`);
  const running = startProcess({
    argv: [join(root, 'usr/bin/rspamd'), '-f', '-i', '-c', join(folder, 'rspamd.conf'), ...variables],
    env: { LD_LIBRARY_PATH: libraries(root) },
  });
  try {
    const url = `http://127.0.0.1:${port}`;
    await until('rspamd', () =>
      fetch(`${url}/ping`).then(
        ({ ok }) => ok,
        () => false,
      ),
    );
    const results = new Map<string, readonly string[]>();
    for (const message of messages) results.set(message, await askRspamd(url, message));
    return results;
  } catch (error) {
    throw new Error(`rspamd: ${running.output().slice(-2000)}`, { cause: error });
  } finally {
    await running.stop();
    await dns.close();
  }
}

async function askRspamd(url: string, message: string): Promise<readonly string[]> {
  const answer = await fetch(`${url}/checkv2`, { method: 'POST', body: '', headers: { File: message } });
  const { symbols } = (await answer.json()) as { symbols: Record<string, { options?: readonly string[] }> };
  return Object.entries(symbols)
    .filter(([name]) => name.startsWith('R_DKIM_') && name !== 'R_DKIM_NA')
    .flatMap(([name, { options = [] }]) =>
      options.map((option) => `${/s=([^:]+)/.exec(option)?.[1]} ${name === 'R_DKIM_ALLOW' ? 'pass' : name}`),
    );
}

function rspamdConfiguration(folder: string, ports: { readonly dns: number; readonly own: number }): string {
  return `
options {
  filters = "dkim";
  tempdir = "${folder}";
  hs_cache_dir = "${folder}";
  url_tld = "${folder}/tld.dat";
  local_addrs = [];
  dns { nameserver = ["127.0.0.1:${ports.dns}"]; timeout = 5s; retransmits = 5; enable_dnssec = false; }
}
logging { type = "console"; level = "error"; }
dkim { check_local = true; check_authed = true; trusted_only = false; max_sigs = 10; time_jitter = 1h; }
worker "normal" { bind_socket = "127.0.0.1:${ports.own}"; count = 1; mime = true; }
`;
}

function dnsWith(records: ReadonlyMap<string, string>): Promise<DnsServer> {
  const zone = [...records].map(([name, data]) => [name, [{ name, type: 'TXT', ttl: 60, data }]] as const);
  return startDnsServer(new Map(zone));
}

async function keyFile(folder: string, records: ReadonlyMap<string, string>): Promise<string> {
  const file = join(folder, 'keys');
  await writeFile(file, [...records].map(([name, text]) => `${name} ${text}\n`).join(''));
  return file;
}

function resultsIn(output: string): Results {
  const results = new Map<string, string[]>();
  for (const line of output.split('\n')) {
    const [message = '', result] = line.split('\t');
    if (result === undefined) continue;
    results.set(message, [...(results.get(message) ?? []), result]);
  }
  return results;
}

/** Wherever in the packages there are libraries: some of these keep theirs in odd places. */
function libraries(root: string): string {
  const folders = globSync('usr/lib/**/lib*.so*', { cwd: root }).map((path) => dirname(join(root, path)));
  return [...new Set(folders)].join(':');
}

/**
 * DANE with real DNSSEC: zones signed by ldns and served by nsd, validated by unbound. What an attempt comes to is what
 * Postfix's own probe, `posttls-finger`, makes of the same host.
 */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { findSite } from '../../src/deliver/smtp/mx.ts';
import { StubResolver } from '../../src/dns/stub-resolver.ts';
import { parseDomain } from '../../src/mail/domain.ts';
import { publicKeyInfoOf } from '../../src/tlspolicy/certificate.ts';
import { interopNeeds, libraryFolders, packageRoot } from '../lib/debs.ts';
import { agentFor, dispatchOf, MX } from '../lib/delivery.ts';
import { type Dnssec, startDnssec } from '../lib/dnssec.ts';
import { PeerServer } from '../lib/peer-server.ts';
import { certify, type Party } from '../lib/pki.ts';
import { freePort, removeFolder, startProcess, testFolder } from '../lib/processes.ts';

const GOOD = '127.0.0.2';
const STRANGER = '127.0.0.3';
const IN_CLEAR = '127.0.0.4';
const EXPIRED = '127.0.0.5';

const root = await certify({ subject: 'root', ca: true });
const NAMES = ['mx.ee.signed.test', 'mx.ta.signed.test', 'domain.signed.test', 'mx.full.signed.test'];
const good = await certify({ subject: 'good', names: NAMES, issuer: root });
const stranger = await certify({ subject: 'stranger', names: NAMES });
const expired = await certify({ subject: 'expired', names: ['mx.old.signed.test', 'mx.oldta.signed.test'], issuer: root, days: [-30, -1] }); // prettier-ignore

function tlsa(usage: number, selector: number, matchingType: number, { certificate }: Party): string {
  const octets = selector === 1 ? publicKeyInfoOf(certificate.raw)! : certificate.raw;
  const digest = [undefined, 'sha256', 'sha512'][matchingType];
  const data = digest === undefined ? octets : createHash(digest).update(octets).digest();
  return `${usage} ${selector} ${matchingType} ${data.toString('hex')}`;
}

interface Case {
  readonly name: string;
  readonly address: string;
  readonly tlsa: readonly string[];
  /** Of ours: `delivered policy result`, or `deferred policy result`. */
  readonly ours: string;
  readonly postfix: RegExp;
}

const VERIFIES = /^posttls-finger: Verified TLS connection established/m;
/** It says this of TLSA records alone. */
const NO_MATCH = /no matching DANE TLSA records[^]*Untrusted TLS connection established/;
/** Records that it did not have or could not use: what is wrong is wrong by the usual authorities. */
const NOT_ASKED =
  /: certificate verification failed[^]*self-signed certificate[^]*Untrusted TLS connection established/;

const VERIFIED = { ours: 'delivered dane successful', postfix: VERIFIES };
const REFUSED = { ours: 'deferred dane validation-failure', postfix: NO_MATCH };

/** Each is a domain below `signed.test` with one host, `mx`. */
const CASES: readonly Case[] = [
  { name: 'ee', address: GOOD, tlsa: [tlsa(3, 1, 1, good)], ...VERIFIED },
  { name: 'eecert', address: GOOD, tlsa: [tlsa(3, 0, 2, good)], ...VERIFIED },
  { name: 'ta', address: GOOD, tlsa: [tlsa(2, 0, 1, root)], ...VERIFIED },
  { name: 'full', address: GOOD, tlsa: [tlsa(2, 0, 0, root)], ...VERIFIED },
  { name: 'domain', address: GOOD, tlsa: [tlsa(2, 1, 1, root)], ...VERIFIED },
  { name: 'rollover', address: GOOD, tlsa: [tlsa(3, 1, 1, stranger), tlsa(3, 1, 1, good)], ...VERIFIED },
  { name: 'old', address: EXPIRED, tlsa: [tlsa(3, 1, 1, expired)], ...VERIFIED },
  { name: 'mismatch', address: STRANGER, tlsa: [tlsa(3, 1, 1, good)], ...REFUSED },
  { name: 'tamismatch', address: STRANGER, tlsa: [tlsa(2, 0, 1, root)], ...REFUSED },
  { name: 'oldta', address: EXPIRED, tlsa: [tlsa(2, 0, 1, root)], ours: 'deferred dane certificate-expired', postfix: /certificate has expired/ },
  { name: 'othername', address: GOOD, tlsa: [tlsa(2, 0, 1, root)], ours: 'deferred dane certificate-host-mismatch', postfix: /hostname mismatch/ },
  { name: 'weak', address: GOOD, tlsa: [tlsa(3, 1, 1, good), tlsa(3, 1, 2, stranger)], ...REFUSED },
  { name: 'unusable', address: STRANGER, tlsa: [tlsa(1, 1, 1, good)], ours: 'delivered dane tlsa-invalid', postfix: NOT_ASKED },
  { name: 'notls', address: IN_CLEAR, tlsa: [tlsa(3, 1, 1, good)], ours: 'deferred dane starttls-not-supported', postfix: /^$/ },
  { name: 'none', address: STRANGER, tlsa: [], ours: 'delivered opportunistic successful', postfix: NOT_ASKED },
]; // prettier-ignore

/** Domains of their own zones. */
const OTHERS = [
  { domain: 'bogus.test', ours: 'DNS', postfix: /not found|lookup error/ },
  { domain: 'unsigned.test', ours: 'delivered opportunistic successful', postfix: NOT_ASKED },
  { domain: 'half.signed.test', ours: 'deferred dane dnssec-invalid', postfix: /TLSA lookup error/ },
  { domain: 'alias.signed.test', ours: 'delivered dane successful', postfix: VERIFIES },
  // The probe asks the first host alone; its second is good.
  { domain: 'mixed.signed.test', ours: 'delivered dane successful', postfix: NO_MATCH },
];

describe('DANE over a validating resolver', { skip: await interopNeeds('dnssec', 'unbound', 'postfix') }, () => {
  let dnssec: Dnssec;
  let resolver: StubResolver;
  let folder: string;
  let port: number;
  const servers: PeerServer[] = [];

  before(async () => {
    folder = await testFolder('dane');
    port = await freePort();
    const withRoot = (party: Party) => ({ cert: `${party.cert}${root.cert}`, key: party.key });
    const scripts = {
      [GOOD]: { certificate: withRoot(good) },
      [STRANGER]: { certificate: stranger },
      [EXPIRED]: { certificate: withRoot(expired) },
      [IN_CLEAR]: {},
    };
    for (const [address, script] of Object.entries(scripts))
      servers.push(await new PeerServer(script).listen(address, port));
    dnssec = await startDnssec(zones(port));
    const start = performance.now();
    resolver = new StubResolver({
      servers: [dnssec],
      ...{ timeoutMs: 5000, attempts: 2, trustAd: 'loopback', cacheOctets: 100_000 },
      clock: { now: () => 0, monotonic: () => performance.now() - start },
      timers: {
        after(delay, wake) {
          const handle = setTimeout(wake, delay);
          return { cancel: () => clearTimeout(handle) };
        },
      },
    });
    await mkdir(join(folder, 'etc'));
    await writeFile(
      join(folder, 'etc', 'main.cf'),
      'compatibility_level = 3.6\ninet_protocols = ipv4\nmail_owner = daemon\nsetgid_group = mail\ndefault_privs = nobody\n',
    );
    await writeFile(join(folder, 'resolv.conf'), `nameserver ${dnssec.wellKnown ?? dnssec.address}\n`);
  });
  after(async () => {
    resolver?.close();
    for (const server of servers) await server.close();
    await dnssec?.stop();
    await removeFolder(folder);
  });

  const domains = [...CASES.map((each) => ({ ...each, domain: `${each.name}.signed.test` })), ...OTHERS];
  for (const { domain, ours, postfix } of domains) {
    test(`${domain}: ours`, async (t) => assert.equal(await ourVerdict(domain, t), ours));
    test(`${domain}: Postfix`, async (t) => {
      if (dnssec.wellKnown === undefined) return t.skip('only root may have port 53');
      const said = await finger(domain);
      assert.match(said, postfix);
      return undefined;
    });
  }

  async function ourVerdict(name: string, t: Parameters<typeof agentFor>[0]): Promise<string> {
    const domain = parseDomain(name);
    assert.ok(domain.ok);
    const random = { next: () => 0 };
    const rest = { resolver, helloNames: new Set<string>(), ownAddresses: () => false, maxHosts: 5, random };
    const site = await findSite(domain.value, { ...rest, family: 'ipv4' });
    if (site.kind !== 'site') return site.status === '4.4.3' ? 'DNS' : site.kind;
    const { agent } = agentFor(t, { resolver, family: 'ipv4' });
    const { hosts, authenticated: secure } = site;
    const letter = { hosts, secure, to: [`bob@${name}`] };
    const report = await agent.deliver(dispatchOf({ ...MX, port, tls: 'opportunistic' }, letter));
    return `${report.outcomes[0]?.kind} ${report.tlsSession?.policy} ${report.tlsSession?.result}`;
  }

  async function finger(domain: string): Promise<string> {
    const [postfix, tools] = [await packageRoot('postfix'), await packageRoot('dnssec')];
    const libraries = libraryFolders(postfix);
    const wrapper = libraryFolders(tools).map((each) => join(each, 'libresolv_wrapper.so'))[0]!;
    const running = startProcess({
      argv: [join(postfix, 'usr/sbin/posttls-finger'), '-c', '-l', 'dane', '-L', 'summary', `${domain}:${port}`],
      env: {
        MAIL_CONFIG: join(folder, 'etc'),
        LD_LIBRARY_PATH: libraries.join(':'),
        LD_PRELOAD: wrapper,
        RESOLV_WRAPPER_CONF: join(folder, 'resolv.conf'),
      },
    });
    await running.exited;
    return running.output();
  }
});

function zones(port: number) {
  const at = `_${port}._tcp`;
  const hosts = CASES.map(({ name, address, tlsa: records }) => {
    const published = records.map((record) => `${at}.mx.${name} IN TLSA ${record}\n`);
    return `${name} IN MX 0 mx.${name}\nmx.${name} IN A ${address}\n${published.join('')}`;
  });
  const own = `@ IN MX 0 mx\nmx IN A ${STRANGER}\n${at}.mx IN TLSA ${tlsa(3, 1, 1, good)}\n`;
  const signed = `${hosts.join('')}
half IN MX 0 mx.half
mx.half IN A ${STRANGER}
_tcp.mx.half IN NS ns
alias IN MX 0 mx.alias
mx.alias IN CNAME end.alias
end.alias IN A ${GOOD}
${at}.end.alias IN TLSA ${tlsa(3, 1, 1, good)}
mixed IN MX 10 mx.mismatch
mixed IN MX 20 mx.ee
`;
  return [
    { name: 'signed.test', trust: 'anchored', records: signed },
    // Signed by a key that is not the zone's: bogus are the TLSA records alone.
    { name: '_tcp.mx.half.signed.test', trust: 'wrongAnchor', records: `_${port} IN TLSA ${tlsa(3, 1, 1, good)}\n` },
    { name: 'bogus.test', trust: 'wrongAnchor', records: own },
    { name: 'unsigned.test', trust: 'none', records: own },
  ] as const;
}

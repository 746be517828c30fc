/** An `Admin` that remembers what it was asked, for the tests of the faces. */

import { EVENTS } from '../events/samples.ts';
import { type AcmeView, type CertificateView } from './certificate-view.ts';
import { type Admin, type EntryView, Refusal, type Status } from './contract.ts';

export const STATUS: Status = {
  version: '1.2.3',
  hostname: 'mx.test',
  pid: 42,
  now: 1_000_000,
  startedAt: 400_000,
  state: 'running',
  intake: 'open',
  delivery: 'running',
  softBounce: false,
  configFile: '/etc/postrider/postrider.config.ts',
  listeners: [{ name: 'smtp', address: '127.0.0.1:25', protocol: 'smtp' }],
  spool: { messages: 3, entries: 4, freeOctets: 5_000_000, usedOctets: 6000 },
  workers: [{ slot: 0, sessions: 2, deliveries: 1 }],
  inFlight: 1,
};

export const ENTRY: EntryView = {
  id: '01jd3x7k2mpq0000abcd/0',
  message: '01jd3x7k2mpq0000abcd',
  queue: ':@example.com',
  sender: 'ann@a.test',
  recipients: ['bob@example.com'],
  routingDomain: 'example.com',
  route: 'mx',
  class: 'normal',
  lane: 'deferred',
  reason: 'greylisted',
  lastReply: '450 4.7.1 later',
  attempts: 1,
  acceptedAt: 900_000,
  dueAt: 1_120_000,
  expiresAt: 400_000_000,
  lastAttemptAt: 990_000,
  octets: 1234,
  inFlight: false,
};

const TENANT = { name: 'acme', suspended: false, limits: { messagesPerHour: 100 } };
const CREDENTIAL = {
  ...{ user: 'app', kind: 'smtp', tenant: 'acme', disabled: false },
  ...{ senders: ['example.com'], limits: {} },
};
const DOMAIN = { name: 'example.com', tenant: 'acme', changedAt: 1000 };
const SPF = {
  ...{ purpose: 'spf', name: 'example.com', type: 'TXT', value: 'v=spf1 a:mx.test mx ~all', weight: 'needed' },
  ...{ why: 'which hosts may send as the domain', line: 'example.com. 3600 IN TXT "v=spf1 a:mx.test mx ~all"' },
};
const KEY = {
  ...{ domain: 'example.com', selector: 'p202611r', algorithm: 'rsa-sha256', state: 'signing', since: 1000 },
  ...{ name: 'p202611r._domainkey.example.com', record: 'v=DKIM1; k=rsa; p=MIIB' },
};

export interface FakeAdmin extends Admin {
  readonly asked: (readonly [call: string, argument: unknown])[];
  answers: Partial<Record<keyof Admin, unknown>>;
}

const CHANGED = { entries: 2, inFlight: 1 };
const RULE = {
  id: 'r1',
  epoch: 1,
  kind: 'suspend' as const,
  target: { domain: 'example.com' },
  route: undefined,
  reason: 'maintenance',
  setBy: 'ann',
  setAt: 1000,
  until: undefined,
};

const CERTIFICATE: CertificateView = {
  source: 'acme',
  names: ['mx.test', '*.mx.test'],
  issuer: 'CN=Test authority',
  keyType: 'ec',
  notBefore: 0,
  notAfter: 8_000_000_000,
  tlsa: `3 1 1 ${'ab'.repeat(32)}`,
};
const ACME: AcmeView = {
  names: ['mx.test'],
  state: 'waiting',
  nextAt: 5_000_000_000,
  failures: 0,
  lastError: '',
  nextTlsa: `3 1 1 ${'cd'.repeat(32)}`,
};

const ANSWERS: Readonly<Record<keyof Admin, unknown>> = {
  list: { entries: [ENTRY], next: undefined },
  retry: CHANGED,
  hold: CHANGED,
  release: CHANGED,
  remove: CHANGED,
  flush: CHANGED,
  message: { id: ENTRY.message, message: undefined, entries: [ENTRY], events: [] },
  content: Buffer.from([0x53, 0x3a, 0x0d, 0x0a, 0xff, 0x00]),
  events: { events: [EVENTS.directoryChanged, EVENTS.accepted], next: undefined },
  tlsReports: { reports: [EVENTS.tlsReportReceived], next: undefined },
  rules: { rules: [RULE] },
  check: { messages: 3, entries: 4, problems: [] },
  backup: { messages: 3, files: 1 },
  explain: {
    about: 'bob@example.com',
    ways: [
      {
        recipients: ['bob@example.com'],
        routingDomain: 'example.com',
        route: { name: 'mx', kind: 'mx' },
        site: 'mx.example.com',
        hosts: [{ name: 'mx.example.com', preference: 10 }],
        entry: ENTRY,
        explanations: [{ what: 'waits for its time', by: 'default', until: 1_120_000 }],
      },
    ],
  },
  suspend: { rule: RULE, inFlight: 0 },
  resume: { rules: [RULE] },
  pause: { ...STATUS, delivery: 'paused' },
  unpause: STATUS,
  softBounce: { ...STATUS, softBounce: true },
  reload: { result: 'swapped', problems: [], needsRestart: [] },
  drain: { ...STATUS, state: 'draining' },
  status: STATUS,
  sites: { sites: [], next: undefined },
  tenants: { tenants: [TENANT] },
  addTenant: TENANT,
  changeTenant: { ...TENANT, suspended: true },
  removeTenant: TENANT,
  credentials: { credentials: [CREDENTIAL] },
  addCredential: { credential: CREDENTIAL, secret: 'made-up-secret' },
  changeCredential: { credential: CREDENTIAL, secret: undefined },
  removeCredential: CREDENTIAL,
  domains: { domains: [DOMAIN] },
  domain: { ...DOMAIN, records: [SPF], notes: ['publish no MX'] },
  addDomain: { ...DOMAIN, records: [SPF], notes: ['publish no MX'] },
  removeDomain: DOMAIN,
  checkDomain: {
    records: [{ ...SPF, state: 'wrong', problem: 'there is no such TXT record at example.com: publish it' }],
  },
  keys: { keys: [KEY] },
  addKey: { ...KEY, state: 'published' },
  changeKey: KEY,
  removeKey: KEY,
  rotateKeys: { keys: [{ ...KEY, state: 'published' }] },
  switchKeys: { keys: [KEY] },
  certificates: { certificates: [CERTIFICATE], acme: ACME },
  renewCertificate: { certificates: [CERTIFICATE], acme: { ...ACME, state: 'ordering' } },
};

/** An answer that is an Error rejects. */
export function fakeAdmin(): FakeAdmin {
  const asked: (readonly [string, unknown])[] = [];
  const fake = { asked, answers: {} as FakeAdmin['answers'] };
  const call = (name: keyof Admin) => (argument: unknown) => {
    asked.push([name, argument]);
    const answer = fake.answers[name] ?? ANSWERS[name];
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
  };
  const calls = (Object.keys(ANSWERS) as (keyof Admin)[]).map((name) => [name, call(name)] as const);
  return Object.assign(fake, Object.fromEntries(calls)) as unknown as FakeAdmin;
}

export const NOT_FOUND = new Refusal('notFound', 'there is no such message');

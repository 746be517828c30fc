/**
 * The whole configuration: the parts' options composed, read, checked against each other and completed.
 *
 * `defineConfig` gives what a person writes its type; `readConfig` turns it into a `Config`, in which every option
 * has a value, every folder is absolute, and the routes are in the order in which they are tried.
 */

import { isAbsolute, join, resolve } from 'node:path';
import { ACME_OPTIONS } from '../acme/config.ts';
import { HTTP_OPTIONS, MTA_STS_OPTIONS } from '../api/config.ts';
import { BOUNCE_OPTIONS } from '../bounce/config.ts';
import { DELIVER_OPTIONS } from '../deliver/config.ts';
import { DNS_OPTIONS } from '../dns/config.ts';
import { EVENTS_OPTIONS } from '../events/config.ts';
import { count, duration, flag, group, optional, read, required, type Values, type Written } from '../lib/schema.ts';
import { type Fields, type Read } from '../lib/schema-reading.ts';
import { domainName } from '../mail/config.ts';
import { type Route } from '../mail/route.ts';
import { SIGNING_OPTIONS } from '../mailauth/config.ts';
import { OAUTH_OPTIONS } from '../oauth/config.ts';
import { QUEUE_OPTIONS } from '../queue/config.ts';
import {
  LIMITS_OPTIONS,
  LISTENERS_OPTION,
  LOCAL_OPTIONS,
  MEMORY_OPTIONS,
  PICKUP_OPTIONS,
  RELAY_OPTIONS,
  type RepairedRules,
  repairedRules,
  SUBMISSION_OPTIONS,
  TLS_OPTIONS,
} from '../receive/config.ts';
import { TLS_REPORT_OPTIONS } from '../reports/config.ts';
import { SPOOL_OPTIONS } from '../spool/config.ts';
import { crossCheck } from './cross-check.ts';
import { routesInOrder } from './route-order.ts';
import { type RouteOptions, ROUTES_OPTION } from './routes.ts';

export const OPTIONS = {
  hostname: required(
    domainName(
      'mx.example.com',
      'What this server calls itself: in greetings, trace fields and reports. Its address should lead back to this name (PTR).',
    ),
  ),
  listeners: LISTENERS_OPTION,
  tls: group(TLS_OPTIONS, 'The certificate shown to clients.'),
  acme: group(ACME_OPTIONS, 'Certificates from an authority that speaks ACME (RFC 8555), renewed by themselves.'),
  relay: group(RELAY_OPTIONS, 'Who may send to whom. Mail for local domains is taken from anybody.'),
  local: group(LOCAL_OPTIONS, 'Domains whose mailboxes are here.'),
  pickup: group(PICKUP_OPTIONS, 'Mail from programs and users of this machine.'),
  submission: group(SUBMISSION_OPTIONS, 'The form of mail from users who have logged in (RFC 6409).'),
  routes: ROUTES_OPTION,
  oauth: group(OAUTH_OPTIONS, 'Logins by tokens of an OAuth 2.0 server: OAUTHBEARER (RFC 7628) and XOAUTH2.'),
  signing: group(SIGNING_OPTIONS, 'DKIM signatures of what our own clients send (RFC 6376).'),
  queue: group(QUEUE_OPTIONS, 'How mail waits and is tried.'),
  deliver: group(DELIVER_OPTIONS, 'How mail is handed on.'),
  dns: group(DNS_OPTIONS, 'How names are looked up.'),
  limits: group(LIMITS_OPTIONS, 'What is taken from clients.'),
  bounce: group(BOUNCE_OPTIONS, 'What senders are told.'),
  softBounce: flag(
    false,
    'Every refusal is temporary, ours and the receivers’: for the first days of a new configuration.',
  ),
  spool: group(SPOOL_OPTIONS, 'Where mail is kept.'),
  events: group(EVENTS_OPTIONS, 'The log of what became of each message.'),
  http: group(HTTP_OPTIONS, 'API, metrics, health and console.'),
  mtaSts: group(
    MTA_STS_OPTIONS,
    'The MTA-STS policy of the local and relay domains, served at `mta-sts.` and the domain: by HTTPS, or by HTTP for a web server in front.',
  ),
  tlsReports: group(TLS_REPORT_OPTIONS, 'Reports on encryption (TLS-RPT, RFC 8460), sent and received.'),
  memory: group(MEMORY_OPTIONS, 'How much memory is taken.'),
  workers: optional(
    count(1, 'Threads for sessions and deliveries. Not given: one for each core but one, at least one.', {
      min: 1,
      max: 256,
    }),
  ),
  drainTime: duration('30s', 'How long a stop waits for what is in flight.', { max: 3_600_000 }),
};

type Raw = Values<typeof OPTIONS>;

export interface Config extends Omit<Raw, 'routes' | 'events' | 'local' | 'pickup' | 'submission'> {
  /** In the order in which they are tried; the last one takes everything. */
  readonly routes: readonly Route[];
  readonly local: Omit<Raw['local'], 'postmaster'> & { readonly postmaster: string };
  readonly events: Omit<Raw['events'], 'folder'> & { readonly folder: string };
  readonly pickup: Omit<Raw['pickup'], 'domain'> & { readonly domain: string };
  readonly submission: Raw['submission'] & { readonly repairIf: RepairedRules };
}

/** What a configuration file exports by default. */
export type PostriderConfig = Written<typeof OPTIONS>;

/** Gives the options their types in an editor; changes nothing. */
export function defineConfig(config: PostriderConfig): PostriderConfig {
  return config;
}

/** `folder`: that of the configuration file; other folders and files are relative to it. */
export function readConfig(written: unknown, folder: string): Read<Config> {
  const raw = read(OPTIONS, written);
  if (!raw.ok) return raw;
  const problems = crossCheck(raw.value);
  return problems.length === 0 ? { ok: true, value: complete(raw.value, folder) } : { ok: false, problems };
}

function complete(raw: Raw, base: string): Config {
  const spool = { ...raw.spool, folder: resolve(base, raw.spool.folder) };
  const eventsFolder =
    raw.events.folder === undefined ? join(spool.folder, 'events') : resolve(base, raw.events.folder);
  return {
    ...raw,
    spool,
    events: { ...raw.events, folder: eventsFolder },
    local: {
      ...raw.local,
      postmaster: completed(raw.local.postmaster ?? 'postmaster', raw.hostname),
      ...(raw.local.mailboxes && { mailboxes: raw.local.mailboxes.map((mailbox) => mailbox.toLowerCase()) }),
    },
    pickup: { ...raw.pickup, folder: fileIn(base, raw.pickup.folder), domain: raw.pickup.domain ?? ownDomain(raw) },
    submission: { ...raw.submission, repairIf: repairedRules(raw.submission) },
    ...certificateFiles(raw, base),
    deliver: {
      ...raw.deliver,
      tls: { ...raw.deliver.tls, ca: fileIn(base, raw.deliver.tls.ca) },
      mtaSts: { ...raw.deliver.mtaSts, ca: fileIn(base, raw.deliver.mtaSts.ca) },
    },
    routes: routesInOrder(
      raw.routes.map((route) => routeFiles(route, base)),
      raw.local,
    ),
    oauth: oauthFiles(raw.oauth, base),
    signing: { ...raw.signing, keys: raw.signing.keys.map((key) => ({ ...key, file: resolve(base, key.file) })) },
  };
}

function certificateFiles({ acme, tls, hostname }: Raw, base: string): Pick<Config, 'acme' | 'tls'> {
  return {
    acme: {
      ...acme,
      names: acme.names.length === 0 ? [hostname] : acme.names,
      ca: fileIn(base, acme.ca),
      externalKeyFile: fileIn(base, acme.externalKeyFile),
    },
    tls: {
      ...tls,
      certificate: fileIn(base, tls.certificate),
      key: fileIn(base, tls.key),
      clientCa: fileIn(base, tls.clientCa),
      certificates: tls.certificates.map(({ names, certificate, key }) => ({
        ...{ names, certificate: resolve(base, certificate), key: resolve(base, key) },
      })),
    },
  };
}

function routeFiles<R extends RouteOptions>(route: R, base: string): R {
  const shown = 'tlsOptions' in route ? route.tlsOptions?.clientCertificate : undefined;
  if (!('tlsOptions' in route) || shown === undefined) return route;
  const clientCertificate = { certificate: resolve(base, shown.certificate), key: resolve(base, shown.key) };
  return { ...route, tlsOptions: { ...route.tlsOptions, clientCertificate } };
}

function oauthFiles({ introspection, ...oauth }: Raw['oauth'], base: string): Raw['oauth'] {
  return {
    ...oauth,
    introspection: { ...introspection, secretFile: fileIn(base, introspection.secretFile) },
    jwksFile: fileIn(base, oauth.jwksFile),
    ca: fileIn(base, oauth.ca),
  };
}

/** The domain of users who write none: one whose mail stays here, if there is any. */
function ownDomain({ hostname, local: { domains } }: Raw): string {
  return domains.includes(hostname) ? hostname : (domains[0] ?? hostname);
}

function completed(address: string, hostname: string): string {
  return address.includes('@') ? address : `${address}@${hostname}`;
}

function fileIn(base: string, file: string | undefined): string | undefined {
  return file === undefined || isAbsolute(file) ? file : resolve(base, file);
}

/** All options, for the reference page. */
export const ALL_OPTIONS: Fields = OPTIONS;

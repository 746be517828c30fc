/**
 * The certificates of a running server: read from their files, looked at again and again, and told when they end.
 *
 * Files that change are taken within half a minute, without a reload. A pair that does not belong together, as while it is
 * being written, is not taken: the one before goes on, and the log names the files. What is the same is not told again.
 */

import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { errorText } from '../lib/error-text.ts';
import { acmeFiles } from '../acme/files.ts';
import { type CertificateView } from '../api/certificate-view.ts';
import { type Config } from '../config/config.ts';
import { DAY, type Instant, SECOND } from '../lib/time.ts';
import { gauge } from '../observe/metrics.ts';
import { type PartHealth } from '../observe/health.ts';
import { type Clock } from '../ports/clock.ts';
import { type Log } from '../ports/log.ts';
import { type CertificatePair, namesOf } from '../receive/certificate-choice.ts';
import { type Certificates } from './boot.ts';
import { certificateIn, type NamedPair, pairOf, readCertificates, selfSigned } from './certificates.ts';
import { readNamedSoon } from './named-file.ts';
import { tlsaOf } from './tlsa.ts';

const expiry = gauge(
  'postrider_certificate_expiry_timestamp_seconds',
  'When the first of the server certificates in use ends; 0 where there is none.',
);

/** Files are looked at this often. */
export const LOOK_AT_CERTIFICATES = 30 * SECOND;
/** A certificate that has less left, and less than a quarter of its life, is warned of, once a day. */
const WARN_WITHIN = 14 * DAY;

export interface CertificateSource extends NamedPair {
  /** The option, for people. */
  readonly option: string;
  readonly names: readonly string[] | undefined;
  /** It may not be there yet: the server does without. */
  readonly isOptional: boolean;
}

interface Kept extends CertificatePair {
  readonly source: CertificateSource;
}

interface Loaded {
  readonly config: Config;
  readonly kept: readonly Kept[];
  readonly made: CertificatePair | undefined;
  readonly clientCa: string | undefined;
}

export class CertificateKeeper {
  readonly #clock: Clock;
  readonly #log: Log;
  #loaded: Loaded | undefined;
  #candidate: Loaded | undefined;
  /** What has been complained of, so that it is said once. */
  readonly #complaints = new Map<string, string>();
  readonly #warnedAt = new Map<string, Instant>();

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  /** Rejects with the names of the files that cannot be used. In force from `take` on. */
  async load(config: Config): Promise<Certificates> {
    const isNeeded = config.listeners.some(({ tls }) => tls !== 'off');
    const found = await Promise.all(sourcesOf(config).map((source) => this.#first(source)));
    const kept = found.filter((each) => each !== undefined);
    const made =
      kept.length > 0 || !isNeeded
        ? undefined
        : await selfSigned(join(config.spool.folder, 'tls'), config.hostname, this.#clock.now());
    const clientCa = config.tls.clientCa === undefined ? undefined : await readAuthorities(config.tls.clientCa);
    this.#candidate = { config, kept, made, clientCa };
    return certificatesOf(this.#candidate);
  }

  /** What ACME has left there is ours to mend: the server starts without it. */
  async #first(source: CertificateSource): Promise<Kept | undefined> {
    try {
      return await readSource(source);
    } catch (error) {
      if (!source.isOptional) throw error;
      this.#complain(source.certificate.file, error);
      return undefined;
    }
  }

  /** What is in force. */
  get current(): Certificates | undefined {
    return this.#loaded && certificatesOf(this.#loaded);
  }

  take(): void {
    this.#loaded = this.#candidate ?? this.#loaded;
    this.#candidate = undefined;
    this.#complaints.clear();
    this.#watchExpiry();
  }

  /** What is new since the last look; undefined: nothing. Never rejects. */
  async look(): Promise<Certificates | undefined> {
    const before = this.#loaded;
    if (before === undefined) return undefined;
    const found = await Promise.all(sourcesOf(before.config).map((source) => this.#lookAt(source, before)));
    const kept = found.filter((each) => each !== undefined);
    const clientCa = await this.#lookAtAuthorities(before);
    const after: Loaded = { ...before, kept, clientCa, made: kept.length > 0 ? undefined : before.made };
    const fresh = certificatesOf(after);
    // A reload has come between.
    if (this.#loaded !== before) return undefined;
    this.#loaded = after;
    this.#watchExpiry();
    return JSON.stringify(fresh) === JSON.stringify(certificatesOf(before)) ? undefined : fresh;
  }

  async #lookAt(source: CertificateSource, { kept }: Loaded): Promise<Kept | undefined> {
    const before = kept.find(
      ({ source: { certificate, key } }) =>
        certificate.file === source.certificate.file && key.file === source.key.file,
    );
    try {
      const now = await readSource(source);
      this.#complaints.delete(source.certificate.file);
      return now ?? before;
    } catch (error) {
      this.#complain(source.certificate.file, error);
      return before;
    }
  }

  async #lookAtAuthorities({ config, clientCa }: Loaded): Promise<string | undefined> {
    const file = config.tls.clientCa;
    if (file === undefined) return undefined;
    try {
      return await readAuthorities(file);
    } catch (error) {
      this.#complain(file, error);
      return clientCa;
    }
  }

  #complain(file: string, error: unknown): void {
    const reason = errorText(error);
    if (this.#complaints.get(file) === reason) return;
    this.#complaints.set(file, reason);
    this.#log.warn('a changed certificate is not taken, the one before stays in use', { file, reason });
  }

  views(): readonly CertificateView[] {
    if (this.#loaded === undefined) return [];
    const { kept, made } = this.#loaded;
    const all = kept.map((each) => viewOf(each, each.source.option, each.source.names));
    return made === undefined ? all : [viewOf(made, 'self-signed', undefined)];
  }

  health(): readonly PartHealth[] {
    const bad = this.views().filter((view) => isShort(view, this.#clock.now()));
    const reason = bad.map(({ source, notAfter }) => `${source} ends ${new Date(notAfter).toISOString()}`).join('; ');
    const state = bad.length === 0 ? 'ok' : 'degraded';
    return [{ part: 'certificates', state, reason, heardAt: undefined, needed: false }];
  }

  #watchExpiry(): void {
    const views = this.views();
    const first = Math.min(...views.map(({ notAfter }) => notAfter));
    expiry.set(views.length === 0 ? 0 : Math.floor(first / SECOND));
    const now = this.#clock.now();
    for (const view of views.filter((each) => isShort(each, now))) {
      if (now - (this.#warnedAt.get(view.source) ?? -Infinity) < DAY) continue;
      this.#warnedAt.set(view.source, now);
      const facts = {
        certificate: view.source,
        names: view.names.join(' '),
        end: new Date(view.notAfter).toISOString(),
      };
      if (view.notAfter <= now) this.#log.error('a server certificate has expired', facts);
      else this.#log.warn('a server certificate is about to expire', facts);
    }
  }
}

function isShort({ notBefore, notAfter }: CertificateView, now: Instant): boolean {
  return notAfter - now < Math.min(WARN_WITHIN, (notAfter - notBefore) / 4);
}

export function sourcesOf({ tls, acme, spool }: Config): readonly CertificateSource[] {
  const files = acmeFiles(spool.folder);
  const { certificate, key } = tls;
  return [
    ...(certificate === undefined || key === undefined
      ? []
      : [
          {
            ...{ option: 'tls.certificate', names: undefined, isOptional: false },
            ...pairOf('tls', { certificate, key }),
          },
        ]),
    ...(acme.enabled ? [acmeSource(files.certificate)] : []),
    ...tls.certificates.map((each, i) => {
      const option = `tls.certificates[${i}]`;
      return { ...{ option, names: each.names, isOptional: false }, ...pairOf(option, each) };
    }),
  ];
}

/** Key and chain in one file. */
function acmeSource(file: string): CertificateSource {
  const named = { option: 'acme', file };
  return { option: 'acme', certificate: named, key: named, names: undefined, isOptional: true };
}

async function readSource(source: CertificateSource): Promise<Kept | undefined> {
  try {
    return { ...(await readCertificates(source)), source };
  } catch (error) {
    if (source.isOptional && isMissing(error)) return undefined;
    throw error;
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && (error.cause as { readonly code?: string } | undefined)?.code === 'ENOENT';
}

async function readAuthorities(file: string): Promise<string> {
  const named = { option: 'tls.clientCa', file };
  const pem = await readNamedSoon(named);
  // The first of them; OpenSSL reads the rest.
  certificateIn(named, pem);
  return pem;
}

/** The usual one is the first that is configured, else the self-made one. */
function certificatesOf({ kept, made, clientCa }: Loaded): Certificates {
  const [usual = made ?? { certificate: '', key: '' }, ...named] = kept;
  const more = named.map(({ certificate, key, source }) => ({
    ...{ certificate, key },
    names: source.names === undefined || source.names.length === 0 ? namesOf(certificate) : source.names,
  }));
  return {
    ...{ certificate: usual.certificate, key: usual.key },
    ...(more.length > 0 && { named: more }),
    ...(clientCa !== undefined && { clientCa }),
  };
}

function viewOf({ certificate }: CertificatePair, source: string, names: CertificateSource['names']): CertificateView {
  const first = new X509Certificate(certificate);
  return {
    source,
    names: names === undefined || names.length === 0 ? namesOf(certificate) : names,
    issuer: first.issuer.replaceAll('\n', ', '),
    keyType: first.publicKey.asymmetricKeyType ?? 'unknown',
    notBefore: first.validFromDate.getTime(),
    notAfter: first.validToDate.getTime(),
    tlsa: tlsaOf(first),
  };
}

/**
 * The server certificate: read from the configured files, or made here once and kept with the spool.
 *
 * A self-made certificate lets others encrypt; it proves nothing to anybody.
 */

import { createPrivateKey, type KeyObject, webcrypto, X509Certificate } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { errorText } from '../lib/error-text.ts';
import { DAY, type Instant } from '../lib/time.ts';
import { type CertificatePair } from '../receive/certificate-choice.ts';
import { FileFault, type NamedFile, readNamedSoon } from './named-file.ts';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
// Long: nobody checks it, and a new one would only upset those who pin it.
const LIFETIME = 3650 * DAY;

/** The two files of a certificate, and the options that name them. */
export interface NamedPair {
  readonly certificate: NamedFile;
  readonly key: NamedFile;
}

/** Two options of one group. */
export function pairOf(option: string, { certificate, key }: { certificate: string; key: string }): NamedPair {
  return {
    certificate: { option: `${option}.certificate`, file: certificate },
    key: { option: `${option}.key`, file: key },
  };
}

/** Rejects with the options and the names of the files. */
export async function readCertificates(named: NamedPair): Promise<CertificatePair> {
  const [certificate, key] = await Promise.all([readNamedSoon(named.certificate), readNamedSoon(named.key)]);
  return checkedPair(named, { certificate, key });
}

/** Throws when one of them is no such thing, or they do not belong together. */
export function checkedPair(named: NamedPair, pair: CertificatePair): CertificatePair {
  const certificate = certificateIn(named.certificate, pair.certificate);
  const key = keyIn(named.key, pair.key);
  const { file } = named.certificate;
  // OpenSSL takes a certificate without a key beside it, or a key that stands alone, without a word.
  if (!certificate.checkPrivateKey(key)) {
    const what = `${named.key.file} belongs to another certificate than ${file}`;
    throw new FileFault(named.key.option, [what, 'name the two that belong together']);
  }
  try {
    createSecureContext({ cert: pair.certificate, key: pair.key });
  } catch (error) {
    const what = `${file} and ${named.key.file} cannot be used: ${errorText(error)}`;
    throw new FileFault(named.certificate.option, [what, 'have a certificate made that TLS takes'], error);
  }
  return pair;
}

/** The first certificate in it. */
export function certificateIn({ option, file }: NamedFile, pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (error) {
    throw new FileFault(option, [`${file} holds no certificate in PEM`, 'name the file that does'], error);
  }
}

function keyIn({ option, file }: NamedFile, pem: string): KeyObject {
  if (/^-----BEGIN ENCRYPTED PRIVATE KEY|^Proc-Type: 4,ENCRYPTED/m.test(pem)) {
    const fix = `write one without: openssl pkey -in ${file} -out <new file>`;
    throw new FileFault(option, [`${file} has a passphrase, and nobody could type it in at a start`, fix]);
  }
  try {
    return createPrivateKey(pem);
  } catch (error) {
    throw new FileFault(option, [`${file} holds no private key in PEM`, 'name the file that does'], error);
  }
}

/** The one made before for this name, or a new one. */
export async function selfSigned(folder: string, hostname: string, now: Instant): Promise<CertificatePair> {
  const [certificateFile, keyFile] = ['certificate.pem', 'key.pem'].map((name) => join(folder, name)) as [
    string,
    string,
  ];
  try {
    const kept = { certificate: await readFile(certificateFile, 'utf8'), key: await readFile(keyFile, 'utf8') };
    // Also whether they belong together: a disk that was full may have left one of them behind.
    createSecureContext({ cert: kept.certificate, key: kept.key });
    if (new X509Certificate(kept.certificate).subject === `CN=${hostname}`) return kept;
  } catch {
    // None yet, or one that cannot be read: a new one takes its place.
  }
  const made = await makeCertificate(hostname, now);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeFile(keyFile, made.key, { mode: 0o600 });
  await writeFile(certificateFile, made.certificate, { mode: 0o600 });
  return made;
}

async function makeCertificate(hostname: string, now: Instant): Promise<CertificatePair> {
  // Only a first start needs them, and they take a tenth of a second to load.
  await import('reflect-metadata');
  const x509 = await import('@peculiar/x509');
  x509.cryptoProvider.set(webcrypto);
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: Buffer.from(webcrypto.getRandomValues(new Uint8Array(15))).toString('hex'),
    name: `CN=${hostname}`,
    notBefore: new Date(now - DAY),
    notAfter: new Date(now + LIFETIME),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: hostname }])],
  });
  const key = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  return { certificate: certificate.toString('pem'), key: x509.PemConverter.encode(key, 'PRIVATE KEY') };
}

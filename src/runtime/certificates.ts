/**
 * The server certificate: read from the configured files, or made here once and kept with the spool.
 *
 * A self-made certificate lets others encrypt; it proves nothing to anybody.
 */

import { createPrivateKey, webcrypto, X509Certificate } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { errorText } from '../lib/error-text.ts';
import { DAY, type Instant } from '../lib/time.ts';
import { type CertificatePair } from '../receive/certificate-choice.ts';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
// Long: nobody checks it, and a new one would only upset those who pin it.
const LIFETIME = 3650 * DAY;

/** Rejects with the names of the files. */
export async function readCertificates(certificateFile: string, keyFile: string): Promise<CertificatePair> {
  const [certificate, key] = await Promise.all([readPem(certificateFile), readPem(keyFile)]);
  try {
    createSecureContext({ cert: certificate, key });
    // A certificate without a key beside it, or a key that stands alone, is taken by OpenSSL without a word.
    if (!new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key)))
      throw new Error('key values mismatch');
  } catch (error) {
    const reason = errorText(error);
    throw new Error(`tls: the certificate ${certificateFile} and the key ${keyFile} do not work together: ${reason}`, {
      cause: error,
    });
  }
  return { certificate, key };
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

export async function readPem(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new Error(`tls: ${file} cannot be read: ${errorText(error)}`, {
      cause: error,
    });
  }
}

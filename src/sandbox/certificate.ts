/** A certificate for a simulated receiver, made at start and kept nowhere, and the TLSA record that names it. */

import { createHash, webcrypto } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';
import { DAY, type Instant } from '../lib/time.ts';
import { type RecordData } from '../wire/dns/record.ts';

export interface ReceiverCertificate {
  readonly context: SecureContext;
  readonly pem: { readonly cert: string; readonly key: string };
  /** DANE-EE, of the key (RFC 7672 §3.1.1). */
  readonly tlsa: RecordData['TLSA'];
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const LIFETIME = 3650 * DAY;

export async function receiverCertificate(hostname: string, now: Instant): Promise<ReceiverCertificate> {
  // They take a tenth of a second to load, and only the sandbox needs them.
  await import('reflect-metadata');
  const x509 = await import('@peculiar/x509');
  x509.cryptoProvider.set(webcrypto);
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: '01',
    name: `CN=${hostname}`,
    notBefore: new Date(now - DAY),
    notAfter: new Date(now + LIFETIME),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: hostname }])],
  });
  const key = x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY');
  const pem = { cert: certificate.toString('pem'), key };
  const publicKey = Buffer.from(await webcrypto.subtle.exportKey('spki', keys.publicKey));
  return {
    context: createSecureContext(pem),
    pem,
    tlsa: { usage: 3, selector: 1, matchingType: 1, data: createHash('sha256').update(publicKey).digest() },
  };
}

/** Keys, certificate requests and the certificates of TLS-ALPN-01, by the library that makes certificates (MIT, decision 50). */

import { createHash, createPrivateKey, createPublicKey, generateKeyPair, type KeyObject, webcrypto } from 'node:crypto';
import { promisify } from 'node:util';
import { DAY, type Instant } from '../lib/time.ts';

export type KeyType = 'ecdsa' | 'rsa';

const ECDSA = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const RSA = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' } as const;
/** `acmeIdentifier`, RFC 8737 §6.1. */
const ACME_IDENTIFIER = '1.3.6.1.5.5.7.1.31';

const generate = promisify(generateKeyPair);

/** PEM, PKCS #8. */
export async function newKey(type: KeyType): Promise<string> {
  const { privateKey } =
    type === 'rsa' ? await generate('rsa', { modulusLength: 2048 }) : await generate('ec', { namedCurve: 'P-256' });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

/** DER, as RFC 8555 §7.4 wants it before base64url. */
export async function certificateRequest(key: string, names: readonly string[]): Promise<Buffer> {
  const x509 = await library();
  const { keys, algorithm } = await webKeys(createPrivateKey(key));
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    keys,
    signingAlgorithm: algorithm,
    extensions: [new x509.SubjectAlternativeNameExtension(names.map((value) => ({ type: 'dns', value })))],
  });
  return Buffer.from(request.rawData);
}

export interface ChallengePair {
  readonly certificate: string;
  readonly key: string;
}

/** Shown to the authority in the handshake of TLS-ALPN-01 (RFC 8737 §3). */
export async function challengeCertificate(name: string, authorization: string, now: Instant): Promise<ChallengePair> {
  const x509 = await library();
  const key = await newKey('ecdsa');
  const { keys, algorithm } = await webKeys(createPrivateKey(key));
  const digest = createHash('sha256').update(authorization).digest();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: digest.subarray(0, 15).toString('hex'),
    name: 'CN=ACME challenge',
    notBefore: new Date(now - DAY),
    notAfter: new Date(now + DAY),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: name }]),
      // An OCTET STRING of 32 octets.
      new x509.Extension(ACME_IDENTIFIER, true, Buffer.concat([Buffer.from([0x04, digest.length]), digest])),
    ],
  });
  return { certificate: certificate.toString('pem'), key };
}

/** `<key id of the authority>.<serial number>` (RFC 9773 §4.1); undefined: it names no authority. */
export async function certificateId(certificate: string): Promise<string | undefined> {
  const x509 = await library();
  const [first = ''] = certificate.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/) ?? [];
  const found = new x509.X509Certificate(first);
  const authority = found.getExtension(x509.AuthorityKeyIdentifierExtension)?.keyId;
  if (authority === undefined) return undefined;
  const serial = Buffer.from(found.serialNumber, 'hex');
  // As DER has it: positive numbers do not begin with a set bit.
  const padded = (serial[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.from([0]), serial]) : serial;
  return `${Buffer.from(authority, 'hex').toString('base64url')}.${padded.toString('base64url')}`;
}

/** Takes a tenth of a second to load, and only those who order certificates need it. */
async function library() {
  await import('reflect-metadata');
  const x509 = await import('@peculiar/x509');
  x509.cryptoProvider.set(webcrypto);
  return x509;
}

async function webKeys(key: KeyObject) {
  const algorithm = key.asymmetricKeyType === 'rsa' ? RSA : ECDSA;
  const privateKey = await webcrypto.subtle.importKey(
    'pkcs8',
    key.export({ type: 'pkcs8', format: 'der' }),
    algorithm,
    true,
    ['sign'],
  );
  const spki = createPublicKey(key).export({ type: 'spki', format: 'der' });
  const publicKey = await webcrypto.subtle.importKey('spki', spki, algorithm, true, ['verify']);
  return { algorithm, keys: { privateKey, publicKey } };
}

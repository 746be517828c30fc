/** Certificates for tests of trust, made by a library that the product does not use for this: any dates, any issuer. */

import 'reflect-metadata';
import { webcrypto, X509Certificate } from 'node:crypto';
import * as x509 from '@peculiar/x509';

x509.cryptoProvider.set(webcrypto as unknown as Parameters<typeof x509.cryptoProvider.set>[0]);

const ECDSA = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const DAY = 86_400_000;
const SERVER = '1.3.6.1.5.5.7.3.1';
const CLIENT = '1.3.6.1.5.5.7.3.2';

export interface Party {
  readonly certificate: X509Certificate;
  /** PEM. */
  readonly cert: string;
  readonly key: string;
  readonly keys: Keys;
  readonly subject: string;
}

type Keys = Awaited<ReturnType<typeof webcrypto.subtle.generateKey>> & {
  readonly publicKey: webcrypto.CryptoKey;
  readonly privateKey: webcrypto.CryptoKey;
};

export interface Wish {
  readonly subject: string;
  readonly names?: readonly string[];
  readonly issuer?: Party;
  /** Signs in place of the issuer, whose name stands in the certificate all the same. */
  readonly signer?: Party;
  readonly ca?: boolean;
  /** Days from `now` to its begin and to its end. */
  readonly days?: readonly [from: number, to: number];
  readonly now?: number;
  readonly purpose?: 'server' | 'client';
  readonly keys?: Keys;
}

let serial = 0;

export async function newKeys(): Promise<Keys> {
  return (await webcrypto.subtle.generateKey(ECDSA, true, ['sign', 'verify'])) as Keys;
}

export async function certify(wish: Wish): Promise<Party> {
  const { subject, issuer, days = [-1, 30], now = Date.now() } = wish;
  const keys = wish.keys ?? (await newKeys());
  const made = await x509.X509CertificateGenerator.create({
    serialNumber: (serial += 1).toString(16).padStart(4, '0'),
    subject: `CN=${subject}`,
    issuer: `CN=${issuer?.subject ?? subject}`,
    notBefore: new Date(now + days[0] * DAY),
    notAfter: new Date(now + days[1] * DAY),
    publicKey: keys.publicKey,
    signingKey: (wish.signer ?? issuer)?.keys.privateKey ?? keys.privateKey,
    signingAlgorithm: ECDSA,
    extensions: extensionsOf(wish),
  });
  const cert = `${made.toString('pem')}\n`;
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  const key = `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n`;
  return { certificate: new X509Certificate(cert), cert, key, keys, subject };
}

function extensionsOf({ names = [], ca = false, purpose }: Wish): x509.Extension[] {
  const extensions: x509.Extension[] = [new x509.BasicConstraintsExtension(ca, undefined, true)];
  if (names.length > 0)
    extensions.push(new x509.SubjectAlternativeNameExtension(names.map((value) => ({ type: 'dns', value }))));
  if (purpose !== undefined)
    extensions.push(new x509.ExtendedKeyUsageExtension([purpose === 'server' ? SERVER : CLIENT]));
  return extensions;
}

/** A self-signed certificate for `mx.test`, made for one test run and kept nowhere: X.509 version 1, written as DER. */

import { generateKeyPairSync, sign } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';

const SEQUENCE = 0x30;
const SET = 0x31;
const INTEGER = 0x02;
const BIT_STRING = 0x03;
const UTF8_STRING = 0x0c;
const GENERALIZED_TIME = 0x18;
const COMMON_NAME = Buffer.from('0603550403', 'hex');
const ECDSA_WITH_SHA256 = Buffer.from('300a06082a8648ce3d040302', 'hex');

function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const length = content.length < 0x80 ? [content.length] : [0x82, content.length >> 8, content.length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), content]);
}

function make(): SecureContext {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const name = der(SEQUENCE, der(SET, der(SEQUENCE, COMMON_NAME, der(UTF8_STRING, Buffer.from('mx.test')))));
  const times = ['20200101000000Z', '20991231235959Z'].map((time) => der(GENERALIZED_TIME, Buffer.from(time)));
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const facts = der(
    SEQUENCE,
    der(INTEGER, Buffer.from([1])),
    ECDSA_WITH_SHA256,
    name,
    der(SEQUENCE, ...times),
    name,
    spki,
  );
  const signature = der(BIT_STRING, Buffer.from([0]), sign('sha256', facts, privateKey));
  const certificate = der(SEQUENCE, facts, ECDSA_WITH_SHA256, signature).toString('base64');
  return createSecureContext({
    cert: `-----BEGIN CERTIFICATE-----\n${certificate.replaceAll(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
  });
}

let made: SecureContext | undefined;

export function testSecureContext(): SecureContext {
  made ??= make();
  return made;
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Client } from './envelope.ts';
import { receivedField } from './received.ts';

const client: Client = {
  address: '192.0.2.1',
  port: 4321,
  helloName: 'client.test',
  protocol: 'ESMTP',
  tls: undefined,
  listener: 'mx',
};
const facts = {
  client,
  by: 'mx.test',
  id: '0abc',
  smtpUtf8: false,
  recipient: undefined,
  date: 'Mon, 23 Nov 2026 12:00:00 +0000',
};

test('the field names client, server, protocol and id, and ends with a date', () => {
  assert.equal(
    receivedField(facts),
    'Received: from client.test ([192.0.2.1])\r\n\tby mx.test with ESMTP id 0abc; Mon, 23 Nov 2026 12:00:00 +0000\r\n',
  );
});

test('an only recipient is named', () => {
  assert.match(receivedField({ ...facts, recipient: 'bob@b.test' }), /\r\n\tfor <bob@b\.test>; /);
});

const keywords: readonly (readonly [string, Partial<Client>, boolean, string])[] = [
  ['HELO', { protocol: 'SMTP' }, false, 'SMTP'],
  ['EHLO in TLS', { tls: 'TLSv1.3 X' }, false, 'ESMTPS (TLSv1.3 X)'],
  ['SMTPUTF8', {}, true, 'UTF8SMTP'],
  ['SMTPUTF8 in TLS', { tls: 'TLSv1.3 X' }, true, 'UTF8SMTPS (TLSv1.3 X)'],
  ['LMTP', { protocol: 'LMTP' }, false, 'LMTP'],
  ['HTTP', { protocol: 'HTTP' }, false, 'HTTP'],
];
for (const [name, peer, smtpUtf8, want] of keywords) {
  test(`with keyword: ${name}`, () => {
    const field = receivedField({ ...facts, client: { ...client, ...peer }, smtpUtf8 });
    assert.ok(field.includes(` with ${want} id `), field);
  });
}

test('a hello name that could forge a field is left out', () => {
  const field = receivedField({ ...facts, client: { ...client, helloName: 'a) by evil\r\nX: y' } });
  assert.match(field, /^Received: from \[192\.0\.2\.1\]\r\n/);
});

test('a client may be left out, and how it came stays', () => {
  const field = receivedField({ ...facts, hideClient: true, client: { ...client, tls: 'TLSv1.3 X', user: 'ann' } });
  assert.match(field, /^Received: by mx\.test with ESMTPSA \(TLSv1\.3 X\) id 0abc; /);
});

test('an IPv6 client is named as a literal', () => {
  assert.match(receivedField({ ...facts, client: { ...client, address: '2001:db8::1' } }), /\(\[IPv6:2001:db8::1\]\)/);
});

test('a local user is named by number and name, if they could forge nothing', () => {
  const of = (helloName: string) =>
    receivedField({ ...facts, client: { ...client, protocol: 'LOCAL', address: '', helloName } });
  assert.match(of('uid 1000 (ann)'), /^Received: by mx\.test \(from uid 1000 \(ann\)\) id 0abc; /);
  assert.match(of('uid 1000 (a) evil (b)'), /^Received: by mx\.test with LOCAL id/);
});

test('mail made here has no from clause', () => {
  assert.match(
    receivedField({ ...facts, client: { ...client, protocol: 'LOCAL' } }),
    /^Received: by mx\.test with LOCAL/,
  );
});

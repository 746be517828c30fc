import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { headerFields } from '../mail/header.ts';
import { composeTlsReport, tlsReportFileName } from './tls-report-mail.ts';

const BEGIN = Date.UTC(2026, 10, 25);
const JSON_TEXT = JSON.stringify({ text: 'x'.repeat(500), random: Array.from({ length: 300 }, (_, i) => i * 7919) });
const MAIL = {
  from: 'tls@us.test',
  to: 'reports@b.test',
  domain: 'b.test',
  submitter: 'mx.us.test',
  reportId: '2026-11-25_b.test',
  begin: BEGIN,
  end: BEGIN + 86_399_000,
  now: BEGIN + 90_000_000,
  successful: 12,
  failed: 3,
  compressed: gzipSync(JSON_TEXT),
};
const TEXT = String(composeTlsReport(MAIL));
const [HEADER = '', ...BODY] = TEXT.split('\r\n\r\n');

describe('a report as a message', () => {
  const fields = new Map(headerFields(Buffer.from(`${HEADER}\r\n`)).map(({ name }) => [name, true]));

  test('has the header fields of RFC 8460', () => {
    for (const name of [
      'from',
      'to',
      'date',
      'message-id',
      'tls-report-domain',
      'tls-report-submitter',
      'tls-required',
    ])
      assert.ok(fields.has(name), name);
    assert.match(HEADER, /^TLS-Report-Domain: b\.test\r$/m);
    assert.match(HEADER, /^TLS-Report-Submitter: mx\.us\.test\r$/m);
    assert.match(HEADER, /^TLS-Required: No\r$/m);
    assert.match(HEADER, /^Content-Type: multipart\/report; report-type="tlsrpt";\r\n boundary="/m);
    const subject = /^Subject: ((?:.*\r\n )*.*)\r$/m.exec(HEADER)![1]!.replaceAll('\r\n', '');
    assert.equal(subject, 'Report Domain: b.test Submitter: mx.us.test Report-ID: <2026-11-25_b.test@mx.us.test>');
  });

  test('carries the report as it was', () => {
    const boundary = /boundary="([^"]+)"/.exec(HEADER)![1]!;
    const parts = BODY.join('\r\n\r\n').split(`--${boundary}`);
    assert.equal(parts.length, 4);
    assert.equal(parts[3], '--\r\n');
    assert.match(parts[1]!, /12 sessions were secured as the policy of the domain asks, 3 were not/);
    const [head, base64] = parts[2]!.split('\r\n\r\n');
    assert.match(head!, /^Content-Type: application\/tlsrpt\+gzip\r$/m);
    assert.equal(String(gunzipSync(Buffer.from(base64!, 'base64'))), JSON_TEXT);
  });

  test('is 7-bit text in lines that every server takes', () => {
    for (const line of TEXT.split('\r\n')) assert.ok(/^[\x20-\x7e\t]{0,200}$/.test(line), line);
  });

  test('its file is named as RFC 8460 §5.1 has it', () => {
    assert.equal(tlsReportFileName(MAIL), 'mx.us.test!b.test!1795564800!1795651199!20261125btest.json.gz');
  });
});

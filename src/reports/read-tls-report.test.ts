import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { buildTlsReport } from '../tlspolicy/tls-report.ts';
import { readTlsReport } from './read-tls-report.ts';
import { composeTlsReport } from './tls-report-mail.ts';

const BEGIN = Date.UTC(2026, 10, 25);
const REPORT = JSON.stringify(
  buildTlsReport(
    {
      domain: 'us.test',
      policies: [
        {
          policyType: 'sts',
          policyDomain: 'us.test',
          policyLines: [],
          mxHosts: [],
          successful: 7,
          failed: 0,
          failures: [],
        },
      ],
    },
    { organization: 'Them', contact: '', reportId: 'r1', begin: BEGIN, end: BEGIN + 86_399_000 },
  ),
);

function message(type: string, body: string | Buffer, more: readonly string[] = []): Buffer {
  const head = ['From: a@b.test', `Content-Type: ${type}`, ...more, '', ''].join('\r\n');
  return Buffer.concat([Buffer.from(head), Buffer.from(body)]);
}

function multipart(parts: readonly Buffer[], boundary = 'x'): string {
  return [...parts.map((part) => `--${boundary}\r\n${part.toString('latin1')}\r\n`), `--${boundary}--\r\n`].join('');
}

const BASE64 = ['Content-Transfer-Encoding: base64'];
const part = message('application/tlsrpt+gzip', gzipSync(REPORT).toString('base64'), BASE64);
const text = message('text/plain', 'Hello');

describe('a report in a message', () => {
  const good: readonly [string, Buffer][] = [
    [
      'as we write it',
      composeTlsReport({
        ...{ from: 'a@b.test', to: 't@us.test', domain: 'us.test', submitter: 'b.test', reportId: 'r1', begin: BEGIN },
        ...{ end: BEGIN + 1, now: BEGIN, successful: 7, failed: 0, compressed: gzipSync(REPORT) },
      }),
    ],
    ['behind a text', message('multipart/report; report-type="tlsrpt"; boundary=x', multipart([text, part]))],
    ['alone', part],
    [
      'in another part',
      message(
        'multipart/mixed; boundary="y y"',
        multipart([message('multipart/report; boundary=x', multipart([text, part]))], 'y y'),
      ),
    ],
    ['as JSON', message('application/tlsrpt+json', REPORT)],
    [
      'as JSON, quoted',
      message('Application/TLSRPT+JSON', REPORT.replaceAll('=', '=3D').replace('policies', 'poli=\r\ncies'), [
        'Content-Transfer-Encoding: quoted-printable',
      ]),
    ],
    ['behind a preamble', message('multipart/report; boundary=x', `This is MIME.\r\n${multipart([part])}`)],
  ];
  for (const [name, octets] of good) {
    test(`${name} is read`, async () => {
      const read = await readTlsReport(octets);
      assert.ok(read.ok, read.ok ? '' : read.reason);
      assert.equal(read.value.organization, 'Them');
      assert.deepEqual(
        read.value.policies.map(({ domain, successful }) => [domain, successful]),
        [['us.test', 7]],
      );
    });
  }

  const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024));
  const deep = [1, 2, 3, 4, 5].reduce(
    (inner, n) => message(`multipart/mixed; boundary=b${n}`, multipart([inner], `b${n}`)),
    part,
  );
  const bad: readonly [string, Buffer, RegExp][] = [
    ['a message without one', text, /no part/],
    ['nothing', Buffer.alloc(0), /no part/],
    ['a header section without end', Buffer.from('Content-Type: application/tlsrpt+gzip\r\n'), /no part/],
    ['what is no gzip', message('application/tlsrpt+gzip', 'hello'), /no gzip/],
    ['half of one', message('application/tlsrpt+gzip', gzipSync(REPORT).subarray(0, 50)), /no gzip/],
    ['a bomb', message('application/tlsrpt+gzip', bomb), /larger than 1048576/],
    ['too much JSON', message('application/tlsrpt+json', `${REPORT}${' '.repeat(1024 * 1024)}`), /larger than 1048576/],
    ['other JSON', message('application/tlsrpt+json', '{}'), /date-range/],
    ['one that lies too deep', deep, /no part/],
    [
      'the last of very many parts',
      message('multipart/report; boundary=x', multipart([...Array.from({ length: 20 }, () => text), part])),
      /no part/,
    ],
    ['parts without a boundary', message('multipart/report', multipart([part])), /no part/],
    ['a part that does not end', message('multipart/report; boundary=x', `--x\r\n${part.toString()}`), /no part/],
  ];
  for (const [name, octets, says] of bad) {
    test(`${name} is refused`, async () => {
      const read = await readTlsReport(octets);
      assert.ok(!read.ok);
      assert.match(read.reason, says);
    });
  }

  test('JSON that is nested very deeply is refused, and nothing breaks', async () => {
    const read = await readTlsReport(message('application/tlsrpt+json', '['.repeat(500_000)));
    assert.ok(!read.ok);
  });

  test('whatever the octets are, it answers', async () => {
    const octets = fc.oneof(
      fc.uint8Array(),
      fc.string().map((body) => message('multipart/report; boundary=x', body)),
    );
    await fc.assert(fc.asyncProperty(octets, async (each) => void (await readTlsReport(Buffer.from(each)))));
  });
});

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { entryOf, recipientOf } from '../../test/lib/entries.ts';
import { parseEvent } from '../events/format.ts';
import { type QueueId } from '../mail/queue-id.ts';
import { type NewMessage } from '../spool/spool.ts';
import { isReport, withReport } from './report-intake.ts';

const REPORT = {
  'organization-name': 'Them',
  'date-range': { 'start-datetime': '2026-11-25T00:00:00Z', 'end-datetime': '2026-11-25T23:59:59Z' },
  'report-id': 'r1',
  policies: ['a.test', 'b.test'].map((domain) => ({
    policy: { 'policy-type': 'sts', 'policy-domain': domain },
    summary: { 'total-successful-session-count': 5, 'total-failure-session-count': 3 },
    'failure-details': [
      { 'result-type': 'certificate-expired', 'receiving-mx-hostname': 'mx.a.test', 'failed-session-count': 2 },
      { 'result-type': 'sts-policy-fetch-error', 'failed-session-count': 1 },
    ],
  })),
};

function message(to: string, content: string): NewMessage {
  return {
    id: '01jd3x7k2mpq0000abcd' as QueueId,
    envelope: {} as NewMessage['envelope'],
    class: 'normal',
    acceptedAt: 7,
    report: false,
    eightBit: false,
    content: { kind: 'octets', octets: Buffer.from(content) },
    entries: [entryOf({ recipients: [recipientOf(to)] })],
    events: ['{"kind":"accepted"}'],
  };
}

const mail = (json: string): NewMessage =>
  message('tls@us.test', `Content-Type: application/tlsrpt+json\r\n\r\n${json}`);

describe('reports that come by mail', () => {
  for (const [to, want] of [
    ['tls@us.test', true],
    ['TLS@us.test', true],
    ['tls2@us.test', false],
    ['tls@b.test', false],
  ] as const)
    test(`${to} is ${want ? '' : 'not '}where they come to`, () =>
      assert.equal(isReport(message(to, ''), 'tls@us.test'), want));

  test('are events in the commit of their message, one for each policy', async () => {
    const logged: string[] = [];
    const log = { error: () => {}, warn: () => {}, info: (text: string) => void logged.push(text) };
    const { events } = await withReport(mail(JSON.stringify(REPORT)), log);
    assert.equal(events.length, 3);
    assert.deepEqual(logged, []);
    assert.deepEqual(
      events.slice(1).map((line) => parseEvent(line)),
      ['a.test', 'b.test'].map((domain) => ({
        ok: true,
        value: {
          ...{
            kind: 'tlsReportReceived',
            at: 7,
            queueId: '01jd3x7k2mpq0000abcd',
            organization: 'Them',
            reportId: 'r1',
          },
          ...{ domain, policyType: 'sts', begin: Date.UTC(2026, 10, 25), end: Date.UTC(2026, 10, 26) - 1000 },
          ...{ successful: 5, failed: 3 },
          failures: ['2 certificate-expired at mx.a.test', '1 sts-policy-fetch-error'],
        },
      })),
    );
  });

  for (const [name, json] of [
    ['no report', 'hello'],
    ['nothing', ''],
  ] as const) {
    test(`${name} is taken like other mail, and the log says so`, async () => {
      const logged: string[] = [];
      const log = { error: () => {}, warn: () => {}, info: (text: string) => void logged.push(text) };
      const given = mail(json);
      assert.equal(await withReport(given, log), given);
      assert.deepEqual(logged, ['a message for tlsReports.address is no report']);
    });
  }

  const files: readonly (readonly [string, (path: string) => NewMessage['content'], number, RegExp | undefined])[] = [
    ['that is in a file is read', (path) => ({ kind: 'file', path, octets: 4000 }), 3, undefined],
    [
      'in a file without bound is not',
      (path) => ({ kind: 'file', path, octets: 2 ** 21 + 1 }),
      1,
      /larger than 2097152/,
    ],
    ['in a file that is gone is told of', () => ({ kind: 'file', path: '/none', octets: 1 }), 1, /ENOENT/],
  ];
  for (const [name, contentOf, events, says] of files)
    test(`one ${name}`, async (t) => {
      const folder = await mkdtemp(join(tmpdir(), 'report-'));
      t.after(() => rm(folder, { recursive: true }));
      const path = join(folder, 'content');
      await writeFile(path, `Content-Type: application/tlsrpt+json\r\n\r\n${JSON.stringify(REPORT)}`);
      const logged: string[] = [];
      const log = {
        error: () => {},
        warn: () => {},
        info: (_: string, more?: object) => void logged.push(JSON.stringify(more)),
      };
      const read = await withReport({ ...mail(''), content: contentOf(path) }, log);
      assert.equal(read.events.length, events);
      if (says === undefined) assert.deepEqual(logged, []);
      else assert.match(logged[0] ?? '', says);
    });
});

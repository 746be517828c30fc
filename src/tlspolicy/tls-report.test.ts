import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type DomainResults, buildTlsReport, parseTlsReport, parseTlsRptRecord } from './tls-report.ts';

const mail = (address: string) => ({ kind: 'mail', address });
const https = (url: string) => ({ kind: 'https', url });

describe('where a domain wants reports', () => {
  const found = [
    { name: 'an address', texts: ['v=TLSRPTv1; rua=mailto:tls@b.test'], want: [mail('tls@b.test')] },
    { name: 'a final semicolon, no space', texts: ['v=TLSRPTv1;rua=mailto:tls@b.test;'], want: [mail('tls@b.test')] },
    { name: 'a URL', texts: ['v=TLSRPTv1; rua=https://b.test/tls'], want: [https('https://b.test/tls')] },
    {
      name: 'several, in order',
      texts: ['v=TLSRPTv1; rua=mailto:a@b.test , https://b.test/x,mailto:c@d.test'],
      want: [mail('a@b.test'), https('https://b.test/x'), mail('c@d.test')],
    },
    { name: 'encoded characters', texts: ['v=TLSRPTv1; rua=mailto:a%2Cb@b.test'], want: undefined },
    { name: 'a subject', texts: ['v=TLSRPTv1; rua=mailto:tls@b.test?subject=x'], want: [mail('tls@b.test')] },
    {
      name: 'other schemes are passed over',
      texts: ['v=TLSRPTv1; rua=http://b.test/,ftp://x,mailto:tls@b.test'],
      want: [mail('tls@b.test')],
    },
    { name: 'unknown fields', texts: ['v=TLSRPTv1; x=y; rua=mailto:tls@b.test; z=1'], want: [mail('tls@b.test')] },
    {
      name: 'other records beside it',
      texts: ['hello', 'v=TLSRPTv1; rua=mailto:tls@b.test'],
      want: [mail('tls@b.test')],
    },
    {
      name: 'of very many the first five',
      texts: [`v=TLSRPTv1; rua=${Array.from({ length: 50 }, (_, i) => `mailto:a${i}@b.test`).join(',')}`],
      want: Array.from({ length: 5 }, (_, i) => mail(`a${i}@b.test`)),
    },
  ];
  for (const { name, texts, want } of found) {
    test(name, () => {
      const record = parseTlsRptRecord(texts);
      if (want === undefined) assert.equal(record.kind, 'none');
      else assert.deepEqual(record, { kind: 'found', targets: want });
    });
  }

  const none = [
    ['no record', []],
    ['two records', ['v=TLSRPTv1; rua=mailto:a@b.test', 'v=TLSRPTv1; rua=mailto:a@b.test']],
    ['another version', ['v=TLSRPTv2; rua=mailto:a@b.test']],
    ['no rua', ['v=TLSRPTv1;']],
    ['a rua of nothing', ['v=TLSRPTv1; rua=']],
    ['no address in it', ['v=TLSRPTv1; rua=mailto:nobody']],
    ['a URL with a login', ['v=TLSRPTv1; rua=https://user:pass@b.test/']],
    ['a broken escape', ['v=TLSRPTv1; rua=mailto:%zz@b.test']],
    ['a URL that is none', ['v=TLSRPTv1; rua=https://']],
    ['one that is endless', [`v=TLSRPTv1; rua=https://b.test/${'x'.repeat(2000)}`]],
  ] as const;
  for (const [name, texts] of none) test(`${name} is none`, () => assert.equal(parseTlsRptRecord(texts).kind, 'none'));

  test('whatever the texts are, it answers', () => {
    const text = fc.oneof(
      fc.string(),
      fc.string().map((rest) => `v=TLSRPTv1; rua=mailto:${rest}`),
    );
    fc.assert(fc.property(fc.array(text), (texts) => void parseTlsRptRecord(texts)));
  });
});

const BEGIN = Date.UTC(2026, 10, 25);
const END = BEGIN + 86_399_000;
const RESULTS: DomainResults = {
  domain: 'b.test',
  policies: [
    {
      policyType: 'sts',
      policyDomain: 'b.test',
      policyLines: ['version: STSv1', 'mode: testing', 'mx: *.b.test', 'max_age: 86400'],
      mxHosts: ['*.b.test'],
      successful: 5326,
      failed: 3,
      failures: [
        {
          result: 'certificate-expired',
          host: 'mx1.b.test',
          address: '192.0.2.1',
          sourceAddress: '198.51.100.7',
          reason: 'CERT_HAS_EXPIRED',
          sessions: 2,
        },
        { result: 'sts-policy-fetch-error', host: '', address: '', sourceAddress: '', reason: '', sessions: 1 },
      ],
    },
    {
      ...{ policyType: 'no-policy-found', policyDomain: 'b.test', policyLines: [], mxHosts: [] },
      ...{ successful: 1, failed: 0, failures: [] },
    },
  ],
};
const FACTS = {
  organization: 'mx.us.test',
  contact: 'tls@us.test',
  reportId: '2026-11-25_b.test',
  begin: BEGIN,
  end: END,
};

describe('a report', () => {
  test('has the words of RFC 8460', () => {
    assert.deepEqual(buildTlsReport(RESULTS, FACTS), {
      'organization-name': 'mx.us.test',
      'date-range': { 'start-datetime': '2026-11-25T00:00:00Z', 'end-datetime': '2026-11-25T23:59:59Z' },
      'contact-info': 'tls@us.test',
      'report-id': '2026-11-25_b.test',
      policies: [
        {
          policy: {
            'policy-type': 'sts',
            'policy-string': ['version: STSv1', 'mode: testing', 'mx: *.b.test', 'max_age: 86400'],
            'policy-domain': 'b.test',
            'mx-host': ['*.b.test'],
          },
          summary: { 'total-successful-session-count': 5326, 'total-failure-session-count': 3 },
          'failure-details': [
            {
              'result-type': 'certificate-expired',
              'sending-mta-ip': '198.51.100.7',
              'receiving-mx-hostname': 'mx1.b.test',
              'receiving-ip': '192.0.2.1',
              'failed-session-count': 2,
              'failure-reason-code': 'CERT_HAS_EXPIRED',
            },
            { 'result-type': 'sts-policy-fetch-error', 'failed-session-count': 1 },
          ],
        },
        {
          policy: { 'policy-type': 'no-policy-found', 'policy-domain': 'b.test' },
          summary: { 'total-successful-session-count': 1, 'total-failure-session-count': 0 },
        },
      ],
    });
  });

  for (const ours of ['10.0.0.1', '127.0.0.1', 'fd00::1'])
    test(`${ours} is no address that the receiver saw`, () => {
      const [policy] = RESULTS.policies;
      const failures = policy!.failures.map((failure) => ({ ...failure, sourceAddress: ours }));
      const report = buildTlsReport({ ...RESULTS, policies: [{ ...policy!, failures }] }, FACTS);
      assert.doesNotMatch(JSON.stringify(report), /sending-mta-ip/);
    });

  test('is read as it was written', () => {
    const read = parseTlsReport(JSON.stringify(buildTlsReport(RESULTS, FACTS)));
    assert.deepEqual(read, {
      ok: true,
      value: {
        organization: 'mx.us.test',
        reportId: '2026-11-25_b.test',
        begin: BEGIN,
        end: END,
        policies: [
          {
            domain: 'b.test',
            policyType: 'sts',
            successful: 5326,
            failed: 3,
            failures: [
              { result: 'certificate-expired', host: 'mx1.b.test', sessions: 2 },
              { result: 'sts-policy-fetch-error', host: '', sessions: 1 },
            ],
          },
          { domain: 'b.test', policyType: 'no-policy-found', successful: 1, failed: 0, failures: [] },
        ],
      },
    });
  });
});

/** The example of RFC 8460, appendix B. */
const EXAMPLE = `{
  "organization-name": "Company-X",
  "date-range": {
    "start-datetime": "2016-04-01T00:00:00Z",
    "end-datetime": "2016-04-01T23:59:59Z"
  },
  "contact-info": "sts-reporting@company-x.example",
  "report-id": "5065427c-23d3-47ca-b6e0-946ea0e8c4be",
  "policies": [{
    "policy": {
      "policy-type": "sts",
      "policy-string": ["version: STSv1","mode: testing","mx: *.mail.company-y.example","max_age: 86400"],
      "policy-domain": "company-y.example",
      "mx-host": "*.mail.company-y.example"
    },
    "summary": {
      "total-successful-session-count": 5326,
      "total-failure-session-count": 303
    },
    "failure-details": [{
      "result-type": "certificate-expired",
      "sending-mta-ip": "2001:db8:abcd:0012::1",
      "receiving-mx-hostname": "mx1.mail.company-y.example",
      "failed-session-count": 100
    }, {
      "result-type": "starttls-not-supported",
      "sending-mta-ip": "2001:db8:abcd:0013::1",
      "receiving-mx-hostname": "mx2.mail.company-y.example",
      "receiving-ip": "203.0.113.56",
      "failed-session-count": 200,
      "additional-information": "https://reports.company-x.example/report_info ? id = 5065427 c - 23 d3# StarttlsNotSupported "
    }, {
      "result-type": "validation-failure",
      "sending-mta-ip": "198.51.100.62",
      "receiving-ip": "203.0.113.58",
      "receiving-mx-hostname": "mx-backup.mail.company-y.example",
      "failed-session-count": 3,
      "failure-reason-code": "X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED"
    }]
  }]
}`;

describe('reports of others', () => {
  test('the example of the RFC', () => {
    const read = parseTlsReport(EXAMPLE);
    assert.ok(read.ok);
    assert.equal(read.value.organization, 'Company-X');
    const [policy] = read.value.policies;
    assert.deepEqual([policy!.domain, policy!.successful, policy!.failed], ['company-y.example', 5326, 303]);
    assert.deepEqual(
      policy!.failures.map(({ result, sessions }) => [result, sessions]),
      [
        ['certificate-expired', 100],
        ['starttls-not-supported', 200],
        ['validation-failure', 3],
      ],
    );
  });

  const range = '"date-range":{"start-datetime":"2026-11-25T00:00:00Z","end-datetime":"2026-11-25T23:59:59Z"}';
  const refused = [
    ['nothing', '', /not JSON/],
    ['text', 'hello', /not JSON/],
    ['a list', '[]', /not JSON/],
    ['no dates', '{"policies":[]}', /date-range/],
    ['dates that are none', '{"date-range":{"start-datetime":"x","end-datetime":"y"},"policies":[]}', /date-range/],
    ['no policies', `{${range}}`, /no policies/],
    [
      'too many policies',
      `{${range},"policies":[${Array.from({ length: 101 }, () => '{}').join(',')}]}`,
      /more than 100/,
    ],
  ] as const;
  for (const [name, json, says] of refused) {
    test(`${name} is no report`, () => {
      const read = parseTlsReport(json);
      assert.ok(!read.ok);
      assert.match(read.reason, says);
    });
  }

  test('numbers that are none count as nothing, numbers as text count, texts are cut and have no controls', () => {
    const policies = [
      { policy: 7, summary: { 'total-successful-session-count': -1, 'total-failure-session-count': '12' } },
      {
        policy: { 'policy-domain': `B.test\u001b[2J${'x'.repeat(500)}` },
        'failure-details': [null, { 'failed-session-count': 1e99 }],
      },
      null,
    ];
    const read = parseTlsReport(`{${range},"policies":${JSON.stringify(policies)}}`);
    assert.ok(read.ok);
    const [first, second, third] = read.value.policies;
    assert.deepEqual([first!.successful, first!.failed, first!.domain], [0, 12, '']);
    assert.equal(second!.domain.length, 200);
    assert.match(second!.domain, /^b\.test \[2j/);
    assert.deepEqual(second!.failures, [
      { result: '', host: '', sessions: 0 },
      { result: '', host: '', sessions: 0 },
    ]);
    assert.deepEqual(third!.failures, []);
  });

  test('whatever the JSON is, it answers, and what it answers is bounded', () => {
    const word = fc.constantFrom('policies', 'policy', 'summary', 'failure-details', 'date-range', 'start-datetime');
    const json = fc.oneof(
      fc.json(),
      fc.dictionary(word, fc.jsonValue()).map((value) => JSON.stringify(value)),
    );
    fc.assert(
      fc.property(json, (text) => {
        const read = parseTlsReport(text);
        if (read.ok) for (const policy of read.value.policies) assert.ok(policy.failures.length <= 100);
      }),
    );
  });
});

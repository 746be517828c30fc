/**
 * A report on encryption as a message (RFC 8460 §5.3, RFC 6522): words for people, and the report itself, compressed.
 *
 * `TLS-Required: No` asks every hop to deliver it whatever is wrong with the encryption that it tells of (RFC 8689 §5).
 */

import { type Instant, SECOND } from '../lib/time.ts';
import { formatDate } from '../mail/date.ts';

export interface TlsReportMail {
  readonly from: string;
  readonly to: string;
  /** Whose sessions are reported on. */
  readonly domain: string;
  /** The domain name of who reports. */
  readonly submitter: string;
  /** Left of the `@` in Report-ID. */
  readonly reportId: string;
  readonly begin: Instant;
  readonly end: Instant;
  readonly now: Instant;
  readonly successful: number;
  readonly failed: number;
  /** The JSON, by gzip. */
  readonly compressed: Buffer;
}

const LINE = 76;

/** Sender, domain, times, and the form; the same for a POST, where it has no use. */
export function tlsReportFileName({ submitter, domain, begin, end, reportId }: TlsReportMail): string {
  const unique = reportId.replaceAll(/[^A-Za-z0-9]/g, '').slice(0, 40);
  return `${submitter}!${domain}!${Math.floor(begin / SECOND)}!${Math.floor(end / SECOND)}!${unique}.json.gz`;
}

export function composeTlsReport(mail: TlsReportMail): Buffer {
  const boundary = `=_tlsrpt_${mail.reportId.replaceAll(/[^A-Za-z0-9]/g, '_').slice(0, 40)}`;
  const lines = [
    ...header(mail),
    'Content-Type: multipart/report; report-type="tlsrpt";',
    ` boundary="${boundary}"`,
    '',
    `--${boundary}`,
    ...humanPart(mail),
    `--${boundary}`,
    ...reportPart(mail),
    `--${boundary}--`,
    '',
  ];
  return Buffer.from(lines.join('\r\n'));
}

function header({ from, to, now, domain, submitter, reportId }: TlsReportMail): readonly string[] {
  return [
    `From: <${from}>`,
    `To: <${to}>`,
    `Date: ${formatDate(now)}`,
    `Subject: Report Domain: ${domain}`,
    ` Submitter: ${submitter}`,
    ` Report-ID: <${reportId}@${submitter}>`,
    `Message-ID: <${reportId}@${submitter}>`,
    `TLS-Report-Domain: ${domain}`,
    `TLS-Report-Submitter: ${submitter}`,
    'TLS-Required: No',
    'Auto-Submitted: auto-generated',
    'MIME-Version: 1.0',
  ];
}

function humanPart({ domain, submitter, begin, successful, failed }: TlsReportMail): readonly string[] {
  return [
    'Content-Type: text/plain; charset=us-ascii',
    '',
    `This is a report on the encryption of SMTP sessions of ${submitter}`,
    `with ${domain} on ${new Date(begin).toISOString().slice(0, 10)}, as RFC 8460 has it.`,
    '',
    `${successful} sessions were secured as the policy of the domain asks, ${failed} were not.`,
    '',
  ];
}

function reportPart(mail: TlsReportMail): readonly string[] {
  return [
    'Content-Type: application/tlsrpt+gzip',
    'Content-Transfer-Encoding: base64',
    'Content-Disposition: attachment;',
    ` filename="${tlsReportFileName(mail)}"`,
    '',
    ...base64Lines(mail.compressed),
  ];
}

function base64Lines(octets: Buffer): readonly string[] {
  return octets.toString('base64').match(new RegExp(`.{1,${LINE}}`, 'g')) ?? [];
}

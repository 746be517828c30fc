/** Reports of others that come by mail become events, stored in the commit of the message that carried them. */

import { readFile } from 'node:fs/promises';
import { errorText } from '../lib/error-text.ts';
import { type Parsed, unparsed } from '../lib/parsed.ts';
import { eventLine } from '../events/format.ts';
import { type TlsReportReceivedEvent } from '../events/event.ts';
import { formatMailbox } from '../mail/path.ts';
import { type Log } from '../ports/log.ts';
import { readTlsReport } from '../reports/read-tls-report.ts';
import { type NewMessage } from '../spool/spool.ts';
import { type ReceivedReport } from '../tlspolicy/tls-report.ts';

/** Of a message. A report of a day has a few KB; where memory is tight even that is in a file. */
const MAX_OCTETS = 2 ** 21;
/** Of one report; nobody serves so many domains to one sender. */
const MAX_EVENTS = 20;
const MAX_FAILURES = 20;

/** Undefined: it is not for whom reports come to. */
export function reportIn(message: NewMessage, address: string | undefined, log: Log): Promise<NewMessage> | undefined {
  return address !== undefined && isReport(message, address) ? withReport(message, log) : undefined;
}

/** Whether the message is for whom reports come to. `address`: in lower case. */
export function isReport({ entries }: NewMessage, address: string): boolean {
  return entries.some(({ recipients }) =>
    recipients.some(({ forwardPath }) => formatMailbox(forwardPath).toLowerCase() === address),
  );
}

/** Whatever it is, the message is taken like any other. */
export async function withReport(message: NewMessage, log: Log): Promise<NewMessage> {
  const { content, id } = message;
  const report = await reportOf(content);
  if (report.ok) return { ...message, events: [...message.events, ...eventsOf(report.value, message).map(eventLine)] };
  log.info('a message for tlsReports.address is no report', { message: id, reason: report.reason });
  return message;
}

async function reportOf(content: NewMessage['content']): Promise<Parsed<ReceivedReport>> {
  if (content.kind === 'octets') return readTlsReport(Buffer.from(content.octets));
  if (content.octets > MAX_OCTETS) return unparsed(`it is larger than ${MAX_OCTETS} octets`);
  try {
    return await readTlsReport(await readFile(content.path));
  } catch (error) {
    return unparsed(`its content cannot be read: ${errorText(error)}`);
  }
}

function eventsOf(report: ReceivedReport, message: NewMessage): readonly TlsReportReceivedEvent[] {
  const { organization, reportId, begin, end, policies } = report;
  return policies.slice(0, MAX_EVENTS).map(({ domain, policyType, successful, failed, failures }) => ({
    ...{ kind: 'tlsReportReceived', at: message.acceptedAt, queueId: message.id },
    ...{ organization, reportId, domain, policyType, begin, end, successful, failed },
    failures: failures
      .slice(0, MAX_FAILURES)
      .map(({ sessions, result, host }) => `${sessions} ${result}${host === '' ? '' : ` at ${host}`}`),
  }));
}

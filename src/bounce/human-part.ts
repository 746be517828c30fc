/**
 * The part of a DSN that people read: plain English, one paragraph for each recipient.
 *
 * It says what happened, in the remote's own words, and what happens next. Failure, delay, success and
 * relaying have a section each, the worst first.
 */

import { formatDate } from '../mail/date.ts';
import { type DsnCharset, type DsnRecipientFields, oneLine } from '../mail/dsn.ts';
import { type NoticeAction } from '../mail/notice.ts';

export interface HumanPartInput {
  readonly reportingMta: string;
  readonly postmaster: string;
  /** Our name for the message; people quote it when they ask. */
  readonly queueId: string;
  readonly acceptedAt: number;
  readonly recipients: readonly DsnRecipientFields[];
  readonly returned: 'whole' | 'headers' | 'nothing';
  /** To the postmaster, about a report that could not be delivered. */
  readonly doubleBounce: boolean;
  readonly charset: DsnCharset;
}

/** The worst first: its words open the text, and it names the subject. */
export const ACTIONS_BY_WEIGHT: readonly NoticeAction[] = ['failed', 'delayed', 'relayed', 'expanded', 'delivered'];

/** Recipients described in a section; the delivery-status part has them all. */
const MAX_DESCRIBED = 50;
const WIDTH = 76;

const INTRODUCTIONS: Readonly<Record<NoticeAction, string>> = {
  failed:
    'Your message could not be delivered to the recipients named below. It has been given up for them: nothing more will be tried.',
  delayed:
    'Your message has not been delivered yet to the recipients named below. This is only a warning: you do not need to send it again. It is still being tried.',
  relayed:
    'Your message was handed on for the recipients named below, to a system that does not tell of deliveries. You may not hear of them again.',
  expanded: 'Your message reached a list or an alias for the recipients named below, and went on to its members.',
  delivered: 'Your message was delivered to the recipients named below.',
};

/** Text with CRLF line ends. */
export function humanPart(input: HumanPartInput): string {
  const sections = ACTIONS_BY_WEIGHT.flatMap((action) => {
    const recipients = input.recipients.filter((recipient) => recipient.action === action);
    return recipients.length === 0 ? [] : [section(action, recipients, input.charset)];
  });
  const lines = [opening(input), ...sections, closing(input)];
  return lines.join('\r\n');
}

function opening({ reportingMta, doubleBounce, charset }: HumanPartInput): string {
  const hello = wrap(`This is the mail system at ${oneLine(reportingMta, charset)}.`);
  if (!doubleBounce) return hello;
  return `${hello}\r\n${wrap('A message without a return address, such as a report of a failed delivery, could not be delivered itself. Its sender cannot be told, so you are, as the postmaster.')}`;
}

function section(action: NoticeAction, recipients: readonly DsnRecipientFields[], charset: DsnCharset): string {
  const described = recipients.slice(0, MAX_DESCRIBED).map((recipient) => paragraph(recipient, charset));
  const rest = recipients.length - described.length;
  const more = rest === 0 ? [] : [wrap(`… and ${rest} more, listed in the next part.`.replace('…', '...'))];
  return [wrap(INTRODUCTIONS[action]), ...described, ...more].join('\r\n');
}

function paragraph(recipient: DsnRecipientFields, charset: DsnCharset): string {
  const { originalRecipient, finalRecipient, diagnostic } = recipient;
  const address = oneLine(finalRecipient.address, charset);
  const asked = originalRecipient === undefined ? '' : oneLine(originalRecipient.address, charset);
  const alias = asked === '' || asked === address ? '' : ` (addressed as ${asked})`;
  const words = oneLine(diagnostic, charset).replace(/^postrider: */, '');
  const quoted = words === '' ? '' : wrap(words, '        ');
  return `${wrap(`<${address}>${alias}`)}${wrap(happened(recipient, charset), '    ')}${quoted}${wrap(next(recipient), '    ')}`;
}

function happened(recipient: DsnRecipientFields, charset: DsnCharset): string {
  const host = oneLine(recipient.remoteMta, charset);
  const said = saying(recipient, host);
  switch (recipient.action) {
    case 'failed':
      return recipient.status.startsWith('4')
        ? `Not delivered: it was tried until its time was up${said}`
        : `Not delivered${said}`;
    case 'delayed':
      return `Not delivered yet${said}`;
    case 'relayed':
      return host === '' ? 'Handed on.' : `Handed on to ${host}${recipient.diagnostic === '' ? '.' : ', which said:'}`;
    case 'expanded':
      return 'Sent on to the members of a list.';
    case 'delivered':
      return host === '' ? 'Delivered to the mailbox.' : `Delivered to ${host}.`;
    default:
      return recipient.action satisfies never;
  }
}

/** The end of a sentence that leads over to the quoted words, if there are any. */
function saying({ diagnostic, diagnosticType }: DsnRecipientFields, host: string): string {
  if (diagnostic === '') return '.';
  if (diagnosticType === 'x-postrider') return '. This system found:';
  return host === '' ? '. The answer was:' : `. ${host} answered:`;
}

function next({ action, willRetryUntil }: DsnRecipientFields): string {
  if (action !== 'delayed') return '';
  if (willRetryUntil === undefined) return 'It is tried again from time to time.';
  return `It is tried again until ${formatDate(willRetryUntil)}.`;
}

function closing({ acceptedAt, queueId, postmaster, returned, charset }: HumanPartInput): string {
  const attached = {
    whole: ' The message is attached.',
    headers: ' Its header is attached.',
    nothing: '',
  }[returned];
  const about = `The message came in on ${formatDate(acceptedAt)} with the queue id ${queueId}.${attached}`;
  return wrap(`${about} For help, write to ${oneLine(postmaster, charset)} and quote the queue id.`);
}

/** Lines of at most `WIDTH` characters where words allow it; `''` gives nothing. */
function wrap(text: string, indent = ''): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ').filter((part) => part !== '')) {
    if (line !== '' && indent.length + line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  if (line !== '') lines.push(line);
  return lines.map((each) => `${indent}${each}\r\n`).join('');
}

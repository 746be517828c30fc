/** The commands of a client as lines (RFC 5321 §4.1.1), with the parameters that the server offers to take. */

import { type Recipient, type SenderParameters } from '../../mail/envelope.ts';
import { formatMailbox } from '../../mail/path.ts';
import { type Offers } from './client-extensions.ts';

export interface MailFacts {
  /** Of the content as it will be sent, before dots are stuffed (RFC 1870 §3). */
  readonly octets: number | undefined;
  /** The value of BY (RFC 2852 §4), with what is left of the time. */
  readonly by?: string | undefined;
}

export function mailCommand(sender: SenderParameters, { octets, by }: MailFacts, offers: Offers): string {
  const { reversePath, smtpUtf8 } = sender;
  const parts = [`MAIL FROM:<${reversePath === null ? '' : formatMailbox(reversePath)}>`];
  if (offers.size !== undefined && octets !== undefined) parts.push(`SIZE=${octets}`);
  parts.push(...bodyParameter(sender, offers));
  if (smtpUtf8 && offers.smtpUtf8) parts.push('SMTPUTF8');
  if (sender.requireTls === true && offers.requireTls) parts.push('REQUIRETLS');
  parts.push(...wishes(sender, by, offers));
  if (offers.dsn) parts.push(...dsnParameters(sender));
  return `${parts.join(' ')}\r\n`;
}

function bodyParameter({ body }: SenderParameters, offers: Offers): readonly string[] {
  if (body === 'BINARYMIME' && offers.binaryMime) return ['BODY=BINARYMIME'];
  return body !== '7BIT' && offers.eightBitMime ? ['BODY=8BITMIME'] : [];
}

/** RFC 6710, RFC 2852. */
function wishes({ priority }: SenderParameters, by: string | undefined, offers: Offers): readonly string[] {
  const parts = priority !== undefined && offers.priority ? [`MT-PRIORITY=${priority}`] : [];
  return by !== undefined && offers.deliverBy ? [...parts, `BY=${by}`] : parts;
}

function dsnParameters({ ret, envid }: SenderParameters): readonly string[] {
  const parts: string[] = [];
  if (ret !== undefined) parts.push(`RET=${ret}`);
  if (envid !== undefined) parts.push(`ENVID=${envid}`);
  return parts;
}

export function rcptCommand({ forwardPath, notify, orcpt }: Recipient, offers: Offers): string {
  const parts = [`RCPT TO:<${formatMailbox(forwardPath)}>`];
  if (offers.dsn && notify !== undefined && notify.length > 0) parts.push(`NOTIFY=${notify.join(',')}`);
  if (offers.dsn && orcpt !== undefined) parts.push(`ORCPT=${orcpt}`);
  return `${parts.join(' ')}\r\n`;
}

/** The options of reports on encryption (RFC 8460), sent and received. */

import { duration, flag, optional, text } from '../lib/schema.ts';
import { address } from '../mail/config.ts';

export const TLS_REPORT_OPTIONS = {
  send: flag(false, 'Whether domains that ask for it are told once a day how our sessions with them were secured.'),
  from: optional(
    address(
      'tls-reports@example.com',
      'Who sends the reports. Its domain should have a DKIM key. Not given: `local.postmaster`.',
    ),
  ),
  organization: optional(text('Example, Inc.', 'Who we are, in the reports. Not given: `hostname`.')),
  contact: optional(text('admin@example.com', 'Whom to ask about a report. Not given: `from`.')),
  maxDelay: duration('4h', 'Reports go out at a time by chance so long after midnight, UTC.', { max: 20 * 3_600_000 }),
  address: optional(
    address(
      'tls-reports@example.com',
      'Reports of others that come to this address are read; see `postrider tls-reports`.',
    ),
  ),
};

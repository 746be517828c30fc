/** The options of the event log. */

import { duration, fileName, octets, optional } from '../lib/schema.ts';

export const EVENTS_OPTIONS = {
  folder: optional(
    fileName('/var/log/postrider', 'Where the event log is written. Not given: `events` in the spool folder.'),
  ),
  retention: duration('30d', 'Segments older than this are removed.', { min: 60_000 }),
  segmentOctets: octets('64MiB', 'A segment that would grow past this is followed by another.', { min: 65_536 }),
  segmentAge: duration('1d', 'The same for its age.', { min: 1000 }),
};

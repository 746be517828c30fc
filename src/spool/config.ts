/** The options of the spool. */

import { fileName, octets, type Values } from '../lib/schema.ts';

export const SPOOL_OPTIONS = {
  folder: fileName(
    '.postrider/spool',
    'Where waiting mail is kept, with the control socket; mode 0700. Relative to the folder of the configuration.',
  ),
  minFree: octets('256MiB', 'New mail gets 452 while less than this is free; what waits is still delivered.'),
};

export type SpoolOptions = Values<typeof SPOOL_OPTIONS>;

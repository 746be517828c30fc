/** The options of the directory. */

import { optional, text, type Values } from '../lib/schema.ts';

export const DIRECTORY_OPTIONS = {
  file: optional(
    text(
      '/var/lib/postrider/directory.db',
      'Where tenants, domains, users and signing keys are kept. Not given: `directory.db` in the spool folder.',
    ),
  ),
};

export type DirectoryOptions = Values<typeof DIRECTORY_OPTIONS>;

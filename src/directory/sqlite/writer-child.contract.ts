/**
 * A process to be killed: replaces a pair of keys over and over in the directory named by its argument, both in one
 * change, and writes the number of each to its standard output after the call returned.
 */

import { writeSync } from 'node:fs';
import { type Domain } from '../../mail/domain.ts';
import { openSqliteDirectory } from './sqlite-directory.ts';

const [file = ''] = process.argv.slice(2);
const store = openSqliteDirectory(file, 'write');
const domain = 'a.test' as Domain;
const key = { domain, algorithm: 'rsa-sha256', privateKey: 'x'.repeat(2000), state: 'signing' } as const;
const first = store.keys(domain)[0]?.since ?? 0;
for (let since = first + 1; ; since += 1) {
  store.putKeys(['a', 'b', 'c', 'd'].map((selector) => ({ ...key, selector, since })));
  writeSync(1, `${since}\n`);
}

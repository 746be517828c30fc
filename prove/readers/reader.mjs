/** A process that looks at the store of a spool and stays with what it has seen: `node reader.mjs <store folder>`. */

import process from 'node:process';
import { open } from 'lmdb';

const db = open({ path: process.argv[2], noSubdir: false, encoding: 'binary', readOnly: true });
const transaction = db.useReadTransaction();
const [first] = db.getKeys({ transaction, limit: 1 });
process.stdout.write(`looking at ${String(first)}\n`);
setInterval(() => undefined, 1000);

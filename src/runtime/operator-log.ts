/** The operator's log of this process: lines on standard error. */

import process from 'node:process';
import { createLog } from '../observe/log.ts';
import { type Clock } from '../ports/clock.ts';
import { type Log } from '../ports/log.ts';

export function operatorLog(clock: Clock): Log {
  const format = process.env['POSTRIDER_LOG'] === 'json' ? 'json' : 'text';
  return createLog({ format, now: () => clock.now(), write: (line) => void process.stderr.write(line) });
}

/** The memory twin keeps the contract; a crash would take all of it, so it goes on as it is. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spoolContract } from '../spool.contract.ts';
import { MemorySpool } from './memory-spool.ts';

spoolContract('memory', async () => {
  const incoming = mkdtempSync(join(tmpdir(), 'postrider-memory-'));
  const spool = new MemorySpool({ incoming });
  return {
    spool,
    reopen: async () => {},
    close: async () => {
      await spool.close();
      rmSync(incoming, { recursive: true, force: true });
    },
  };
});

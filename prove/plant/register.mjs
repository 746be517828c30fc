/**
 * Loaded before the product, in each of its threads: changes the text of its modules as the list in
 * `POSTRIDER_PLANTS` says. A change that does not fit exactly once ends the process.
 */

import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import process from 'node:process';

const plants = JSON.parse(readFileSync(process.env.POSTRIDER_PLANTS, 'utf8'));

registerHooks({
  load(url, context, nextLoad) {
    const own = plants.filter(({ file }) => url.endsWith(`/dist/${file}`));
    const loaded = nextLoad(url, context);
    if (own.length === 0) return loaded;
    let text = Buffer.from(loaded.source).toString();
    for (const { file, find, replace } of own) text = planted(file, text, find, replace);
    return { ...loaded, source: text };
  },
});

function planted(file, text, find, replace) {
  const parts = text.split(find);
  if (parts.length === 2) return parts.join(replace);
  process.stderr.write(`cannot plant: ${JSON.stringify(find)} occurs ${parts.length - 1} times in ${file}\n`);
  process.kill(process.pid, 'SIGABRT');
  throw new Error('cannot plant');
}

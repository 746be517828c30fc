/** Reads a whole store in order, a page at a time, and gives the event loop its turn between pages. */

import { under } from './keys.ts';
import { type Store } from './store.ts';

const PAGE = 500;

export async function* walk(store: Store, prefix: string): AsyncIterable<string> {
  let range = under(prefix);
  for (;;) {
    const keys = store.keys(range, PAGE);
    await store.prefetch(keys);
    yield* keys;
    const last = keys.at(-1);
    if (last === undefined || keys.length < PAGE) return;
    range = { start: under(last, '').start, end: range.end };
  }
}

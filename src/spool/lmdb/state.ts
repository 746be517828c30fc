/** What the store knows of itself, in one record that each commit writes along. */

import { decodeNumbers } from '../codec.ts';
import { FORMAT_KEY, STATE_KEY, under } from './keys.ts';
import { type Store, Writes } from './store.ts';

/** Grows when a release writes what an older one cannot read. */
export const FORMAT = 1;

export interface SpoolState {
  /** Of the latest outbox record ever written; never used twice. */
  readonly sequence: number;
  /** The highest epoch that a commit carried. */
  readonly epoch: number;
  readonly messages: number;
  readonly entries: number;
  /** Octets in content files. */
  readonly fileOctets: number;
}

const NAMES = ['sequence', 'epoch', 'messages', 'entries', 'fileOctets'] as const;
const NOTHING: SpoolState = { sequence: 0, epoch: 0, messages: 0, entries: 0, fileOctets: 0 };

/** Reads the state of a store, or begins an empty one. Refuses what this release cannot read. */
export async function openState(store: Store): Promise<SpoolState> {
  const format = store.text(FORMAT_KEY);
  if (format === undefined) return begin(store);
  if (!/^[1-9]\d{0,8}$/.test(format)) throw new Error(`the spool's format record is '${format}', not a number`);
  if (Number(format) > FORMAT)
    throw new Error(
      `the spool has format ${format}; this release reads formats up to ${FORMAT}. Run the release that wrote it, or a later one.`,
    );
  const state = store.text(STATE_KEY);
  if (state === undefined) throw new Error('the spool has no state record: run `postrider check`');
  return decodeNumbers(state, NAMES);
}

export function encodeState({ sequence, epoch, messages, entries, fileOctets }: SpoolState): string {
  return JSON.stringify({ sequence, epoch, messages, entries, fileOctets });
}

async function begin(store: Store): Promise<SpoolState> {
  if (store.first(under('')) !== undefined)
    throw new Error('the store holds records but no format number: it was not made by Postrider, or it is damaged');
  const writes = new Writes();
  writes.put(FORMAT_KEY, Buffer.from(String(FORMAT)));
  writes.put(STATE_KEY, Buffer.from(encodeState(NOTHING)));
  await store.write(writes);
  return NOTHING;
}

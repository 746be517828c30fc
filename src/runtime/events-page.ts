/** A page of events, as the contract asks for it and as the history has it. */

import { type EventsPage, type EventsQuery, Refusal } from '../api/contract.ts';
import { type EventPage, type EventSearch } from '../events/search.ts';

export async function eventsPage(
  { after, ...wanted }: EventsQuery,
  search: (wanted: EventSearch) => EventPage | Promise<EventPage>,
): Promise<EventsPage> {
  const last = after === undefined ? undefined : Number(after);
  if (last !== undefined && !Number.isSafeInteger(last))
    throw new Refusal('invalid', `"${after}" is no place to go on: pass \`next\` of the page before`);
  const { events, next } = await search(last === undefined ? wanted : { ...wanted, after: last });
  return { events, next: next === undefined ? undefined : String(next) };
}

/** `postrider events`: what has happened, by kind, address and time. Also with the server down. */

import { type Command } from 'commander';
import { type EventsQuery } from '../api/contract.ts';
import { type EventKind } from '../events/event.ts';
import { EVENT_FIELDS } from '../events/event-fields.ts';
import { readable } from '../events/readable.ts';
import { parseDuration } from '../lib/schema-units.ts';
import { type Context, UsageError } from './context.ts';

interface Options {
  readonly kind?: string;
  readonly sender?: string;
  readonly recipient?: string;
  readonly since?: string;
  readonly until?: string;
  readonly limit: string;
  readonly after?: string;
}

const MAX_LIMIT = 1000;

export function addEvents(program: Command, context: Context): void {
  program
    .command('events')
    .description('what has happened, newest first: of messages, and who changed what')
    .option('--kind <kind>', 'of this kind alone: delivered, rejected, directoryChanged, …')
    .option('--sender <address>', 'an address, or @example.com for all of a domain; <> is the null reverse-path')
    .option('--recipient <address>', 'likewise')
    .option('--since <when>', 'not before: 2h, 3d (ago), or 2026-11-26 or 2026-11-26T12:00Z')
    .option('--until <when>', 'before that')
    .option('--limit <n>', 'at most so many', '100')
    .option('--after <place>', 'go on where the last page ended')
    .action(async (options: Options) => {
      const limit = limitOf(options.limit);
      const kind = kindOf(options.kind);
      await context.withQueue(async ({ admin, now }) => {
        const page = await admin.events({ ...queryOf(options, now), ...(kind !== undefined && { kind }), limit });
        const lines = page.events.map(
          (event) => `${dayOf(event.at)} ${readable(event, { colour: context.terminal.colour })}\n`,
        );
        context.print(page, () => lines.join('') || 'No events.\n');
        if (page.next !== undefined) context.note(`there are more: --after ${page.next}`);
      });
    });
}

function queryOf({ sender, recipient, since, until, after }: Options, now: number): EventsQuery {
  const [from, to] = [instantOf('--since', since, now), instantOf('--until', until, now)];
  return {
    ...(sender !== undefined && { sender }),
    ...(recipient !== undefined && { recipient }),
    ...(from !== undefined && { since: from }),
    ...(to !== undefined && { until: to }),
    ...(after !== undefined && { after }),
  };
}

function kindOf(text: string | undefined): EventKind | undefined {
  if (text === undefined) return undefined;
  const kinds = Object.keys(EVENT_FIELDS) as EventKind[];
  const kind = kinds.find((each) => each === text);
  if (kind === undefined) throw new UsageError(`--kind ${text}: write one of ${kinds.join(', ')}`);
  return kind;
}

function limitOf(text: string): number {
  const limit = Number(text);
  if (Number.isSafeInteger(limit) && limit >= 1 && limit <= MAX_LIMIT) return limit;
  throw new UsageError(`--limit ${text}: write 1 to ${MAX_LIMIT}`);
}

/** So long ago by the server's clock, or a time; without a zone in UTC, as the answers are. */
function instantOf(option: string, text: string | undefined, now: number): number | undefined {
  if (text === undefined) return undefined;
  const ago = parseDuration(text);
  if (ago.ok) return Math.max(0, now - ago.value);
  const [whole, time, zone] = TIME.exec(text) ?? [];
  const at = whole === undefined ? NaN : Date.parse(time !== undefined && zone === undefined ? `${whole}Z` : whole);
  if (Number.isFinite(at) && at >= 0) return at;
  throw new UsageError(`${option} ${text}: write how long ago (30m, 2h, 3d) or a time (2026-11-26, 2026-11-26T12:00Z)`);
}

const TIME = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(?::\d\d)?(Z|[+-]\d\d:\d\d)?)?$/;

/** What was read from a damaged line may be a time that is none. */
function dayOf(at: number): string {
  return Math.abs(at) <= 8.64e15 ? new Date(at).toISOString().slice(0, 10) : '?';
}

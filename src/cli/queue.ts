/** `postrider queue …`: what waits, and what is done with it. Works on the spool itself when the server is down. */

import { type Command } from 'commander';
import { type Changed, type EntryView, MAX_PAGE, type QueueAdmin, type QueueFilter, Refusal } from '../api/contract.ts';
import { type Lane } from '../mail/entry.ts';
import { HOLD_REASONS, type HoldReason } from '../mail/hold-reason.ts';
import { parseQueueId } from '../mail/queue-id.ts';
import { type Context, UsageError } from './context.ts';
import { shownText } from '../lib/shown-text.ts';
import { type Terminal } from './terminal.ts';
import { table } from './table.ts';
import { clock, many, pathText, size, when } from './words.ts';

interface FilterOptions {
  readonly sender?: string;
  readonly recipient?: string;
  readonly domain?: string;
  readonly queue?: string;
  readonly lane?: string;
  readonly reason?: string;
  readonly all?: boolean;
}

const LANES: readonly Lane[] = ['fresh', 'deferred', 'held'];

export function addQueue(program: Command, context: Context): void {
  const queue = program.command('queue').description('what waits: list, show, retry, hold, release, remove, flush');
  addList(queue, context);
  addShow(queue, context);
  addChange(queue, context, { name: 'retry', doc: 'try entries now', past: 'will be tried now' });
  addChange(queue, context, { name: 'hold', doc: 'hold entries until they are released', past: 'held' });
  addChange(queue, context, { name: 'release', doc: 'let held entries go', past: 'released' });
  addChange(queue, context, {
    name: 'flush',
    doc: 'try entries now and forget what holds back their sites',
    past: 'will be tried now',
  });
  addRemove(queue, context);
}

function withFilter(command: Command): Command {
  return command
    .option('--sender <pattern>', 'reverse-path; * stands for anything, <> for the null one')
    .option('--recipient <pattern>', 'a recipient; * stands for anything')
    .option('--domain <domain>', 'routing domain')
    .option('--queue <name>', 'queue name, campaign:tenant@domain')
    .option('--lane <lane>', LANES.join(', '))
    .option('--reason <reason>', Object.keys(HOLD_REASONS).join(', '));
}

function filterOf(id: string | undefined, options: FilterOptions): QueueFilter {
  const { sender, recipient, domain, queue, lane, reason } = options;
  if (lane !== undefined && !isLane(lane)) throw new UsageError(`--lane ${lane}: write ${LANES.join(', ')}`);
  if (reason !== undefined && !isReason(reason))
    throw new UsageError(`--reason ${reason}: write one of ${Object.keys(HOLD_REASONS).join(', ')}`);
  if (id !== undefined && parseQueueId(id.replace(/\/\d+$/, '')) === undefined)
    throw new UsageError(`"${id}" is neither a command of queue nor a queue id (20 letters and digits)`);
  const given = Object.entries({ id, sender, recipient, domain, queue, lane, reason });
  return Object.fromEntries(given.filter(([, value]) => value !== undefined)) as QueueFilter;
}

function isLane(text: string): text is Lane {
  return LANES.some((lane) => lane === text);
}

function isReason(text: string): text is HoldReason {
  return Object.hasOwn(HOLD_REASONS, text);
}

function addList(queue: Command, context: Context): void {
  withFilter(queue.command('list', { isDefault: true }).description('entries that wait').argument('[id]', 'queue id'))
    .option('--limit <n>', 'at most so many entries', '100')
    .action(async (id: string | undefined, options: FilterOptions & { readonly limit: string }) => {
      const filter = filterOf(id, options);
      const limit = Number(options.limit);
      if (!Number.isSafeInteger(limit) || limit < 1) throw new UsageError('--limit: write a whole number from 1');
      await context.withQueue(async ({ admin, offline, now }) => {
        const { entries, more } = await collect(admin, filter, limit);
        if (offline) context.note('no server is running: this is the spool as it lies on disk');
        context.print({ entries, more }, () => listText(context.terminal, { entries, more, now }));
      });
    });
}

/** Page after page, at most `limit` entries. */
async function collect(
  admin: QueueAdmin,
  filter: QueueFilter,
  limit: number,
): Promise<{ readonly entries: readonly EntryView[]; readonly more: boolean }> {
  const entries: EntryView[] = [];
  let after: string | undefined;
  do {
    const page = await admin.list({
      ...filter,
      limit: Math.min(MAX_PAGE, limit - entries.length),
      ...(after !== undefined && { after }),
    });
    entries.push(...page.entries);
    after = page.next;
  } while (after !== undefined && entries.length < limit);
  return { entries, more: after !== undefined };
}

interface Listed {
  readonly entries: readonly EntryView[];
  readonly more: boolean;
  readonly now: number;
}

function listText(terminal: Terminal, { entries, more, now }: Listed): string {
  if (entries.length === 0) return 'Nothing waits.\n';
  const rows = table(
    terminal,
    [
      { title: 'ENTRY', of: ({ id }) => id },
      { title: 'FROM', of: ({ sender }) => pathText(sender) },
      { title: 'TO', of: ({ recipients }) => recipientsText(recipients) },
      { title: 'SIZE', of: ({ octets }) => size(octets), align: 'right' },
      { title: 'TRIES', of: ({ attempts }) => attempts, align: 'right' },
      { title: 'NEXT', of: (entry) => nextText(entry, now) },
      { title: 'WHY', of: ({ reason }) => reason },
      { title: 'LAST REPLY', of: ({ lastReply }) => lastReply },
    ],
    entries,
  );
  return `${rows}${many(entries.length, 'entry', 'entries')}${more ? ', and more (--limit)' : ''}\n`;
}

function recipientsText([first = '', ...rest]: readonly string[]): string {
  return rest.length === 0 ? first : `${first} +${rest.length}`;
}

function nextText({ lane, inFlight, dueAt }: EntryView, now: number): string {
  if (inFlight) return 'being tried';
  return lane === 'held' ? 'held' : dueAt <= now ? 'now' : when(dueAt, now);
}

function addShow(queue: Command, context: Context): void {
  queue
    .command('show')
    .description('everything about one entry or message that waits')
    .argument('<id>', 'queue id, or entry id')
    .action((id: string) =>
      context.withQueue(async ({ admin, now }) => {
        const { entries } = await collect(admin, { id }, MAX_PAGE);
        if (entries.length === 0)
          throw new Refusal('notFound', `nothing of ${id} waits; \`postrider message ${id}\` tells what became of it`);
        context.print({ entries }, () => entries.map((entry) => entryText(entry, now)).join('\n'));
      }),
    );
}

export function entryText(entry: EntryView, now: number): string {
  const rows: readonly (readonly [string, string])[] = [
    ['entry', entry.id],
    ['queue', entry.queue],
    ['from', pathText(entry.sender)],
    ...entry.recipients.map((recipient) => ['to', recipient] as const),
    ['route', `${entry.route} → ${entry.routingDomain}`],
    ['class, lane', `${entry.class}, ${entry.lane}`],
    ['why', `${entry.reason}: ${HOLD_REASONS[entry.reason]}`],
    ['last reply', entry.lastReply === '' ? 'none yet' : entry.lastReply],
    ['accepted', `${clock(entry.acceptedAt)} (${when(entry.acceptedAt, now)})`],
    ['attempts', String(entry.attempts)],
    ['last attempt', entry.lastAttemptAt === undefined ? 'none yet' : when(entry.lastAttemptAt, now)],
    ['next attempt', nextText(entry, now)],
    ['gives up', `${clock(entry.expiresAt)} (${when(entry.expiresAt, now)})`],
    ['size', size(entry.octets)],
  ];
  return `${rows.map(([name, value]) => `${name.padEnd(13)} ${shownText(value)}`).join('\n')}\n`;
}

interface ChangeCommand {
  readonly name: 'retry' | 'hold' | 'release' | 'flush';
  readonly doc: string;
  readonly past: string;
}

function addChange(queue: Command, context: Context, { name, doc, past }: ChangeCommand): void {
  withFilter(queue.command(name).description(doc).argument('[id]', 'queue id, or entry id'))
    .option('--all', 'everything that waits')
    .option('--why <text>', 'the reason, for the record')
    .action(async (id: string | undefined, options: FilterOptions & { readonly why?: string }) => {
      const change = changeOf(context, id, options);
      await context.withQueue(async ({ admin }) => {
        const changed = await admin[name](change);
        context.print(changed, () => changedText(changed, past));
      });
    });
}

function addRemove(queue: Command, context: Context): void {
  withFilter(queue.command('remove').description('remove entries for good').argument('[id]', 'queue id, or entry id'))
    .option('--all', 'everything that waits')
    .option('--why <text>', 'the reason, for the record')
    .option('--tell-sender', 'send a failure notification to each sender')
    .action(
      async (
        id: string | undefined,
        options: FilterOptions & { readonly why?: string; readonly tellSender?: boolean },
      ) => {
        const change = changeOf(context, id, options);
        await context.withQueue(async ({ admin }) => {
          const changed = await admin.remove({ ...change, tellSender: options.tellSender === true });
          context.print(changed, () => changedText(changed, 'removed'));
        });
      },
    );
}

function changeOf(context: Context, id: string | undefined, options: FilterOptions & { readonly why?: string }) {
  const select = filterOf(id, options);
  const all = options.all === true;
  if (Object.keys(select).length === 0 && !all)
    throw new UsageError(
      'say which entries: an id, --sender, --recipient, --domain, --queue, --lane, --reason, or --all',
    );
  return { select, by: context.by, ...(all && { all }), ...(options.why !== undefined && { reason: options.why }) };
}

function changedText({ entries, inFlight }: Changed, past: string): string {
  const left = inFlight === 0 ? '' : `; ${many(inFlight, 'entry is', 'entries are')} being tried and left as they are`;
  return `${many(entries, 'entry', 'entries')} ${past}${left}\n`;
}

/** `postrider message <id>`: what became of a message; and `postrider explain`: where mail goes and why it waits. */

import { type Command } from 'commander';
import { type ExplanationView, type MessageStory, type WayView } from '../api/contract.ts';
import { parseEvent } from '../events/format.ts';
import { readable } from '../events/readable.ts';
import { type Context } from './context.ts';
import { entryText } from './queue.ts';
import { shownText } from '../lib/shown-text.ts';
import { coloured, type Terminal } from './terminal.ts';
import { clock, pathText, size, when } from './words.ts';

export function addMessage(program: Command, context: Context): void {
  program
    .command('message')
    .description('what became of a message, or the message itself')
    .argument('<id>', 'queue id')
    .option('--raw', 'the message octet for octet')
    .action((id: string, { raw }: { readonly raw?: boolean }) =>
      context.withQueue(async ({ admin, now }) => {
        if (raw === true) {
          context.terminal.octets(await admin.content({ id }));
          return;
        }
        const story = await admin.message({ id });
        context.print(story, () => storyText(context.terminal, story, now));
      }),
    );
}

export function addExplain(program: Command, context: Context): void {
  program
    .command('explain')
    .description('where mail goes, and why it waits')
    .argument('<id or address>', 'a queue id, or an address to which nothing needs to have been sent')
    .action(async (target: string) => {
      const control = await context.control();
      const [explanation, { now }] = await Promise.all([control.explain({ target }), control.status()]);
      context.print(explanation, () => explanationText(context.terminal, explanation, now));
    });
}

function storyText(terminal: Terminal, { id, message, entries, events }: MessageStory, now: number): string {
  const head =
    message === undefined
      ? [`${id} has left the queue`]
      : [
          `${id} from ${pathText(message.sender)}, ${size(message.octets)}, ${message.class}`,
          `accepted ${clock(message.acceptedAt)} by ${message.protocol} from ${message.clientName} ${message.clientAddress}${message.tls === undefined ? '' : `, ${message.tls}`}`,
        ];
  const lines = events.map((event) => eventText(terminal, event));
  const waiting = entries.map((entry) => `\n${coloured(terminal, 'bold', 'waits')}\n${entryText(entry, now)}`);
  const silence = lines.length === 0 ? ['no events about it in the log'] : [];
  return `${[...head.map(shownText), '', ...lines, ...silence].join('\n')}\n${waiting.join('')}`;
}

/** An event that this version does not know is shown as it is. */
function eventText({ colour }: Terminal, event: Readonly<Record<string, unknown>>): string {
  const line = JSON.stringify(event);
  const known = parseEvent(line);
  return known.ok ? readable(known.value, { colour }) : shownText(line);
}

function explanationText(terminal: Terminal, { about, ways }: ExplanationView, now: number): string {
  const parts = ways.map((way) => wayText(way, now));
  return `${coloured(terminal, 'bold', shownText(about))}\n${parts.join('\n')}`;
}

function wayText(way: WayView, now: number): string {
  const { recipients, route, routingDomain, site, hosts, entry, explanations } = way;
  const lines = [
    `to        ${recipients.join(', ')}`,
    `route     ${route === undefined ? 'none matches' : `${route.name} (${route.kind})`} → ${routingDomain}`,
    ...(site === '' ? [] : [`site      ${site}`]),
    ...hosts.map(({ name, preference }) => `host      ${String(preference).padStart(5)} ${name}`),
    ...(entry === undefined ? [] : [`entry     ${entry.id}, ${entry.attempts} attempts, ${entry.lane}`]),
    ...(entry === undefined || entry.lastReply === '' ? [] : [`reply     ${entry.lastReply}`]),
    ...explanations.map(({ what, by, until }) => {
      const end = until === undefined ? '' : `, until ${clock(until)} (${when(until, now)})`;
      return `because   ${what} [${by}]${end}`;
    }),
  ];
  return `${lines.map(shownText).join('\n')}\n`;
}

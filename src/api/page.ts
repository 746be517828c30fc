/**
 * The plain page at `/`: what the server does, the queue, and in the sandbox the inboxes of its receivers.
 *
 * Made on the server, without scripts. Everything on it comes from strangers, so every value is escaped where it is
 * put in, and the page's own policy lets nothing run even if that failed.
 */

import { shownText } from '../lib/shown-text.ts';
import { DAY, HOUR, type Instant, MINUTE, SECOND } from '../lib/time.ts';
import { HOLD_REASONS } from '../mail/hold-reason.ts';
import { type EntryView, type QueuePage, type SandboxMessage, type Status } from './contract.ts';

export const PAGE_HEADERS: Readonly<Record<string, string>> = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy':
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; form-action 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
};

export interface PageFacts {
  readonly status: Status;
  readonly queue: QueuePage;
  /** Absent outside the sandbox. */
  readonly messages: readonly SandboxMessage[] | undefined;
  readonly now: Instant;
}

/** Text that is HTML already; only `html` makes it. */
class Html {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

type Part = string | number | Html | readonly Html[];

function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return new Html(strings.map((string, i) => string + (i < parts.length ? markup(parts[i] ?? '') : '')).join(''));
}

function markup(part: Part): string {
  if (part instanceof Html) return part.text;
  if (typeof part === 'object') return part.map(({ text }) => text).join('');
  return escapeHtml(String(part));
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

export function escapeHtml(text: string): string {
  return shownText(text.replaceAll(/[&<>"']/g, (c) => ENTITIES[c] ?? ''));
}

export function consolePage(facts: PageFacts): string {
  const { status, messages } = facts;
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta http-equiv="refresh" content="5" />
        <title>${status.hostname} · Postrider</title>
        <style>
          ${STYLE}
        </style>
      </head>
      <body>
        <header>
          <h1>Postrider</h1>
          <p>${status.hostname} · ${status.version} · ${stateText(status)}</p>
        </header>
        <main>${figures(facts)} ${messages === undefined ? html`` : inboxes(messages, facts.now)} ${queue(facts)}</main>
        <footer>
          <a href="/metrics">metrics</a> · <a href="/health/ready">health</a> · <a href="/api/v1/status">status</a> ·
          this page renews itself every five seconds
        </footer>
      </body>
    </html> `;
  return page.text;
}

function stateText({ state, intake, delivery, softBounce }: Status): string {
  const words = [state, intake === 'open' ? '' : `intake ${intake}`, delivery === 'paused' ? 'delivery paused' : ''];
  return [...words, softBounce ? 'soft bounce' : ''].filter((word) => word !== '').join(', ');
}

function figures({ status, now }: PageFacts): Html {
  const rows: readonly (readonly [string, string | number])[] = [
    ['messages waiting', status.spool.messages],
    ['entries', status.spool.entries],
    ['being tried', status.inFlight],
    ['sessions', status.workers.reduce((sum, { sessions }) => sum + sessions, 0)],
    ['up', ago(now - status.startedAt)],
  ];
  return html`<section class="figures">
    ${rows.map(([name, value]) => html`<div><b>${value}</b><span>${name}</span></div>`)}
  </section>`;
}

function inboxes(messages: readonly SandboxMessage[], now: Instant): Html {
  const empty = html`<p class="none">
    Nothing has arrived yet. Send something to <code>anybody@inbox.test</code>:
    <code>npx postrider send --to anybody@inbox.test</code>
  </p>`;
  const groups = Map.groupBy(messages, ({ recipients }) => recipients[0] ?? '');
  const boxes = [...groups].map(
    ([recipient, mail]) =>
      html`<article>
        <h3>${recipient} <small>${mail.length}</small></h3>
        <ul>
          ${mail.map((one) => letter(one, now))}
        </ul>
      </article>`,
  );
  return html`<section>
    <h2>Inboxes</h2>
    ${boxes.length === 0 ? empty : html`<div class="boxes">${boxes}</div>`}
  </section>`;
}

function letter({ id, subject, reversePath, receivedAt, octets, recipients }: SandboxMessage, now: Instant): Html {
  const link = `/api/v1/sandbox/messages/${encodeURIComponent(id)}/raw`;
  const others = recipients.length > 1 ? html` <em>and ${recipients.length - 1} more</em>` : html``;
  return html`<li>
    <a href="${link}">${subject === '' ? '(no subject)' : subject}</a>${others}
    <small>from ${reversePath === '' ? '<>' : reversePath} · ${ago(now - receivedAt)} ago · ${octets} octets</small>
  </li>`;
}

function queue({ queue: { entries, next }, now }: PageFacts): Html {
  const more = next === undefined ? html`` : html`<p class="none">and more: <code>postrider queue list</code></p>`;
  if (entries.length === 0)
    return html`<section>
      <h2>Queue</h2>
      <p class="none">Nothing waits.</p>
    </section>`;
  return html`<section>
    <h2>Queue</h2>
    <table>
      <thead>
        <tr>
          <th>Message</th>
          <th>From</th>
          <th>To</th>
          <th>Tries</th>
          <th>Next</th>
          <th>Why it waits</th>
        </tr>
      </thead>
      <tbody>
        ${entries.map((entry) => row(entry, now))}
      </tbody>
    </table>
    ${more}
  </section>`;
}

function row(entry: EntryView, now: Instant): Html {
  const [first = '', ...rest] = entry.recipients;
  const to = rest.length === 0 ? first : `${first} and ${rest.length} more`;
  const next = entry.lane === 'held' ? 'held' : entry.inFlight ? 'now' : dueIn(entry.dueAt - now);
  return html`<tr class="${entry.lane}">
    <td>
      <a href="/api/v1/messages/${encodeURIComponent(entry.message)}"><code>${entry.message}</code></a>
    </td>
    <td>${entry.sender === '' ? '<>' : entry.sender}</td>
    <td>${to}</td>
    <td>${entry.attempts}</td>
    <td>${next}</td>
    <td>${HOLD_REASONS[entry.reason]}<small>${entry.lastReply}</small></td>
  </tr>`;
}

function dueIn(wait: number): string {
  return wait <= 0 ? 'now' : `in ${ago(wait)}`;
}

/** In the largest unit that says something. */
export function ago(span: number): string {
  const units: readonly (readonly [number, string])[] = [
    [DAY, 'd'],
    [HOUR, 'h'],
    [MINUTE, 'min'],
  ];
  const [size, unit] = units.find(([size]) => span >= 2 * size) ?? [SECOND, 's'];
  return `${Math.max(0, Math.floor(span / size))} ${unit}`;
}

const STYLE = new Html(`
:root{--ink:#1d2430;--soft:#667085;--line:#e3e6ec;--paper:#fff;--ground:#f5f6f9;--accent:#2d5bd7}
@media (prefers-color-scheme:dark){:root{--ink:#e6e9ef;--soft:#98a2b3;--line:#2c3442;--paper:#1a202b;--ground:#12161e;--accent:#8fb0ff}}
*{box-sizing:border-box}body{margin:0;font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--ground)}
header,main,footer{max-width:72rem;margin:0 auto;padding:1rem 1.5rem}header{display:flex;gap:1rem;align-items:baseline;flex-wrap:wrap}
h1{font-size:1.4rem;margin:0}h2{font-size:1.1rem;margin:1.5rem 0 .5rem}h3{font-size:.95rem;margin:0 0 .5rem}header p,footer,small,.none,th{color:var(--soft)}
header p{margin:0}small{font-size:.8rem}td small,li small{display:block}a{color:var(--accent);text-decoration:none}a:hover{text-decoration:underline}
.figures{display:flex;flex-wrap:wrap;gap:.75rem}.figures div,article,table{background:var(--paper);border:1px solid var(--line);border-radius:.6rem}
.figures div{padding:.6rem 1rem;min-width:8rem}.figures b{display:block;font-size:1.3rem;font-weight:600}.figures span{color:var(--soft);font-size:.85rem}
.boxes{display:grid;grid-template-columns:repeat(auto-fill,minmax(20rem,1fr));gap:.75rem}article{padding:.9rem 1rem;overflow-wrap:anywhere}ul{list-style:none;margin:0;padding:0}
li{padding:.35rem 0;border-top:1px solid var(--line)}table{width:100%;border-spacing:0;overflow-wrap:anywhere}th,td{text-align:left;padding:.5rem .75rem;vertical-align:top;border-top:1px solid var(--line)}
thead th{border:0;font-weight:500;font-size:.85rem}tr.held td:first-child{border-left:3px solid #d99a22}tr.deferred td:first-child{border-left:3px solid var(--line)}code{font-size:.85em}
`);

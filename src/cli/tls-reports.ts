/** `postrider tls-reports`: what others reported on the encryption of our domains, and what we reported. */

import { type Command } from 'commander';
import { type Event } from '../events/event.ts';
import { type Context, UsageError } from './context.ts';
import { table } from './table.ts';

interface Options {
  readonly sent?: boolean;
  readonly domain?: string;
  readonly limit: string;
}

export function addTlsReports(program: Command, context: Context): void {
  program
    .command('tls-reports')
    .description('reports on encryption (TLS-RPT) that others sent on our domains, newest first')
    .option('--sent', 'those that were sent, in place of those that came')
    .option('--domain <domain>', 'on this domain alone')
    .option('--limit <n>', 'at most so many', '100')
    .action(async ({ sent, domain, limit }: Options) => {
      const most = Number(limit);
      if (!Number.isSafeInteger(most) || most < 1 || most > 1000) throw new UsageError('--limit: write 1 to 1000');
      const kind = sent === true ? 'sent' : 'received';
      const control = await context.control();
      const answer = await control.tlsReports({ kind, limit: most, ...(domain !== undefined && { domain }) });
      context.print(answer, () => (answer.reports.length === 0 ? 'No reports.\n' : text(context, answer.reports)));
    });
}

interface Row {
  readonly day: string;
  readonly domain: string;
  readonly who: string;
  readonly successful: number;
  readonly failed: number;
  readonly why: string;
}

function rowsOf(event: Event): readonly Row[] {
  if (event.kind === 'tlsReportSent') return [{ ...event, who: event.to, why: '' }];
  if (event.kind !== 'tlsReportReceived') return [];
  return [{ ...event, day: dayOf(event.begin), who: event.organization, why: event.failures.join('; ') }];
}

function text({ terminal }: Context, reports: readonly Event[]): string {
  return table(
    terminal,
    [
      { title: 'DAY', of: ({ day }) => day },
      { title: 'DOMAIN', of: ({ domain }) => domain },
      { title: 'BY / TO', of: ({ who }) => who },
      { title: 'SECURED', of: ({ successful }) => successful, align: 'right' },
      { title: 'NOT', of: ({ failed }) => failed, align: 'right' },
      { title: 'WHY', of: ({ why }) => why },
    ],
    reports.flatMap(rowsOf),
  );
}

/** What a stranger wrote may be a time that is none. */
function dayOf(at: number): string {
  return Math.abs(at) <= 8.64e15 ? new Date(at).toISOString().slice(0, 10) : '?';
}

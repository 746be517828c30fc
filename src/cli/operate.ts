/** What an operator does with a running server: suspend, resume, pause, unpause, soft bounce, reload, drain, status. */

import { type Command } from 'commander';
import { connectControl, ControlError } from '../api/control-client.ts';
import { type Reloaded, type Status, type SiteView } from '../api/contract.ts';
import { parseDuration } from '../lib/schema-units.ts';
import { type Rule, type RuleTarget } from '../mail/rule.ts';
import { ConfigurationFailure, type Context, UsageError } from './context.ts';
import { shownText } from '../lib/shown-text.ts';
import { table } from './table.ts';
import { clock, many, size, span } from './words.ts';

type Pausable = 'intake' | 'delivery' | 'all';

export function addOperate(program: Command, context: Context): void {
  addSuspend(program, context);
  addResume(program, context);
  addPause(program, context, 'pause', 'stop taking mail, sending mail, or both');
  addPause(program, context, 'unpause', 'take mail, send mail, or both again');
  addSoftBounce(program, context);
  addReload(program, context);
  addDrain(program, context);
  addStatus(program, context);
  addRules(program, context);
  addSites(program, context);
}

interface TargetOptions {
  readonly domain?: string;
  readonly tenant?: string;
  readonly campaign?: string;
  readonly site?: string;
  readonly source?: string;
  readonly message?: string;
  readonly sender?: string;
  readonly recipient?: string;
}

const TARGETS = ['domain', 'tenant', 'campaign', 'site', 'source', 'message', 'sender', 'recipient'] as const;

function withTarget(command: Command): Command {
  for (const name of TARGETS) command.option(`--${name} <${name}>`, `mail of this ${name}`);
  return command;
}

function targetOf(options: TargetOptions): RuleTarget {
  const given = TARGETS.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]] as const]));
  return Object.fromEntries(given);
}

function addSuspend(program: Command, context: Context): void {
  withTarget(program.command('suspend').description('stop mail that matches from going out, now and to come'))
    .option('--all', 'all mail')
    .option('--for <duration>', 'how long: 30m, 2h; without it until it is resumed')
    .option('--why <text>', 'the reason, shown by explain', '')
    .action(
      async (options: TargetOptions & { readonly all?: boolean; readonly for?: string; readonly why: string }) => {
        const target = targetOf(options);
        if (Object.keys(target).length === 0 && options.all !== true)
          throw new UsageError(`say which mail: ${TARGETS.map((name) => `--${name}`).join(', ')}, or --all`);
        const control = await context.control();
        const until = await untilOf(options.for, async () => (await control.status()).now);
        const suspended = await control.suspend({
          target,
          reason: options.why,
          by: context.by,
          ...(until !== undefined && { until }),
        });
        context.print(suspended, () => {
          const inFlight =
            suspended.inFlight === 0 ? '' : `; ${many(suspended.inFlight, 'entry', 'entries')} still being tried`;
          return `suspended by rule ${suspended.rule.id}${inFlight}\n`;
        });
      },
    );
}

/** By the server's clock: in a sandbox it may be far from ours. */
async function untilOf(text: string | undefined, now: () => Promise<number>): Promise<number | undefined> {
  if (text === undefined) return undefined;
  const duration = parseDuration(text);
  if (!duration.ok) throw new UsageError(`--for ${text}: ${duration.reason}`);
  return (await now()) + duration.value;
}

function addResume(program: Command, context: Context): void {
  withTarget(program.command('resume').description('end a suspension').argument('[rule]', 'id of the rule')).action(
    async (id: string | undefined, options: TargetOptions) => {
      const target = targetOf(options);
      const by = context.by;
      if (id === undefined && Object.keys(target).length === 0)
        throw new UsageError(
          'say which suspension: the id of its rule (`postrider rules`), or the same target as it has',
        );
      const control = await context.control();
      const resumed = await control.resume(id === undefined ? { target, by } : { id, by });
      context.print(resumed, () => `resumed: ${resumed.rules.map((rule) => rule.id).join(', ')}\n`);
    },
  );
}

function addPause(program: Command, context: Context, name: 'pause' | 'unpause', doc: string): void {
  program
    .command(name)
    .description(doc)
    .argument('<what>', 'intake, delivery or all')
    .action(async (what: string) => {
      if (!isPausable(what)) throw new UsageError(`${name} ${what}: write intake, delivery or all`);
      const status = await (await context.control())[name]({ what, by: context.by });
      context.print(status, () => `intake is ${status.intake}, delivery is ${status.delivery}\n`);
    });
}

function isPausable(text: string): text is Pausable {
  return text === 'intake' || text === 'delivery' || text === 'all';
}

function addSoftBounce(program: Command, context: Context): void {
  program
    .command('soft-bounce')
    .alias('soft_bounce')
    .description('make every refusal temporary, or no longer')
    .argument('<on or off>')
    .action(async (text: string) => {
      if (text !== 'on' && text !== 'off') throw new UsageError(`soft-bounce ${text}: write on or off`);
      const status = await (await context.control()).softBounce({ on: text === 'on', by: context.by });
      context.print(status, () => `soft bounce is ${status.softBounce ? 'on' : 'off'}\n`);
    });
}

function addReload(program: Command, context: Context): void {
  program
    .command('reload')
    .description('read the configuration and the files it names anew; an invalid one is refused and the old one stays')
    .action(async () => {
      const reloaded = await askToReload(context);
      if (reloaded.result === 'kept') {
        context.print(reloaded, () => '');
        throw new ConfigurationFailure(`refused, the old configuration stays:\n${reloaded.problems.join('\n')}`);
      }
      const { needsRestart } = reloaded;
      const rest = needsRestart.length === 0 ? '' : `; these need a restart: ${needsRestart.join(', ')}`;
      context.print(reloaded, () => `reloaded${rest}\n`);
    });
}

/** The server may still be where the configuration put it when it started. */
async function askToReload(context: Context): Promise<Reloaded> {
  const folder = await context.spoolFolder('');
  try {
    return await connectControl(folder).reload();
  } catch (error) {
    if (!(error instanceof ControlError) || error.kind !== 'notRunning' || context.options.spool !== undefined)
      throw error;
    const hint = 'if one runs, its spool.folder was another when it started: name that with --spool, and restart it';
    throw new ControlError('notRunning', `${error.message}; ${hint}`, { cause: error });
  }
}

function addDrain(program: Command, context: Context): void {
  program
    .command('drain')
    .description('finish what is in flight, then stop')
    .action(async () => {
      const status = await (await context.control()).drain();
      context.print(status, () => `stopping; ${many(status.inFlight, 'entry', 'entries')} in flight\n`);
    });
}

function addStatus(program: Command, context: Context): void {
  program
    .command('status')
    .description('what the server is doing')
    .action(async () => {
      const status = await (await context.control()).status();
      context.print(status, () => statusText(status));
    });
}

function statusText(status: Status): string {
  const { spool, workers } = status;
  const sessions = workers.reduce((sum, worker) => sum + worker.sessions, 0);
  const deliveries = workers.reduce((sum, worker) => sum + worker.deliveries, 0);
  const lines = [
    ['server', `${status.hostname}, version ${status.version}, process ${status.pid}`],
    [
      'state',
      `${status.state}; intake ${status.intake}, delivery ${status.delivery}${status.softBounce ? ', soft bounce' : ''}`,
    ],
    ['up', span(status.now - status.startedAt)],
    [
      'queue',
      `${many(spool.messages, 'message')}, ${many(spool.entries, 'entry', 'entries')}, ${status.inFlight} being tried`,
    ],
    ['spool', `${size(spool.usedOctets)} used, ${size(spool.freeOctets)} free`],
    [
      'workers',
      `${workers.length}, with ${many(sessions, 'session')} and ${many(deliveries, 'delivery', 'deliveries')}`,
    ],
    ...status.listeners.map(({ name, address, protocol }) => ['listener', `${name} ${address} ${protocol}`]),
    ['config', status.configFile === '' ? 'the sandbox' : status.configFile],
  ];
  return `${lines.map(([name = '', value = '']) => `${name.padEnd(9)} ${shownText(value)}`).join('\n')}\n`;
}

function addRules(program: Command, context: Context): void {
  program
    .command('rules')
    .description('suspensions, holds and reroutes that stand')
    .action(() =>
      context.withQueue(async ({ admin }) => {
        const answer = await admin.rules();
        context.print(answer, () => (answer.rules.length === 0 ? 'No rules.\n' : rulesText(context, answer.rules)));
      }),
    );
}

function rulesText({ terminal }: Context, rules: readonly Rule[]): string {
  return table(
    terminal,
    [
      { title: 'RULE', of: ({ id }) => id },
      { title: 'KIND', of: ({ kind }) => kind },
      { title: 'WHAT', of: ({ target }) => targetText(target) },
      { title: 'SINCE', of: ({ setAt }) => clock(setAt) },
      { title: 'UNTIL', of: ({ until }) => (until === undefined ? 'ended by hand' : clock(until)) },
      { title: 'BY', of: ({ setBy }) => setBy },
      { title: 'WHY', of: ({ reason }) => reason },
    ],
    rules,
  );
}

function targetText(target: RuleTarget): string {
  const parts = Object.entries(target).map(([name, value]) => `${name}=${value}`);
  return parts.length === 0 ? 'everything' : parts.join(' ');
}

function addSites(program: Command, context: Context): void {
  program
    .command('sites')
    .description('where mail goes now: connections, windows, and what holds them back')
    .option('--limit <n>', 'at most so many', '100')
    .action(async ({ limit }: { readonly limit: string }) => {
      const most = Number(limit);
      if (!Number.isSafeInteger(most) || most < 1 || most > 1000) throw new UsageError('--limit: write 1 to 1000');
      const answer = await (await context.control()).sites({ limit: most });
      context.print(answer, () => (answer.sites.length === 0 ? 'No sites.\n' : sitesText(context, answer.sites)));
    });
}

function sitesText({ terminal }: Context, sites: readonly SiteView[]): string {
  return table(
    terminal,
    [
      { title: 'SITE', of: ({ site }) => site },
      { title: 'READY', of: ({ ready }) => ready, align: 'right' },
      { title: 'CONNECTIONS', of: ({ connections, window }) => `${connections}/${window}`, align: 'right' },
      { title: 'TRIED', of: ({ inFlight }) => inFlight, align: 'right' },
      { title: 'WHY', of: ({ explanations }) => explanations.map(({ what }) => what).join('; ') },
    ],
    sites,
  );
}

/**
 * Writes the reference pages from the declarations in the sources: options, commands, events, metrics, API calls.
 * `test/docs.test.ts` fails while a page on disk is not what this makes.
 */

import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import { type Command } from 'commander';
import { API_PREFIX, CALLS } from '../src/api/calls.ts';
import { buildProgram, type Wiring } from '../src/cli/program.ts';
import { type Terminal } from '../src/cli/terminal.ts';
import { ALL_OPTIONS } from '../src/config/config.ts';
import { describeEvents } from '../src/events/describe.ts';
import { describe } from '../src/lib/schema-describe.ts';
import { describeMetrics } from '../src/observe/metrics.ts';
import { EXIT } from '../src/runtime/exit-codes.ts';

const root = join(import.meta.dirname, '..');
const NOTICE = '<!-- Made by `npm run docs` from the sources; changes here are lost. -->';

/** Text by path below the root. */
export async function referencePages(): Promise<ReadonlyMap<string, string>> {
  const pages = {
    configuration: configurationPage(),
    cli: commandLinePage(),
    api: apiPage(),
    events: eventsPage(),
    metrics: await metricsPage(),
  };
  return new Map(
    Object.entries(pages).map(([name, text]) => [`docs/reference/${name}.md`, `${NOTICE}\n\n${text.trimEnd()}\n`]),
  );
}

function configurationPage(): string {
  return `# Configuration

\`postrider.config.ts\` (or \`.mts\`, \`.js\`, \`.mjs\`) exports the configuration by default:

\`\`\`ts
import { defineConfig } from 'postrider';

export default defineConfig({ hostname: 'mx.example.com' });
\`\`\`

Only what differs from the defaults has to be written. Durations are written as \`15m\` or \`1h30m\`, octets as \`50MiB\`,
rates as \`100/1h\`. An unknown name, a wrong value, or options that do not fit together are refused with the path, the
value and what to write instead; \`postrider config check\` says so before a start or a reload does.

${describe(ALL_OPTIONS)}`;
}

// ── commands ──

function commandLinePage(): string {
  const commands = leaves(buildProgram(silentTerminal, noWiring).program);
  const codes = [
    [EXIT.ok, 'done'],
    [EXIT.failed, 'it could not be done, and the text says why'],
    [EXIT.usage, 'the command line was wrong'],
    [EXIT.notRunning, 'no server is running'],
    [EXIT.storage, '`serve`: the spool can no longer be trusted'],
    [EXIT.configuration, 'the configuration is not valid, or not there'],
  ];
  return `# Command line

\`--json\` makes every command answer in JSON, and say in JSON what is wrong (\`{"error":{"kind","message"}}\` on standard
error), but for \`sendmail\`, \`mailq\` and \`newaliases\`, which answer as other programs expect. \`--config\` and \`--spool\`
say which server is meant: else it is the one of
\`./postrider.config.ts\`, then of \`/etc/postrider/\`, then the sandbox started in this folder.

| Exit code | |
| --- | --- |
${codes.map(([code, meaning]) => `| ${code} | ${meaning} |`).join('\n')}

${commands.map(commandSection).join('\n')}`;
}

function leaves(command: Command): readonly Command[] {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(leaves);
}

function commandSection(command: Command): string {
  const words = [command.name()];
  for (let parent = command.parent; parent !== null; parent = parent.parent) words.unshift(parent.name());
  const usage = command.registeredArguments.map((one) => {
    const name = `${one.name()}${one.variadic ? '...' : ''}`;
    return one.required ? `<${name}>` : `[${name}]`;
  });
  const options = command.options.filter(({ hidden }) => !hidden);
  const rows = options.map(({ flags, description, defaultValue }) => {
    const standing = defaultValue === undefined || defaultValue === '' ? '' : ` (${String(defaultValue)})`;
    return `| \`${cell(flags)}\` | ${cell(description + standing)} |`;
  });
  const also = command.aliases().map((alias) => `Also \`${alias}\`.\n`);
  const table = rows.length === 0 ? '' : `| Option | |\n| --- | --- |\n${rows.join('\n')}\n`;
  return `## \`${[...words, ...usage].join(' ')}\`\n\n${sentence(command.description())}\n${also.join('')}\n${table}`;
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

const nothing = (): void => undefined;
const silentTerminal: Terminal = {
  ...{ out: nothing, octets: nothing, err: nothing, now: () => 0 },
  ...{ isTty: false, width: undefined, colour: false, cwd: root, env: {} },
};

const never = (): Promise<never> => Promise.reject(new Error('commands are only described here'));
const noWiring: Wiring = {
  ...{ runParent: never, runWorking: never, startSandbox: never, openOffline: never, compact: never },
};

// ── the rest ──

function apiPage(): string {
  const rows = Object.values(CALLS).map(({ method, path, argument, access, doc }) => {
    const names = Object.keys(argument.properties).map((name) =>
      argument.required?.includes(name) ? `**${name}**` : name,
    );
    const mark = access === undefined ? '' : ' *socket*';
    return `| \`${method} ${API_PREFIX}${path}\`${mark} | ${doc} | ${names.join(', ')} |`;
  });
  return `# HTTP API

All calls are answered on the control socket (\`control.sock\` in the spool folder), and those without a mark on the HTTP
listener too. Those marked *socket* give and take secrets, and over HTTP there is no login yet: there they are 404. The
HTTP listener is on loopback, refuses requests for names that are not its own, and takes changes only as
\`content-type: application/json\` and not from other web sites. With GET what is asked stands in the query, with POST in
the body of at most 64 KiB. What is required is bold. An error is \`{ "error": { "kind", "message" } }\` with status 400,
403, 404, 409, 413, 415 or 500.

| Call | | Asks for |
| --- | --- | --- |
${rows.join('\n')}
| \`GET ${API_PREFIX}/version\` | The version. | |
| \`GET /metrics\` | Metrics in the text format of Prometheus. | |
| \`GET /health/live\` | 200, or 503 when only a restart helps. | |
| \`GET /health/ready\` | 200 while new mail is taken, else 503 with the reason. | |
| \`GET /\` | A page for people. | |
| \`GET /.well-known/mta-sts.txt\` | The MTA-STS policy of a domain of ours, where the name asked for is \`mta-sts.\` and the domain (\`mtaSts\`). Nothing else is served by such a name. | |

Only in the sandbox:

| Call | | Asks for |
| --- | --- | --- |
| \`GET ${API_PREFIX}/sandbox/messages\` | What the simulated receivers took, newest first. | recipient, limit |
| \`GET ${API_PREFIX}/sandbox/messages/:id/raw\` | One of them, octet for octet. | |
| \`POST ${API_PREFIX}/sandbox/clock\` | Moves time ahead. | advance (\`"1h"\`) or to (\`"2030-01-01T00:00:00Z"\`) |
`;
}

function eventsPage(): string {
  const events = describeEvents(readFileSync(join(root, 'src/events/event.ts'), 'utf8'));
  const sections = events.map(({ kind, doc, fields }) => {
    const rows = fields.map((field) => `| \`${field.name}\` | \`${cell(field.type)}\` | ${cell(field.doc)} |`);
    return `## \`${kind}\`\n\n${doc}\n\n| Field | Type | |\n| --- | --- | --- |\n${rows.join('\n')}\n`;
  });
  return `# Events

The event log has one JSON object on each line. Times are milliseconds since 1970, delays are milliseconds. Fields that
do not apply are absent.

${sections.join('\n')}`;
}

async function metricsPage(): Promise<string> {
  // A metric is declared where it is counted: every file that declares one has to be loaded.
  const files = globSync('src/**/*.ts', { cwd: root }).filter((file) => !/\.(test|contract|bench)\.ts$/.test(file));
  for (const file of files.sort()) {
    const text = readFileSync(join(root, file), 'utf8');
    if (/^(?:export )?const \w+ = (?:counter|gauge|histogram)\(/m.test(text))
      await import(pathToFileURL(join(root, file)).href);
  }
  const rows = describeMetrics()
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, kind, help, labels }) => {
      const values = Object.entries(labels).map(([label, all]) => `${label}: ${all.join(', ')}`);
      return `| \`${name}\` | ${kind} | ${cell(help)} | ${cell(values.join('; '))} |`;
    });
  return `# Metrics

\`GET /metrics\` answers in the text format of Prometheus. Labels come from short lists: a domain or an address is never
one; numbers by site are asked of the API.

| Metric | Kind | | Labels |
| --- | --- | --- | --- |
${rows.join('\n')}
`;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}

if (process.argv[1] === import.meta.filename)
  for (const [path, text] of await referencePages()) {
    writeFileSync(join(root, path), text);
    console.log(path);
  }

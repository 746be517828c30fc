/** `postrider certificate`: which are in use, ordering one by ACME, and the TLSA records of their keys. */

import { type Command } from 'commander';
import { type AcmeView, type CertificatesView, type CertificateView } from '../api/certificate-view.ts';
import { type Context, UsageError } from './context.ts';
import { table } from './table.ts';
import { clock } from './words.ts';

export function addCertificate(program: Command, context: Context): void {
  const certificate = program
    .command('certificate')
    .description('server certificates: in use, ordered by ACME, in DNS');
  certificate
    .command('list', { isDefault: true })
    .description('the certificates in use, and what ACME is about')
    .action(async () => {
      const answer = await (await context.control()).certificates();
      context.print(answer, () => listText(context, answer));
    });
  certificate
    .command('renew')
    .description('order a certificate by ACME now')
    .action(async () => {
      const answer = await (await context.control()).renewCertificate();
      context.print(answer, () => `ordering; \`postrider certificate list\` says how it went\n`);
    });
  certificate
    .command('tlsa')
    .description('TLSA records to publish: of the keys in use, and of the next one before it is used')
    .option('--port <n>', 'the port of the records', '25')
    .action(async ({ port }: { readonly port: string }) => {
      if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535) throw new UsageError(`--port ${port}: write a port`);
      const records = tlsaRecords(await (await context.control()).certificates(), port);
      context.print(records, () => records.map((record) => `${recordText(record)}\n`).join(''));
    });
}

interface TlsaLine {
  readonly name: string;
  readonly record: string;
  readonly key: 'in use' | 'next';
}

/** Both have to be published, and their TTL has to pass, before the next key comes into use (RFC 7672 §8.1). */
function tlsaRecords({ certificates, acme }: CertificatesView, port: string): readonly TlsaLine[] {
  const inUse = certificates.flatMap(({ names, tlsa }) =>
    lines(names, tlsa, port).map((line) => ({ ...line, key: 'in use' as const })),
  );
  const next = acme?.nextTlsa;
  const ahead =
    next === undefined ? [] : lines(acme?.names ?? [], next, port).map((line) => ({ ...line, key: 'next' as const }));
  return [...inUse, ...ahead];
}

function lines(names: readonly string[], record: string, port: string): readonly Omit<TlsaLine, 'key'>[] {
  // Records are for hosts: a wildcard says nothing of which there are.
  return names.filter((name) => !name.startsWith('*')).map((name) => ({ name: `_${port}._tcp.${name}.`, record }));
}

function recordText({ name, record, key }: TlsaLine): string {
  return `${name} IN TLSA ${record}${key === 'next' ? ' ; of the next key' : ''}`;
}

function listText(context: Context, { certificates, acme }: CertificatesView): string {
  const rows = table<CertificateView>(
    context.terminal,
    [
      { title: 'SOURCE', of: ({ source }) => source },
      { title: 'NAMES', of: ({ names }) => names.join(' ') },
      { title: 'KEY', of: ({ keyType }) => keyType },
      { title: 'ISSUER', of: ({ issuer }) => issuer },
      { title: 'END', of: ({ notAfter }) => clock(notAfter) },
    ],
    certificates,
  );
  return `${certificates.length === 0 ? 'No certificates.\n' : rows}${acme === undefined ? '' : acmeText(acme)}`;
}

function acmeText({ names, state, nextAt, failures, lastError }: AcmeView): string {
  const what = state === 'ordering' ? 'an order is under way' : `next order ${clock(nextAt)}`;
  const why = failures === 0 ? '' : `; ${failures} failed, the last: ${lastError}`;
  return `ACME for ${names.join(' ')}: ${what}${why}\n`;
}

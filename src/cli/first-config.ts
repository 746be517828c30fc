/** The text of a first configuration, and what has to be published in DNS for it to work. */

export interface Wishes {
  readonly hostname: string;
  readonly domains: readonly string[];
  readonly smarthost: string | undefined;
  readonly maildir: string;
}

export function configText({ hostname, domains, smarthost, maildir }: Wishes): string {
  return `import { defineConfig } from 'postrider';

// All options with their defaults: docs/reference/configuration.md
// After a change: \`postrider config check\`, then \`postrider reload\`.
export default defineConfig({
  // What this server calls itself. The name should lead to its address, and the address back to the name.
  hostname: ${quoted(hostname)},

  // Where mail comes in. Port 25 is for other servers.
  listeners: [{ name: 'smtp', host: '::', port: 25 }],

  // A certificate from an authority. Without one Postrider makes its own: others can encrypt, but not verify.
  // tls: { certificate: '/etc/postrider/tls/fullchain.pem', key: '/etc/postrider/tls/privkey.pem' },

  // Who may send to anybody through this server. Everybody else may only send to the domains below.
  relay: {
    networks: ['127.0.0.0/8', '::1'],
    // Domains for which this server is a backup MX or a gateway:
    domains: [],
  },
${localText(domains)}
  routes: [
${routesText({ domains, smarthost, maildir })}
  ],
});
`;
}

function localText(domains: readonly string[]): string {
  if (domains.length === 0)
    return `
  // Domains whose mailboxes are here:
  // local: { domains: ['example.com'], route: 'mailboxes', aliases: { info: ['ann@example.com'] } },
`;
  return `
  // Domains whose mailboxes are here, and the route that takes mail to them.
  local: {
    domains: [${domains.map(quoted).join(', ')}],
    route: 'mailboxes',
    // Who reads mail for postmaster and abuse:
    postmaster: ${quoted(`postmaster@${domains[0] ?? ''}`)},
    // Addresses that stand for others:
    aliases: {
      // info: ['ann@${domains[0] ?? ''}', 'bob@${domains[0] ?? ''}'],
    },
  },
`;
}

function routesText({ domains, smarthost, maildir }: Omit<Wishes, 'hostname'>): string {
  const mailboxes =
    domains.length === 0
      ? `    // { kind: 'maildir', name: 'mailboxes', path: ${quoted(maildir)} },`
      : `    { kind: 'maildir', name: 'mailboxes', path: ${quoted(maildir)} },
    // Or to Dovecot:
    // { kind: 'lmtp', name: 'mailboxes', to: '/run/dovecot/lmtp' },`;
  const out =
    smarthost === undefined
      ? `    // Everything else goes to the hosts that the MX records of its recipient name.
    { kind: 'mx', name: 'mx' },
    // Or all of it through one server:
    // { kind: 'smarthost', name: 'out', host: 'smtp.example.net', auth: { user: '…', password: process.env.SMARTHOST_PASSWORD ?? '' } },`
      : `    // Everything else goes through one server.
    {
      kind: 'smarthost',
      name: 'out',
      host: ${quoted(smarthost)},
      port: 587,
      tls: 'verify',
      // auth: { user: '…', password: process.env.SMARTHOST_PASSWORD ?? '' },
    },`;
  return `${mailboxes}\n${out}`;
}

function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

export function dnsText(file: string, { hostname, domains, smarthost }: Wishes): string {
  const records = domains.flatMap((domain) => [
    `  ${domain}.  MX   10 ${hostname}.`,
    `  ${domain}.  TXT  "v=spf1 mx ~all"${smarthost === undefined ? '' : `   (add what the operator of ${smarthost} says)`}`,
  ]);
  const none = ['  (no domains of its own: nothing to publish for them)'];
  return `${file} is written. Check it with \`postrider config check\`, start with \`postrider serve\`.

Publish in DNS:
  ${hostname}.  A    the IPv4 address of this server
  ${hostname}.  AAAA its IPv6 address, if it sends over IPv6
  the address's PTR record (set where the address comes from):  ${hostname}.
${(records.length === 0 ? none : records).join('\n')}

Not here yet: DKIM signing (and so DMARC alignment by DKIM), MTA-STS, logins for users.
Until then sign elsewhere, for example at a smarthost, if receivers ask for DKIM.
`;
}

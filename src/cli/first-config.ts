/** The text of a first configuration, what is to be done next, and what has to be published in DNS for it to work. */

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

  // Where mail comes in. Port 25 is for other servers, where nobody logs in. 587 and 465 are for users of your own
  // (\`postrider credential add\`), who log in under TLS and may then send to anybody.
  listeners: [
    { name: 'smtp', host: '::', port: 25 },
    { name: 'submission', host: '::', port: 587, auth: 'required' },
    { name: 'submissions', host: '::', port: 465, auth: 'required', tls: 'implicit' },
  ],

  // A certificate from an authority. Without one Postrider makes its own: others can encrypt, but not verify, and mail
  // programs of users will complain.
  // tls: { certificate: '/etc/postrider/tls/fullchain.pem', key: '/etc/postrider/tls/privkey.pem' },
  // Or ordered and renewed by this server itself, from Let’s Encrypt; the authority must reach it at port 80:
  // acme: { enabled: true, agreeToTerms: true, email: ${quoted(`postmaster@${domains[0] ?? 'example.com'}`)} },

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

export function nextSteps(file: string, wishes: Wishes): string {
  const { hostname, domains, smarthost } = wishes;
  const named = domains.length === 0 ? ['<domain>'] : domains;
  const records = domains.map((domain) => `  ${domain}.  MX   10 ${hostname}.\n`);
  const through =
    smarthost === undefined ? '' : `All mail goes through ${smarthost}: add to SPF what its operator says.\n`;
  return `${file} is written.

Next:
${steps([
  ['config check', 'whether the file is right; again after each change'],
  ['serve', 'start; what follows is for another terminal'],
  ...named.flatMap((domain): Step[] => [
    [`domain add ${domain}`, 'make its signing keys; prints the DNS records'],
    [`domain check ${domain}`, 'what is wrong with the records, once they are published'],
  ]),
  ['credential add <user>', 'a login for ports 587 and 465; prints its password'],
])}
Publish in DNS:
  ${hostname}.  A    the IPv4 address of this server
  ${hostname}.  AAAA its IPv6 address, if it sends over IPv6
  the address's PTR record (set where the address comes from):  ${hostname}.
${records.join('')}  for each domain that is sent from, what \`postrider domain add\` prints: DKIM, SPF, DMARC and more
${through}`;
}

type Step = readonly [command: string, what: string];

function steps(all: readonly Step[]): string {
  const width = Math.max(...all.map(([command]) => command.length));
  return all.map(([command, what]) => `  postrider ${command.padEnd(width)}  ${what}\n`).join('');
}

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatProblem } from '../lib/schema-reading.ts';
import { readConfig } from './config.ts';

function problems(local: object): readonly string[] {
  const routes = [{ kind: 'maildir', name: 'm', path: '/var/mail/{user}' }];
  const written = { hostname: 'mx.example.com', local: { domains: ['example.com'], route: 'm', ...local }, routes };
  const read = readConfig(written, '/etc/postrider');
  return read.ok ? [] : read.problems.map(formatProblem);
}

const READ = 'name an address that somebody reads, or add it to local.mailboxes';
const CIRCLE = 'let one of them lead to a mailbox; who keeps a copy names itself';

describe('local mail that would reach nobody is refused', () => {
  const cases: readonly (readonly [name: string, local: object, want: readonly string[]])[] = [
    [
      'a postmaster that is no mailbox',
      { mailboxes: ['ann'], postmaster: 'bob@example.com' },
      [
        `local.postmaster: mail for postmaster@example.com goes to bob@example.com, which is no mailbox and no alias; ${READ}`,
      ],
    ],
    [
      'no postmaster, where the host name is a local domain',
      { domains: ['example.com', 'mx.example.com'], mailboxes: ['ann'] },
      [
        `local.postmaster: mail for postmaster@example.com goes to postmaster@mx.example.com, which is no mailbox and no alias; ${READ}`,
      ],
    ],
    [
      'an alias of a role that leads to no mailbox',
      {
        mailboxes: ['ann'],
        aliases: { Abuse: ['desk@example.com'], desk: ['bob@example.com'] },
        postmaster: 'ann@b.test',
      },
      [
        `local.aliases.Abuse: mail for abuse@example.com goes to bob@example.com, which is no mailbox and no alias; ${READ}`,
      ],
    ],
    [
      'aliases in a circle',
      { aliases: { a: ['b@example.com'], b: ['C@example.com', 'x@b.test'], c: ['a@example.com'] } },
      [`local.aliases.a: its mail would go round in a circle: a → b → c → a; ${CIRCLE}`],
    ],
    [
      'an alias that leads nowhere',
      { aliases: { a: [] } },
      ['local.aliases.a: it leads nowhere; name where its mail goes, or remove it'],
    ],
    [
      'a mailbox elsewhere',
      { mailboxes: ['postmaster', 'ann@b.test'] },
      [
        'local.mailboxes[1]: b.test is not a local domain, so this mailbox would never get mail; add the domain to local.domains, or remove the mailbox',
      ],
    ],
  ];
  for (const [name, local, want] of cases) test(name, () => assert.deepEqual(problems(local), want));
});

describe('local mail that somebody reads is taken', () => {
  const cases: readonly (readonly [name: string, local: object])[] = [
    ['a postmaster that is a mailbox in any case', { mailboxes: ['Bob'], postmaster: 'bob@example.com' }],
    [
      'a postmaster that is an alias',
      { mailboxes: ['ann'], aliases: { bob: ['ann@example.com'] }, postmaster: 'bob@example.com' },
    ],
    ['a postmaster elsewhere', { mailboxes: ['ann'], postmaster: 'bob@b.test' }],
    [
      'roles that are aliases',
      { mailboxes: ['ann'], aliases: { postmaster: ['ann@example.com'], abuse: ['x@b.test'] } },
    ],
    ['every address', { postmaster: 'bob@example.com' }],
    ['the name of a role among the mailboxes', { mailboxes: ['postmaster'], postmaster: 'postmaster@example.com' }],
    ['an alias that keeps a copy', { aliases: { ann: ['ann@example.com', 'x@b.test'] } }],
    [
      'two that each get the mail of both',
      { aliases: { ann: ['ann@example.com', 'bob@example.com'], bob: ['bob@example.com', 'ann@example.com'] } },
    ],
  ];
  for (const [name, local] of cases) test(name, () => assert.deepEqual(problems(local), []));
});

/** Programs that hand in mail with a `sendmail` command use the product's: what they sent is read back from Maildirs. */

import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { after, before, describe, test } from 'node:test';

import { type Arrived, fieldOf, waitForMaildir } from '../lib/arrived.ts';
import { interopNeeds, libraryFolders, packageRoot } from '../lib/debs.ts';
import { removeFolder, run, startProcess, testFolder } from '../lib/processes.ts';
import { type Product, startProduct } from '../lib/product.ts';
import { sendmailScript } from '../lib/sendmail.ts';

const noPrograms = await interopNeeds('programs');
const noPython = (await works('python3', '-c', 'pass')) ? false : 'python3 is not installed';
const noGit = noPrograms !== false ? noPrograms : (await works('git', '--version')) ? false : 'git is not installed';

let product: Product;
let folder: string;
let script: string;
let env: Readonly<Record<string, string>> = {};
let root = '';

before(async () => {
  folder = await testFolder('programs');
  const route = { kind: 'maildir', name: 'mailboxes', path: join(folder, 'mail', '{user}') } as const;
  const pickup = join(folder, 'pickup');
  product = await startProduct({
    folder: join(folder, 'product'),
    config: { local: { domains: ['in.test'], route: 'mailboxes' }, routes: [route], pickup: { folder: pickup } },
  });
  script = sendmailScript(folder, pickup);
  if (noPrograms !== false) return;
  root = await packageRoot('programs');
  env = { LD_LIBRARY_PATH: libraryFolders(root).join(':'), LC_ALL: 'C.UTF-8', HOME: folder };
});
after(async () => {
  await product?.stop();
  await removeFolder(folder);
});

async function works(...argv: readonly [string, ...string[]]): Promise<boolean> {
  return (await startProcess({ argv }).exited) === 0;
}

/** The one message of a mailbox. */
async function arrivalFor(user: string): Promise<Arrived> {
  const [message] = await waitForMaildir(join(folder, 'mail', user), undefined, 1);
  assert.equal(message!.deliveredTo, `${user}@in.test`);
  return message!;
}

function bodyOf({ content }: Arrived): string {
  return content.toString('utf8', content.indexOf('\r\n\r\n') + 4).replaceAll('\r\n', '\n');
}

/** What each message of a local program has, whatever that program wrote. */
function assertWhole(message: Arrived): void {
  for (const name of ['from', 'date', 'message-id', 'received'])
    assert.notEqual(fieldOf(message.content, name), undefined, name);
  assert.equal(fieldOf(message.content, 'bcc'), undefined);
  assert.match(
    fieldOf(message.content, 'received') ?? '',
    new RegExp(`^by mx\\.product\\.test \\(from uid ${process.getuid!()} `),
  );
}

describe('bsd-mailx', { skip: noPrograms }, () => {
  test('sends, to a blind copy too', async () => {
    writeFileSync(join(folder, 'mailrc'), `set sendmail=${script}\n`);
    await run({
      argv: [join(root, 'usr/bin/bsd-mailx'), '-n', '-s', 'Hello', '-b', 'blind', 'mailx'],
      env: { ...env, MAILRC: join(folder, 'mailrc') },
      input: 'one\n.two\n',
    });
    const message = await arrivalFor('mailx');
    assertWhole(message);
    assert.equal(fieldOf(message.content, 'subject'), 'Hello');
    assert.equal(bodyOf(message), 'one\n.two\n');
    assertWhole(await arrivalFor('blind'));
  });
});

describe('GNU mailutils', { skip: noPrograms }, () => {
  test('sends', async () => {
    const set = `set sendmail=sendmail:${script}`;
    await run({
      argv: [join(root, 'usr/bin/mail.mailutils'), '-n', '--exec', set, '-s', 'Hello', 'mailutils@in.test'],
      env,
      input: 'one\n',
    });
    const message = await arrivalFor('mailutils');
    assertWhole(message);
    assert.match(bodyOf(message), /^one\n/);
  });
});

describe('PHP', { skip: noPrograms }, () => {
  const mail = async (code: string, parameters = '-t -i') =>
    run({
      argv: [join(root, 'usr/bin/php8.2'), '-n', '-d', `sendmail_path=${script} ${parameters}`, '-r', code],
      env,
    });

  test('mail() sends, and a lone dot is text', async () => {
    const said = await mail(
      `var_dump(mail("php@in.test", "Hello", "one\\n.\\ntwo\\n", "From: Web <web@in.test>\\r\\nBcc: hidden@in.test"));`,
    );
    assert.match(said, /bool\(true\)/);
    const message = await arrivalFor('php');
    assertWhole(message);
    assert.equal(fieldOf(message.content, 'from'), 'Web <web@in.test>');
    assert.match(bodyOf(message), /^one\n\.\ntwo\n/);
    await arrivalFor('hidden');
  });
  test('mail() with a reverse-path of its own', async () => {
    await mail(`mail("php-f@in.test", "Hello", "x", "", "-fbounces@in.test");`);
    assert.equal((await arrivalFor('php-f')).returnPath, '<bounces@in.test>');
  });
  test('mail() is told of an address that is none', async () => {
    assert.match(await mail(`var_dump(@mail("not an address", "s", "x"));`), /bool\(false\)/);
  });
});

describe('git send-email', { skip: noGit }, () => {
  test('sends a patch', async () => {
    const work = join(folder, 'work');
    mkdirSync(work);
    const git = (...args: readonly string[]) => run({ argv: ['git', ...args], env: { HOME: folder }, cwd: work });
    await git('init', '-q');
    writeFileSync(join(work, 'file'), 'From here on\n.\n');
    await git('add', 'file');
    await git('config', 'user.name', 'Ann');
    await git('config', 'user.email', 'ann@in.test');
    await git('commit', '-q', '-m', 'add a file');
    await git('format-patch', '-q', '--root', '-o', 'out', 'HEAD');
    await run({
      argv: [
        ...(['perl', join(root, 'usr/lib/git-core/git-send-email'), `--sendmail-cmd=${script}`] as const),
        ...[
          '--from=Ann <ann@in.test>',
          '--envelope-sender=ann@in.test',
          '--to=git@in.test',
          '--cc=list@in.test',
          '--confirm=never',
          '--suppress-cc=all',
        ],
        'out/0001-add-a-file.patch',
      ],
      env: { HOME: folder, PERL5LIB: [join(root, 'usr/share/perl5'), '/usr/share/perl5'].join(':') },
      cwd: work,
    });
    const message = await arrivalFor('git');
    assertWhole(message);
    assert.equal(message.returnPath, '<ann@in.test>');
    assert.equal(fieldOf(message.content, 'subject'), '[PATCH] add a file');
    assert.match(bodyOf(message), /\n\+From here on\n\+\.\n/);
  });
});

describe("Python's smtplib and email", { skip: noPython }, () => {
  test('a message by subprocess, as the documentation has it', async () => {
    const code = `
import subprocess, email.message
m = email.message.EmailMessage()
m['To'] = 'python@in.test'; m['Subject'] = 'Grüße'
m.set_content('Schöne Grüße\\n')
subprocess.run([${JSON.stringify(script)}, '-t', '-oi'], input=m.as_bytes(), check=True)
`;
    await run({ argv: ['python3', '-c', code], env: { HOME: folder } });
    const message = await arrivalFor('python');
    assertWhole(message);
    assert.match(bodyOf(message), /Sch/);
  });
});

test('a job of cron, whose header section has no Message-ID and whose lines end in LF', async () => {
  await run({
    argv: [script, '-FCronDaemon', '-i', '-B8BITMIME', '-oem', 'cron'],
    input: 'From: root (Cron Daemon)\nTo: cron\nSubject: Cron <root@here> true\nX-Cron-Env: <SHELL=/bin/sh>\n\ndone\n',
  });
  const message = await arrivalFor('cron');
  assertWhole(message);
  assert.equal(bodyOf(message), 'done\n');
});

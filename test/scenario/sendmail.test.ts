/** Mail from local programs, while the server runs, is stopped, is killed, and has no room. */

import assert from 'node:assert/strict';
import { chownSync, existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { after, before, describe, test } from 'node:test';

import { plantedEnvironment } from '../../prove/plant/plants.ts';
import { readMaildir, waitForMaildir } from '../lib/arrived.ts';
import { removeFolder, startProcess, testFolder } from '../lib/processes.ts';
import { MAIN, type Product, type ProductOptions, startProduct } from '../lib/product.ts';
import { sendmail } from '../lib/sendmail.ts';
import { until } from '../lib/wait.ts';

let folder: string;
before(async () => {
  folder = await testFolder('sendmail');
});
after(() => removeFolder(folder));

interface Place {
  readonly pickup: string;
  readonly mail: string;
  start(more?: ProductOptions['config'], options?: ProductOptions): Promise<Product>;
  hand(args: readonly string[], input: string, under?: readonly [string, ...string[]]): ReturnType<typeof sendmail>;
}

let n = 0;
function place(): Place {
  const base = join(folder, String(n++));
  const pickup = join(base, 'pickup');
  const mail = join(base, 'mail');
  const route = { kind: 'maildir', name: 'boxes', path: join(mail, '{user}') } as const;
  const config = { local: { domains: ['in.test'], route: 'boxes' }, routes: [route], pickup: { folder: pickup } };
  return {
    pickup,
    mail,
    start: (more, options) =>
      startProduct({ folder: join(base, 'product'), config: { ...config, ...more }, ...options }),
    hand: (args, input, under) => sendmail(args, { pickup, input, ...(under && { under }) }),
  };
}

const dropOf = ({ pickup }: Place): readonly string[] => readdirSync(join(pickup, 'drop'));

test('a message is taken while the server is stopped, is in mailq, and is delivered when it runs', async () => {
  const here = place();
  const first = await here.start();
  assert.equal(await first.stop(), 0);
  const handed = await here.hand(['-i', 'ann'], 'Subject: stopped\n\nx\n');
  assert.deepEqual(handed, { code: 0, output: '' });
  assert.equal(dropOf(here).length, 1);
  const queue = await first.cli('mailq');
  assert.equal(queue.code, 0, queue.output);
  assert.match(queue.output, /waits to be picked up by the server\)\n +ann\n/);

  const second = await here.start();
  try {
    const [message] = await waitForMaildir(join(here.mail, 'ann'), undefined, 1);
    assert.match(String(message?.content), /Subject: stopped/);
    await until('the file to be gone', async () => dropOf(here).length === 0);
    assert.equal((await second.cli('mailq')).output, 'Mail queue is empty\n');
  } finally {
    await second.stop();
  }
});

test('while it runs: who does not exist is told to the sender, and what waits is in mailq', async () => {
  const here = place();
  const product = await here.start({
    local: { domains: ['in.test'], route: 'boxes', mailboxes: ['ann', 'root', 'postmaster'] },
  });
  try {
    assert.equal((await here.hand(['-f', 'ann', 'nobody'], 'Subject: hello\n\nx\n')).code, 0);
    const [report] = await waitForMaildir(join(here.mail, 'ann'), undefined, 1);
    assert.match(String(report?.content), /5\.1\.1[\s\S]*No such mailbox here/);

    await product.control.pause({ what: 'delivery' });
    assert.equal((await here.hand(['ann', 'root'], 'Subject: waits\n\nx\n')).code, 0);
    await product.event('the message', (event) => event.kind === 'accepted' && event.subject === 'waits');
    const queue = (await product.cli('mailq')).output;
    assert.match(
      queue,
      /^----Queue ID-----[^\n]*\n[0-9a-z]{20} +\d+ \w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \S+@in\.test\n/,
    );
    assert.match(queue, /\n-- 1 Kbytes in 1 Request\.\n$/);
    await product.control.unpause({ what: 'delivery' });
    await waitForMaildir(join(here.mail, 'root'), undefined, 1);
    assert.equal((await product.cli('sendmail', '-q')).code, 0);
  } finally {
    await product.stop();
  }
});

test('each message is accepted once, however often the server is killed', async () => {
  const here = place();
  // What waits shows what was accepted: nothing leaves.
  const config = { routes: [{ kind: 'smarthost', name: 'out', host: '127.0.0.1', port: 9 }] as const, local: {} };
  let product = await here.start({ ...config, pickup: { folder: here.pickup, domain: 'far.test' } });
  const MESSAGES = 20;
  const handing = (async () => {
    for (let i = 0; i < MESSAGES; i++)
      assert.equal((await here.hand(['-i', 'ann'], `Subject: number ${i}\n\nx\n`)).code, 0);
  })();
  try {
    const accepted = async (): Promise<readonly string[]> =>
      (await product.events()).flatMap((event) => (event.kind === 'accepted' ? [event.subject] : []));
    for (const share of [0.2, 0.5, 0.8]) {
      await until('some to be accepted', async () => (await accepted()).length >= MESSAGES * share);
      await product.kill();
      product = await here.start({ ...config, pickup: { folder: here.pickup, domain: 'far.test' } });
    }
    await handing;
    await until('all to be accepted', async () => dropOf(here).length === 0 && (await accepted()).length >= MESSAGES);
    const subjects = await accepted();
    assert.deepEqual([...subjects].sort(), Array.from({ length: MESSAGES }, (_, i) => `number ${i}`).sort());
    const { entries } = await product.control.list({ limit: 1000 });
    assert.equal(entries.length, MESSAGES);
  } finally {
    await product.stop();
  }
});

describe('killed over a message that it has taken and delivered', () => {
  /** The process ends there once the test says so. */
  const end = `const { existsSync: go } = await import('node:fs');
    while (!go(process.env.GO)) await new Promise((resolve) => setTimeout(resolve, 20));
    process.kill(process.pid, 'SIGKILL');`;
  const places = {
    'before its file is removed': 'const done = this.#done.splice(0);',
    'when its file is removed, before it is let go': 'await letGo(removed);',
  };
  for (const [where, find] of Object.entries(places))
    test(`${where}, it is not taken again`, async () => {
      const here = place();
      const go = join(folder, `go-${n}`);
      const plant = { file: 'runtime/pickup.js', find, replace: `${end} ${find}` };
      const env = plantedEnvironment(folder, [plant], { GO: go });
      const first = await here.start({}, { env, process: 'alone' });
      assert.equal((await here.hand(['ann'], 'Subject: once\n\nx\n')).code, 0);
      await first.event('the delivery', ({ kind }) => kind === 'delivered');
      const left = where.startsWith('before') ? 1 : 0;
      await until('it to be there', async () => dropOf(here).length === left);
      writeFileSync(go, '');
      assert.equal(await first.running.exited, 'SIGKILL');

      const second = await here.start();
      try {
        await until('the file to be gone', async () => dropOf(here).length === 0);
        await until('it to be let go', async () => (await second.control.status()).spool.messages === 0);
        assert.equal((await waitForMaildir(join(here.mail, 'ann'), undefined, 1)).length, 1);
        const accepted = (await second.events()).filter(({ kind }) => kind === 'accepted');
        assert.equal(accepted.length, 1);
      } finally {
        await second.stop();
      }
    });
});

test('what is no message is set aside, and what waits behind it is taken', async () => {
  const here = place();
  const product = await here.start();
  try {
    writeFileSync(join(here.pickup, 'drop', 'hello'), 'x');
    assert.equal((await here.hand(['ann'], 'Subject: s\n\nx\n')).code, 0);
    await waitForMaildir(join(here.mail, 'ann'), undefined, 1);
    await until('it to be set aside', async () => readdirSync(join(here.pickup, 'bad')).includes('hello'));
    assert.match(product.running.output(), /set aside .*hello/);
  } finally {
    await product.stop();
  }
});

test('of a message that is too large the sender is told, and it is set aside', async () => {
  const here = place();
  const product = await here.start({ limits: { messageOctets: 65_536 } });
  try {
    assert.equal((await here.hand(['-f', 'ann', 'bob'], `Subject: big\n\n${'x\n'.repeat(60_000)}`)).code, 0);
    const [report] = await waitForMaildir(join(here.mail, 'ann'), undefined, 1);
    assert.match(String(report?.content), /Message larger than 65536 octets[\s\S]*Subject: big/);
    assert.deepEqual([dropOf(here).length, readdirSync(join(here.pickup, 'bad')).length], [0, 1]);
  } finally {
    await product.stop();
  }
});

test('while no mail is taken it waits, and then comes', async () => {
  const here = place();
  const product = await here.start();
  try {
    await product.control.pause({ what: 'intake' });
    assert.equal((await here.hand(['ann'], 'Subject: s\n\nx\n')).code, 0);
    await until('it to be told', async () =>
      product.running.output().includes('messages from local users wait to be picked up'),
    );
    assert.equal(dropOf(here).length, 1);
    await product.control.unpause({ what: 'intake' });
    // Another message brings the first along.
    assert.equal((await here.hand(['bob'], 'Subject: s\n\nx\n')).code, 0);
    await waitForMaildir(join(here.mail, 'ann'), undefined, 1);
  } finally {
    await product.stop();
  }
});

describe('another user of this machine', { skip: otherUserAbsent() }, () => {
  const nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] as const;

  test('hands in mail as nobody else, sees nothing of others, and may not see the queue', async () => {
    const here = place();
    const product = await here.start({ pickup: { folder: here.pickup, senders: 'own' } });
    try {
      await product.control.pause({ what: 'intake' });
      assert.equal((await here.hand(['-f', 'root', 'ann'], 'Subject: theirs\n\nx\n', nobody)).code, 0);
      const [name = ''] = dropOf(here);
      for (const command of [`ls ${here.pickup}/drop`, `rm ${here.pickup}/drop/${name}x`, `ls ${here.pickup}/bad`]) {
        const running = startProcess({ argv: [...nobody, 'sh', '-c', command] });
        assert.notEqual(await running.exited, 0, command);
      }
      await product.control.unpause({ what: 'intake' });
      assert.equal((await here.hand(['bob'], '\n', nobody)).code, 0);
      const [message] = await waitForMaildir(join(here.mail, 'ann'), undefined, 1);
      assert.equal(message?.returnPath, '<nobody@in.test>');
      assert.match(String(message?.content), /\(from uid 65534 \(nobody\)\)/);
      const mailq = startProcess({ argv: [...nobody, process.execPath, MAIN, '--spool', product.spool, 'mailq'] });
      assert.equal(await mailq.exited, 77);
      assert.match(mailq.output(), /^mailq: you may not use .*control\.sock/);
    } finally {
      await product.stop();
    }
  });
});

describe('a server that is an ordinary user, as it should be', { skip: otherUserAbsent() }, () => {
  const as = (id: number) => ['setpriv', `--reuid=${id}`, `--regid=${id}`, '--clear-groups'] as const;
  const [SERVER, ANN] = [64_200, 64_201];

  test('reads what others hand in, and removes it; they cannot read or remove what is there', async () => {
    const here = place();
    const product = await here.start({}, { expected: 'failing' });
    await product.kill();
    const base = join(product.folder, '..');
    for (const path of ['', ...readdirSync(base, { recursive: true })])
      chownSync(join(base, String(path)), SERVER, SERVER);
    const running = await here.start({}, { under: as(SERVER) });
    try {
      await running.control.pause({ what: 'intake' });
      assert.deepEqual(await here.hand(['ann'], 'Subject: s\n\nx\n', as(ANN)), { code: 0, output: '' });
      assert.equal((await here.hand(['bob'], '\n')).code, 0);
      for (const name of dropOf(here)) {
        const path = join(here.pickup, 'drop', name);
        const other = startProcess({ argv: [...as(ANN + 1), 'sh', '-c', `cat ${path} || rm -f ${path}`] });
        assert.notEqual(await other.exited, 0);
      }
      await running.control.unpause({ what: 'intake' });
      assert.equal((await here.hand(['eve'], '\n', as(ANN))).code, 0);
      const [message] = await waitForMaildir(join(here.mail, 'ann'), undefined, 1);
      assert.match(String(message?.content), /\(from uid 64201 \(uid-64201\)\)/);
      assert.equal(message?.returnPath, '<uid-64201@in.test>');
      await waitForMaildir(join(here.mail, 'bob'), undefined, 1);
      await until('the folder to be empty', async () => dropOf(here).length === 0);
      assert.deepEqual(readdirSync(join(here.pickup, 'bad')), []);
    } finally {
      await running.stop();
    }
  });
});

function otherUserAbsent(): string | false {
  if (process.getuid?.() !== 0) return 'only root can become another user';
  return existsSync('/usr/bin/setpriv') ? false : 'setpriv is not installed';
}

describe('no room', () => {
  test('a file that may not grow is told, and nothing is left behind', async () => {
    const here = place();
    const product = await here.start();
    await product.stop();
    const limited = ['sh', '-c', 'trap "" XFSZ; ulimit -f 8; exec "$@"', 'sh'] as const;
    const { code, output } = await here.hand(['-i', 'ann'], `\n${'x'.repeat(200_000)}\n`, limited);
    assert.equal(code, 69);
    assert.match(output, /could not be handed in: EFBIG/);
    assert.deepEqual(dropOf(here), []);
  });

  const own = 'mount -t tmpfs -o size=64k tmpfs "$POSTRIDER_PICKUP" && mkdir "$POSTRIDER_PICKUP/drop"';
  test('a full disk is EX_TEMPFAIL', async (context) => {
    const here = place();
    const product = await here.start();
    await product.stop();
    const mounted = ['unshare', '-rm', 'sh', '-c', `${own} || exit 99; exec "$@"`, 'sh'] as const;
    const { code, output } = await here.hand(['-i', 'ann'], `\n${'x'.repeat(200_000)}\n`, mounted);
    if (code === 99 || code === 127 || code === 1) return context.skip('no file system of our own can be mounted here');
    assert.equal(code, 75, output);
    assert.match(output, /could not be handed in: ENOSPC/);
    return undefined;
  });
});

test('sendmail -bs hands in what it is told by SMTP', async () => {
  const here = place();
  const product = await here.start();
  try {
    const said = [
      'EHLO here',
      'MAIL FROM:<ann@in.test>',
      'RCPT TO:<bob@in.test>',
      'DATA',
      'Subject: s',
      '',
      'x',
      '.',
      'QUIT',
    ];
    const { code, output } = await here.hand(['-bs'], said.map((line) => `${line}\r\n`).join(''));
    assert.equal(code, 0, output);
    assert.match(output, /250 2\.0\.0 Queued as [0-9a-z]{20}\r\n221 /);
    const [message] = await waitForMaildir(join(here.mail, 'bob'), undefined, 1);
    assert.equal(message?.returnPath, '<ann@in.test>');
    assert.equal((await readMaildir(join(here.mail, 'bob'))).length, 1);
  } finally {
    await product.stop();
  }
});

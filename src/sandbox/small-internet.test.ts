import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Resolver } from 'node:dns/promises';
import { connect } from 'node:net';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { HandClock } from '../../test/lib/hand-clock.ts';
import { LineClient } from '../../test/lib/line-client.ts';
import { agentFor, dispatchOf, MX } from '../../test/lib/delivery.ts';
import { until } from '../../test/lib/wait.ts';
import { StubResolver } from '../dns/stub-resolver.ts';
import { SECOND } from '../lib/time.ts';
import { fetchStsPolicy } from '../deliver/sts/fetch.ts';
import { sandboxConfig } from './sandbox-config.ts';
import { type SmallInternet, startSmallInternet } from './small-internet.ts';

const SILENT = { error: () => {}, warn: () => {}, info: () => {} };
function resolverAt(server: { readonly address: string; readonly port: number }): StubResolver {
  return new StubResolver({
    servers: [server],
    ...{ timeoutMs: 5000, attempts: 2, trustAd: 'loopback', cacheOctets: 100_000 },
    clock: { now: () => 0, monotonic: () => 0 },
    timers: {
      after(delay, wake) {
        const handle = setTimeout(wake, delay);
        return { cancel: () => clearTimeout(handle) };
      },
    },
  });
}

const OPTIONS = { keepMessages: 100, greylistFor: 10 * SECOND };

for (const separateAddresses of [true, false])
  describe(separateAddresses ? 'an address for each domain' : 'one address for all', () => {
    const clock = new HandClock();
    const clients = new Set<LineClient>();
    let internet: SmallInternet;
    let resolver: Resolver;
    before(async () => {
      internet = await startSmallInternet({ clock, timers: clock, log: SILENT, options: OPTIONS, separateAddresses });
      resolver = new Resolver({ timeout: 2000, tries: 1 });
      resolver.setServers([`${internet.dns.address}:${internet.dns.port}`]);
    });
    after(async () => {
      for (const client of clients) client.close();
      await internet.close();
    });

    /** Finds the server as the product does: by MX, then by address. */
    async function addressOf(domain: string): Promise<string> {
      const [exchange] = await resolver.resolveMx(domain);
      const addresses = await resolver.resolve4(exchange!.exchange).catch(() => resolver.resolve6(exchange!.exchange));
      return addresses[0]!;
    }

    async function open(domain: string): Promise<LineClient> {
      const client = await LineClient.to(internet.smtpPort, await addressOf(domain));
      clients.add(client);
      return client;
    }

    async function greeted(domain: string): Promise<LineClient> {
      const client = await open(domain);
      assert.equal((await client.reply()).code, 220);
      assert.equal((await client.say('EHLO client.test')).code, 250);
      return client;
    }

    const codes = (replies: readonly { readonly code: number }[]) => replies.map(({ code }) => code);

    test('inbox.test accepts, and shows what it took', async () => {
      const client = await greeted('inbox.test');
      const content = 'Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\n.dot\r\n';
      const replies = await client.send('ann@sandbox.test', ['bob@inbox.test', 'Carol@inbox.test'], content);
      assert.deepEqual(codes(replies), [250, 250, 250, 354, 250]);
      const [message] = await internet.messages({ recipient: 'carol@inbox.test' });
      assert.deepEqual(
        { ...message, id: undefined, server: undefined },
        {
          ...{ id: undefined, server: undefined },
          recipients: ['bob@inbox.test', 'Carol@inbox.test'],
          reversePath: 'ann@sandbox.test',
          subject: 'Grüße',
          receivedAt: clock.now(),
          octets: content.length,
        },
      );
      assert.equal((await internet.raw(message!.id))?.toString(), content);
    });

    test('mail for the sandbox itself, reports for one, arrives in the inbox', async () => {
      const client = await greeted('sandbox.test');
      assert.deepEqual(
        codes(await client.send('', ['ann@sandbox.test'], 'Subject: report\r\n\r\n')),
        [250, 250, 354, 250],
      );
      const [message] = await internet.messages({ recipient: 'ann@sandbox.test' });
      assert.equal(message?.reversePath, '<>');
    });

    test('nobody relays', async () => {
      const client = await greeted('inbox.test');
      const [, recipient, data] = await client.send('a@b.test', ['x@elsewhere.test'], '');
      assert.match(recipient!.text, /^550 5\.7\.1 /);
      assert.ok(data!.code >= 500);
    });

    test('greylist.test takes mail once the clock has moved', async () => {
      const client = await greeted('greylist.test');
      const first = await client.send('ann@sandbox.test', ['bob@greylist.test'], '');
      assert.match(first[1]!.text, /^450 4\.7\.1 /);
      await client.say('RSET');
      clock.advance(10 * SECOND);
      const second = await client.send('ann@sandbox.test', ['bob@greylist.test'], 'Subject: late\r\n\r\n');
      assert.deepEqual(codes(second), [250, 250, 354, 250]);
    });

    test('limits.test takes two connections at once and five messages a minute', async () => {
      const [first, second] = [await greeted('limits.test'), await greeted('limits.test')];
      for (const client of [first, second])
        assert.deepEqual(codes(await client.send('a@b.test', ['x@limits.test'], 'a\r\n')), [250, 250, 354, 250]);
      const third = await open('limits.test');
      const refusal = await (separateAddresses
        ? third.reply()
        : third.reply().then(async () => {
            await third.say('EHLO client.test');
            await third.say('MAIL FROM:<a@b.test>');
            return third.say('RCPT TO:<x@limits.test>');
          }));
      assert.match(refusal.text, /^421[ -].*too many concurrent/i);
      assert.equal(await third.closed(), '');
      for (let at = 0; at < 3; at += 1) await first.send('a@b.test', ['x@limits.test'], 'a\r\n');
      assert.match((await first.send('a@b.test', ['x@limits.test'], ''))[1]!.text, /^450 4\.2\.1 /);
      assert.match((await first.say('RCPT TO:<x@limits.test>')).text, /^450 4\.2\.1 /);
      assert.match((await first.say('RCPT TO:<x@limits.test>')).text, /^421[ -]4\.7\.28 /);
      assert.equal(await first.closed(), '');
      clock.advance(60 * SECOND);
      await second.say('RSET');
      assert.deepEqual(codes(await second.send('a@b.test', ['x@limits.test'], 'a\r\n')), [250, 250, 354, 250]);
      second.close();
    });

    test('down.test: nobody listens', async () => {
      const socket = connect({ port: internet.smtpPort, host: await addressOf('down.test') });
      const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
      assert.match(error.code ?? '', /^(?:ECONNREFUSED|EADDRNOTAVAIL|ENETUNREACH)$/);
    });

    test('strict.test knows one mailbox', async () => {
      const client = await greeted('strict.test');
      assert.equal((await client.say('MAIL FROM:<a@b.test>')).code, 250);
      assert.match((await client.say('RCPT TO:<unknown@strict.test>')).text, /^550 5\.1\.1 /);
      assert.equal((await client.say('RCPT TO:<known@strict.test>')).code, 250);
    });

    test('slow.test says one thing a second', async () => {
      const client = await open('slow.test');
      const next = async () => {
        const reply = client.reply();
        let told = false;
        void reply.then(() => (told = true));
        await until('a reply', () => {
          if (!told) clock.advance(separateAddresses ? SECOND / 10 : SECOND / 5);
          return told;
        });
        return (await reply).code;
      };
      const begin = clock.now();
      assert.equal(await next(), 220);
      client.write(
        'EHLO client.test\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<x@slow.test>\r\nRCPT TO:<y@slow.test>\r\nQUIT\r\n',
      );
      const replies = [await next(), await next(), await next(), await next(), await next()];
      assert.deepEqual(replies, [250, 250, 250, 250, 221]);
      // In a shared server nothing is slow before the first recipient has said where it goes.
      if (separateAddresses) assert.ok(clock.now() - begin >= 6 * SECOND, `${clock.now() - begin}`);
    });

    describe('hostile clients', () => {
      test('cost only themselves', async () => {
        for (const octets of [
          '\0\xff\r\n',
          'EHLO\r\n',
          `${'x'.repeat(10_000)}\r\n`,
          'MAIL FROM:<a@b.test>\nRCPT',
          '\r\n'.repeat(200),
        ]) {
          const client = await open('inbox.test');
          await client.reply();
          client.write(Buffer.from(octets, 'latin1'));
          client.write('QUIT\r\n');
          assert.match(await client.closed(), /^[245]\d\d /);
        }
      });
      test('a message that breaks off was never sent', async () => {
        const client = await greeted('inbox.test');
        await client.say('MAIL FROM:<a@b.test>');
        await client.say('RCPT TO:<broken@inbox.test>');
        await client.say('DATA');
        client.write('Subject: half\r\n\r\nhalf');
        client.socket.end();
        await client.closed();
        assert.deepEqual(await internet.messages({ recipient: 'broken@inbox.test' }), []);
      });
      test('content too large for the sandbox is refused and not kept', async () => {
        const client = await greeted('inbox.test');
        assert.equal((await client.say(`MAIL FROM:<a@b.test> SIZE=${26 * 1024 * 1024}`)).code, 552);
      });
    });

    test('the configuration leads the product here', () => {
      const config = sandboxConfig(internet);
      assert.equal(config.routes[0].port, internet.smtpPort);
      assert.deepEqual(config.dns.servers, [`127.0.0.1:${internet.dns.port}`]);
    });
    test('dane.test has the certificate that the DNS names, and the DNS says that it is vouched for', async (t) => {
      const stub = resolverAt(internet.dns);
      t.after(() => stub.close());
      const { agent } = agentFor(t, { resolver: stub });
      const route = { ...MX, port: internet.smtpPort, tls: 'opportunistic' } as const;
      const site = await stub.resolve('dane.test', 'MX');
      assert.ok(site.kind === 'found' && site.authenticated);
      const letter = { hosts: [{ name: 'mx.dane.test', preference: 10 }], secure: true, to: ['bob@dane.test'] };
      const report = await agent.deliver(dispatchOf(route, letter));
      assert.deepEqual(
        [report.outcomes[0]?.kind, report.tlsSession?.policy, report.tlsSession?.result],
        ['delivered', 'dane', 'successful'],
      );
      const other = await stub.resolve('inbox.test', 'MX');
      assert.ok(other.kind === 'found' && !other.authenticated);
    });
    test('sts.test has a policy that its own certificate does not meet', async (t) => {
      const stub = resolverAt(internet.dns);
      t.after(() => stub.close());
      const { port, authority } = internet.policies;
      const ca = readFileSync(authority, 'utf8');
      const more = { resolver: stub, timers: clock, family: 'ipv4', timeout: 60_000, prohibited: () => false } as const;
      const fetched = await fetchStsPolicy('sts.test', { ...more, port, ca });
      assert.ok(fetched.kind === 'policy');
      const { policy } = fetched;
      assert.deepEqual(policy, { mode: 'enforce', mx: ['mx.sts.test'], maxAge: 86_400 });
      const { agent } = agentFor(t, { resolver: stub });
      const route = { ...MX, port: internet.smtpPort, tls: 'opportunistic' } as const;
      const letter = { hosts: [{ name: 'mx.sts.test', preference: 10 }], sts: policy, to: ['bob@sts.test'] };
      const { outcomes, tlsSession } = await agent.deliver(dispatchOf(route, letter));
      assert.deepEqual([outcomes[0]?.kind, outcomes[0]?.status, tlsSession?.policy], ['deferred', '4.7.5', 'sts']);
      assert.match(outcomes[0]!.diagnostic, /the certificate of mx\.sts\.test is not valid.*MTA-STS/);
    });
    test('texts of others stand beside its own records, as they are when they are asked for', async (t) => {
      const texts = new Map([['k._domainkey.inbox.test', 'v=DKIM1; p=']]);
      const deps = { clock, timers: clock, log: SILENT, options: OPTIONS, separateAddresses };
      const other = await startSmallInternet({ ...deps, texts: (name) => texts.get(name) });
      t.after(() => other.close());
      const asking = new Resolver({ timeout: 2000, tries: 1 });
      asking.setServers([`${other.dns.address}:${other.dns.port}`]);
      assert.deepEqual(await asking.resolveTxt('k._domainkey.inbox.test'), [['v=DKIM1; p=']]);
      await assert.rejects(asking.resolveTxt('inbox.test'), { code: 'ENODATA' });
      texts.set('inbox.test', 'v=spf1 -all');
      assert.deepEqual(await asking.resolveTxt('inbox.test'), [['v=spf1 -all']]);
      assert.equal((await asking.resolveMx('inbox.test')).length, 1);
      await assert.rejects(asking.resolveTxt('nobody.test'), { code: 'ENOTFOUND' });
    });
    test('every domain says what it does', () =>
      assert.deepEqual(
        internet.domains.map(({ domain }) => domain),
        [
          'inbox.test',
          'greylist.test',
          'limits.test',
          'down.test',
          'strict.test',
          'slow.test',
          'dane.test',
          'sts.test',
        ],
      ));
  });

test('closing ends open sessions', async () => {
  const clock = new HandClock();
  const internet = await startSmallInternet({
    clock,
    timers: clock,
    log: SILENT,
    options: OPTIONS,
    separateAddresses: false,
  });
  const client = await LineClient.to(internet.smtpPort);
  await client.reply();
  await internet.close();
  assert.equal(await client.closed(), '');
});

import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import { agentFor, mailbox, recipient } from '../../../test/lib/delivery.ts';
import { type PeerScript, PeerServer } from '../../../test/lib/peer-server.ts';
import { type BodyType } from '../../mail/envelope.ts';
import { type RelayRoute } from '../../mail/route.ts';
import { openRelay, type RelayConnection } from './open-relay.ts';

const sender = (body: BodyType = '7BIT', smtpUtf8 = false) => {
  return { reversePath: mailbox('ann@us.test'), body, smtpUtf8, ret: undefined, envid: undefined };
};

async function relayTo(t: TestContext, script: PeerScript = {}) {
  const server = await new PeerServer(script).listen();
  t.after(() => server.close());
  const route: RelayRoute = { kind: 'relay', name: 'r', match: {}, host: 'mx.test', port: server.port, tls: 'none' };
  const opened = await openRelay(route, agentFor(t).options);
  if (opened.kind === 'open') t.after(() => opened.relay.quit());
  return { server, opened };
}

async function relayOf(
  t: TestContext,
  script: PeerScript = {},
): Promise<{ server: PeerServer; relay: RelayConnection }> {
  const { server, opened } = await relayTo(t, script);
  assert.equal(opened.kind, 'open');
  return { server, relay: (opened as { relay: RelayConnection }).relay };
}

describe('stateless relay', () => {
  test("every reply is the next hop's, and nothing is done twice", async (t) => {
    const replies = {
      RCPT: (line: string) => (line.includes('eve') ? '550 5.1.1 no eve' : '250 2.1.5 ok'),
      '.': '250 2.0.0 taken as 7',
    };
    const { server, relay } = await relayOf(t, { replies, offers: ['SIZE 1000'] });
    assert.equal((await relay.sender(sender(), 20)).code, 250);
    assert.equal((await relay.recipient(recipient('bob@x.test'))).status, '2.1.5');
    assert.deepEqual(await relay.recipient(recipient('eve@x.test')), { code: 550, status: '5.1.1', lines: ['no eve'] });
    assert.equal((await relay.begin()).code, 354);
    for (const chunk of ['Subject: x\r\n\r', '\n.dot\r', '\nend']) await relay.write(Buffer.from(chunk));
    assert.deepEqual(await relay.finish(), { code: 250, status: '2.0.0', lines: ['taken as 7'] });
    assert.deepEqual(server.messages, ['Subject: x\r\n\r\n..dot\r\nend\r\n']);
    assert.equal(server.lines[1], 'MAIL FROM:<ann@us.test> SIZE=20');
  });

  test('a caller may write to its chunk again', async (t) => {
    const { server, relay } = await relayOf(t);
    await relay.sender(sender(), undefined);
    await relay.recipient(recipient('bob@x.test'));
    await relay.begin();
    const chunk = Buffer.from('Hello\r\n');
    const written = relay.write(chunk);
    chunk.fill('x');
    await written;
    await relay.finish();
    assert.deepEqual(server.messages, ['Hello\r\n']);
  });

  test('an aborted message never ends', async (t) => {
    const { server, relay } = await relayOf(t);
    await relay.sender(sender(), undefined);
    await relay.recipient(recipient('bob@x.test'));
    await relay.begin();
    await relay.write(Buffer.from('Hello\r\n'));
    relay.abort();
    assert.equal((await relay.finish()).code, 451);
    assert.deepEqual(server.messages, []);
  });

  test('a next hop that is gone is 451 at every step', async (t) => {
    const { server, relay } = await relayOf(t);
    server.hangUp();
    assert.equal((await relay.sender(sender(), undefined)).code, 451);
    assert.equal((await relay.recipient(recipient('a@x'))).code, 451);
    assert.equal((await relay.begin()).code, 451);
    await relay.write(Buffer.from('x'));
    assert.equal((await relay.finish()).code, 451);
  });

  test("421 is about our connection, not about the client's", async (t) => {
    const { relay } = await relayOf(t, { replies: { MAIL: '421 4.3.2 going down' } });
    assert.deepEqual(await relay.sender(sender(), undefined), { code: 451, status: '4.3.2', lines: ['going down'] });
  });

  test('what the next hop cannot take is refused before it is sent', async (t) => {
    const { server, relay } = await relayOf(t);
    assert.equal((await relay.sender(sender('8BITMIME'), undefined)).status, '5.6.3');
    assert.equal((await relay.sender(sender('7BIT', true), undefined)).status, '5.6.7');
    assert.ok(!server.lines.some((line) => line.startsWith('MAIL')));
  });

  test('a long or strange reply is made fit to be passed on', async (t) => {
    const { relay } = await relayOf(t, { replies: { MAIL: `250 \x07ü${'x'.repeat(900)}` } });
    const { lines } = await relay.sender(sender(), undefined);
    assert.equal(lines[0].length, 480);
    assert.match(lines[0], /^[\x20-\x7e]+$/);
  });

  const refusals: readonly [greeting: string, code: number][] = [['554 5.7.1 no', 554], ['450 later', 451], ['what?', 451]]; // prettier-ignore
  for (const [greeting, code] of refusals)
    test(`a next hop that greets with ${greeting}`, async (t) => {
      const { opened } = await relayTo(t, { greeting });
      assert.equal(opened.kind === 'refused' && opened.reply.code, code);
    });
});

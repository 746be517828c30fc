import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import { agentFor, dispatchOf, MX, verdictsOf } from '../../../test/lib/delivery.ts';
import { type PeerScript, PeerServer } from '../../../test/lib/peer-server.ts';
import { until } from '../../../test/lib/wait.ts';
import { type PieceUses } from '../../lib/octet-pieces.ts';
import { type Dispatch } from '../../queue/dispatch.ts';

const OFFERS = ['PIPELINING', '8BITMIME'];
const LINE = 'a line of text, and nothing else in it\r\n';

async function peer(t: TestContext, script: PeerScript): Promise<PeerServer> {
  const server = await new PeerServer({ offers: OFFERS, ...script }).listen();
  t.after(() => server.close());
  return server;
}

function split(text: string, size: number): Buffer[] {
  const octets = Buffer.from(text, 'latin1');
  return Array.from({ length: Math.ceil(octets.length / size) }, (_, i) =>
    Buffer.from(octets.subarray(i * size, (i + 1) * size)),
  );
}

function letterOf(port: number, pieces: readonly Buffer[], form: 'any' | 'lines' = 'lines') {
  const uses: PieceUses = { begun: 0, ended: 0 };
  const dispatch: Dispatch = { ...dispatchOf({ ...MX, port }), content: { kind: 'pieces', pieces, uses, form } };
  return { uses, dispatch };
}

describe('content in pieces', () => {
  for (const size of [7, 1000, 65_536, 300_000])
    for (const form of ['any', 'lines'] as const)
      test(`of ${size} octets (${form}) arrives as it is, and is done with when it was looked at and all of it is out`, async (t) => {
        const server = await peer(t, {});
        const text = `Subject: x\r\n\r\n${LINE.repeat(size < 100 ? 50 : 20_000)}.dot\r\n..\r\n${LINE}`;
        const { uses, dispatch } = letterOf(server.port, split(text, size), form);
        const { outcomes } = await agentFor(t).agent.deliver(dispatch);
        assert.deepEqual(verdictsOf(outcomes), ['delivered']);
        assert.equal(server.messages[0], text.replaceAll('\r\n.', '\r\n..'));
        assert.deepEqual(uses, { begun: 2, ended: 2 });
      });

  test('that was not sent to its end counts as used for ever', async (t) => {
    const server = await peer(t, { takeOver: (socket) => greetAndHangUp(socket) });
    const { uses, dispatch } = letterOf(server.port, split(LINE.repeat(200_000), 65_536));
    const { outcomes } = await agentFor(t).agent.deliver(dispatch);
    assert.notDeepEqual(verdictsOf(outcomes), ['delivered']);
    assert.ok(uses.begun > uses.ended, JSON.stringify(uses));
  });

  test('is not given to a socket that does not take it by more than some blocks', async (t) => {
    const waiting = Promise.withResolvers<void>();
    const server = await peer(t, {
      takeOver: (socket) => {
        stall(socket, waiting.promise);
        return true;
      },
    });
    const given = new Set<number>();
    const pieces = split(LINE.repeat(800_000), 65_536).map((piece, i) => watched(piece, () => given.add(i)));
    const { dispatch } = letterOf(server.port, pieces);
    // Known to be 7-bit, so that nobody looks at it before it is sent.
    const delivery = agentFor(t).agent.deliver({ ...dispatch, sevenBit: true });
    await until('the socket to be full', async () => {
      const before = given.size;
      await new Promise((resolve) => setTimeout(resolve, 300));
      return before > 0 && given.size === before;
    });
    // What the system's own buffers take is not ours to bound; it is far from all.
    assert.ok(given.size < pieces.length - 100, `${given.size} of ${pieces.length}`);
    waiting.resolve();
    server.hangUp();
    await delivery;
  });
});

/** Tells when the encoder looks at it. */
function watched(piece: Buffer, seen: () => void): Buffer {
  const search = piece.indexOf.bind(piece);
  return Object.assign(piece, {
    subarray: (from: number, to: number) => {
      seen();
      return Object.assign(Buffer.prototype.subarray.call(piece, from, to), { indexOf: search });
    },
  });
}

type Taken = Parameters<NonNullable<PeerScript['takeOver']>>[0];

const TALK = ['220 mx', '250-mx\r\n250-PIPELINING\r\n250 8BITMIME', '250 ok\r\n250 ok\r\n354 go'];

function greetAndHangUp(socket: Taken): boolean {
  let step = 0;
  socket.on('error', () => {});
  socket.write(`${TALK[0]}\r\n`);
  socket.on('data', () => {
    step += 1;
    if (step < TALK.length) socket.write(`${TALK[step]}\r\n`);
    else socket.destroy();
  });
  return true;
}

/** Reads no content before it may. */
function stall(socket: Taken, until: Promise<void>): void {
  let step = 0;
  socket.on('error', () => {});
  socket.write(`${TALK[0]}\r\n`);
  socket.on('data', () => {
    step += 1;
    if (step < TALK.length) socket.write(`${TALK[step]}\r\n`);
    if (step === TALK.length - 1) socket.pause();
  });
  void until.then(() => socket.resume());
}

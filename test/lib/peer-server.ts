/** A server for the tests of delivery: does what it is told to, well or badly, and remembers what it saw. */

import { createServer, type Server, type Socket } from 'node:net';
import { createSecureContext, type SecureContext, TLSSocket } from 'node:tls';
import { type Certificate } from './certificates.ts';

export interface PeerScript {
  readonly greeting?: string;
  readonly offers?: readonly string[];
  /** Reply by verb, `.` for the end of content; a function gets the line. Undefined: as a friendly server says. */
  readonly replies?: Readonly<Record<string, string | ((line: string, peer: PeerSession) => string | undefined)>>;
  readonly certificate?: Certificate;
  /** What to offer behind TLS; STARTTLS left out. */
  readonly offersBehindTls?: readonly string[];
  readonly implicitTls?: boolean;
  /** Asks clients for a certificate, and takes any. */
  readonly asksCertificate?: boolean;
  /** The newest version that it speaks. */
  readonly maxVersion?: 'TLSv1.2' | 'TLSv1.3';
  /** Resumes the sessions of earlier connections; otherwise each connection has keys of its own. `badly`: or tries to. */
  readonly resumes?: boolean | 'badly';
  readonly lmtp?: boolean;
  /** Stops after having sent so many octets on a connection, and closes. */
  readonly cutAfter?: number;
  /** Called with every connection; true: it is taken over. */
  readonly takeOver?: (socket: Socket) => boolean;
}

export interface PeerSession {
  socket: Socket;
  readonly number: number;
  sent: number;
  recipients: number;
  secure: boolean;
}

const FRIENDLY = new Map([
  ['AUTH', '235 2.7.0 welcome'],
  ['STARTTLS', '220 go'],
  ['QUIT', '221 bye'],
]);

export class PeerServer {
  readonly script: PeerScript;
  readonly lines: string[] = [];
  readonly messages: string[] = [];
  connections = 0;
  secured = 0;
  /** Whether each handshake resumed a session. */
  readonly resumed: boolean[] = [];
  /** Subjects of the certificates that clients showed. */
  readonly shown: (string | undefined)[] = [];
  /** Names that clients asked for in the handshake. */
  readonly serverNames: unknown[] = [];
  readonly #sockets = new Set<Socket>();
  #context: SecureContext | undefined;
  readonly #server: Server;

  constructor(script: PeerScript = {}) {
    this.script = script;
    this.#server = createServer({ noDelay: true }, (socket) => this.#serve(socket));
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  listen(where: string = '127.0.0.1', port = 0): Promise<this> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      const done = (): void => resolve(this);
      if (where.startsWith('/')) this.#server.listen(where, done);
      else this.#server.listen(port, where, done);
    });
  }

  /** Ends the connections, as a server does that is stopped. */
  hangUp(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  say(text: string): void {
    for (const socket of this.#sockets) socket.write(text);
  }

  async close(): Promise<void> {
    this.hangUp();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(socket: Socket): void {
    this.connections += 1;
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => {});
    if (this.script.takeOver?.(socket) === true) return;
    const session: PeerSession = { socket, number: this.connections, sent: 0, recipients: 0, secure: false };
    if (this.script.implicitTls === true) this.#secure(session);
    this.#reply(session, this.script.greeting ?? '220 peer.test ESMTP');
    this.#read(session);
  }

  #reply(session: PeerSession, text: string): void {
    if (text === '') return;
    const octets = Buffer.from(`${text.replaceAll('\n', '\r\n')}\r\n`);
    const room = (this.script.cutAfter ?? Infinity) - session.sent;
    session.sent += octets.length;
    if (octets.length < room) session.socket.write(octets);
    else session.socket.end(octets.subarray(0, room));
  }

  #secure(session: PeerSession): void {
    const { asksCertificate = false } = this.script;
    session.socket.removeAllListeners('data');
    const secure = new TLSSocket(session.socket, {
      ...{ isServer: true, requestCert: asksCertificate, rejectUnauthorized: false },
      secureContext: this.#secureContext(),
    });
    secure.on('secure', () => {
      this.resumed.push(secure.isSessionReused());
      this.shown.push(secure.getPeerX509Certificate()?.subject);
      this.serverNames.push((secure as TLSSocket & { servername?: unknown }).servername);
    });
    secure.on('error', () => {});
    secure.on('secure', () => (this.secured += 1));
    session.socket = secure;
    session.secure = true;
  }

  #secureContext(): SecureContext {
    const { certificate, maxVersion, resumes = false } = this.script;
    const versions = maxVersion === undefined ? {} : { maxVersion };
    const { cert, key } = certificate!;
    const id = resumes === 'badly' ? {} : { sessionIdContext: 'peer' };
    if (resumes === false) this.#context = undefined;
    this.#context ??= createSecureContext({ cert, key, ...versions, ...id });
    return this.#context;
  }

  #read(session: PeerSession): void {
    let buffered = '';
    let mode: 'lines' | 'data' | number = 'lines';
    let last = false;
    let content = '';
    const finish = (): void => {
      mode = 'lines';
      this.messages.push(content);
      content = '';
      for (let i = 0; i < (this.script.lmtp === true ? session.recipients : 1); i++)
        this.#reply(session, this.#answer(session, `. ${i}`) ?? '250 2.0.0 queued');
      session.recipients = 0;
    };
    // oxlint-disable-next-line complexity -- A whole little server in one place reads better than in five.
    const step = (): boolean => {
      if (mode === 'data') {
        const end = `\r\n${buffered}`.indexOf('\r\n.\r\n');
        if (end === -1) return false;
        content = buffered.slice(0, end);
        buffered = buffered.slice(end + 3);
        finish();
        return true;
      }
      if (typeof mode === 'number') {
        if (buffered.length < mode) return false;
        content += buffered.slice(0, mode);
        buffered = buffered.slice(mode);
        mode = 'lines';
        if (last) finish();
        else this.#reply(session, '250 more');
        return true;
      }
      const lf = buffered.indexOf('\r\n');
      if (lf === -1) return false;
      const line = buffered.slice(0, lf);
      buffered = buffered.slice(lf + 2);
      this.lines.push(line);
      if (/^BDAT/i.test(line)) {
        mode = Number(line.split(' ')[1]);
        last = line.endsWith('LAST');
        return true;
      }
      const reply = this.#answer(session, line) ?? this.#friendly(session, line);
      this.#reply(session, reply);
      if (line.startsWith('RCPT') && reply.startsWith('2')) session.recipients += 1;
      if (line.startsWith('DATA') && reply.startsWith('354')) mode = 'data';
      if (line.startsWith('QUIT')) session.socket.end();
      if (line.startsWith('STARTTLS') && reply.startsWith('220') && this.script.certificate !== undefined) {
        buffered = '';
        this.#secure(session);
        this.#listen(session, take);
      }
      return true;
    };
    const take = (chunk: Buffer): void => {
      buffered += chunk.toString('latin1');
      while (step());
    };
    this.#listen(session, take);
  }

  #listen(session: PeerSession, take: (chunk: Buffer) => void): void {
    session.socket.on('data', take);
  }

  #answer(session: PeerSession, line: string): string | undefined {
    const answer = this.script.replies?.[line.split(/[ :]/)[0]!.toUpperCase()];
    return typeof answer === 'function' ? answer(line, session) : answer;
  }

  #friendly(session: PeerSession, line: string): string {
    const verb = line.split(' ')[0]!.toUpperCase();
    const { offers = [], offersBehindTls = [], certificate } = this.script;
    const startTls = certificate === undefined || session.secure ? [] : ['STARTTLS'];
    const all = ['peer.test', ...(session.secure ? offersBehindTls : [...offers, ...startTls])];
    if (verb === 'EHLO' || verb === 'LHLO')
      return all.map((each, i) => `250${i === all.length - 1 ? ' ' : '-'}${each}`).join('\n');
    if (verb === 'DATA') return session.recipients > 0 ? '354 go' : '554 nobody';
    return FRIENDLY.get(verb) ?? '250 ok';
  }
}

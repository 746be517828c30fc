/** Answers the questions of a login for one session: who the client is, and what binds the login to its TLS session. */

import { randomBytes } from 'node:crypto';
import { type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { type Identity } from '../mail/identity.ts';
import { type ChannelBinding } from '../wire/sasl/sasl.ts';
import { type Decision, type Question } from '../wire/smtp/server-actions.ts';
import { type Peer, type SessionLogins } from './transaction.ts';

export type LoginQuestion = Extract<Question, { kind: 'scram' | 'login' | 'loginFailed' }>;

export interface LoginSession {
  readonly logins: SessionLogins | undefined;
  readonly peer: Peer;
  readonly socket: Socket;
}

export interface LoginDecided {
  readonly decision: Decision;
  readonly identity?: Identity;
}

const NONCE_OCTETS = 18;
const BINDING_OCTETS = 32;

export async function answerLogin(question: LoginQuestion, session: LoginSession): Promise<LoginDecided> {
  const { logins, peer, socket } = session;
  if (logins === undefined) return { decision: 'unavailable' };
  if (question.kind === 'loginFailed') {
    logins.failed(peer, question.user);
    return { decision: 'refused' };
  }
  if (question.kind === 'scram') {
    const secret = await logins.scram(peer, question.user);
    if ('code' in secret) return { decision: secret };
    const binding = question.binding && bindingOf(socket, question.binding);
    return { decision: { ...secret, nonce: randomBytes(NONCE_OCTETS).toString('base64'), binding } };
  }
  const answer = await logins.check(peer, question.check);
  if (typeof answer === 'string' || 'code' in answer) return { decision: answer };
  return { decision: 'authenticated', identity: answer };
}

/** RFC 9266; RFC 5929 §3 for `tls-unique`, which TLS 1.3 does not have. */
function bindingOf(socket: Socket, type: ChannelBinding): Buffer | undefined {
  if (!(socket instanceof TLSSocket)) return undefined;
  if (type === 'tls-exporter')
    return socket.exportKeyingMaterial(BINDING_OCTETS, 'EXPORTER-Channel-Binding', Buffer.alloc(0));
  if (socket.getProtocol() === 'TLSv1.3') return undefined;
  // The first Finished of the handshake: the client's, and of a resumed session the server's.
  return (socket.isSessionReused() ? socket.getFinished() : socket.getPeerFinished()) ?? undefined;
}

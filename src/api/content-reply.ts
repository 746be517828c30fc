/** Sends a message as what it is: octets of a stranger. */

import { type FastifyReply } from 'fastify';

/** A stranger's message: never shown by a browser as a page of ours. */
export function sendContent(reply: FastifyReply, content: Uint8Array): FastifyReply {
  return reply
    .headers({
      'content-type': 'message/rfc822',
      'content-disposition': 'attachment; filename="message.eml"',
      'content-security-policy': "default-src 'none'; sandbox",
      'x-content-type-options': 'nosniff',
    })
    .send(Buffer.from(content.buffer, content.byteOffset, content.byteLength));
}

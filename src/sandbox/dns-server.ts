/** A small DNS server on loopback, by UDP and by TCP on one port (RFC 1035 §4.2). What is no query gets no answer. */

import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { OpenSockets } from '../lib/open-sockets.ts';
import { SECOND } from '../lib/time.ts';
import { decodeQuery, encodeAnswer } from '../wire/dns/message.ts';
import { answerFrom, type Zone } from './zone.ts';

export interface DnsServer {
  readonly address: string;
  readonly port: number;
  close(): Promise<void>;
}

const ADDRESS = '127.0.0.1';
const PORT_TRIES = 20;
const MAX_CONNECTIONS = 32;
const IDLE = 10 * SECOND;
/** A query has one name; whoever sends more has no question. */
const MAX_QUERY = 1024;
const LENGTH_OCTETS = 2;

export async function startDnsServer(zone: Zone): Promise<DnsServer> {
  const sockets = new OpenSockets();
  const { tcp, udp, port } = await openBoth(zone, sockets);
  return {
    address: ADDRESS,
    port,
    close: async () => {
      sockets.destroy();
      const closed = [once(tcp, 'close'), once(udp, 'close')];
      tcp.close();
      udp.close();
      await Promise.all(closed);
    },
  };
}

interface Both {
  readonly tcp: Server;
  readonly udp: UdpSocket;
  readonly port: number;
}

async function openBoth(zone: Zone, sockets: OpenSockets): Promise<Both> {
  for (let tries = 1; ; tries += 1) {
    const tcp = createServer((socket) => {
      sockets.add(socket);
      answerByTcp(socket, zone);
    });
    tcp.maxConnections = MAX_CONNECTIONS;
    tcp.listen({ port: 0, host: ADDRESS });
    await once(tcp, 'listening');
    const { port } = tcp.address() as AddressInfo;
    const udp = createSocket('udp4');
    udp.bind({ port, address: ADDRESS });
    try {
      await once(udp, 'listening');
    } catch (error) {
      // Somebody else has the port for UDP.
      tcp.close();
      udp.close();
      if (tries === PORT_TRIES) throw error;
      continue;
    }
    answerByUdp(udp, zone);
    return { tcp, udp, port };
  }
}

function answerByUdp(udp: UdpSocket, zone: Zone): void {
  udp.on('message', (query, { address, port }) => {
    const answer = answerTo(query, zone);
    // A client that is gone is no concern of ours.
    if (answer !== undefined) udp.send(answer, port, address, () => {});
  });
  udp.on('error', () => {});
}

function answerByTcp(socket: Socket, zone: Zone): void {
  let octets: Buffer = Buffer.alloc(0);
  socket.setTimeout(IDLE, () => socket.destroy());
  socket.on('error', () => socket.destroy());
  socket.on('drain', () => socket.resume());
  socket.on('data', (chunk: Buffer) => {
    octets = Buffer.concat([octets, chunk]);
    while (octets.length >= LENGTH_OCTETS) {
      const length = octets.readUInt16BE(0);
      if (length > MAX_QUERY) return void socket.destroy();
      if (octets.length < LENGTH_OCTETS + length) break;
      const answer = answerTo(octets.subarray(LENGTH_OCTETS, LENGTH_OCTETS + length), zone);
      octets = octets.subarray(LENGTH_OCTETS + length);
      if (answer === undefined) return void socket.destroy();
      const prefix = Buffer.alloc(LENGTH_OCTETS);
      prefix.writeUInt16BE(answer.length);
      if (!socket.write(Buffer.concat([prefix, answer]))) socket.pause();
    }
    return undefined;
  });
}

function answerTo(octets: Buffer, zone: Zone): Buffer | undefined {
  const query = decodeQuery(octets);
  return query.ok ? encodeAnswer(answerFrom(zone, query.value)) : undefined;
}

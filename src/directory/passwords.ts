/**
 * What is kept of passwords: a scrypt hash to compare with, and the keys of SCRAM-SHA-256.
 *
 * The hash is a PHC string, `$scrypt$ln=15,r=8,p=1$<salt>$<hash>`, so that its cost can grow without a change of form.
 * All of this is work for the thread pool. RFC 7914 (scrypt), RFC 5802 §3, RFC 7677 §4 (4,096 iterations at least).
 */

import { createHash, createHmac, pbkdf2, scrypt, timingSafeEqual } from 'node:crypto';
import { type ScramSecret } from './directory.ts';

interface Cost {
  readonly ln: number;
  readonly r: number;
  readonly p: number;
}

/** 32 MiB and some 80 ms on one core: a busy client pays it once. */
const COST: Cost = { ln: 15, r: 8, p: 1 };
const HASH_OCTETS = 32;
export const SALT_OCTETS = 16;
const SCRAM_ITERATIONS = 4096;
/** A stored cost above this is not paid: it would take a gigabyte. */
const MAX_LN = 20;
const FORM = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{8,128})\$([A-Za-z0-9+/]{20,128})$/;

export async function hashPassword(password: string, salt: Uint8Array): Promise<string> {
  const hash = await derive(password, salt, { cost: COST, octets: HASH_OCTETS });
  return phc(salt, hash);
}

function phc(salt: Uint8Array, hash: Uint8Array): string {
  return `$scrypt$ln=${COST.ln},r=${COST.r},p=${COST.p}$${base64(salt)}$${base64(hash)}`;
}

/** For a user who does not exist: compared with it, a password costs what it costs with a real one. */
export function madeUpHash(pepper: Uint8Array): string {
  const made = (what: string): Buffer => createHmac('sha256', pepper).update(what).digest();
  return phc(made('salt of nobody').subarray(0, SALT_OCTETS), made('hash of nobody'));
}

/** False also for a hash of another form. */
export async function verifyPassword(password: string, stored: string): Promise<boolean> {
  const [, ln, r, p, salt = '', hash = ''] = FORM.exec(stored) ?? [];
  const cost = { ln: Number(ln), r: Number(r), p: Number(p) };
  if (!(cost.ln >= 1 && cost.ln <= MAX_LN && cost.r >= 1 && cost.p >= 1)) return false;
  const wanted = Buffer.from(hash, 'base64');
  const found = await derive(password, Buffer.from(salt, 'base64'), { cost, octets: wanted.length });
  return timingSafeEqual(wanted, found);
}

export async function scramSecretOf(
  password: string,
  salt: Uint8Array,
  iterations = SCRAM_ITERATIONS,
): Promise<ScramSecret> {
  const salted = await new Promise<Buffer>((resolve, reject) => {
    pbkdf2(saslPrepared(password), salt, iterations, 32, 'sha256', (error, key) =>
      error ? reject(error) : resolve(key),
    );
  });
  const clientKey = createHmac('sha256', salted).update('Client Key').digest();
  return {
    salt,
    iterations,
    storedKey: createHash('sha256').update(clientKey).digest(),
    serverKey: createHmac('sha256', salted).update('Server Key').digest(),
  };
}

/** For a user who does not exist: the same each time, and of no password. */
export function madeUpSecret(user: string, pepper: Uint8Array): ScramSecret {
  const made = (what: string): Buffer => createHmac('sha256', pepper).update(`${what}\0${user}`).digest();
  return {
    salt: made('salt').subarray(0, SALT_OCTETS),
    iterations: SCRAM_ITERATIONS,
    storedKey: made('stored'),
    serverKey: made('server'),
  };
}

// RFC 3454, tables C.1.2 and B.1.
const SPACES = /[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/g;
// oxlint-disable-next-line no-misleading-character-class -- each of them is taken out by itself
const NOTHING = /[\u00ad\u034f\u1806\u180b-\u180d\u200c\u200d\u2060\ufe00-\ufe0f\ufeff]/g;

/**
 * As clients of SCRAM prepare it (RFC 5802 §2.2, RFC 4013 §2). What they refuse as prohibited nobody can log in with by
 * SCRAM, so that it needs no check here.
 */
function saslPrepared(password: string): string {
  return password.replaceAll(SPACES, ' ').replaceAll(NOTHING, '').normalize('NFKC');
}

/** For passwords that come as they are (RFC 8265 §4.2): other forms of the same letters are the same password. */
function normalized(password: string): string {
  return password.replaceAll(/\p{Zs}/gu, ' ').normalize('NFC');
}

function derive(
  password: string,
  salt: Uint8Array,
  { cost: { ln, r, p }, octets }: { readonly cost: Cost; readonly octets: number },
): Promise<Buffer> {
  const N = 2 ** ln;
  return new Promise((resolve, reject) => {
    scrypt(normalized(password), salt, octets, { N, r, p, maxmem: 2 * 128 * N * r * p }, (error, key) =>
      error ? reject(error) : resolve(key),
    );
  });
}

/** PHC strings have no padding. */
function base64(octets: Uint8Array): string {
  return Buffer.from(octets).toString('base64').replaceAll('=', '');
}

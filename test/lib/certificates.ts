/** Certificates for tests, made by openssl: an authority, and what it signs. */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Certificate {
  /** PEM. */
  readonly cert: string;
  readonly key: string;
}

export interface Authority extends Certificate {
  issue(...names: readonly string[]): Certificate;
  /** The same with an RSA key. */
  issueRsa(...names: readonly string[]): Certificate;
  /** Of a person or program: a common name (with `/CN=` for several), and names such as `email:ann@a.test`. */
  issueUser(commonName: string, ...names: readonly string[]): Certificate;
}

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
const RSA_KEY = ['-newkey', 'rsa:2048', '-nodes'];

export function makeAuthority(): Authority {
  const own = inFolder((folder) => {
    const to = ['-keyout', join(folder, 'key'), '-out', join(folder, 'cert')];
    openssl('req', '-x509', ...KEY, '-days', '2', '-subj', '/CN=Test authority', ...to);
    return made(folder);
  });
  return {
    ...own,
    issue: (...names) => issue(own, { names: names.map(hostName), newKey: KEY }),
    issueRsa: (...names) => issue(own, { names: names.map(hostName), newKey: RSA_KEY }),
    issueUser: (subject, ...names) => issue(own, { names, newKey: KEY, subject }),
  };
}

function hostName(name: string): string {
  return `${isIP(name) === 0 ? 'DNS' : 'IP'}:${name}`;
}

interface Issued {
  readonly names: readonly string[];
  readonly newKey: readonly string[];
  readonly subject?: string;
}

function issue(authority: Certificate, { names, newKey, subject = 'Test server' }: Issued): Certificate {
  return inFolder((folder) => {
    const file = (name: string): string => join(folder, name);
    writeFileSync(file('ca'), authority.cert);
    writeFileSync(file('ca-key'), authority.key);
    writeFileSync(file('names'), names.length === 0 ? '' : altNames(names));
    openssl('req', '-new', ...newKey, '-subj', `/CN=${subject}`, '-keyout', file('key'), '-out', file('request'));
    const by = ['-CA', file('ca'), '-CAkey', file('ca-key'), '-set_serial', '2', '-extfile', file('names')];
    openssl('x509', '-req', '-in', file('request'), '-days', '2', ...by, '-out', file('cert'));
    return made(folder);
  });
}

/** In a section of its own, where a comma is a comma. */
function altNames(names: readonly string[]): string {
  const lines = names.map((name, i) => name.replace(':', `.${i}=`));
  return `subjectAltName=@names\n[names]\n${lines.join('\n')}\n`;
}

function openssl(...args: readonly string[]): void {
  execFileSync('openssl', args, { stdio: 'pipe' });
}

function made(folder: string): Certificate {
  return { cert: readFileSync(join(folder, 'cert'), 'utf8'), key: readFileSync(join(folder, 'key'), 'utf8') };
}

function inFolder<T>(work: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'postrider-'));
  try {
    return work(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

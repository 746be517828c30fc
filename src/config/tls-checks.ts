/** What is wrong between the options of TLS on the server's side. */

import { type ACME_OPTIONS } from '../acme/config.ts';
import { type MTA_STS_OPTIONS } from '../api/config.ts';
import { type Values } from '../lib/schema.ts';
import { type Problem } from '../lib/schema-reading.ts';
import { tlsParameters } from '../lib/tls-profile.ts';
import { type LISTENERS_OPTION, type TLS_OPTIONS } from '../receive/config.ts';
import { wrong } from './problems.ts';

interface Checkable {
  readonly listeners: Values<typeof LISTENERS_OPTION>;
  readonly tls: Values<typeof TLS_OPTIONS>;
  readonly acme: Values<typeof ACME_OPTIONS>;
  readonly mtaSts: Values<typeof MTA_STS_OPTIONS>;
  readonly local: { readonly domains: readonly string[] };
  readonly relay: { readonly domains: readonly string[] };
}

export const TLS_CHECKS = [
  tlsHasCertificate,
  clientsHaveAnAuthority,
  clientUsersAreAsked,
  clientUsersAreOnce,
  versionsAreLeft,
  acmeIsAgreed,
  acmeAccountIsWhole,
  policyHasItsPort,
  policyHasDomains,
] as const;

function tlsHasCertificate({ tls, listeners }: Checkable): readonly Problem[] {
  if (tls.certificate !== undefined && tls.key === undefined)
    return [wrong('tls.key', 'missing, the certificate has no private key', 'write the PEM file that belongs to it')];
  if (tls.key !== undefined && tls.certificate === undefined)
    return [wrong('tls.certificate', 'missing, the key has no certificate', 'write the PEM file that belongs to it')];
  if (tls.certificate !== undefined || tls.certificates.length > 0 || tls.selfSigned) return [];
  const needy = listeners.findIndex(({ tls: level }) => level !== 'off');
  if (needy === -1) return [];
  const fix = "write tls.certificate and tls.key, or tls.selfSigned: true, or 'off' here";
  return [wrong(`listeners[${needy}].tls`, 'there is no certificate to offer', fix)];
}

function clientsHaveAnAuthority({ listeners, tls }: Checkable): readonly Problem[] {
  if (tls.clientCa !== undefined) return [];
  const i = listeners.findIndex(({ clientCertificates }) => clientCertificates);
  if (i === -1) return [];
  const what = 'nobody could vouch for the certificates that clients show';
  return [wrong(`listeners[${i}].clientCertificates`, what, 'write tls.clientCa, the PEM file of their authority')];
}

function clientUsersAreAsked({ listeners, tls }: Checkable): readonly Problem[] {
  const asked = listeners.some(({ clientCertificates, auth }) => clientCertificates && auth !== 'off');
  if (asked || (tls.clientUser === undefined && tls.clientUsers.length === 0)) return [];
  const path = tls.clientUser === undefined ? 'tls.clientUsers' : 'tls.clientUser';
  const what = 'no listener asks for certificates and takes logins';
  return [wrong(path, what, "write clientCertificates: true and auth: 'required' at a listener")];
}

function clientUsersAreOnce({ tls: { clientUsers } }: Checkable): readonly Problem[] {
  const all = clientUsers.map(({ fingerprint }) => fingerprint);
  const i = all.findIndex((fingerprint, at) => all.indexOf(fingerprint) !== at);
  if (i === -1) return [];
  return [wrong(`tls.clientUsers[${i}].fingerprint`, 'stands there twice', 'give each certificate one user')];
}

/** `minVersion` must leave the profile something to speak. */
function versionsAreLeft({ listeners, tls }: Checkable): readonly Problem[] {
  const used = [
    { path: 'tls.profile', profile: tls.profile },
    ...listeners.map(({ tlsProfile = tls.profile }, i) => ({
      path: `listeners[${i}].tlsProfile`,
      profile: tlsProfile,
    })),
  ];
  const none = used.find(({ profile }) => {
    const { minVersion, maxVersion } = tlsParameters(profile, tls.minVersion);
    return minVersion > maxVersion;
  });
  if (none === undefined) return [];
  const what = `'${none.profile}' speaks nothing as new as tls.minVersion, ${tls.minVersion}`;
  return [wrong(none.path, what, "choose another profile, or write tls.minVersion: 'TLSv1.2'")];
}

function acmeIsAgreed({ acme }: Checkable): readonly Problem[] {
  if (!acme.enabled || acme.agreeToTerms) return [];
  const what = 'the authority gives certificates only to those who agree to its terms';
  return [wrong('acme.agreeToTerms', what, `read the terms named at ${acme.directory}, then write true`)];
}

function acmeAccountIsWhole({ acme }: Checkable): readonly Problem[] {
  const { externalKeyId, externalKeyFile } = acme;
  if ((externalKeyId === undefined) === (externalKeyFile === undefined)) return [];
  const missing = externalKeyId === undefined ? 'externalKeyId' : 'externalKeyFile';
  return [
    wrong(`acme.${missing}`, 'missing, an external account has an id and a key', 'write what the authority gave'),
  ];
}

/** The challenge of ACME comes and goes; it cannot share the port. */
function policyHasItsPort({ acme, mtaSts }: Checkable): readonly Problem[] {
  const both = acme.enabled && acme.challenge === 'tls-alpn-01' && acme.tlsPort === mtaSts.httpsPort;
  if (!mtaSts.https || mtaSts.mode === 'off' || !both) return [];
  const what = `port ${mtaSts.httpsPort} is that of the challenge too (acme.tlsPort)`;
  return [wrong('mtaSts.httpsPort', what, "write acme.challenge: 'http-01'")];
}

/** `none` takes a policy back, also that of domains that are here no more. */
function policyHasDomains({ mtaSts: { mode }, local, relay }: Checkable): readonly Problem[] {
  if (mode === 'off' || mode === 'none' || local.domains.length + relay.domains.length > 0) return [];
  const what = 'there is no domain whose policy it would be';
  return [wrong('mtaSts.mode', what, "name it in local.domains or relay.domains, or write 'off'")];
}

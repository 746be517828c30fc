/** Encryption to receivers: reads the authorities that are trusted, and the certificates that routes show. */

import { type Config } from '../config/config.ts';
import { type DeliveryTls } from '../deliver/options.ts';
import { type CertificatePair } from '../receive/certificate-choice.ts';
import { certificateIn, checkedPair, type NamedPair, pairOf } from './certificates.ts';
import { type NamedFile, readNamed } from './named-file.ts';

/** Throws, with what to do, when a file cannot be used. */
export function deliveryTls(config: Pick<Config, 'deliver' | 'routes'>): DeliveryTls {
  const { ca, minVersion } = config.deliver.tls;
  return {
    minVersion,
    ...(ca !== undefined && { ca: readAuthorities({ option: 'deliver.tls.ca', file: ca }) }),
    clientCertificates: new Map(
      shownPairs(config).map((named) => {
        const { certificate, key } = readPair(named);
        return [named.certificate.file, { cert: certificate, key }];
      }),
    ),
  };
}

/** What routes show; they are told by name, since they are tried in another order than they are written. */
export function shownPairs({ routes }: Pick<Config, 'routes'>): readonly NamedPair[] {
  return routes.flatMap((route) => {
    const shown = 'tlsOptions' in route ? route.tlsOptions?.clientCertificate : undefined;
    return shown === undefined ? [] : [pairOf(`route ${route.name}, tlsOptions.clientCertificate`, shown)];
  });
}

export function readPair(named: NamedPair): CertificatePair {
  return checkedPair(named, { certificate: readNamed(named.certificate), key: readNamed(named.key) });
}

/** Authorities in place of the usual ones. */
export function readAuthorities(named: NamedFile): string {
  const pem = readNamed(named);
  // The first of them; OpenSSL reads the rest.
  certificateIn(named, pem);
  return pem;
}

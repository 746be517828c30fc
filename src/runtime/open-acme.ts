/** ACME in a running server: joined to its clock, its timers and its spool. */

import { errorText } from '../lib/error-text.ts';
import { Acme } from '../acme/acme.ts';
import { type AcmeOptions } from '../acme/config.ts';
import { acmeFiles } from '../acme/files.ts';
import { type AcmeView } from '../api/certificate-view.ts';
import { type Config } from '../config/config.ts';
import { type Clock } from '../ports/clock.ts';
import { type Log } from '../ports/log.ts';
import { readAuthorities } from './delivery-tls.ts';
import { systemRandom } from './random.ts';
import { systemTimers } from './timers.ts';
import { tlsaOf } from './tlsa.ts';
import { VERSION } from './version.ts';

export interface OpenAcmeOptions {
  readonly config: Config;
  readonly clock: Clock;
  readonly log: Log;
  /** A new certificate is on disk. */
  readonly changed: () => Promise<void>;
}

export interface RunningAcme {
  readonly acme: Acme;
  readonly options: AcmeOptions;
}

/** The one that runs, where nothing has changed for it. Undefined: it is off, or the log says why it cannot be. */
export function openAcme(before: RunningAcme | undefined, { config, clock, log, changed }: OpenAcmeOptions) {
  const { acme: options, spool } = config;
  if (before !== undefined && JSON.stringify(before.options) === JSON.stringify(options)) return before;
  before?.acme.stop();
  if (!options.enabled) return undefined;
  try {
    const ca = options.ca === undefined ? undefined : readAuthorities({ option: 'acme.ca', file: options.ca });
    const acme = new Acme({
      ...{ options, clock, log, changed, ca, timers: systemTimers, random: systemRandom },
      files: acmeFiles(spool.folder),
      userAgent: `postrider/${VERSION}`,
    });
    acme.start();
    return { acme, options };
  } catch (error) {
    log.error('no certificate is ordered', { error: errorText(error) });
    return undefined;
  }
}

export function acmeView(running: RunningAcme | undefined): AcmeView | undefined {
  if (running === undefined) return undefined;
  const { nextKey, ...standing } = running.acme.standing();
  return { ...standing, nextTlsa: nextKey === undefined ? undefined : tlsaOf(nextKey) };
}

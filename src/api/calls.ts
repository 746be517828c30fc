/**
 * Every call of the `Admin` contract as a request: method, path, and the schema that its argument is checked with.
 *
 * One table for both ends: the server makes its routes from it, the client of the control socket its requests. With
 * GET the argument is the query (and a part of the path), with POST the body.
 */

import { EVENT_FIELDS } from '../events/event-fields.ts';
import { HOLD_REASONS } from '../mail/hold-reason.ts';
import { MINUTE } from '../lib/time.ts';
import { type Call, get, NAME, object, post } from './call.ts';
import { type Admin, MAX_PAGE } from './contract.ts';
import { DIRECTORY_CALLS } from './directory-calls.ts';

export { type Call } from './call.ts';

export const API_PREFIX = '/api/v1';

// A change of a million entries, or a copy of a large spool.
const LONG = 30 * MINUTE;

const TEXT = { type: 'string', maxLength: 1000 } as const;
const INSTANT = { type: 'integer', minimum: 0, maximum: 8.64e15 } as const;

const FILTER = {
  id: NAME,
  sender: NAME,
  recipient: NAME,
  domain: NAME,
  queue: NAME,
  lane: { type: 'string', enum: ['fresh', 'deferred', 'held'] },
  reason: { type: 'string', enum: Object.keys(HOLD_REASONS) },
} as const;
const PAGE = { after: NAME, limit: { type: 'integer', minimum: 1, maximum: MAX_PAGE } } as const;
const TARGET = object({
  campaign: TEXT,
  tenant: TEXT,
  domain: NAME,
  message: NAME,
  site: NAME,
  source: NAME,
  sender: TEXT,
  recipient: NAME,
});
const CHANGE = { select: object(FILTER), all: { type: 'boolean' }, by: TEXT, reason: TEXT } as const;
const PAUSE = object({ what: { type: 'string', enum: ['intake', 'delivery', 'all'] }, by: TEXT }, 'what');
const CHECK_DOC =
  'Refused: a running server cannot look at its own spool. `postrider check` looks at that of a stopped one, or at a backup.';
const NOTHING = object({});
const BY_ID = object({ id: NAME }, 'id');

export const CALLS: { readonly [K in keyof Admin]: Call } = {
  list: get('/queue', object({ ...FILTER, ...PAGE }), 'Entries that wait, a page at a time.'),
  retry: change('/queue/retry', 'Makes entries due now.'),
  hold: change('/queue/hold', 'Holds entries until they are released.'),
  release: change('/queue/release', 'Lets held entries go.'),
  remove: {
    ...change('/queue/remove', 'Removes entries; their senders are told when `tellSender` is true.'),
    argument: object({ ...CHANGE, tellSender: { type: 'boolean' } }, 'select'),
  },
  flush: change('/queue/flush', 'Makes entries due now and forgets what holds back their sites.'),
  message: get('/messages/:id', BY_ID, 'What became of a message so far.'),
  content: get('/messages/:id/content', BY_ID, 'The message itself.'),
  rules: get('/rules', NOTHING, 'Suspensions, holds and reroutes that stand.'),
  check: { ...get('/check', NOTHING, CHECK_DOC), patience: LONG },
  backup: post(
    '/backup',
    object({ folder: NAME }, 'folder'),
    'Copies the spool into a new folder, with the directory and what ACME has brought.',
    LONG,
  ),
  explain: get('/explain', object({ target: NAME }, 'target'), 'Where mail goes, and why it waits.'),
  suspend: post(
    '/suspend',
    object({ target: TARGET, reason: TEXT, by: TEXT, until: INSTANT }, 'target'),
    'Stops what matches from going out.',
  ),
  resume: post('/resume', object({ id: NAME, target: TARGET, by: TEXT }), 'Ends suspensions.'),
  pause: post('/pause', PAUSE, 'Stops taking mail, sending mail, or both.'),
  unpause: post('/unpause', PAUSE, 'Ends that.'),
  softBounce: post(
    '/soft-bounce',
    object({ on: { type: 'boolean' }, by: TEXT }, 'on'),
    'Makes every refusal temporary, or no longer.',
  ),
  reload: post('/reload', NOTHING, 'Reads the configuration anew and swaps it in if it is valid.', MINUTE),
  drain: post('/drain', NOTHING, 'Finishes what is in flight and stops.'),
  status: get('/status', NOTHING, 'What the server is doing.'),
  certificates: get('/certificates', NOTHING, 'Server certificates in use, and what ACME is about.'),
  renewCertificate: post('/certificates/renew', NOTHING, 'Orders a certificate by ACME now.'),
  sites: get('/sites', object(PAGE), 'Egress paths and what they may do now.'),
  ...DIRECTORY_CALLS,
  events: get(
    '/events',
    object({
      kind: { type: 'string', enum: Object.keys(EVENT_FIELDS) },
      ...{ sender: NAME, recipient: NAME, since: INSTANT, until: INSTANT, ...PAGE },
    }),
    'What has happened, newest first, a page at a time.',
  ),
  tlsReports: get(
    '/tls-reports',
    object({ kind: { type: 'string', enum: ['received', 'sent'] }, domain: NAME, ...PAGE }),
    'Reports on encryption, of others on our domains and ours on theirs.',
  ),
};

function change(path: string, doc: string): Call {
  return post(path, object(CHANGE, 'select'), doc, LONG);
}

/** Changes of the directory, with the server running and not: they count at once, and are on record. */

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type DirectoryChangedEvent, type Event } from '../../src/events/event.ts';
import { removeFolder, testFolder } from '../lib/processes.ts';
import { type Product, startProduct } from '../lib/product.ts';

const parent = await testFolder('directory');
const folder = join(parent, 'product');
let product: Product = await startProduct({ folder });
after(async () => {
  await product.stop();
  await removeFolder(parent);
});

function isChange(event: Event): event is DirectoryChangedEvent {
  return event.kind === 'directoryChanged';
}

async function done(...args: readonly string[]): Promise<string> {
  const { code, output } = await product.cli(...args);
  assert.equal(code, 0, output);
  return output;
}

test('what is changed while the server is stopped is told of when it has started, once and with its own time', async () => {
  await done('tenant', 'add', 'acme');
  assert.match(await done('events', '--kind', 'directoryChanged'), /tenant acme {2}added by cli:/);
  assert.equal(await product.stop(), 0);
  const before = Date.now();
  const made = await done('credential', 'add', 'ann', '--tenant', 'acme');
  const [, password = ''] = /^password (\S+)$/m.exec(made) ?? [];
  const between = Date.now();
  // What had happened until it stopped can be asked for meanwhile; what is changed now comes to the log later.
  const stopped = await done('events', '--kind', 'directoryChanged');
  assert.match(stopped, /tenant acme {2}added by cli:/);
  assert.doesNotMatch(stopped, /user ann/);

  product = await startProduct({ folder, ports: product.ports });
  const event = await product.event('the change', (each) => isChange(each) && each.name === 'ann');
  assert.ok(isChange(event));
  assert.deepEqual(
    [event.action, event.what, event.tenant, event.changes],
    ['added', 'user', 'acme', ['disabled: no']],
  );
  assert.match(event.by, /^cli:./);
  assert.ok(event.at >= before && event.at <= between, 'when it was made, not when it was logged');
  assert.match(await done('events', '--kind', 'directoryChanged'), /user ann of acme {2}added by cli:/);

  await done('tenant', 'remove', 'acme');
  await product.event(
    'the user goes along',
    (each) => isChange(each) && each.name === 'ann' && each.action === 'removed',
  );
  const all = await product.events();
  assert.equal(all.filter((each) => isChange(each) && each.name === 'ann' && each.action === 'added').length, 1);
  assert.ok(password.length > 20 && !JSON.stringify(all).includes(password));
});

/** The built product as a newcomer meets it: started, given a message, asked, stopped. */

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startProduct } from '../lib/product.ts';
import { removeFolder, testFolder } from '../lib/processes.ts';

const folder = await testFolder('first-mail');
after(() => removeFolder(folder));

test('a message to a local mailbox arrives, its story can be read, and a second server is refused', async () => {
  const product = await startProduct({
    folder,
    config: {
      local: { domains: ['local.test'], route: 'box' },
      routes: [{ kind: 'maildir', name: 'box', path: `${folder}/mail/{user}` }],
    },
  });
  try {
    const sent = await product.cli('send', '--to', 'bob@local.test', '--port', String(product.ports.smtp));
    assert.equal(sent.code, 0, sent.output);
    const delivered = await product.event('the delivery', ({ kind }) => kind === 'delivered');
    assert.ok('recipients' in delivered && delivered.recipients.includes('bob@local.test'));
    const id = 'queueId' in delivered ? delivered.queueId : '';
    const story = await product.cli('message', id);
    assert.match(story.output, /delivered/);

    const second = await startProduct({ folder, expected: 'failing' });
    assert.equal(await second.running.exited, 1);
    assert.match(second.running.output(), /another server has the spool/);
  } finally {
    assert.equal(await product.stop(), 0);
  }
});

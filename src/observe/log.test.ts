import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { createLog, type LogOptions } from './log.ts';

function logged(options: Partial<LogOptions> = {}) {
  const lines: string[] = [];
  const log = createLog({ format: 'text', write: (line) => void lines.push(line), now: () => 0, ...options });
  return { log, lines };
}

describe('the log as text', () => {
  test('time, level, text, facts', () => {
    const { log, lines } = logged();
    log.warn('the disk is nearly full', { free: 1024, path: '/var/spool', absent: undefined, sure: true });
    assert.deepEqual(lines, [
      '1970-01-01T00:00:00.000Z warn  the disk is nearly full free=1024 path=/var/spool sure=true\n',
    ]);
  });
  test('a value with spaces is quoted', () => {
    const { log, lines } = logged();
    log.info('a', { reason: 'no "such" host', empty: '' });
    assert.match(lines[0]!, / a reason="no \\"such\\" host" empty=""\n$/);
  });
  test('facts of the process stand in every line', () => {
    const { log, lines } = logged({ facts: { thread: 'worker-0' } });
    log.error('a');
    assert.match(lines[0]!, /error a thread=worker-0\n$/);
  });
  test('levels below the chosen one are not written', () => {
    const { log, lines } = logged({ level: 'warn' });
    log.info('a');
    log.warn('b');
    log.error('c');
    assert.equal(lines.length, 2);
  });
});

describe('the log as JSON', () => {
  test('one object a line', () => {
    const { log, lines } = logged({ format: 'json' });
    log.error('broken', { code: 'EIO', at: 'a fact cannot take the place of the time' });
    assert.deepEqual(JSON.parse(lines[0]!), {
      at: '1970-01-01T00:00:00.000Z',
      level: 'error',
      text: 'broken',
      code: 'EIO',
    });
  });
});

test('whatever is logged is one bounded line without controls', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary' }),
      fc.string({ unit: 'binary' }),
      fc.constantFrom('text', 'json'),
      (text, fact, format) => {
        const { log, lines } = logged({ format });
        log.info(text, { fact });
        assert.equal(lines.length, 1);
        assert.match(lines[0]!, /^[^\p{Cc}\u2028\u2029\u202e]*\n$/u);
        if (format === 'json') assert.equal(JSON.parse(lines[0]!).fact, fact);
      },
    ),
  );
});

test('a huge text is cut', () => {
  const { log, lines } = logged();
  log.info('x'.repeat(1e6), { fact: 'y'.repeat(1e6) });
  assert.ok(lines[0]!.length < 5000);
});

test('a log that cannot be written throws nothing', () => {
  const { log } = logged({
    write: () => {
      throw new Error('EPIPE');
    },
  });
  assert.doesNotThrow(() => log.error('a'));
});

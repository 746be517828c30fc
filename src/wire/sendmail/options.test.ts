import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseSendmail, type SendmailCommand, type SendmailName } from './options.ts';

const PLAIN: SendmailCommand = {
  mode: 'submit',
  recipients: [],
  extract: false,
  loneDot: 'ends',
  sender: undefined,
  fullName: undefined,
  notify: undefined,
  ret: undefined,
  envid: undefined,
  config: undefined,
  verbose: false,
  flush: {},
};

interface Case {
  readonly name: string;
  readonly words: string;
  readonly want: Partial<SendmailCommand>;
  readonly as?: SendmailName;
}

const GOOD: readonly Case[] = [
  { name: 'a recipient', words: 'root', want: { recipients: ['root'] } },
  { name: 'PHP', words: '-t -i', want: { extract: true, loneDot: 'stays' } },
  { name: 'a cluster', words: '-ti', want: { extract: true, loneDot: 'stays' } },
  {
    name: 'a cluster that ends in a value',
    words: '-tifann@a.test',
    want: { extract: true, loneDot: 'stays', sender: 'ann@a.test' },
  },
  { name: '-f in one word', words: '-fann@a.test bob', want: { sender: 'ann@a.test', recipients: ['bob'] } },
  { name: '-f in two words', words: '-f ann@a.test bob', want: { sender: 'ann@a.test', recipients: ['bob'] } },
  {
    name: '-f with a value that looks like an option',
    words: '-f -t bob',
    want: { sender: '-t', recipients: ['bob'] },
  },
  { name: '-r is -f', words: '-r ann bob', want: { sender: 'ann', recipients: ['bob'] } },
  { name: 'the null reverse-path', words: '-f <> bob', want: { sender: '<>', recipients: ['bob'] } },
  {
    name: 'cron of Debian',
    words: '-i -FCronDaemon -B8BITMIME -oem root',
    want: { loneDot: 'stays', fullName: 'CronDaemon', recipients: ['root'] },
  },
  { name: 'bsd-mailx', words: '-i -- bob', want: { loneDot: 'stays', recipients: ['bob'] } },
  {
    name: 'git send-email',
    words: '-i bob@b.test eve@e.test',
    want: { loneDot: 'stays', recipients: ['bob@b.test', 'eve@e.test'] },
  },
  { name: 'mutt', words: '-oem -oi -- bob', want: { loneDot: 'stays', recipients: ['bob'] } },
  {
    name: 'behind -- all are recipients',
    words: '-i -- -f bob',
    want: { loneDot: 'stays', recipients: ['-f', 'bob'] },
  },
  { name: 'options behind recipients', words: 'bob -i', want: { loneDot: 'stays', recipients: ['bob'] } },
  { name: 'a dash alone is a recipient', words: '-', want: { recipients: ['-'] } },
  { name: '-oi', words: '-oi bob', want: { loneDot: 'stays', recipients: ['bob'] } },
  { name: '-o i', words: '-o i bob', want: { loneDot: 'stays', recipients: ['bob'] } },
  { name: '-odb -oeq -o7', words: '-odb -oeq -o7 bob', want: { recipients: ['bob'] } },
  { name: '-O IgnoreDots', words: '-O IgnoreDots=true bob', want: { loneDot: 'stays', recipients: ['bob'] } },
  { name: '-O anything', words: '-OQueueDirectory=/tmp bob', want: { recipients: ['bob'] } },
  { name: '-bm', words: '-bm bob', want: { recipients: ['bob'] } },
  { name: '-bs', words: '-bs', want: { mode: 'smtp' } },
  { name: '-bp', words: '-bp', want: { mode: 'queue' } },
  { name: '-bi', words: '-bi', want: { mode: 'aliases' } },
  { name: '-I', words: '-I', want: { mode: 'aliases' } },
  { name: 'mailq', words: '', as: 'mailq', want: { mode: 'queue' } },
  { name: 'mailq -v', words: '-v', as: 'mailq', want: { mode: 'queue', verbose: true } },
  { name: 'mailq -q', words: '-q', as: 'mailq', want: { mode: 'flush' } },
  { name: 'newaliases', words: '', as: 'newaliases', want: { mode: 'aliases' } },
  { name: '-q', words: '-q', want: { mode: 'flush' } },
  { name: '-qI', words: '-qI01abc', want: { mode: 'flush', flush: { id: '01abc' } } },
  { name: '-qR', words: '-qRb.test', want: { mode: 'flush', flush: { recipient: '*b.test*' } } },
  { name: '-qS', words: '-qSann', want: { mode: 'flush', flush: { sender: '*ann*' } } },
  { name: '-N', words: '-N failure,delay bob', want: { notify: ['FAILURE', 'DELAY'], recipients: ['bob'] } },
  { name: '-N never', words: '-Nnever bob', want: { notify: ['NEVER'], recipients: ['bob'] } },
  { name: '-R', words: '-R hdrs bob', want: { ret: 'HDRS', recipients: ['bob'] } },
  { name: '-V in xtext', words: '-V QQ+3D1 bob', want: { envid: 'QQ+3D1', recipients: ['bob'] } },
  { name: '-V that is no xtext', words: '-V a=b bob', want: { envid: 'a+3Db', recipients: ['bob'] } },
  { name: '-C', words: '-C /etc/x.ts bob', want: { config: '/etc/x.ts', recipients: ['bob'] } },
  {
    name: 'what only steers others',
    words: '-G -n -m -U -v -d0-99.1 -h 3 -p ESMTP -L tag -X log -Am bob',
    want: { verbose: true, recipients: ['bob'] },
  },
  { name: '--version', words: '--version bob', want: { mode: 'version', recipients: ['bob'] } },
  { name: '--help with a recipient', words: '--help bob', want: { mode: 'help', recipients: ['bob'] } },
  { name: '--help alone', words: '--help', want: { mode: 'help' } },
];

const BAD: readonly { readonly name: string; readonly words: string; readonly why: RegExp }[] = [
  { name: 'no recipients', words: '', why: /name the recipients, or write -t/ },
  { name: 'an unknown letter', words: '-Z bob', why: /^-Z: no such option/ },
  { name: 'an unknown letter in a cluster', words: '-iZ bob', why: /^-Z/ },
  { name: 'an unknown word', words: '--frob bob', why: /^--frob: no such option/ },
  { name: 'a missing value', words: 'bob -f', why: /^-f needs a value/ },
  { name: 'a name that every object has', words: '-bconstructor', why: /is not here$/ },
  { name: '-bd', words: '-bd', why: /started by `postrider serve`/ },
  { name: '-bv', words: '-bv bob', why: /postrider explain/ },
  { name: '-q30m', words: '-q30m', why: /looks after its queue by itself/ },
  { name: '-bad -N', words: '-N sometimes bob', why: /^-N: write never/ },
  { name: 'a bad -R', words: '-R some bob', why: /^-R: write full or hdrs/ },
  { name: 'a bad -V', words: `-V ${'x'.repeat(101)} bob`, why: /^-V/ },
  { name: 'a bad -B', words: '-B9BIT bob', why: /^-B/ },
];

function words(text: string): readonly string[] {
  return text === '' ? [] : text.split(' ');
}

describe('parseSendmail', () => {
  for (const { name, words: text, want, as } of GOOD)
    test(name, () => {
      const read = parseSendmail(as ?? 'sendmail', words(text));
      assert.deepEqual(read, { ok: true, value: { ...PLAIN, ...want } });
    });
  for (const { name, words: text, why } of BAD)
    test(`refused: ${name}`, () => {
      const read = parseSendmail('sendmail', words(text));
      assert.ok(!read.ok);
      assert.match(read.reason, why);
    });
  test('any words are read or refused', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: fc.constantFrom(...'-abfiotqNRVX @.') }), { maxLength: 6 }), (some) => {
        assert.equal(typeof parseSendmail('sendmail', some).ok, 'boolean');
      }),
    );
  });
  test('behind -- nothing is an option', () => {
    fc.assert(
      fc.property(fc.array(fc.string(), { minLength: 1 }), (some) => {
        const read = parseSendmail('sendmail', ['--', ...some]);
        assert.ok(read.ok);
        assert.deepEqual(read.value, { ...PLAIN, recipients: some });
      }),
    );
  });
});

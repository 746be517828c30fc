import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type IdleRun } from './idle-run.ts';
import { judgeIdle, judgeMountain, type MountainFacts, MIB } from './judge.ts';

function mountain(more: Partial<MountainFacts> = {}): MountainFacts {
  return {
    ...{ messages: 1000, budget: 4, heldMost: 900, anonymousMost: 100 * MIB, inUse: 50 * MIB, entriesLeft: 400 },
    traffic: { accepted: 0, refused: 0, drainedMs: 1000 },
    ...{
      arrived: { delivered: 600, twice: 0, refused: 10, firstAt: 1, lastAt: 2 },
      complaints: [],
      threads: new Map(),
    },
    ...more,
  };
}

function busy(workedMost: number): MountainFacts['threads'] {
  return new Map([['queue-manager', { heapMost: 1, externalMost: 1, waitedMost: 9000, workedMost }]]);
}

describe('a mountain', () => {
  const cases: readonly { name: string; many?: Partial<MountainFacts>; says?: RegExp }[] = [
    { name: 'is passed when it costs little' },
    { name: 'may cost 64 MiB', many: { anonymousMost: 164 * MIB, inUse: 114 * MIB } },
    {
      name: 'not more',
      many: {
        ...{ messages: 1e6, anonymousMost: 165 * MIB },
        arrived: { delivered: 999_600, twice: 0, refused: 0, firstAt: 1, lastAt: 2 },
      },
      says: /^anonymous memory: 65 MiB more/,
    },
    { name: 'some more in the seconds of a short run', many: { anonymousMost: 212 * MIB } },
    { name: 'not any more there', many: { anonymousMost: 213 * MIB }, says: /^anonymous memory: 113 MiB more/ },
    { name: 'nor of the heap', many: { inUse: 115 * MIB }, says: /^heap in use: 65 MiB more/ },
    { name: 'fills the window only up to the budget', many: { heldMost: 5593 }, says: /^5593 entries in memory.*5592/ },
    { name: 'may make a thread wait for others', many: { threads: busy(900) } },
    { name: 'blocks no event loop', many: { threads: busy(1200) }, says: /queue-manager did not turn during 1200 ms/ },
    { name: 'loses nothing', many: { entriesLeft: 399 }, says: /of 1000 messages 600 were delivered and 399 are left/ },
    {
      name: 'grows by what comes',
      many: { traffic: { accepted: 7, refused: 0, drainedMs: 1 }, entriesLeft: 407 },
    },
    {
      name: 'takes what comes',
      many: { traffic: { accepted: 7, refused: 1, drainedMs: 1 }, entriesLeft: 407 },
      says: /^1 new messages beside 1000 were not taken/,
    },
    { name: 'brings nothing forth', many: { entriesLeft: 401 }, says: /401 are left/ },
    {
      name: 'is delivered once',
      many: { arrived: { delivered: 600, twice: 2, refused: 0, firstAt: 1, lastAt: 2 } },
      says: /^2 messages of 1000 were delivered twice/,
    },
    { name: 'leads to no complaints', many: { complaints: ['an error'] }, says: /it said: an error/ },
  ];
  for (const { name, many, says } of cases)
    test(name, () => {
      const failures = judgeMountain(mountain(), mountain(many));
      assert.equal(failures.length, says === undefined ? 0 : 1, failures.join('\n'));
      if (says !== undefined) assert.match(failures[0] ?? '', says);
    });
});

describe('idle connections', () => {
  const good: IdleRun = {
    ...{ connections: 100, rounds: 3, greeted: 300, served: [250, 250, 250], complaints: [] },
    ...{ anonymousBefore: 50 * MIB, anonymousMost: 51 * MIB, inUseOpen: 21 * MIB },
    inUseAfter: [20 * MIB, 20 * MIB, 20 * MIB],
  };
  const cases: readonly { name: string; run?: Partial<IdleRun>; says?: RegExp }[] = [
    { name: 'pass' },
    { name: 'are all greeted', run: { greeted: 299 }, says: /^299 of 300 connections were greeted/ },
    { name: 'keep nobody from being served', run: { served: [250, 421, 250] }, says: /was answered 421/ },
    { name: 'cost little memory', run: { anonymousMost: 54 * MIB }, says: /takes 41943 octets/ },
    { name: 'cost little of the heap', run: { inUseOpen: 24 * MIB }, says: /takes 41943 octets/ },
    { name: 'may leave more behind once', run: { inUseAfter: [18 * MIB, 20 * MIB, 20 * MIB] } },
    {
      name: 'leave nothing behind',
      run: { inUseAfter: [20 * MIB, 20 * MIB, 20 * MIB + 600_000] },
      says: /ended 6000 octets stay/,
    },
    { name: 'lead to no complaints', run: { complaints: ['a Warning'] }, says: /it said: a Warning/ },
  ];
  for (const { name, run, says } of cases)
    test(name, () => {
      const failures = judgeIdle({ ...good, ...run });
      assert.equal(failures.length, says === undefined ? 0 : 1, failures.join('\n'));
      if (says !== undefined) assert.match(failures[0] ?? '', says);
    });
});

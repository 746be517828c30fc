import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { CostRing, DeficitRoundRobin } from './deficit-round-robin.ts';

interface Item {
  readonly flow: string;
  readonly cost: number;
}

function robin(quantum: number) {
  return new DeficitRoundRobin<string, Item, CostRing<Item>>(quantum, () => new CostRing((item) => item.cost));
}

function put(drr: ReturnType<typeof robin>, flow: string, cost = 1, count = 1): void {
  for (let i = 0; i < count; i++) drr.push(flow, (queue) => queue.push({ flow, cost }));
}

const take = (drr: ReturnType<typeof robin>, count: number) =>
  Array.from({ length: count }, () => drr.shift()?.flow).join('');

describe('DeficitRoundRobin', () => {
  test('a long flow costs a short one nothing', () => {
    const drr = robin(1);
    put(drr, 'a', 1, 1000);
    put(drr, 'b', 1, 3);
    assert.equal(take(drr, 8), 'abababaa');
    assert.equal(drr.lengthOf('b'), 0);
    assert.equal(drr.length, 995);
  });

  test('turns are counted by cost', () => {
    const drr = robin(10);
    put(drr, 'a', 100, 50);
    put(drr, 'b', 10, 500);
    const first = take(drr, 220);
    const costs = { a: first.split('a').length - 1, b: first.split('b').length - 1 };
    assert.ok(Math.abs(costs.a * 10 - costs.b) <= 20, JSON.stringify(costs));
  });

  test('a flow that was empty has saved nothing up', () => {
    const drr = robin(1);
    put(drr, 'a', 1, 1);
    take(drr, 1);
    put(drr, 'b', 1, 4);
    put(drr, 'a', 1, 4);
    assert.equal(take(drr, 8), 'babababa');
    assert.equal(drr.shift(), undefined);
    assert.equal(drr.flows, 0);
  });

  test('gives everything once, and no flow lags by more than a quantum and a cost', () => {
    const flows = fc.array(fc.record({ flow: fc.constantFrom('a', 'b', 'c'), cost: fc.integer({ min: 1, max: 30 }) }));
    fc.assert(
      fc.property(flows, fc.integer({ min: 1, max: 10 }), (items, quantum) => {
        const drr = robin(quantum);
        for (const { flow, cost } of items) put(drr, flow, cost);
        const served = new Map<string, number>();
        for (let left = items.length; left > 0; left--) {
          const item = drr.shift()!;
          served.set(item.flow, (served.get(item.flow) ?? 0) + item.cost);
          const waiting = ['a', 'b', 'c'].filter((flow) => drr.lengthOf(flow) > 0);
          for (const one of waiting)
            for (const other of waiting)
              assert.ok((served.get(one) ?? 0) - (served.get(other) ?? 0) <= 2 * (quantum + 30));
        }
        assert.equal(drr.length, 0);
        assert.equal(
          [...served.values()].reduce((a, b) => a + b, 0),
          items.reduce((a, { cost }) => a + cost, 0),
        );
      }),
    );
  });
});

import { describe, expect, it } from '@jest/globals';
import { memoryEngine } from 'nestjs-stream-store';
import { type Fault, type FaultyEngine, faultyEngine, InjectedFaultError } from 'nestjs-stream-store/testing';
import { dataOf, rejectionOf } from '../support/events.js';
import { lateEngine } from '../support/engines/late-engine.js';
import { openTestStore } from '../support/open-test-store.js';

describe.each([
  ['that answers at once', memoryEngine],
  ['that answers later', lateEngine],
])('an engine %s', (_, createInner) => {
  async function open(...faults: Fault[]) {
    const engine: FaultyEngine = faultyEngine(createInner(), ...faults);
    const store = await openTestStore({ engine });
    const append = (data: number) => store.append('s', { type: 't', data }).then(() => data, String);
    return { engine, store, append };
  }

  it('fails before it did what it was asked', async () => {
    const { engine, store, append } = await open();
    await append(1);

    engine.fail({ verb: 'append' });
    const error = await rejectionOf(store.append('s', { type: 't', data: 2 }));

    expect(error).toBeInstanceOf(InjectedFaultError);
    expect(error).toMatchObject({ verb: 'append', tookEffect: false });
    expect(dataOf(await store.readStream('s'))).toEqual([1]);
  });

  it('fails after it did what it was asked', async () => {
    const { engine, store } = await open();

    engine.fail({ verb: 'append', when: 'after' });
    const error = await rejectionOf(store.append('s', { type: 't', data: 1 }));

    expect(error).toMatchObject({ verb: 'append', tookEffect: true });
    expect(dataOf(await store.readStream('s'))).toEqual([1]);
  });

  it('fails at the call that it is told, and goes on', async () => {
    const { store, append } = await open({ verb: 'append', call: 3, times: 2 });

    const failed = 'InjectedFaultError: append was made to fail before it began';
    expect([await append(1), await append(2), await append(3), await append(4), await append(5)]).toEqual([
      1,
      2,
      failed,
      failed,
      5,
    ]);
    expect(dataOf(await store.readStream('s'))).toEqual([1, 2, 5]);
  });

  it('fails with the error that it is told', async () => {
    const { engine, store } = await open();
    const error = new Error('the disk is full');

    engine.fail({ verb: 'readStream', error });

    expect(await rejectionOf(store.readStream('s'))).toBe(error);
  });

  it('fails in any verb, until it is healed', async () => {
    const { engine, store, append } = await open();
    await append(1);

    engine.fail({ times: Infinity });
    for (const call of [
      () => store.readStream('s'),
      () => store.readAll(),
      () => store.getStreams(),
      () => store.stats(),
    ]) {
      expect(await rejectionOf(call())).toBeInstanceOf(InjectedFaultError);
    }
    engine.heal();

    expect(dataOf(await store.readStream('s'))).toEqual([1]);
  });

  it('fails with what the engine failed with, when that came first', async () => {
    const { engine, store } = await open();

    engine.fail({ verb: 'append', when: 'after' });
    const error = await rejectionOf(store.append('s', { type: 't' }, { expectedRevision: 7 }));

    expect(error).toMatchObject({ code: 'WRONG_EXPECTED_REVISION' });
  });

  it('counts the calls', async () => {
    const { engine, append } = await open();
    const before = engine.calls();

    await append(1);
    await append(2);

    expect([engine.calls('append'), engine.calls('trim'), engine.calls() - before]).toEqual([2, 0, 2]);
  });
});

describe('a faulty engine', () => {
  it('has the verbs of the engine that it wraps, and no others', () => {
    const engine = faultyEngine(memoryEngine());

    expect(engine.name).toBe('memory');
    expect(Object.keys(engine)).toEqual(expect.arrayContaining(['append', 'snapshot']));
    expect(Object.keys(engine)).not.toEqual(expect.arrayContaining(['acquireLease']));
    expect(Object.keys(engine)).not.toEqual(expect.arrayContaining(['onAppended']));
  });

  it('counts on through faults that come one after the other', async () => {
    const engine = faultyEngine(memoryEngine(), { verb: 'append', call: 2 }, { verb: 'append', call: 4 });
    const store = await openTestStore({ engine });
    const outcomes = [];
    for (let n = 1; n <= 5; n++)
      outcomes.push(
        await store.append('s', { type: 't' }).then(
          () => true,
          () => false,
        ),
      );

    expect(outcomes).toEqual([true, false, true, false, true]);
  });
});

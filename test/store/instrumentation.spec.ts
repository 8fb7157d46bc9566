import { describe, expect, it } from '@jest/globals';
import {
  createEvent,
  NO_STREAM,
  openEventStore,
  type AppendCall,
  type EventStore,
  type Instrumentation,
} from 'nestjs-stream-store';
import { rejectionOf } from '../support/events.js';
import { lateEngine } from '../support/engines/late-engine.js';
import { settled } from '../support/waiting/manual-clock.js';
import { openTestStore } from '../support/open-test-store.js';
import { RecordingLogger } from '../support/recorders.js';
import { internalsOf } from '../../lib/store/store-internals.js';

const added = { traceparent: '00-1-2-01', tracestate: 'a=1' };

async function storeWith(
  aroundAppend: Instrumentation['aroundAppend'],
): Promise<{ store: EventStore; logger: RecordingLogger }> {
  const logger = new RecordingLogger();
  return { store: await openTestStore({ logger, instrumentation: { aroundAppend } }), logger };
}

describe('metadata that an instrumentation adds', () => {
  it('goes into every event of the batch, beside what the caller gave', async () => {
    const { store } = await storeWith((_append, call) => call(added));
    await store.append('orders', [
      { type: 'a' },
      { type: 'b', metadata: {} },
      { type: 'c', metadata: { user: 'ada', note: '"}' } },
    ]);

    const events = await store.readStream('orders');
    expect(events.map(({ metadata }) => metadata)).toEqual([added, added, { user: 'ada', note: '"}', ...added }]);
  });

  it('never overwrites what the caller gave, nor is mixed with it', async () => {
    const { store } = await storeWith((_append, call) => call(added));
    const own = { traceparent: 'of the caller' };
    await store.append('orders', [
      { type: 'a', metadata: own },
      { type: 'b', metadata: { nested: { traceparent: 'deeper' } } },
    ]);

    const [first, second] = await store.readStream('orders');
    expect(first.metadata).toEqual(own);
    expect(second.metadata).toEqual({ nested: { traceparent: 'deeper' }, ...added });
  });

  it('honours the toJSON of the metadata, as without', async () => {
    const { store } = await storeWith((_append, call) => call(added));
    await store.append('orders', { type: 'a', metadata: { toJSON: () => ({ user: 'ada' }) } as never });

    expect((await store.readStream('orders'))[0].metadata).toEqual({ user: 'ada', ...added });
  });

  it('is left out, and reported, when JSON cannot hold it', async () => {
    const { store, logger } = await storeWith((_append, call) => call({ traceparent: 5n } as never));
    await store.append('orders', { type: 'a' });

    expect((await store.readStream('orders'))[0].metadata).toEqual({});
    expect(logger.errors.join()).toMatch(/instrumentation failed in aroundAppend.*metadata\.traceparent/);
  });

  it('is not compared when a retry is recognised', async () => {
    let number = 0;
    const { store } = await storeWith((_append, call) => call({ traceparent: String(++number) }));
    const event = createEvent('order.placed');
    const first = await store.append('orders', event, { expectedRevision: NO_STREAM });
    const second = await store.append('orders', event, { expectedRevision: NO_STREAM });

    expect(second).toEqual(first);
    expect((await store.readStream('orders')).map(({ metadata }) => metadata.traceparent)).toEqual(['1']);
  });
});

describe('an instrumentation around appends', () => {
  it('is told of each append before it was checked, and not of the store’s own', async () => {
    const told: AppendCall[] = [];
    const aroundAppend: Instrumentation['aroundAppend'] = (append, call) => {
      told.push(append);
      return call();
    };
    const store = await openEventStore({ instrumentation: { aroundAppend } });
    await store.append('orders', [{ type: 'a' }, { type: 'b' }]);
    await rejectionOf(store.append('', { type: 'a' }));
    await internalsOf(store).appendInternally('$dead-letters-x', { type: 'a' });
    await store.close();

    expect(told).toEqual([
      { store: 'memory-store', streamId: 'orders', events: 2 },
      { store: 'memory-store', streamId: '', events: 1 },
    ]);
  });

  it('sees the answer, or what the append failed with, and the caller gets the same', async () => {
    const seen: unknown[] = [];
    const { store, logger } = await storeWith(async (_append, call) => {
      try {
        seen.push(await call());
      } catch (error) {
        seen.push(error);
        throw error;
      }
    });
    const result = await store.append('orders', { type: 'a' });
    const refusal = await rejectionOf(store.append('orders', { type: 'a' }, { expectedRevision: 7 }));
    await settled();

    expect(seen).toEqual([result, refusal]);
    expect(refusal).toMatchObject({ code: 'WRONG_EXPECTED_REVISION' });
    expect(logger.errors).toEqual([]);
  });

  it.each<[string, Instrumentation['aroundAppend'], boolean]>([
    ['throws before it made the call', () => fail(), true],
    ['throws after it made the call', (_append, call) => [call(), fail()], true],
    ['fails before it made the call', async () => fail(), true],
    ['fails after it made the call', async (_append, call) => [await call(), fail()], true],
    ['does not make the call', () => undefined, false],
    ['makes it twice', (_append, call) => [call(), call()], false],
    ['makes it too late', (_append, call) => settled().then(() => call()), false],
    ['never ends', (_append, call) => [call(), new Promise(() => undefined)], false],
  ])('that %s changes nothing', async (_what, aroundAppend, isReported) => {
    const { store, logger } = await storeWith(aroundAppend);
    const result = await store.append('orders', { type: 'a' });
    await settled();

    expect(result).toMatchObject({ revision: 1, count: 1 });
    expect((await store.getStreamInfo('orders')).eventCount).toBe(1);
    expect(logger.errors.map((line) => line.includes('instrumentation failed in aroundAppend'))).toEqual(
      isReported ? [true] : [],
    );
  });

  it('leaves the append as it is taken: nothing can be changed after the call', async () => {
    const engine = lateEngine();
    const store = await openTestStore({ engine, instrumentation: { aroundAppend: (_append, call) => call(added) } });
    const data = { euros: 1 };
    const appending = store.append('orders', { type: 'a', data });
    data.euros = 2;
    await appending;

    expect((await store.readStream('orders'))[0].data).toEqual({ euros: 1 });
  });

  it('may be an instance of a class, whose methods keep their "this"', async () => {
    class Counting implements Instrumentation {
      appends = 0;
      aroundAppend(_append: AppendCall, call: () => Promise<unknown>): void {
        this.appends++;
        void call();
      }
    }
    const counting = new Counting();
    const store = await openTestStore({ instrumentation: counting });
    await store.append('orders', { type: 'a' });

    expect(counting.appends).toBe(1);
  });
});

function fail(): never {
  throw new Error('tracing is down');
}

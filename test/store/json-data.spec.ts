import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type JsonValue, ValidationError } from 'nestjs-stream-store';
import { eventCount } from '../support/events.js';
import { keep } from '../support/kept-data.js';
import { openTestStore } from '../support/open-test-store.js';
import { scaled } from '../support/scale.js';
import { anyText } from '../support/texts.js';

describe('whatever is appended', () => {
  it('reads back equal when it came out of JSON', async () => {
    const store = await openTestStore({ maxEventsPerStream: 0 });

    await fc.assert(
      fc.asyncProperty(fc.jsonValue({ maxDepth: 6 }), async (value) => {
        expect(await keep(value, store)).toEqual(value);
      }),
      { numRuns: scaled(500) },
    );
  });

  it('reads back as JSON means it, or is refused with a path and nothing kept', async () => {
    const store = await openTestStore({ maxEventsPerStream: 0 });
    const anything = fc.anything({
      maxDepth: 4,
      withBigInt: true,
      withBoxedValues: true,
      withMap: true,
      withNullPrototype: true,
      withObjectString: true,
      withSet: true,
      withSparseArray: true,
      withTypedArray: true,
      key: anyText({ maxLength: 8 }),
    });

    await fc.assert(
      fc.asyncProperty(anything, async (value) => {
        const before = await eventCount(store);
        const outcome = await keep(value, store).then(
          (kept) => ({ kept }),
          (error: unknown) => ({ error }),
        );
        if ('error' in outcome) {
          expect(outcome.error).toBeInstanceOf(ValidationError);
          expect((outcome.error as ValidationError).field).toMatch(/^data/);
          expect(await eventCount(store)).toBe(before);
        } else {
          expect(outcome.kept).toEqual(value === undefined ? null : value);
          expect(JSON.stringify(outcome.kept)).toBe(JSON.stringify(value ?? null));
        }
      }),
      { numRuns: scaled(1_000) },
    );
  });

  it('reads back equal from metadata too', async () => {
    const store = await openTestStore({ maxEventsPerStream: 0 });

    await fc.assert(
      fc.asyncProperty(fc.dictionary(anyText(), fc.jsonValue()), async (value) => {
        const metadata = value as Record<string, JsonValue>;
        const { revision } = await store.append('s', { type: 't', metadata });
        const [event] = await store.readStream('s', revision - 1);
        expect(JSON.stringify(event.metadata)).toBe(JSON.stringify(metadata));
      }),
      { numRuns: scaled(200) },
    );
  });

  it('is what was checked, when a getter answers differently the second time', async () => {
    let reads = 0;
    const shifty = {
      get total() {
        return reads++ === 0 ? 1 : NaN;
      },
    };

    expect(await keep(shifty)).toEqual({ total: 1 });
  });

  it('is what was checked, when a proxy answers differently each time', async () => {
    let reads = 0;
    const shifty = new Proxy(
      { total: 1 },
      { get: (target, key) => (key === 'total' ? ++reads : Reflect.get(target, key)) as unknown },
    );

    const kept = await keep({ shifty });

    expect(kept).toEqual({ shifty: { total: 1 } });
  });

  it('cannot slip past the check by having a toJSON only the first time', async () => {
    let reads = 0;
    const shifty = {
      get toJSON() {
        return reads++ === 0 ? () => 'said once' : undefined;
      },
    };

    expect(await keep({ shifty })).toEqual({ shifty: 'said once' });
  });

  it('cannot slip an event past the check by changing its type between two looks', async () => {
    const store = await openTestStore();
    let reads = 0;
    const shifty = {
      get type() {
        return reads++ === 0 ? 'placed' : '\u0000';
      },
    };
    await store.append('s', shifty);

    const [event] = await store.readStream('s');

    expect(event.type).toBe('placed');
  });
});

import { describe, expect, it } from '@jest/globals';
import { type } from 'arktype';
import { createEvent, defineEvents, eventType, NO_STREAM, type StandardSchemaV1 } from 'nestjs-stream-store';
import * as v from 'valibot';
import { z } from 'zod';
import { rejectionOf } from '../../support/events.js';
import { openTestStore } from '../../support/open-test-store.js';

const line = { sku: 'tea', count: 2 };
const schemas: [string, StandardSchemaV1<{ lines: (typeof line)[] }>][] = [
  ['Zod', z.object({ lines: z.array(z.object({ sku: z.string(), count: z.number() })) })],
  ['Valibot', v.object({ lines: v.array(v.object({ sku: v.string(), count: v.number() })) })],
  ['ArkType', type({ lines: type({ sku: 'string', count: 'number' }).array() })],
];

describe.each(schemas)('a schema of %s', (_library, schema) => {
  const events = defineEvents({ 'order.placed': schema });
  const storeThatKnows = () => openTestStore({ events: [events] });

  it('lets through what it accepts', async () => {
    const store = await storeThatKnows();

    await store.append('o', [{ type: 'order.placed', data: { lines: [line] } }]);

    expect((await store.readStream('o'))[0].data).toEqual({ lines: [line] });
  });

  it('names the path of what it refuses, and nothing of the batch is kept', async () => {
    const store = await storeThatKnows();
    const bad = { lines: [line, { sku: 'cup', count: 'many' }] };

    const error = await rejectionOf(
      store.append('o', [
        createEvent('order.placed', { lines: [] }),
        createEvent('other'),
        createEvent('order.placed', bad),
      ]),
    );

    expect(error).toMatchObject({ code: 'VALIDATION_FAILED', field: 'events[2].data.lines[1].count' });
    expect((error as Error).message).toMatch(/number/);
    expect((await store.stats()).totalEvents).toBe(0);
  });

  it('refuses bad data in create, and what create has answered is appended', async () => {
    const store = await storeThatKnows();
    expect(() => events.create('order.placed', { lines: [{}] } as never)).toThrow(/data\.lines\[0\]/);

    const event = events.create('order.placed', { lines: [line] }, { id: 'e-1', metadata: { by: 'ada' } });
    await store.append('o', event);

    expect(await store.readStream('o')).toMatchObject([{ id: 'e-1', metadata: { by: 'ada' }, schemaVersion: 1 }]);
  });
});

/** A schema that counts how often it is asked. */
function counting<Input, Output>(answer: (value: unknown) => unknown) {
  const asked: unknown[] = [];
  const validate = (value: unknown) => {
    asked.push(value);
    return answer(value) as never;
  };
  const schema: StandardSchemaV1<Input, Output> = { '~standard': { version: 1, vendor: 'test', validate } };
  return { asked, schema };
}

describe('what the schema answers is kept', () => {
  const { asked, schema } = counting<{ euros: string }, { euros: number }>((value) =>
    typeof (value as { euros: unknown }).euros === 'string'
      ? { value: { euros: Number((value as { euros: string }).euros) } }
      : { issues: [{ message: 'no text', path: [{ key: 'euros' }] }] },
  );
  const events = defineEvents({ paid: schema });

  it('and it is not asked again for what create has answered, also with other metadata', async () => {
    const store = await openTestStore({ events: [events] });
    await store.append('o', { type: 'paid', data: { euros: '3' } });
    const created = events.create('paid', { euros: '20' });
    const before = asked.length;

    await store.append('o', created);
    await store.append('o', { ...created, id: 'other', metadata: { by: 'ada' } });

    expect(asked).toHaveLength(before);
    expect((await store.readStream('o')).map(({ data }) => data)).toEqual([{ euros: 3 }, { euros: 20 }, { euros: 20 }]);
  });

  it('but for data that was changed since', async () => {
    const store = await openTestStore({ events: [events] });
    const created = events.create('paid', { euros: '20' });
    (created.data as { euros: unknown }).euros = -1;

    expect(await rejectionOf(store.append('o', created))).toMatchObject({ field: 'data.euros' });
  });

  it('and must be JSON', async () => {
    const store = await openTestStore({
      events: [defineEvents({ odd: counting(() => ({ value: new Map<string, string>() })).schema })],
    });

    expect(await rejectionOf(store.append('o', { type: 'odd', data: 1 }))).toMatchObject({ field: 'data' });
  });
});

describe('a schema that cannot be used', () => {
  it.each([
    ['answers with a promise', () => Promise.resolve({ value: 1 }), /promise/],
    ['answers with a promise that fails', () => Promise.reject(new Error('late')), /promise/],
    [
      'throws',
      () => {
        throw new Error('broken');
      },
      /its schema failed: Error: broken/,
    ],
    ['answers nothing', () => undefined, /Standard Schema/],
    ['refuses without a reason', () => ({ issues: [] }), /does not say why/],
  ])('that %s refuses the append, and nothing is kept', async (_what, answer, message) => {
    const store = await openTestStore({ events: [defineEvents({ t: counting(answer).schema })] });

    const error = await rejectionOf(store.append('o', { type: 't', data: 1 }));

    expect(error).toMatchObject({ code: 'VALIDATION_FAILED', field: 'data' });
    expect((error as Error).message).toMatch(message);
    expect((await store.stats()).totalEvents).toBe(0);
  });

  it('that says that it is asynchronous is refused when the store is made', async () => {
    const events = defineEvents({
      t: v.pipeAsync(
        v.string(),
        v.checkAsync(async () => true),
      ),
    });

    expect(await rejectionOf(openTestStore({ events: [events] }))).toMatchObject({ field: 'events["t"]' });
  });
});

describe('definitions', () => {
  it.each([
    ['that are empty', () => defineEvents({}), 'events'],
    ['of a name that is none', () => defineEvents({ '': eventType() }), 'events'],
    ['of a pattern', () => defineEvents({ 'order.*': eventType() }), 'events["order.*"]'],
    ['that are no schema', () => defineEvents({ t: {} as never }), 'events["t"]'],
    ['of version 0', () => eventType({ version: 0 }), 'version'],
    [
      'with a gap in the upcasts',
      () => eventType({ version: 3, upcasts: { 1: (data: unknown) => data } }),
      'upcasts[2]',
    ],
    [
      'with an upcast from the last version',
      () => eventType({ version: 2, upcasts: { 1: Object, 2: Object } }),
      'upcasts',
    ],
    ['with an option that there is not', () => eventType({ versions: 2 } as never), 'versions'],
  ])('%s are refused', (_what, define, field) => {
    expect(define).toThrow(expect.objectContaining({ code: 'VALIDATION_FAILED', field }));
  });

  const placed = () => defineEvents({ placed: eventType<number>() });
  it.each<[string, () => unknown, string]>([
    ['define a type twice', () => [placed(), placed()], 'events'],
    [
      'name a former name twice',
      () => [defineEvents({ a: eventType({ aliases: ['x'] }), b: eventType({ aliases: ['x'] }) })],
      'events',
    ],
    [
      'name a present type as a former one',
      () => [placed(), defineEvents({ b: eventType({ aliases: ['placed'] }) })],
      'events',
    ],
    ['name a type as its own former name', () => [defineEvents({ b: eventType({ aliases: ['b'] }) })], 'events'],
    ['are no definitions', () => [{}], 'events[0]'],
    ['are no array', () => placed(), 'events'],
  ])('that %s are refused when the store is made', async (_what, events, field) => {
    const error = await rejectionOf(openTestStore({ events: events() as never }));

    expect(error).toMatchObject({ code: 'VALIDATION_FAILED', field });
  });

  it('may be given twice, as by two modules', async () => {
    const events = placed();

    await openTestStore({ events: [events, events] });
  });

  it('name their types', () => {
    expect(placed().types).toEqual(['placed']);
    expect(() => placed().create('lost' as never, 1 as never)).toThrow(/'lost' is not one of placed/);
  });
});

describe('types that are not defined', () => {
  const events = defineEvents({ known: eventType<number>({ aliases: ['Known'] }) });

  it('are appended by default', async () => {
    const store = await openTestStore({ events: [events] });

    await store.append('o', { type: 'unknown', data: 1 });
  });

  it('are refused when unknownEvents says so', async () => {
    const store = await openTestStore({ events: [events], unknownEvents: 'refuse' });

    const error = await rejectionOf(store.append('o', [createEvent('known', 1), createEvent('unknown', 1)]));

    expect(error).toMatchObject({ code: 'VALIDATION_FAILED', field: 'events[1].type' });
  });

  it('former names are refused in any case', async () => {
    const store = await openTestStore({ events: [events] });

    const error = await rejectionOf(store.append('o', createEvent('Known', 1), { expectedRevision: NO_STREAM }));

    expect((error as Error).message).toMatch(/former name of "known"/);
  });

  it('unknownEvents is allow or refuse', async () => {
    expect(await rejectionOf(openTestStore({ unknownEvents: 'maybe' as never }))).toMatchObject({
      field: 'unknownEvents',
    });
  });
});

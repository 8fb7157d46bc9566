import { describe, expect, it } from '@jest/globals';
import type { EventStore, JsonValue, RecordedEvent } from 'nestjs-stream-store';
import { DeadLetterStore, type NewDeadLetter } from '../../../lib/consumer/dead-letters/dead-letter-store.js';
import { numbered, rejectionOf } from '../../support/events.js';
import { Machine } from '../../support/worlds/machine.js';
import type { ManualClock } from '../../support/waiting/manual-clock.js';
import { lettersIn } from '../../support/letters-in.js';

interface Setup {
  readonly machine: Machine;
  readonly store: EventStore;
  readonly clock: ManualClock;
  readonly box: DeadLetterStore;
  /** Three events of one stream. */
  readonly events: RecordedEvent[];
}

async function setUp(): Promise<Setup> {
  const machine = await Machine.start();
  const { store, clock } = machine;
  await store.append('orders', numbered(1, 3));
  return { machine, store, clock, box: machine.deadLetters, events: await store.readStream('orders') };
}

const letter = (event: RecordedEvent, more: Partial<NewDeadLetter> = {}): NewDeadLetter => ({
  subscription: 'billing',
  event,
  error: new Error(`no ${JSON.stringify(event.data)}`),
  attempts: 5,
  isParked: false,
  ...more,
});

const idsOf = async (box: DeadLetterStore, subscription?: string): Promise<string[]> =>
  (await lettersIn(box, subscription)).map(({ id }) => id);

describe('a dead letter', () => {
  it('is listed with the event as it is, the error, and when it failed', async () => {
    const { box, clock, events } = await setUp();
    clock.jump(5_000);
    await box.add(letter(events[1], { isParked: true }));

    const [listed] = await lettersIn(box, 'billing');

    expect(listed).toEqual({
      id: 'billing:2',
      subscription: 'billing',
      event: events[1],
      error: { name: 'Error', message: 'no 2', stack: expect.stringContaining('no 2') },
      attempts: 5,
      failedAt: new Date('2024-01-01T00:00:05Z'),
      isParked: true,
    });
  });

  it.each<[string, JsonValue]>([
    ['nothing', null],
    ['numbers', [-0, 1e300, 0.1, 2 ** 53]],
    ['odd names', JSON.parse('{"__proto__":{"a":1},"constructor":2,"":3,"toString":4}') as JsonValue],
    ['odd texts', ['é', '😀', '\u0000', '"\\', '</script>']],
    ['depth', JSON.parse('['.repeat(128) + ']'.repeat(128)) as JsonValue],
  ])('has data and metadata as the event had them: %s', async (_what, data) => {
    const { store, box } = await setUp();
    await store.append('odd', { type: 'odd', data, metadata: { data: data === null ? 'none' : 'some' } });
    const [event] = await store.readStream('odd');

    await box.add(letter(event));
    const [listed] = await lettersIn(box);

    expect(listed.event).toEqual(event);
  });

  it('cannot be changed by who reads it, any more than the event itself', async () => {
    const { store, box } = await setUp();
    await store.append('nested', { type: 'nested', data: { a: [1] }, metadata: { b: { c: 1 } }, timestamp: 5 });
    await box.add(letter((await store.readStream('nested'))[0]));
    const [{ event }] = await lettersIn(box);

    expect(Object.isFrozen(event)).toBe(true);
    expect(() => (event.data as { a: number[] }).a.push(2)).toThrow(TypeError);
    expect(() => event.timestamp.setTime(0)).toThrow(TypeError);
    expect(() => ((event.metadata as { b: { c: number } }).b.c = 2)).toThrow(TypeError);
    expect(event.timestamp.getTime()).toBe(5);
  });

  it('of what was thrown and is no error has its text', async () => {
    const { box, events } = await setUp();
    await box.add(letter(events[0], { error: { code: 7 } }));
    await box.add(letter(events[1], { error: undefined }));
    await box.add(letter(events[2], { error: 'half a pair: \ud800' }));

    expect((await lettersIn(box)).map(({ error }) => error)).toEqual([
      { name: 'Error', message: '{ code: 7 }' },
      { name: 'Error', message: 'undefined' },
      { name: 'Error', message: expect.stringContaining('half a pair') },
    ]);
  });

  it('that is added twice is one, with what was said last', async () => {
    const { box, events } = await setUp();
    await box.add(letter(events[0], { attempts: 1 }));
    await box.add(letter(events[1]));
    await box.add(letter(events[0], { attempts: 2, error: new Error('again') }));

    const letters = await lettersIn(box, 'billing');

    expect(letters.map(({ id }) => id).sort()).toEqual(['billing:1', 'billing:2']);
    expect(letters.find(({ id }) => id === 'billing:1')).toMatchObject({ attempts: 2, error: { message: 'again' } });
  });

  it('that failed again has one attempt more, and the new error', async () => {
    const { box, clock, events } = await setUp();
    await box.add(letter(events[0]));
    const [before] = await lettersIn(box);
    clock.jump(1_000);

    await box.failedAgain(before, new TypeError('still no'));
    await box.failedAgain(before, new TypeError('still not'));

    expect(await lettersIn(box)).toEqual([
      { ...before, attempts: 7, error: { name: 'TypeError', message: 'still not', stack: expect.any(String) } },
    ]);
  });

  it.each(['handled', 'discarded'] as const)('that was %s is gone, and may be delivered again', async (how) => {
    const { box, events } = await setUp();
    await box.add(letter(events[0]));
    await box.add(letter(events[1]));
    const [first] = await lettersIn(box);

    await box[how](first);
    expect(await idsOf(box)).toEqual(['billing:2']);
    await box[how](first);
    await box.failedAgain(first, new Error('too late'));
    expect(await idsOf(box)).toEqual(['billing:2']);
    await box.add(letter(events[0]));

    expect((await idsOf(box)).sort()).toEqual(['billing:1', 'billing:2']);
  });
});

describe('the list of dead letters', () => {
  it('is empty as long as there are none', async () => {
    const { box } = await setUp();

    expect([await lettersIn(box), await lettersIn(box, 'billing')]).toEqual([[], []]);
  });

  it('of one handler has nothing of another, whatever their names have in common', async () => {
    const { box, events } = await setUp();
    const names = ['billing', 'billing-2', 'bill', '*', '$billing', '__proto__', 'é', 'b:1'];
    for (const subscription of names) await box.add(letter(events[0], { subscription }));

    for (const name of names) expect(await idsOf(box, name)).toEqual([`${name}:1`]);
    expect((await idsOf(box)).sort()).toEqual(names.map((name) => `${name}:1`).sort());
    expect(await lettersIn(box, 'toString')).toEqual([]);
  });

  it('has the oldest first, across handlers', async () => {
    const { box, clock, events } = await setUp();
    await box.add(letter(events[2], { subscription: 'b' }));
    clock.jump(1);
    await box.add(letter(events[0], { subscription: 'a' }));
    clock.jump(1);
    await box.add(letter(events[1], { subscription: 'b' }));

    expect(await idsOf(box)).toEqual(['b:3', 'a:1', 'b:2']);
  });

  it('is the same for another box on the same store, also for one that comes later', async () => {
    const { store, box, events } = await setUp();
    const beside = new DeadLetterStore(store);
    await box.add(letter(events[0]));
    expect(await idsOf(beside)).toEqual(['billing:1']);
    await beside.discarded((await lettersIn(beside))[0]);
    await box.add(letter(events[1]));

    const later = new DeadLetterStore(store);

    const lists = await Promise.all([box, beside, later].map((each) => lettersIn(each)));
    expect(lists.map((letters) => letters.map(({ id }) => id))).toEqual(Array(3).fill(['billing:2']));
    expect(lists[2]).toEqual(lists[0]);
  });

  it('can be asked for by many at a time', async () => {
    const { box, events } = await setUp();
    await Promise.all(events.map((event) => box.add(letter(event))));

    const lists = await Promise.all(Array.from({ length: 20 }, () => idsOf(box)));

    for (const ids of lists) expect(ids.sort()).toEqual(['billing:1', 'billing:2', 'billing:3']);
  });

  it('is not changed by who got it', async () => {
    const { box, events } = await setUp();
    await box.add(letter(events[0]));

    (await lettersIn(box, 'billing')).length = 0;

    expect(await idsOf(box, 'billing')).toEqual(['billing:1']);
  });

  it('reads on from where the last call came, and not everything again', async () => {
    const { machine, box, events } = await setUp();
    const read: number[] = [];
    machine.around = (verb, ask, request) => {
      const { streamId, after } = (request ?? {}) as { streamId?: string; after: number };
      if (verb === 'readStream' && streamId?.startsWith('$')) read.push(after);
      return ask();
    };
    for (const event of events) {
      await box.add(letter(event));
      await box.counts();
    }

    expect(read).toEqual([0, 1, 2]);
  });

  it('that cannot be read says why, and works when it can', async () => {
    const { machine, box, events } = await setUp();
    await box.add(letter(events[0]));

    machine.around = (verb, ask) => {
      if (verb === 'readStream') throw new Error('disk on fire');
      return ask();
    };
    expect(await rejectionOf(lettersIn(box))).toEqual(new Error('disk on fire'));
    machine.around = (_verb, ask) => ask();

    expect(await idsOf(box)).toEqual(['billing:1']);
  });
});

it('the streams of dead letters are nobody else’s: not listed, not among all, not to be appended to', async () => {
  const { store, box, events } = await setUp();
  await box.add(letter(events[0]));

  expect((await store.getStreams()).map(({ streamId }) => streamId)).toEqual(['orders']);
  expect((await store.readAll()).events).toHaveLength(3);
  expect(await rejectionOf(store.append('$dead-letters-billing', { type: 'forged' }))).toMatchObject({
    code: 'VALIDATION_FAILED',
  });
  // They show to those who ask for them.
  expect((await store.readStream('$dead-letters-billing')).map(({ type }) => type)).toEqual(['dead-letter.added']);
});

it('a dead letter is kept also when the store is full', async () => {
  const { store, deadLetters: box } = await Machine.start({ maxEventsPerStream: 1, maxStreams: 1 });
  await store.append('orders', numbered(1, 1));
  const [event] = await store.readStream('orders');

  for (let time = 0; time < 3; time++) await box.add(letter(event));

  expect(await idsOf(box)).toEqual(['billing:1']);
});

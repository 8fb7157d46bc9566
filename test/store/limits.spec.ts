import { describe, expect, it } from '@jest/globals';
import { StreamLimitReachedError } from 'nestjs-stream-store';
import { dataOf, eventCount, numbered, rejectionOf } from '../support/events.js';
import { ManualClock } from '../support/waiting/manual-clock.js';
import { openTestStore } from '../support/open-test-store.js';
import { RecordingLogger } from '../support/recorders.js';

describe('maxEventsPerStream', () => {
  it('lets a batch through that fills the stream exactly', async () => {
    const store = await openTestStore({ maxEventsPerStream: 5 });
    await store.append('orders', numbered(1, 2));

    expect(await store.append('orders', numbered(3, 5))).toMatchObject({ revision: 5 });
  });

  it('refuses a batch that is one event too large, and keeps none of it', async () => {
    const store = await openTestStore({ maxEventsPerStream: 5 });
    await store.append('orders', numbered(1, 2));

    const error = await rejectionOf(store.append('orders', numbered(3, 6)));

    expect(error).toBeInstanceOf(StreamLimitReachedError);
    expect(error).toMatchObject({
      code: 'STREAM_LIMIT_REACHED',
      limit: 'maxEventsPerStream',
      maximum: 5,
      streamId: 'orders',
    });
    expect((error as Error).message).toContain('maxEventsPerStream');
    expect(await eventCount(store)).toBe(2);
    expect(await store.append('orders', numbered(3, 5))).toMatchObject({ firstPosition: 3, revision: 5 });
  });

  it('refuses a first batch that is too large, and makes no stream', async () => {
    const store = await openTestStore({ maxEventsPerStream: 5 });

    await expect(store.append('orders', numbered(1, 6))).rejects.toMatchObject({ limit: 'maxEventsPerStream' });

    expect(await store.getStreams()).toEqual([]);
    await expect(store.getStreamInfo('orders')).rejects.toMatchObject({ code: 'STREAM_NOT_FOUND' });
  });

  it('holds for each stream by itself', async () => {
    const store = await openTestStore({ maxEventsPerStream: 2 });
    await store.append('a', numbered(1, 2));

    expect(await store.append('b', numbered(1, 2))).toMatchObject({ revision: 2 });
    await expect(store.append('a', numbered(3, 3))).rejects.toBeInstanceOf(StreamLimitReachedError);
  });

  it('lets an empty batch through in a full stream', async () => {
    const store = await openTestStore({ maxEventsPerStream: 2 });
    await store.append('a', numbered(1, 2));

    expect(await store.append('a', [])).toMatchObject({ revision: 2, count: 0 });
  });

  it('holds when appends run at the same time', async () => {
    const store = await openTestStore({ maxEventsPerStream: 10 });

    const outcomes = await Promise.allSettled(Array.from({ length: 30 }, () => store.append('a', { type: 't' })));

    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(10);
    expect(await eventCount(store)).toBe(10);
  });

  it('counts what is kept, so that what retention hid makes room at once', async () => {
    const clock = new ManualClock();
    const store = await openTestStore({ clock, maxEventsPerStream: 3, retentionDuration: '1m' });
    await store.append('a', numbered(1, 3));
    clock.jump(60_001);

    const result = await store.append('a', numbered(4, 6));

    expect(result).toMatchObject({ firstPosition: 4, revision: 6 });
    await expect(store.append('a', numbered(7, 7))).rejects.toBeInstanceOf(StreamLimitReachedError);
  });

  it('is 100 000 unless it is set', async () => {
    const store = await openTestStore();
    await store.append('a', numbered(1, 50_000));

    await expect(store.append('a', numbered(1, 50_001))).rejects.toMatchObject({ maximum: 100_000 });
    expect(await store.append('a', numbered(1, 50_000))).toMatchObject({ revision: 100_000 });
  });

  it('of 0 means no limit', async () => {
    const store = await openTestStore({ maxEventsPerStream: 0 });
    await store.append('a', numbered(1, 60_000));

    expect(await store.append('a', numbered(1, 60_000))).toMatchObject({ revision: 120_000 });
  });
});

describe('maxStreams', () => {
  it('lets streams come up to the limit, and refuses the next with nothing kept', async () => {
    const store = await openTestStore({ maxStreams: 2 });
    await store.append('a', numbered(1, 1));
    await store.append('b', numbered(2, 2));

    const error = await rejectionOf(store.append('c', numbered(3, 3)));

    expect(error).toBeInstanceOf(StreamLimitReachedError);
    expect(error).toMatchObject({ code: 'STREAM_LIMIT_REACHED', limit: 'maxStreams', maximum: 2, streamId: 'c' });
    expect((error as Error).message).toContain('maxStreams');
    expect(await eventCount(store)).toBe(2);
    await expect(store.getStreamInfo('c')).rejects.toMatchObject({ code: 'STREAM_NOT_FOUND' });
  });

  it('never writes to another stream instead', async () => {
    const store = await openTestStore({ maxStreams: 2 });
    await store.append('a', numbered(1, 1));
    await store.append('b', numbered(2, 2));
    for (let n = 0; n < 50; n++) await rejectionOf(store.append(`more-${n}`, numbered(9, 9)));

    expect(dataOf(await store.readStream('a'))).toEqual([1]);
    expect(dataOf(await store.readStream('b'))).toEqual([2]);
  });

  it('lets the streams that are there go on', async () => {
    const store = await openTestStore({ maxStreams: 1 });
    await store.append('a', numbered(1, 1));
    await rejectionOf(store.append('b', numbered(2, 2)));

    expect(await store.append('a', numbered(2, 2))).toMatchObject({ revision: 2 });
  });

  it('counts only streams that hold events, and an emptied one that comes back', async () => {
    const clock = new ManualClock();
    const store = await openTestStore({ clock, maxStreams: 1, retentionDuration: '1m' });
    await store.append('a', numbered(1, 1));
    clock.jump(60_001);

    expect(await store.append('b', numbered(1, 1))).toMatchObject({ revision: 1 });
    await expect(store.append('a', numbered(2, 2))).rejects.toMatchObject({ limit: 'maxStreams' });
    clock.jump(60_001);
    await store.sweep();
    expect(await store.append('a', numbered(2, 2))).toMatchObject({ revision: 2 });
  });

  it('does not count an empty batch or a refused append as a stream', async () => {
    const store = await openTestStore({ maxStreams: 1 });
    await store.append('a', []);
    await rejectionOf(store.append('b', numbered(1, 1), { expectedRevision: 5 }));

    expect(await store.append('c', numbered(1, 1))).toMatchObject({ revision: 1 });
  });

  it('holds when streams are made at the same time', async () => {
    const store = await openTestStore({ maxStreams: 10 });

    const outcomes = await Promise.allSettled(
      Array.from({ length: 30 }, (_, n) => store.append(`s${n}`, { type: 't' })),
    );

    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(10);
    expect(await store.getStreams()).toHaveLength(10);
  });

  it('is 10 000 unless it is set', async () => {
    const store = await openTestStore();
    for (let n = 0; n < 10_000; n++) await store.append(`s${n}`, { type: 't' });

    await expect(store.append('one more', { type: 't' })).rejects.toMatchObject({
      limit: 'maxStreams',
      maximum: 10_000,
    });
  });

  it('of 0 means no limit', async () => {
    const store = await openTestStore({ maxStreams: 0 });
    for (let n = 0; n < 10_001; n++) await store.append(`s${n}`, { type: 't' });

    expect((await store.stats()).totalStreams).toBe(10_001);
  });
});

describe('the order of the checks', () => {
  it('tells a conflict first, as a full stream may be full because of it', async () => {
    const store = await openTestStore({ maxEventsPerStream: 1 });
    await store.append('a', numbered(1, 1));

    const append = store.append('a', numbered(2, 2), { expectedRevision: 0 });

    await expect(append).rejects.toMatchObject({ code: 'WRONG_EXPECTED_REVISION' });
  });
});

describe('a limit that is nearly used up', () => {
  it('of events is one warning, which says which, how many, and what to do', async () => {
    const logger = new RecordingLogger();
    const store = await openTestStore({ maxEventsPerStream: 10, logger });
    await store.append('orders', numbered(1, 7));
    expect(logger.warnings).toEqual([]);

    await store.append('orders', numbered(8, 8));
    await store.append('orders', numbered(9, 10));
    await store.append('others', numbered(1, 9));

    expect(logger.warnings).toEqual([
      'Store "memory-store" is near a limit: stream "orders" holds 8 events, and maxEventsPerStream is 10. What goes over ' +
        'it is refused: raise maxEventsPerStream, set it to 0 for no limit, or set a retentionDuration.',
    ]);
  });

  it('of streams is one warning', async () => {
    const logger = new RecordingLogger();
    const store = await openTestStore({ maxStreams: 5, logger });
    for (const id of ['a', 'b', 'c']) await store.append(id, { type: 'x' });
    expect(logger.warnings).toEqual([]);

    for (const id of ['d', 'e', 'e']) await store.append(id, { type: 'x' });

    expect(logger.warnings).toEqual([expect.stringContaining('it holds 4 streams, and maxStreams is 5.')]);
  });

  it('is never near when there is none', async () => {
    const logger = new RecordingLogger();
    const store = await openTestStore({ maxEventsPerStream: 0, maxStreams: 0, logger });

    await store.append('orders', numbered(1, 1_000));

    expect(logger.warnings).toEqual([]);
  });
});

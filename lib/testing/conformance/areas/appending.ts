import assert from 'node:assert/strict';
import { ANY, NO_STREAM } from '../../../store/values/expected-revision.js';
import { area } from '../conformance-case.js';
import { dataOf, idsOf, numbered, numbers, positionsOf } from '../event-drafts.js';

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

export const appending = area('appending', (it) => {
  it('counts positions from 1', async (log) => {
    const answer = await log.append('s', { data: 1 });
    assert.equal(answer.firstPosition, 1);
    assert.deepEqual(positionsOf(await log.stream('s')), [1]);
  });

  it('goes on counting from one append to the next', async (log) => {
    await log.append('s', numbered(1, 3));
    assert.equal((await log.append('s', { data: 4 })).firstPosition, 4);
    assert.equal((await log.append('s', numbered(5, 6))).firstPosition, 5);
    assert.deepEqual(positionsOf(await log.stream('s')), numbers(1, 6));
  });

  it('counts each stream by itself', async (log) => {
    await log.append('a', numbered(1, 3));
    assert.equal((await log.append('b', { data: 1 })).firstPosition, 1);
    assert.equal((await log.append('a', { data: 4 })).firstPosition, 4);
  });

  it('answers with the global position of the batch’s last event', async (log) => {
    const first = await log.append('a', { data: 1 });
    const second = await log.append('b', numbered(1, 3));
    const events = await log.log();
    assert.deepEqual(
      [first.globalPosition, second.globalPosition],
      [events[0].globalPosition, events[3].globalPosition],
    );
  });

  it('counts global positions from 1 or above', async (log) => {
    const { globalPosition } = await log.append('s', { data: 1 });
    assert.ok(globalPosition >= 1);
  });

  it('lets global positions rise from append to append', async (log) => {
    const answers = [];
    for (const streamId of ['a', 'b', 'a', 'c']) answers.push(await log.append(streamId, { data: 1 }));
    const given = answers.map(({ globalPosition }) => globalPosition);
    assert.deepEqual(
      given,
      [...given].sort((a, b) => a - b),
    );
    assert.equal(new Set(given).size, 4);
  });

  it('says of a first append that it is not repeated', async (log) => {
    assert.equal((await log.append('s', { id: 'e-1' }, NO_STREAM)).repeated, false);
  });

  it('keeps the id that it is given', async (log) => {
    await log.append('s', [{ id: 'first' }, { id: 'second' }]);
    assert.deepEqual(idsOf(await log.stream('s')), ['first', 'second']);
  });

  it('gives a UUID of version 7 to an event without an id', async (log) => {
    await log.append('s', numbered(1, 3));
    for (const id of idsOf(await log.stream('s'))) assert.match(id, UUID_V7);
  });

  it('gives a thousand events a thousand ids, and each reader the same', async (log) => {
    await log.append('s', numbered(1, 1_000));
    const ids = idsOf(await log.stream('s'));
    assert.equal(new Set(ids).size, 1_000);
    assert.deepEqual(idsOf(await log.log()), ids);
  });

  it('keeps given and missing ids of one batch apart', async (log) => {
    await log.append('s', [{ id: 'mine' }, {}, { id: 'also-mine' }]);
    const [first, second, third] = idsOf(await log.stream('s'));
    assert.deepEqual([first, third], ['mine', 'also-mine']);
    assert.match(second, UUID_V7);
  });

  it('stores an id again that it knows, when any revision is expected', async (log) => {
    await log.append('s', { id: 'same', data: 1 });
    assert.equal((await log.append('s', { id: 'same', data: 2 })).repeated, false);
    assert.deepEqual(dataOf(await log.stream('s')), [1, 2]);
  });

  it('keeps the timestamp that it is given', async (log) => {
    await log.append('s', [{ timestamp: 1_500_000_000_123 }, { timestamp: 5 }]);
    const times = (await log.stream('s')).map(({ timestamp }) => timestamp.getTime());
    assert.deepEqual(times, [1_500_000_000_123, 5]);
  });

  it('keeps times before 1970, and the first and the last that a Date can hold', async (log) => {
    const times = [-1, -62_198_755_200_000, 0, -8.64e15, 8.64e15];
    for (const timestamp of times) await log.append('s', { timestamp });
    const kept = (await log.stream('s')).map(({ timestamp }) => timestamp.getTime());
    assert.deepEqual(kept, times);
  });

  it('takes the time of the append for an event without a timestamp', async (log) => {
    await log.append('s', {});
    const [{ timestamp, recordedAt }] = await log.stream('s');
    assert.equal(timestamp.getTime(), recordedAt.getTime());
  });

  it('records the time of the append, whenever the event happened', async (log) => {
    const before = log.clock.now();
    await log.append('s', { timestamp: 5 });
    const [{ recordedAt }] = await log.stream('s');
    assert.ok(Math.abs(recordedAt.getTime() - before) < 60_000, `recorded at ${recordedAt.toISOString()}`);
  });

  it('never records an event as earlier than the one before, although the clock goes back', async (log) => {
    await log.append('a', { data: 1 });
    log.clock.adjust(-3_600_000);
    await log.append('b', { data: 2 });
    await log.append('a', { data: 3 });
    const times = (await log.log()).map(({ recordedAt }) => recordedAt.getTime());
    assert.ok(times[0] <= times[1] && times[1] <= times[2], String(times));
  });

  it('takes the time of the append for an event without a timestamp, also when it was recorded as later', async (log) => {
    await log.append('a', { data: 1 });
    const later = log.clock.now() + 3_600_000;
    await log.append('a', { data: 2 }, ANY, later);
    const before = log.clock.now();
    await log.append('b', { data: 3 });
    const [{ timestamp, recordedAt }] = await log.stream('b');
    assert.ok(recordedAt.getTime() >= later, `recorded at ${recordedAt.toISOString()}`);
    assert.ok(Math.abs(timestamp.getTime() - before) < 60_000, `happened at ${timestamp.toISOString()}`);
  });

  it('records nothing as what has expired already', async (log) => {
    await log.append('a', { data: 1 });
    const recordedSince = log.clock.now() + 3_600_000;
    await log.append('a', { data: 2 }, ANY, recordedSince);
    assert.deepEqual(dataOf(await log.stream('a', { recordedSince })), [2]);
  });

  it('records a later append as later', async (log) => {
    await log.append('s', { data: 1 });
    await log.later();
    await log.append('s', { data: 2 });
    const [first, second] = await log.stream('s');
    assert.ok(first.recordedAt < second.recordedAt);
  });

  it('takes no text for metadata as no metadata', async (log) => {
    await log.append('s', {});
    assert.deepEqual((await log.stream('s'))[0].metadata, {});
  });

  it('keeps metadata', async (log) => {
    const metadata = { user: 'ann', nested: { list: [1, null, 'x'] } };
    await log.append('s', { metadata });
    assert.deepEqual((await log.stream('s'))[0].metadata, metadata);
  });

  it('is not changed by what the caller does with the batch afterwards', async (log) => {
    const events = [{ id: 'e', type: 'kept', data: '1', metadata: '', timestamp: 7 }];
    const request = { streamId: 's', events, expectedRevision: 'any', recordedSince: -Infinity } as const;
    const answer = await log.engine.append(request);
    log.acknowledged.add('s', [{ ...events[0] }], answer);
    Object.assign(events[0], { type: 'changed', data: '2' });
    events.length = 0;
    const [event] = await log.stream('s');
    assert.deepEqual([event.type, event.data], ['kept', 1]);
  });

  it('shows an event to whoever reads after the append was answered', async (log) => {
    for (let n = 1; n <= 20; n++) {
      await log.append('s', { data: n });
      assert.equal((await log.streamPage('s', { after: n - 1 })).revision, n);
      assert.deepEqual(dataOf(await log.log({ direction: 'backward', limit: 1 })), [n]);
    }
  });

  it('gives fifty appends to one stream that come together a place each', async (log) => {
    const answers = await Promise.all(numbers(1, 50).map((n) => log.append('s', { data: n })));
    const places = answers.map(({ firstPosition }) => firstPosition).sort((a, b) => a - b);
    assert.deepEqual(places, numbers(1, 50));
    const events = await log.stream('s');
    for (const [index, { firstPosition }] of answers.entries()) {
      assert.equal(events[firstPosition - 1].data, index + 1);
    }
  });

  it('takes fifty appends to fifty streams that come together', async (log) => {
    await Promise.all(numbers(1, 50).map((n) => log.append(`s-${n}`, numbered(1, 3))));
    assert.equal((await log.log()).length, 150);
  });
});

export const batches = area('batches', (it) => {
  it('are kept in their order', async (log) => {
    await log.append('s', numbered(1, 100));
    assert.deepEqual(dataOf(await log.stream('s')), numbers(1, 100));
    assert.deepEqual(dataOf(await log.log()), numbers(1, 100));
  });

  it('may be long', async (log) => {
    const { firstPosition } = await log.append('s', numbered(1, 5_000));
    assert.equal(firstPosition, 1);
    assert.deepEqual(dataOf(await log.stream('s')), numbers(1, 5_000));
  });

  it('may be large', async (log) => {
    const text = 'x'.repeat(100_000);
    await log.append('s', numbered(1, 20, { metadata: { text } }));
    assert.equal((await log.stream('s')).length, 20);
  });

  it('may be empty: an empty one on a new stream answers and makes no stream', async (log) => {
    const { firstPosition, globalPosition, repeated } = await log.append('s', []);
    assert.deepEqual([firstPosition, globalPosition, repeated], [1, 0, false]);
    assert.equal((await log.streamPage('s')).revision, 0);
    assert.deepEqual(await log.streams({ streamId: 's' }), []);
  });

  it('may be empty: an empty one answers where the next event would come, and changes nothing', async (log) => {
    await log.append('s', numbered(1, 3));
    const { globalPosition: head } = await log.append('other', { data: 1 });
    const answer = await log.append('s', []);
    assert.deepEqual([answer.firstPosition, answer.globalPosition, answer.repeated], [4, head, false]);
    assert.equal((await log.append('s', { data: 4 })).firstPosition, 4);
  });

  it('are never read in part while they are written', async (log) => {
    const SIZE = 20;
    let isWriting = true;
    const writing = Promise.all(
      ['a', 'b'].map(async (streamId) => {
        for (let n = 0; n < 15; n++) await log.append(streamId, numbered(1, SIZE));
      }),
    ).finally(() => (isWriting = false));
    let looks = 0;
    while (isWriting || looks === 0) {
      looks++;
      assert.equal((await log.streamPage('a', { limit: 1 })).revision % SIZE, 0, 'the revision while writing');
      assert.equal((await log.stream('a')).length % SIZE, 0, 'the stream while writing');
      assert.equal((await log.log()).length % SIZE, 0, 'the log while writing');
      assert.equal((await log.usage()).events % SIZE, 0, 'the usage while writing');
      await new Promise((resolve) => setImmediate(resolve));
    }
    await writing;
  });

  it('that come together lie one behind the other in their stream', async (log) => {
    await Promise.all(numbers(1, 10).map((batch) => log.append('s', numbered(1, 5, { metadata: { batch } }))));
    const events = await log.stream('s');
    for (let first = 0; first < 50; first += 5) {
      const batch = events.slice(first, first + 5);
      assert.deepEqual(dataOf(batch), numbers(1, 5));
      assert.equal(new Set(batch.map(({ metadata }) => metadata.batch)).size, 1);
    }
  });

  it('that are refused leave nothing, also not for those that come at the same time', async (log) => {
    const outcomes = await Promise.allSettled(
      numbers(1, 20).map((n) => log.append('s', numbered(1, 3), n % 2 === 0 ? 99 : 'any')),
    );
    assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 10);
    assert.equal((await log.stream('s')).length, 30);
  });
});

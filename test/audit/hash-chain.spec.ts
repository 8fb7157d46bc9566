import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import {
  EventStore,
  EventStoreModule,
  memoryEngine,
  type JsonValue,
  type RecordedEvent,
  StorageCorruptedError,
  StorageUnavailableError,
  type StorageEngine,
} from 'nestjs-stream-store';
import { AuditTrail, AuditTrailModule, type AuditRecord, type AuditTrailOptions } from 'nestjs-stream-store/audit';
import { ManualClock } from 'nestjs-stream-store/testing';
import { canonicalJson } from '../../lib/audit/canonical-json.js';
import { linkIn, linkOf, metadataWith } from '../../lib/audit/hash-chain.js';
import { aroundEngine, ENGINES } from '../support/engines/around-engine.js';
import { rejectionOf } from '../support/events.js';
import { startApp } from '../support/servers/nest-app.js';

const STREAM = 'audit-2024-01-01';
const at = new Date('2024-01-01T12:00:00Z');

const record = (actor: JsonValue): AuditRecord => ({
  actor,
  action: 'orders.refund',
  handler: 'OrdersController.refund',
  transport: 'http',
  outcome: 'success',
  durationMs: 1.5,
  correlationId: 'c-1',
});

/** What somebody with access to the disk does to the records of the stream, when they are read. */
type Tamper = (records: RecordedEvent[]) => RecordedEvent[];

async function chained(engine: StorageEngine = memoryEngine(), options: AuditTrailOptions = {}) {
  let tamper: Tamper | undefined;
  const tampered: StorageEngine = {
    ...aroundEngine((_verb, ask) => ask(), engine),
    async readStream(request) {
      if (!tamper) return engine.readStream(request);
      const all = await engine.readStream({ ...request, after: 0, limit: Infinity, direction: 'forward' });
      const events = tamper([...all.events]).filter(({ position }) => position > request.after);
      return { ...all, events: events.slice(0, request.limit), isEnd: events.length <= request.limit };
    },
  };
  const app = await startApp({
    imports: [
      EventStoreModule.forRoot({ engine: tampered, clock: new ManualClock(at.getTime()) }),
      AuditTrailModule.register({ hashChain: true, ...options }),
    ],
  });
  const trail = app.get(AuditTrail);
  const write = async (...actors: JsonValue[]) => {
    for (const actor of actors) await trail.record(record(actor), at);
  };
  return { trail, store: app.get(EventStore), write, tamperWith: (how: Tamper) => void (tamper = how) };
}

describe('the hash chain', () => {
  it('holds, in the metadata of each record, the hash of the one before', async () => {
    const { write, store } = await chained();
    await write('ada', 'bob');

    const [first, second] = await store.readStream(STREAM);
    const links = [first, second].map(({ metadata }) => metadata.$audit as { previousHash: string; hash: string });
    expect(links).toEqual([
      { position: 1, previousHash: '0'.repeat(64), hash: expect.stringMatching(/^[\da-f]{64}$/) },
      { position: 2, previousHash: links[0].hash, hash: expect.stringMatching(/^[\da-f]{64}$/) },
    ]);
    // By hand, as docs/audit.md says.
    const { id, type, timestamp, data } = second;
    const text = `{"data":${canonicalJson(data)},"id":"${id}","position":2,"previousHash":"${links[0].hash}","streamId":"${STREAM}","timestamp":"${timestamp.toISOString()}","type":"${type}"}`;
    expect(links[1].hash).toBe(createHash('sha256').update(text).digest('hex'));
  });

  it('is intact as it was written, whatever the records hold', async () => {
    const { trail, write } = await chained();
    await write('ada', null, { b: [1, -0, 1e21, 'é\u2028"'], a: { z: 0.1, y: undefined } }, ['x'], 5);

    expect(await trail.verify()).toEqual({
      isIntact: true,
      verified: 5,
      unchained: 0,
      problem: undefined,
      heads: [{ streamId: STREAM, position: 5, hash: expect.any(String) }],
    });
  });

  it.each(ENGINES)('is kept in order by many calls at a time on %s', async (_kind, createEngine) => {
    const { trail } = await chained(createEngine());
    await Promise.all(Array.from({ length: 150 }, (_, number) => trail.record(record(number), at)));

    expect(await trail.verify()).toMatchObject({ isIntact: true, verified: 150 });
  });

  it('is kept in order by several instances that append at the same time', async () => {
    const engine = memoryEngine();
    let isOpen = false;
    const shared = () =>
      aroundEngine(async (verb, ask) => {
        if (verb === 'close' || (verb === 'open' && isOpen)) return;
        if (verb === 'open') isOpen = true;
        // Others get their turn between any two calls.
        await new Promise((resolve) => setImmediate(resolve));
        return ask();
      }, engine);
    const instances = await Promise.all([chained(shared()), chained(shared()), chained(shared())]);
    await Promise.all(
      instances.map(async ({ trail }, instance) => {
        for (let round = 0; round < 20; round++) {
          await Promise.all([0, 1, 2].map((number) => trail.record(record([instance, round, number]), at)));
        }
      }),
    );

    expect(await instances[0].trail.verify()).toMatchObject({ isIntact: true, verified: 180 });
  });

  it('goes on after a restart, and separately in each stream', async () => {
    const engine = memoryEngine();
    const first = await chained(engine);
    await first.write('ada', 'bob');
    await first.store.close();
    const second = await chained(engine);
    await second.write('eve');
    await second.trail.record(record('ada'), new Date('2024-01-02T00:00:00Z'));

    expect(await second.trail.verify()).toMatchObject({
      isIntact: true,
      verified: 4,
      heads: [
        { streamId: STREAM, position: 3 },
        { streamId: 'audit-2024-01-02', position: 1 },
      ],
    });
  });

  it('begins each stream with the hash of the last record of the stream before', async () => {
    const { trail, store } = await chained();
    for (const day of ['2024-01-01', '2024-01-01', '2024-01-02', '2024-01-04']) {
      await trail.record(record('ada'), new Date(`${day}T12:00:00Z`));
    }
    const linksOf = async (day: string) => (await store.readStream(`audit-${day}`)).map((event) => linkIn(event)!);
    const [[first, second], [third], [fourth]] = await Promise.all(
      ['2024-01-01', '2024-01-02', '2024-01-04'].map(linksOf),
    );

    expect(first).toEqual({ position: 1, previousHash: '0'.repeat(64), hash: first.hash });
    const previousAt = '2024-01-01T12:00:00.000Z';
    expect(third).toEqual({
      ...{ position: 1, previousHash: second.hash, previousStream: { streamId: STREAM, position: 2 }, previousAt },
      hash: expect.any(String),
    });
    expect(fourth).toMatchObject({
      previousHash: third.hash,
      previousStream: { streamId: 'audit-2024-01-02', position: 1 },
    });
    // By hand, as docs/audit.md says.
    const [{ id, type, timestamp, data, streamId }] = await store.readStream('audit-2024-01-02');
    const text = canonicalJson({
      ...{
        data,
        id,
        position: 1,
        previousHash: second.hash,
        previousStream: third.previousStream as never,
        previousAt,
      },
      ...{ streamId, timestamp: timestamp.toISOString(), type },
    });
    expect(third.hash).toBe(createHash('sha256').update(text).digest('hex'));
    expect(await trail.verify()).toMatchObject({ isIntact: true, verified: 4 });
  });

  it('ties streams together that the application names, after a restart too', async () => {
    const engine = memoryEngine();
    let name = 'a-trail';
    const start = () => chained(engine, { stream: () => name });
    const before = await start();
    await before.write('ada', 'bob');
    await before.store.close();
    const { trail, write, store } = await start();
    name = 'the-next';
    await write('cleo');
    const [, second] = await store.readStream('a-trail');

    expect(linkIn((await store.readStream('the-next'))[0])).toMatchObject({
      previousHash: linkIn(second)!.hash,
      previousStream: { streamId: 'a-trail', position: 2 },
    });
    expect(await trail.verify()).toMatchObject({
      isIntact: true,
      verified: 3,
      heads: [{ streamId: 'a-trail', position: 2, recordedAt: '2024-01-01T12:00:00.000Z' }, { streamId: 'the-next' }],
    });
  });

  it('holds as it was written before streams were tied together, and goes on from there', async () => {
    const { trail, store, write } = await chained();
    for (const streamId of [STREAM, 'audit-2024-01-02']) {
      let previousHash = '0'.repeat(64);
      for (const position of [1, 2]) {
        const event = { streamId, id: `${streamId}.${position}`, type: 'audit.recorded', timestamp: at };
        const data = { ...record('old') } as never;
        const link = linkOf({ ...event, data }, position, previousHash);
        await store.append(streamId, { ...event, data, metadata: metadataWith(link) });
        previousHash = link.hash;
      }
    }
    await write('ada');
    await trail.record(record('ada'), new Date('2024-01-03T00:00:00Z'));

    const { heads, ...verified } = await trail.verify();
    expect(verified).toEqual({ isIntact: true, verified: 6, unchained: 0, problem: undefined });
    expect(await trail.verify({ heads })).toMatchObject({ isIntact: true });
  });

  it('keeps the records that wait when the store refuses one of them', async () => {
    const engine = memoryEngine();
    const refusing: StorageEngine = {
      ...aroundEngine((_verb, ask) => ask(), engine),
      append(request) {
        if (request.events.some(({ data }) => data.includes('poison'))) throw new Error('no');
        return engine.append(request);
      },
    };
    const { trail } = await chained(refusing);
    const all = await Promise.allSettled(['a', 'b', 'poison', 'c'].map((actor) => trail.record(record(actor), at)));

    expect(all.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
    expect(await trail.verify()).toMatchObject({ isIntact: true, verified: 3 });
  });

  it('keeps the records that wait when one of them cannot be kept', async () => {
    const { trail } = await chained();
    const all = await Promise.allSettled([
      trail.record(record('ada'), at),
      trail.record(record(5n as never), at),
      trail.record(record('bob'), at),
    ]);

    expect(all.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(await trail.verify()).toMatchObject({ isIntact: true, verified: 2 });
  });
});

describe('verify names the first record that is not as it was written', () => {
  const change =
    (position: number, how: (event: RecordedEvent) => Partial<RecordedEvent>): Tamper =>
    (records) =>
      records.map((event) => (event.position === position ? { ...event, ...how(event) } : event));

  it.each<[string, Tamper, string, number]>([
    [
      'whose data was changed',
      change(3, ({ data }) => ({ data: { ...(data as object), actor: 'eve' } })),
      'altered',
      3,
    ],
    ['whose time was changed', change(2, () => ({ timestamp: new Date(0) })), 'altered', 2],
    ['whose id was changed', change(4, () => ({ id: 'another' })), 'altered', 4],
    ['whose type was changed', change(4, () => ({ type: 'another' })), 'altered', 4],
    ['whose hash was taken out', change(4, () => ({ metadata: {} })), 'altered', 4],
    [
      'whose hash was changed',
      change(1, ({ metadata }) => ({ metadata: { $audit: { ...(metadata.$audit as object), hash: 'f'.repeat(64) } } })),
      'altered',
      1,
    ],
    ['whose link is nonsense', change(2, () => ({ metadata: { $audit: 5 } })), 'altered', 2],
    ['that was taken out', (records) => records.filter(({ position }) => position !== 3), 'missing', 3],
    ['that was first', (records) => records.filter(({ position }) => position !== 1), 'missing', 1],
    [
      'that was taken out, with the positions closed up',
      (records) =>
        records.filter(({ position }) => position !== 3).map((event, index) => ({ ...event, position: index + 1 })),
      'reordered',
      3,
    ],
    [
      'that changed places with another',
      ([a, b, c, d, e]) => [a, { ...c, position: 2 }, { ...b, position: 3 }, d, e],
      'reordered',
      2,
    ],
    ['that comes out of order', ([a, b, c, d, e]) => [a, c, b, d, e], 'reordered', 2],
    ['that was last', (records) => records.slice(0, -1), 'missing', 5],
  ])('%s', async (_what, tamper, kind, position) => {
    const { trail, write, tamperWith } = await chained();
    await write('ada', 'bob', 'cleo', 'dan', 'eve');
    tamperWith(tamper);

    const { isIntact, problem, heads } = await trail.verify();

    expect([isIntact, problem?.kind, problem?.streamId, problem?.position]).toEqual([false, kind, STREAM, position]);
    expect(heads).toEqual([]);
  });

  it('that somebody else appended', async () => {
    const { trail, write, store } = await chained();
    await write('ada');
    await store.append(STREAM, { type: 'audit.recorded', data: { ...record('eve') } });

    expect(await trail.verify()).toMatchObject({ isIntact: false, problem: { kind: 'altered', position: 2 } });
  });

  it('that was made anew with a hash that fits, but not the next one', async () => {
    const { trail, write, store, tamperWith } = await chained();
    await write('ada', 'bob', 'cleo');
    const [first, second] = await store.readStream(STREAM);
    const made = { ...second, data: { ...record('eve') } } as unknown as RecordedEvent;
    const forged = { ...made, metadata: metadataWith(linkOf(made, 2, linkIn(first)!.hash!)) };
    tamperWith(([a, , c]) => [a, forged, c]);

    expect(await trail.verify()).toMatchObject({
      isIntact: false,
      problem: { kind: 'missing', position: 3, reason: expect.stringContaining('after another record') },
    });
  });

  it('although all hashes were made anew, by the heads of an earlier verification', async () => {
    const { trail, write, tamperWith } = await chained();
    await write('ada', 'bob');
    const { heads } = await trail.verify();
    const forger = await chained();
    await forger.write('ada', 'eve');
    const forged = await forger.store.readStream(STREAM);
    tamperWith(() => forged);

    expect(await trail.verify()).toMatchObject({ isIntact: true });
    expect(await trail.verify({ heads })).toMatchObject({ isIntact: false, problem: { kind: 'altered', position: 2 } });
  });

  it('although a stream was cut off without a trace, by the heads of an earlier verification', async () => {
    const { trail, write } = await chained();
    await write('ada', 'bob', 'cleo');
    const { heads } = await trail.verify();
    const cut = await chained();
    await cut.write('ada');

    expect(await cut.trail.verify({ heads })).toMatchObject({ problem: { kind: 'missing', position: 2 } });
    const emptied = await chained();
    expect(await emptied.trail.verify({ heads })).toMatchObject({ problem: { kind: 'missing', position: 1 } });
  });

  it('although all of a day have lost their hashes, by the heads and by the day after', async () => {
    const { trail, write, tamperWith } = await chained();
    await write('ada', 'mallory');
    const { heads } = await trail.verify();
    await trail.record(record('ada'), new Date('2024-01-02T12:00:00Z'));
    tamperWith((records) =>
      records.map((event) =>
        event.streamId === STREAM ? { ...event, data: record('nobody') as never, metadata: {} } : event,
      ),
    );

    for (const known of [heads, []]) {
      const problem = { kind: 'altered', streamId: STREAM, position: 2, reason: expect.stringContaining('no hash') };
      expect(await trail.verify({ heads: known })).toMatchObject({ isIntact: false, problem });
    }
  });

  it.each<[string, Tamper | undefined, string]>([
    ['could not be read any more', undefined, 'altered'],
    ['were found missing by the engine', () => damaged(new StorageCorruptedError('log', 'a gap')), 'missing'],
    ['are no JSON', () => damaged(new SyntaxError('no JSON')), 'altered'],
  ])('although records %s', async (_what, tamper, kind) => {
    const { trail, write, tamperWith } = await chained();
    await write('ada', 'bob');
    const strange = { $audit: { position: 1, previousHash: '0', hash: 'x', previousStream: 5 } };
    tamperWith(tamper ?? ((records) => records.map((event) => ({ ...event, metadata: strange }))));

    expect(await trail.verify()).toMatchObject({ isIntact: false, problem: { kind, position: 1 } });
  });

  it("throws when the storage is away, which is nobody's fault", async () => {
    const { trail, write, tamperWith } = await chained();
    await write('ada');
    tamperWith(() => damaged(new StorageUnavailableError('database', false, new Error('gone'))));

    expect(await rejectionOf(trail.verify())).toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
  });

  it('after those that were written before the chain was switched on', async () => {
    const { trail, write, store } = await chained();
    await store.append(STREAM, { type: 'audit.recorded', data: { ...record('old') } });
    await write('ada', 'bob');

    expect(await trail.verify()).toMatchObject({ isIntact: true, unchained: 1, verified: 2 });
  });

  it('and bears what retention has removed', async () => {
    const clock = new ManualClock(at.getTime());
    const app = await startApp({
      imports: [
        EventStoreModule.forRoot({ clock, retentionDuration: '1h' }),
        AuditTrailModule.register({ hashChain: true }),
      ],
    });
    const trail = app.get(AuditTrail);
    for (const actor of ['ada', 'bob', 'cleo']) {
      await trail.record(record(actor), at);
      clock.jump(30 * 60_000);
    }
    const partly = await trail.verify();
    clock.jump(3_600_000);
    const emptied = await trail.verify();
    await trail.record(record('dan'), at);
    const again = await trail.verify();

    expect(partly).toMatchObject({ isIntact: true, verified: 2, heads: [{ position: 3 }] });
    expect(emptied).toMatchObject({ isIntact: true, verified: 0 });
    expect(again).toMatchObject({ isIntact: true, verified: 1, heads: [{ position: 4 }] });
  });

  describe('where retention', () => {
    async function withRetention(options: AuditTrailOptions, retentionDuration: string) {
      const clock = new ManualClock(at.getTime());
      let hidden = 0;
      const engine = memoryEngine();
      const tampered: StorageEngine = {
        ...aroundEngine((_verb, ask) => ask(), engine),
        async readStream(request) {
          return engine.readStream({ ...request, after: Math.max(request.after, hidden) });
        },
      };
      const app = await startApp({
        imports: [
          EventStoreModule.forRoot({ engine: tampered, clock, retentionDuration }),
          AuditTrailModule.register({ hashChain: true, ...options }),
        ],
      });
      const trail = app.get(AuditTrail);
      for (let hour = 0; hour < 4; hour++) {
        await trail.record(record(hour), new Date(clock.now()));
        clock.jump(3_600_000);
      }
      return { trail, clock, hide: (upTo: number) => void (hidden = upTo) };
    }

    it.each<[string, AuditTrailOptions]>([
      ['days', {}],
      ['streams that the application names', { stream: () => 'trail' }],
    ])('cannot have removed records, as they are too young, they are missing: %s', async (_what, options) => {
      const { trail, hide } = await withRetention(options, '30d');
      hide(2);

      expect(await trail.verify()).toMatchObject({
        isIntact: false,
        problem: { kind: 'missing', position: 2, reason: expect.stringContaining('too young') },
      });
      hide(4);
      const { heads } = await withRetention(options, '30d').then(({ trail: whole }) => whole.verify());
      expect(await trail.verify({ heads })).toMatchObject({ isIntact: false, problem: { kind: 'missing' } });
    });

    it.each<[string, AuditTrailOptions]>([
      ['days', {}],
      ['streams that the application names', { stream: () => 'trail' }],
    ])('has removed them, all is well, also with heads of before: %s', async (_what, options) => {
      const { trail, clock } = await withRetention(options, '3h');
      const { heads } = await trail.verify();
      const early = heads.map((head) => ({ ...head, position: 1, hash: 'f'.repeat(64) }));

      expect(await trail.verify({ heads })).toMatchObject({ isIntact: true, verified: 3 });
      clock.jump(48 * 3_600_000);
      expect(await trail.verify({ heads })).toMatchObject({ isIntact: true, verified: 0 });
      await trail.record(record('again'), new Date(clock.now()));
      expect(await trail.verify({ heads: [...heads, ...early] })).toMatchObject({ isIntact: true, verified: 1 });
    });
  });

  it('in the streams that it is told', async () => {
    const { trail, write } = await chained();
    await write('ada');

    expect(await trail.verify({ streams: [STREAM] })).toMatchObject({ verified: 1 });
    expect(await rejectionOf(trail.verify({ days: 1 } as never))).toMatchObject({ field: 'days' });
  });

  it('and refuses where there is no chain', async () => {
    const app = await startApp({ imports: [EventStoreModule.forRoot(), AuditTrailModule.forRoot()] });

    expect(await rejectionOf(app.get(AuditTrail).verify())).toMatchObject({ field: 'AuditTrailModule.hashChain' });
  });
});

function damaged(error: Error): never {
  throw error;
}

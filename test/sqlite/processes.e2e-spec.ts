import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { type RecordedEvent, type StorageEngine, systemClock } from 'nestjs-stream-store';
import { type ChildApp, compiledApp, startChild } from '../support/processes/child-app.js';
import { type StreamOperation, whatIsNotLinear } from '../support/worlds/linearizability.js';
import { Random } from '../support/worlds/random.js';
import { RecordingLogger } from '../support/recorders.js';
import { scaled, scaledTimeLimit } from '../support/scale.js';
import { engineOn, newFile } from './sqlite-files.js';

const KILLS = scaled(100);

let app: string;

beforeAll(async () => {
  app = await compiledApp(join(import.meta.dirname, 'fixtures/database-user.ts'));
}, 60_000);

type Counted = Readonly<{ batch: string; size: number; index: number }>;

async function withEngine<T>(file: string, use: (engine: StorageEngine) => Promise<T>): Promise<T> {
  const engine = engineOn(file);
  await engine.open({
    storeName: 'test',
    clock: systemClock,
    logger: new RecordingLogger(),
    maxEventsPerStream: Infinity,
    maxStreams: Infinity,
  });
  try {
    return await use(engine);
  } finally {
    await engine.close();
  }
}

/** All events after a global position. */
function eventsAfter(file: string, after: number): Promise<RecordedEvent<Counted>[]> {
  return withEngine(file, async (engine) => {
    const events: RecordedEvent[] = [];
    for (let place = after, isEnd = false; !isEnd;) {
      const request = {
        after: place,
        limit: Infinity,
        maxBytes: Infinity,
        direction: 'forward',
        filter: undefined,
      } as const;
      const page = await engine.readAll({ ...request, recordedSince: -Infinity });
      events.push(...page.events);
      ({ globalPosition: place, isEnd } = page);
    }
    return events as RecordedEvent<Counted>[];
  });
}

/** What is wrong with the events: batches that are not whole, and acknowledged ones that are not there. */
function wrongs(events: readonly RecordedEvent<Counted>[], ...children: readonly ChildApp[]): string[] {
  const found: string[] = [];
  const batches = new Map<string, RecordedEvent<Counted>[]>();
  for (const event of events) batches.set(event.data.batch, [...(batches.get(event.data.batch) ?? []), event]);
  for (const [batch, parts] of batches) {
    const isWhole = parts.every(({ data, position }, index) => {
      return data.index === index && position === parts[0].position + index;
    });
    if (!isWhole || parts.length !== parts[0].data.size) found.push(`${batch} is not whole`);
  }
  for (const { lines } of children) {
    for (const line of lines.filter((said) => said.startsWith('kept'))) {
      const [, streamId, position, size, batch] = line.split(' ');
      const [first, ...rest] = batches.get(batch) ?? [];
      const isThere =
        first?.streamId === streamId && first.position === Number(position) && rest.length === Number(size) - 1;
      if (!isThere) found.push(`${batch} was acknowledged and is lost`);
    }
    found.push(...lines.filter((said) => said.startsWith('error')));
  }
  return found;
}

function gaps(events: readonly RecordedEvent[]): string[] {
  const positions = new Map<string, number>();
  return events.flatMap(({ streamId, position, globalPosition }, index) => {
    const expected = (positions.get(streamId) ?? 0) + 1;
    positions.set(streamId, position);
    return position === expected && globalPosition === index + 1 ? [] : [`${streamId} ${position}`];
  });
}

describe('a process that is killed', () => {
  it(
    `loses nothing that it acknowledged, ${KILLS} times in a row`,
    async () => {
      const file = newFile();
      const random = new Random(7);
      let after = 0;
      for (let kill = 1; kill <= KILLS; kill++) {
        const child = startChild(app, file, 'write', `life-${kill}`);
        await child.said(/^kept/, 1 + random.below(40));
        await turns(random.below(20));
        child.kill('SIGKILL');
        await child.ended;

        const events = await eventsAfter(file, after);
        expect([kill, wrongs(events, child)]).toEqual([kill, []]);
        after = events.at(-1)!.globalPosition;
      }
      const all = await eventsAfter(file, 0);
      expect(wrongs(all)).toEqual([]);
      expect(gaps(all)).toEqual([]);
    },
    scaledTimeLimit(240_000),
  );
});

describe('several processes on one file', () => {
  it('append side by side, and lose nothing', async () => {
    const file = newFile();
    const children = [1, 2, 3].map((n) => startChild(app, file, 'write-some', `process-${n}`, '100'));
    await Promise.all(children.map((child) => child.said('done')));

    const events = await eventsAfter(file, 0);

    expect(wrongs(events, ...children)).toEqual([]);
    expect(gaps(events)).toEqual([]);
    expect(children.map(({ lines }) => lines.filter((line) => line.startsWith('kept')).length)).toEqual([
      100, 100, 100,
    ]);
  });

  it('may be twenty that start at once when there is no file yet', async () => {
    const file = newFile();
    const children = Array.from({ length: 20 }, (_, n) => startChild(app, file, 'write-some', `process-${n}`, '2'));
    await Promise.all(children.map((child) => child.said('done')));

    const events = await eventsAfter(file, 0);

    expect(wrongs(events, ...children)).toEqual([]);
    expect(gaps(events)).toEqual([]);
    // Batches of one and of two events.
    expect(events).toHaveLength(20 * 3);
  });

  it('have one winner for each revision of a stream, in an order that fits what each of them saw', async () => {
    const file = newFile();
    const length = scaled(100);
    const children = Array.from({ length: 8 }, (_, n) => startChild(app, file, 'race', `racer-${n}`, String(length)));
    await Promise.all(children.map((child) => child.said('done')));

    const events = await eventsAfter(file, 0);
    const operations = children.flatMap(({ lines }) => lines.flatMap(operationOf));
    const won = children.flatMap(({ lines }, n) =>
      lines.flatMap(operationOf).flatMap((operation) => {
        if (operation.kind !== 'append') return [];
        const { first, last } = operation;
        return Array.from({ length: last - first + 1 }, (_, index) => [first + index, `racer-${n}`] as const);
      }),
    );

    expect(events.length).toBeGreaterThanOrEqual(length);
    expect(won.sort(([a], [b]) => a - b)).toEqual(events.map(({ position, data }) => [position, data]));
    expect(whatIsNotLinear(operations)).toBeUndefined();
  });

  it('keep out a holder that was stopped for so long that another took its lease', async () => {
    const file = newFile();
    const stale = startChild(app, file, 'lease', 'stopped');
    await stale.said('saved');
    stale.kill('SIGSTOP');
    const token = await withEngine(file, async (engine) => {
      for (;;) {
        const lease = await engine.acquireLease!({ name: 'billing', holder: 'next', durationMs: 60_000 });
        if (lease) {
          const checkpoint = { position: 1_000_000, ahead: [], attempts: [], parked: [], isRunning: true };
          await engine.saveCheckpoint('billing', checkpoint, lease);
          return lease.token;
        }
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    });

    stale.kill('SIGCONT');
    await stale.said('done');

    expect(stale.lines).toContain('refused LEASE_LOST');
    expect(token).toBe(2);
    const kept = await withEngine(file, async (engine) => engine.loadCheckpoint('billing'));
    expect(kept?.position).toBe(1_000_000);
  });
});

/** What a racer says of one call and its answer. All processes of a computer have the same monotonic clock. */
function operationOf(line: string): StreamOperation[] {
  const [what, begun, ended, ...numbers] = line.split(' ');
  if (!['won', 'refused', 'read'].includes(what)) return [];
  const times = { begun: BigInt(begun), ended: BigInt(ended) };
  const [expected, first, last] = numbers.map(Number);
  if (what === 'won') return [{ kind: 'append', ...times, expected, first, last }];
  if (what === 'refused') return [{ kind: 'look', ...times, expected, revision: first }];
  return [{ kind: 'look', ...times, revision: expected }];
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

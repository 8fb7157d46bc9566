import { cp, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { memoryEngine, NO_STREAM, openEventStore } from 'nestjs-stream-store';
import { FORMAT_VERSION } from '../../../lib/memory/snapshots/block-format.js';
import { RecordingLogger } from '../../support/recorders.js';
import { internalsOf } from '../../../lib/store/store-internals.js';

const FIXTURES = join(import.meta.dirname, 'fixtures');

/** One file of each format that was ever released, each made of the same store. Once here, a file is never written again. */
const FILES = ['format-1.bin', 'format-1-gzip.bin'];

let snapshotDirectory: string;

beforeEach(async () => {
  snapshotDirectory = await mkdtemp(join(tmpdir(), 'formats-'));
});

afterEach(async () => {
  await rm(snapshotDirectory, { recursive: true });
});

describe.each(FILES)('a snapshot file that an earlier version has written (%s)', (file) => {
  it('is read as it was meant', async () => {
    await cp(join(FIXTURES, file), join(snapshotDirectory, 'snapshot-000000000001.bin'));
    const logger = new RecordingLogger();
    const store = await openEventStore({ engine: memoryEngine({ snapshotDirectory }), logger });

    expect((await store.readAll()).events).toEqual([
      {
        id: 'first',
        type: 'order.placed',
        data: { euros: 20, lines: ['é', '\u0000', '😀'], paid: null },
        metadata: { by: 'ada' },
        timestamp: new Date('2024-01-01T00:00:00Z'),
        recordedAt: expect.any(Date),
        schemaVersion: 1,
        streamId: 'order-1',
        position: 1,
        globalPosition: 1,
      },
      {
        id: '018cc251-f400-7000-8000-000000000002',
        type: 'noted',
        data: 'x'.repeat(5_000),
        metadata: {},
        timestamp: new Date('1969-12-31T23:59:59.999Z'),
        recordedAt: expect.any(Date),
        schemaVersion: 1,
        streamId: '__proto__',
        position: 1,
        globalPosition: 2,
      },
      expect.objectContaining({ type: 'order.paid', streamId: 'order-1', position: 2, globalPosition: 3 }),
    ]);
    expect(await internalsOf(store).loadCheckpoint('billing')).toEqual({
      streamId: null,
      position: 1,
      globalPosition: 1,
      ahead: [3],
      attempts: [{ position: 2, count: 1 }],
      parked: [],
      isRunning: false,
    });
    // An append of that time, tried again, stores nothing.
    const retried = await store.append(
      'order-1',
      {
        type: 'order.placed',
        id: 'first',
        data: { euros: 20, lines: ['é', '\u0000', '😀'], paid: null },
        metadata: { by: 'ada' },
      },
      { expectedRevision: NO_STREAM },
    );
    expect(retried.globalPosition).toBe(1);
    expect((await store.append('order-1', { type: 'order.sent' })).globalPosition).toBe(4);
    await store.close();
    expect([...logger.warnings, ...logger.errors]).toEqual([]);
  });
});

it('there is a file of the format that this version writes', async () => {
  expect(await readdir(FIXTURES)).toEqual(expect.arrayContaining(FILES));
  expect(FILES).toContain(`format-${FORMAT_VERSION}.bin`);
});

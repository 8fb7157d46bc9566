import { describe, expect, it } from '@jest/globals';
import { SnapshotCorruptedError, SnapshotUnsupportedError } from 'nestjs-stream-store';
import { crc32 } from 'node:zlib';
import { BlockKind } from '../../../lib/memory/snapshots/block-format.js';
import { BlockWriter } from '../../../lib/memory/snapshots/block-writer.js';
import { readSnapshot } from '../../../lib/memory/snapshots/snapshot-reader.js';
import { numbered, rejectionOf } from '../../support/events.js';
import { Random } from '../../support/worlds/random.js';
import { RecordingCollector, RecordingLogger } from '../../support/recorders.js';
import { SCALE, scaled } from '../../support/scale.js';
import { SimulatedDisk } from './simulated-disk.js';
import { DIRECTORY, openOn, snapshotFile, visible } from './stores-on-disk.js';
import { internalsOf } from '../../../lib/store/store-internals.js';

const COMPRESSIONS = ['none', 'gzip'] as const;

interface TwoSnapshots {
  readonly disk: SimulatedDisk;
  /** What the first, the second holds. */
  readonly states: readonly [string, string];
}

/** A disk with two snapshots of a small store. */
async function twoSnapshots(compression: (typeof COMPRESSIONS)[number] = 'none'): Promise<TwoSnapshots> {
  const disk = new SimulatedDisk();
  const store = await openOn(disk, { engine: { compression } });
  const states: string[] = [];
  for (const [first, last] of [
    [1, 3],
    [4, 6],
  ]) {
    await store.append('orders', numbered(first, last));
    await store.append('é', { type: 'noted', data: { text: 'données' }, id: `id-${first}`, metadata: { by: 'me' } });
    await internalsOf(store).saveCheckpoint('billing', {
      position: first,
      ahead: [last],
      attempts: [],
      parked: [],
      isRunning: true,
    });
    await store.snapshot();
    states.push(await visible(store));
  }
  await store.close();
  return { disk: disk.copy(), states: states as [string, string] };
}

/** Reads the bytes as a snapshot, without a store around it. */
async function read(content: Uint8Array): Promise<unknown> {
  const disk = new SimulatedDisk();
  disk.put('/file', content);
  return readSnapshot(await disk.open('/file'), '/file');
}

/** The code of the error that reading the bytes ends with; `intact` when it does not. */
async function codeOfReading(content: Uint8Array): Promise<unknown> {
  return read(content).then(
    () => 'intact',
    (error: { code: unknown }) => error.code,
  );
}

function flipped(content: Buffer, bit: number): Buffer {
  const copy = Buffer.from(content);
  copy[bit >>> 3] ^= 1 << (bit & 7);
  return copy;
}

/** Where each block of a file begins, and where the last one ends. */
function blocksOf(content: Buffer): number[] {
  const begins = [32];
  while (begins.at(-1)! < content.length) begins.push(begins.at(-1)! + 20 + content.readUInt32LE(begins.at(-1)! + 4));
  return begins;
}

describe.each(COMPRESSIONS)('a snapshot (compression: %s)', (compression) => {
  it('is known to be damaged by any one bit', async () => {
    const { disk } = await twoSnapshots(compression);
    const content = disk.content(snapshotFile(2));
    const undetected: unknown[] = [];
    // Expanding takes its time: every bit of every byte is for the larger runs.
    const step = compression === 'none' || SCALE > 1 ? 1 : 7;
    for (let bit = 0; bit < content.length * 8; bit += step) {
      const code = await codeOfReading(flipped(content, bit));
      if (code !== 'SNAPSHOT_CORRUPTED') undetected.push([bit, code]);
    }

    expect(await codeOfReading(content)).toBe('intact');
    expect(undetected).toEqual([]);
  });

  it('is known to be damaged when it ends at any byte too early, or a byte too late', async () => {
    const { disk } = await twoSnapshots(compression);
    const content = disk.content(snapshotFile(2));
    const undetected: unknown[] = [];
    for (let length = 0; length < content.length; length++) {
      const code = await codeOfReading(content.subarray(0, length));
      if (code !== 'SNAPSHOT_CORRUPTED') undetected.push([length, code]);
    }

    expect(undetected).toEqual([]);
    expect(await codeOfReading(Buffer.concat([content, Buffer.alloc(1)]))).toBe('SNAPSHOT_CORRUPTED');
  });

  it('is known to be damaged by bytes written anywhere', async () => {
    const { disk } = await twoSnapshots(compression);
    const content = disk.content(snapshotFile(2));
    const random = new Random(7);
    for (let run = 0; run < scaled(2_000); run++) {
      const changed = Buffer.from(content);
      const from = random.below(content.length);
      for (let at = from; at < Math.min(content.length, from + 1 + random.below(64)); at++)
        changed[at] = random.below(256);
      if (!changed.equals(content)) expect(await codeOfReading(changed)).toBe('SNAPSHOT_CORRUPTED');
    }
  });
});

describe('blocks of a snapshot', () => {
  it('are known to be out of place, missing, doubled or of another file, each of them intact', async () => {
    const { disk } = await twoSnapshots();
    const [older, content] = [disk.content(snapshotFile(1)), disk.content(snapshotFile(2))];
    const begins = blocksOf(content);
    const blocks = begins.slice(0, -1).map((begin, index) => content.subarray(begin, begins[index + 1]));
    const [preamble, begin] = [content.subarray(0, 32), blocksOf(older)];
    const together = (parts: readonly Buffer[]): Buffer => Buffer.concat([preamble, ...parts]);
    const damaged: Buffer[] = [Buffer.concat([older.subarray(0, 32), ...blocks])];
    blocks.forEach((block, index) => {
      damaged.push(together(blocks.toSpliced(index, 1)), together(blocks.toSpliced(index, 0, block)));
      damaged.push(together(blocks.with(index, older.subarray(begin[index], begin[index + 1]))));
      if (index > 0) damaged.push(together(blocks.with(index, blocks[index - 1]).with(index - 1, block)));
    });

    expect(await codeOfReading(together(blocks))).toBe('intact');
    for (const bytes of damaged) expect(await codeOfReading(bytes)).toBe('SNAPSHOT_CORRUPTED');
  });

  const facts = {
    id: 'id',
    createdAt: 0,
    storeName: 's',
    head: 0,
    trimmedTo: 0,
    lastRecordedAt: null,
    seed: [1, 2, 3],
  };
  const none = { types: 0, streams: 0, chunks: 0 };
  it.each([
    ['no JSON', ['{']],
    ['null', ['null']],
    ['another number of streams than it says', [{ ...facts, ...none, streams: 2 }, [['s', 0, 1]], []]],
    [
      'more streams than it says',
      [
        { ...facts, ...none, streams: 1 },
        [
          ['s', 0, 1],
          ['t', 0, 1],
        ],
        [],
      ],
    ],
    [
      'a stream twice',
      [
        { ...facts, ...none, streams: 2 },
        [
          ['s', 0, 1],
          ['s', 0, 1],
        ],
        [],
      ],
    ],
    ['a stream whose events are not there', [{ ...facts, ...none, streams: 1 }, [['s', 3, 1]], []]],
    ['a stream with a revision that is none', [{ ...facts, ...none, streams: 1 }, [['s', -1, 0]], []]],
    ['a stream without a name', [{ ...facts, ...none, streams: 1 }, [[7, 0, 1]], []]],
    ['events that are not there', [{ ...facts, ...none, head: 4_096 }, []]],
    ['a head that is none', [{ ...facts, ...none, head: -1, trimmedTo: -1 }, []]],
    ['a seed that is none', [{ ...facts, ...none, seed: [] }, []]],
    ['checkpoints that are none', [{ ...facts, ...none }, 7]],
    ['a number of chunks that is none', [{ ...facts, ...none, chunks: 1e9 }, []]],
  ])('are refused when their checksums fit, but they hold %s', async (_, [first, ...rest]) => {
    const disk = new SimulatedDisk();
    const file = await disk.create('/file');
    const writer = await BlockWriter.begin(file, 'none');
    const write = (kind: BlockKind, value: unknown): Promise<void> =>
      writer.write(kind, [Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))]);
    await write(BlockKind.Facts, first);
    for (const value of rest.slice(0, -1)) await write(BlockKind.Streams, value);
    if (rest.length > 0) await write(BlockKind.Checkpoints, rest.at(-1));
    await writer.end();

    const error = await rejectionOf(readSnapshot(file, '/file'));

    expect(error).toBeInstanceOf(SnapshotCorruptedError);
  });
});

describe('a snapshot that somebody wrote with checksums that fit', () => {
  it('is read or refused as damaged, whatever it holds', async () => {
    const { disk } = await twoSnapshots();
    const content = disk.content(snapshotFile(2));
    const random = new Random(11);
    const codes = new Set<unknown>();
    for (let run = 0; run < scaled(3_000); run++) codes.add(await codeOfReading(forged(content, random)));

    expect([...codes].sort()).toEqual(['SNAPSHOT_CORRUPTED', 'intact']);
  });

  /** The same blocks, some bytes of one of them changed, and all checksums made anew. */
  function forged(content: Buffer, random: Random): Buffer {
    const copy = Buffer.from(content);
    const begins = blocksOf(copy);
    const block = random.below(begins.length - 1);
    const body = copy.subarray(begins[block] + 20, begins[block + 1]);
    for (let change = random.below(4); change >= 0; change--) {
      const at = random.below(body.length);
      body[at] = random.below(2) === 0 ? random.below(256) : body[at] ^ (1 << random.below(8));
    }
    let chain = copy.readUInt32LE(28);
    for (const begin of begins.slice(0, -1)) {
      copy.writeUInt32LE(crc32(copy.subarray(begin + 20, begin + 20 + copy.readUInt32LE(begin + 4))), begin + 12);
      chain = crc32(copy.subarray(begin, begin + 16), chain);
      copy.writeUInt32LE(chain, begin + 16);
    }
    return copy;
  }
});

describe('a store whose newest snapshot is damaged', () => {
  it('begins with the one before, reports it and counts it', async () => {
    const { disk, states } = await twoSnapshots();
    disk.put(snapshotFile(2), flipped(disk.content(snapshotFile(2)), 999));
    const logger = new RecordingLogger();
    const metricsCollector = new RecordingCollector();

    const store = await openOn(disk, { logger, metricsCollector });

    expect(await visible(store)).toBe(states[0]);
    expect(logger.errors).toEqual([expect.stringMatching(/damaged.*snapshot-000000000002\.bin.*byte \d+/)]);
    expect(metricsCollector.backgroundFailures).toEqual([{ store: 'memory-store', operation: 'snapshot.load' }]);
    await store.close();
  });

  it.each([
    ['truncated at every 7th byte', 7],
    ['empty', Infinity],
  ])('%s, never begins empty', async (_, step) => {
    const { disk, states } = await twoSnapshots();
    const content = disk.content(snapshotFile(2));
    for (let length = 0; length < content.length; length += step) {
      const damaged = disk.copy();
      damaged.put(snapshotFile(2), content.subarray(0, length));
      const store = await openOn(damaged);
      expect(await visible(store)).toBe(states[0]);
      await store.close();
    }
  });

  it('writes its next snapshot as the newest, also if nothing was appended; then the damaged one goes', async () => {
    const { disk, states } = await twoSnapshots();
    disk.put(snapshotFile(2), Buffer.from('damaged'));
    const store = await openOn(disk);
    await store.close();

    expect(disk.names(DIRECTORY).slice(1)).toEqual([1, 2, 3].map((n) => `snapshot-00000000000${n}.bin`));
    const logger = new RecordingLogger();
    const again = await openOn(disk, { logger });
    expect([await visible(again), logger.errors]).toEqual([states[0], []]);
    await again.snapshot();
    await again.snapshot();
    expect(disk.names(DIRECTORY).slice(1)).toEqual([4, 5].map((n) => `snapshot-00000000000${n}.bin`));
    await again.close();
  });

  it('keeps as many intact ones as it is told to, not counting the damaged', async () => {
    const { disk } = await twoSnapshots();
    disk.put(snapshotFile(2), Buffer.from('damaged'));
    const store = await openOn(disk);
    await store.snapshot();

    expect(disk.names(DIRECTORY)).toContain('snapshot-000000000001.bin');
    await store.close();
  });
});

describe('a store whose snapshots are all damaged', () => {
  it('is not opened: the error names the newest file and what is wrong with it', async () => {
    const { disk } = await twoSnapshots();
    disk.put(snapshotFile(1), disk.content(snapshotFile(1)).subarray(0, -1));
    disk.put(snapshotFile(2), flipped(disk.content(snapshotFile(2)), 8 * 40));
    const logger = new RecordingLogger();

    const error = await rejectionOf(openOn(disk, { logger }));

    expect(error).toBeInstanceOf(SnapshotCorruptedError);
    expect(error).toMatchObject({ location: snapshotFile(2), reason: 'the checksum at byte 48 does not fit' });
    expect(logger.errors).toHaveLength(2);
  });

  it('leaves all files where they are, and is opened once one was put back', async () => {
    const { disk, states } = await twoSnapshots();
    const [first, second] = [disk.content(snapshotFile(1)), disk.content(snapshotFile(2))];
    disk.put(snapshotFile(1), Buffer.alloc(0));
    disk.put(snapshotFile(2), Buffer.alloc(0));
    await rejectionOf(openOn(disk));
    const after = disk.names(DIRECTORY).filter((name) => name.startsWith('snapshot'));
    disk.put(snapshotFile(1), first);

    const store = await openOn(disk);

    expect(after).toHaveLength(2);
    expect(await visible(store)).toBe(states[0]);
    await store.close();
    disk.put(snapshotFile(9), second);
    const restored = await openOn(disk);
    expect(await visible(restored)).toBe(states[1]);
    await restored.close();
  });
});

describe('a snapshot of a later version', () => {
  it('is refused and left alone, and no older one is taken in its place', async () => {
    const { disk } = await twoSnapshots();
    const later = Buffer.from(disk.content(snapshotFile(2)));
    later.writeUInt32LE(2, 8);
    later.writeUInt32LE(crc32(later.subarray(0, 28)), 28);
    disk.put(snapshotFile(2), later);

    const error = await rejectionOf(openOn(disk));

    expect(error).toBeInstanceOf(SnapshotUnsupportedError);
    expect(error).toMatchObject({
      location: snapshotFile(2),
      message: expect.stringMatching(/format 2.*reads format 1/),
    });
    expect(disk.content(snapshotFile(2))).toEqual(later);
  });
});

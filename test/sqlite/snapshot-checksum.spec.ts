import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { openEventStore, StorageCorruptedError, StorageTooNewError } from 'nestjs-stream-store';
import { dataOf, numbered, rejectionOf } from '../support/events.js';
import { openTestStore } from '../support/open-test-store.js';
import { Random } from '../support/worlds/random.js';
import { scaled } from '../support/scale.js';
import { driverAround, sqliteError } from './driver-around.js';
import { driver, engineOn, newFile } from './sqlite-files.js';

/** A snapshot of a store with 500 events, whose texts look like a checksum too. */
async function newSnapshot(): Promise<string> {
  const file = newFile();
  const engine = engineOn(file, { snapshotDirectory: join(dirname(file), 'snapshots') });
  const store = await openTestStore({ engine, snapshotInterval: 0 });
  await store.append('s', numbered(1, 499));
  await store.append('s', { type: 't', data: `sha256:${'0'.repeat(64)}` });
  return (await store.snapshot()).location!;
}

function copyOf(snapshot: string): string {
  const file = newFile();
  copyFileSync(snapshot, file);
  return file;
}

/** By the rule that the docs give: the SHA-256 of the file with zeros for the checksum. */
function checksumIn(file: string): { computed: string; offset: number } {
  const bytes = readFileSync(file);
  const offset = bytes.lastIndexOf('sha256:') + 7;
  bytes.fill('0', offset, offset + 64);
  return { computed: createHash('sha256').update(bytes).digest('hex'), offset };
}

const opening = (file: string): Promise<unknown> => rejectionOf(openEventStore({ engine: engineOn(file) }));

describe('a snapshot that takes the place of the database', () => {
  it('is a store when it is as it was written, and like any other from then on', async () => {
    const file = copyOf(await newSnapshot());
    for (const events of [500, 501, 502]) {
      const store = await openEventStore({ engine: engineOn(file) });
      expect(await store.readStream('s', 0, { limit: 0 })).toHaveLength(events);
      await store.append('s', { type: 't' });
      await store.close();
    }
  });

  it('is opened by several stores at the same time', async () => {
    const file = copyOf(await newSnapshot());

    const stores = await Promise.all([1, 2, 3, 4].map(() => openTestStore({ engine: engineOn(file) })));
    await Promise.all(stores.map((store) => store.append('s', { type: 't' })));

    expect(await stores[0].readStream('s', 500)).toHaveLength(4);
    expect(await stores[3].checkLog()).toMatchObject({ problems: [] });
  });

  it('is refused when any one bit is not as it was written, and is left as it is', async () => {
    const snapshot = readFileSync(await newSnapshot());
    const random = new Random(7);
    const file = newFile();
    for (let round = 0; round < scaled(2_000, 200); round++) {
      // The header, and any byte: of events, of indexes, of the checksum, of room that is not in use.
      const at = random.below(round % 2 ? snapshot.length : 100);
      const damaged = Buffer.from(snapshot);
      damaged[at] ^= 1 << random.below(8);
      writeFileSync(file, damaged);

      const error = await opening(file);

      expect([at, error]).toEqual([at, expect.any(StorageCorruptedError)]);
      expect(readFileSync(file).equals(damaged)).toBe(true);
    }
  });

  it('is refused when it was cut off, anywhere', async () => {
    const snapshot = await newSnapshot();
    const { length } = readFileSync(snapshot);
    for (const size of [length - 1, length - 4_096, length >> 1, 4_097, 4_096, 512, 100, 1, 0]) {
      const file = copyOf(snapshot);
      truncateSync(file, size);

      expect([size, await opening(file)]).toEqual([size, expect.any(StorageCorruptedError)]);
    }
  });

  it('is refused when something was written behind its end', async () => {
    const file = copyOf(await newSnapshot());
    writeFileSync(file, Buffer.alloc(4_096), { flag: 'a' });

    expect(await opening(file)).toBeInstanceOf(StorageCorruptedError);
  });

  it('is refused without its checksum', async () => {
    const file = copyOf(await newSnapshot());
    const database = new driver(file);
    database.exec('DROP TABLE snapshot_seal');
    database.close();

    const error = await opening(file);

    expect(error).toBeInstanceOf(StorageCorruptedError);
    expect((error as Error).message).toContain('without a checksum');
  });

  it('is refused by a version that cannot read it, and a later one can', async () => {
    const snapshot = await newSnapshot();
    const file = copyOf(snapshot);
    const database = new driver(file);
    database.exec('PRAGMA user_version = 7');
    database.close();
    const { computed, offset } = checksumIn(file);
    const bytes = readFileSync(file);
    bytes.write(computed, offset, 'latin1');
    writeFileSync(file, bytes);

    expect(await opening(file)).toBeInstanceOf(StorageTooNewError);
    expect(readFileSync(file).equals(bytes)).toBe(true);
  });

  it('says what the checksum says and what it should', async () => {
    const file = copyOf(await newSnapshot());
    const bytes = readFileSync(file);
    bytes[bytes.lastIndexOf('sha256:') + 7] ^= 1;
    writeFileSync(file, bytes);

    expect(await opening(file)).toMatchObject({
      storage: `SQLite database ${file}`,
      reason: expect.stringMatching(
        /^it is a snapshot whose checksum does not fit: it says \S{64}, and is [0-9a-f]{64}$/,
      ),
    });
  });

  it('is a snapshot still when making a database of it was cut off', async () => {
    const file = copyOf(await newSnapshot());
    const before = readFileSync(file);
    let isBroken = true;
    const broken = driverAround((sql, run) => {
      if (isBroken && sql === 'COMMIT') throw sqliteError(13, 'database or disk is full');
      return run();
    });

    expect(await rejectionOf(openEventStore({ engine: engineOn(file, { driver: broken }) }))).toMatchObject({
      code: 'STORAGE_FAILED',
    });
    expect(readFileSync(file).equals(before)).toBe(true);
    isBroken = false;

    const store = await openTestStore({ engine: engineOn(file, { driver: broken }) });
    expect(await store.readStream('s', 498)).toHaveLength(2);
  });

  it('may be one of before snapshots had checksums', async () => {
    const old = newFile();
    const store = await openEventStore({ engine: engineOn(old) });
    await store.append('s', numbered(1, 3));
    await store.close();
    const file = newFile();
    const database = new driver(old);
    database.exec(`VACUUM INTO '${file}'`);
    database.close();

    expect(dataOf(await (await openTestStore({ engine: engineOn(file) })).readStream('s'))).toEqual([1, 2, 3]);
  });
});

describe('a store that closes without a change', () => {
  it.each([
    ['was damaged', (bytes: Buffer) => bytes.fill(7, 5_000, 5_001)],
    ['was cut off', (bytes: Buffer) => bytes.subarray(0, 5_000)],
  ])('writes a snapshot anew when the last one %s', async (_what, damage) => {
    const file = newFile();
    const snapshotDirectory = join(dirname(file), 'snapshots');
    const open = () => openEventStore({ engine: engineOn(file, { snapshotDirectory }) });
    const files = () => (existsSync(snapshotDirectory) ? readdirSync(snapshotDirectory).sort() : []);
    const first = await open();
    await first.append('s', numbered(1, 3));
    await first.close();
    await (await open()).close();
    const [snapshot, ...others] = files();
    expect(others).toEqual([]);
    const path = join(snapshotDirectory, snapshot);
    writeFileSync(path, damage(readFileSync(path)));

    await (await open()).close();

    const found = files().filter((name) => name !== snapshot);
    expect(found).toHaveLength(1);
    const copy = await openTestStore({ engine: engineOn(copyOf(join(snapshotDirectory, found[0]))) });
    expect(dataOf(await copy.readStream('s'))).toEqual([1, 2, 3]);
  });
});

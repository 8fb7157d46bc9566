import { mkdirSync, readdirSync, statSync, watch, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { openEventStore, StorageFailedError, ValidationError } from 'nestjs-stream-store';
import { dataOf, numbered, rejectionOf } from '../support/events.js';
import { openTestStore } from '../support/open-test-store.js';
import { driver, engineOn, newFile, newFolder } from './sqlite-files.js';

const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8);

describe('a new database', () => {
  it('is made with the directories above it, for their owner only', async () => {
    const folder = newFolder();
    const file = join(folder, 'a/b/events.db');
    const store = await openTestStore({ engine: engineOn(file) });
    await store.append('s', { type: 't' });

    const paths = [join(folder, 'a'), join(folder, 'a/b'), file, `${file}-wal`, `${file}-shm`];
    expect(paths.map(modeOf)).toEqual(['700', '700', '600', '600', '600']);
  });

  it('is complete when it gets its name, and leaves nothing beside it', async () => {
    const file = newFile();
    const watcher = watch(dirname(file));
    const sizes: number[] = [];
    watcher.on('change', (_, name) => name === 'events.db' && sizes.push(statSync(file).size));

    const store = await openTestStore({ engine: engineOn(file) });
    await store.append('s', { type: 't', data: 1 });
    watcher.close();

    expect(dataOf(await store.readStream('s'))).toEqual([1]);
    expect(Math.min(...sizes, 4_096)).toBeGreaterThan(512);
    expect(readdirSync(dirname(file)).sort()).toEqual(['events.db', 'events.db-shm', 'events.db-wal']);
  });

  it('can be opened by eight stores at the same time', async () => {
    const file = newFile();

    const stores = await Promise.all(Array.from({ length: 8 }, () => openEventStore({ engine: engineOn(file) })));
    await Promise.all(stores.map((store, index) => store.append('s', { type: 't', data: index })));

    expect(await stores[0].readStream('s')).toHaveLength(8);
    for (const store of stores) await store.close();
  });

  it('may have a name of any characters', async () => {
    const file = join(newFolder(), "it's 100% 😀 file:?mode=ro#x.db");
    const store = await openTestStore({ engine: engineOn(file) });
    await store.append('s', { type: 't', data: 1 });

    expect(statSync(file).isFile()).toBe(true);
  });

  it('waits for the disk with every commit, unless told otherwise', async () => {
    const pragmas: string[] = [];
    for (const synchronous of ['FULL', 'NORMAL', undefined] as const) {
      const watching = class extends (driver as unknown as new (file: string) => { exec(sql: string): unknown }) {
        override exec(sql: string): unknown {
          if (sql.startsWith('PRAGMA synchronous')) pragmas.push(sql);
          return super.exec(sql);
        }
      };
      await openTestStore({
        engine: engineOn(newFile(), { synchronous, driver: watching as unknown as typeof driver }),
      });
    }
    expect(pragmas).toEqual(['FULL', 'NORMAL', 'FULL'].map((level) => `PRAGMA synchronous = ${level}`));
  });
});

describe('an engine', () => {
  it('serves one store at a time, and another one afterwards', async () => {
    const engine = engineOn(newFile());
    const first = await openEventStore({ engine });
    await first.append('s', { type: 't', data: 1 });
    const refused = await rejectionOf(openEventStore({ engine }));
    await first.close();

    const second = await openTestStore({ engine });

    expect(refused).toBeInstanceOf(ValidationError);
    expect(dataOf(await second.readStream('s'))).toEqual([1]);
  });

  it('that could not be opened can be opened later', async () => {
    const folder = newFolder();
    writeFileSync(join(folder, 'blocked'), '');
    const engine = engineOn(join(folder, 'blocked/events.db'));
    const error = await rejectionOf(openEventStore({ engine }));

    expect(error).toBeInstanceOf(StorageFailedError);
    expect((error as Error).message).toMatch(/EEXIST|ENOTDIR/);
  });

  it('does not take a directory for a database', async () => {
    const file = newFile();
    mkdirSync(file);

    expect(await rejectionOf(openEventStore({ engine: engineOn(file) }))).toBeInstanceOf(StorageFailedError);
  });

  it('goes on counting beyond what 32 bits can hold', async () => {
    const file = newFile();
    const first = await openEventStore({ engine: engineOn(file) });
    await first.append('s', numbered(1, 3));
    await first.close();
    const database = new driver(file);
    database.exec(`
      UPDATE events SET global_position = global_position + ${2 ** 40}, position = position + ${2 ** 33};
      UPDATE streams SET revision = revision + ${2 ** 33}, first_position = first_position + ${2 ** 33},
        last_global_position = last_global_position + ${2 ** 40};
      UPDATE log SET head = head + ${2 ** 40}, trimmed_to = ${2 ** 40}`);
    database.close();

    const store = await openTestStore({ engine: engineOn(file), maxEventsPerStream: 0 });
    const result = await store.append('s', { type: 't', data: 4 }, { expectedRevision: 2 ** 33 + 3 });

    expect(result).toMatchObject({ revision: 2 ** 33 + 4, globalPosition: 2 ** 40 + 4 });
    expect(dataOf(await store.readStream('s'))).toEqual([1, 2, 3, 4]);
    expect(dataOf((await store.readAll({ from: 2 ** 40 + 2 })).events)).toEqual([3, 4]);
  });
});

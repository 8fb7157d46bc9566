import { copyFileSync, renameSync, rmSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { openEventStore, StorageFailedError } from 'nestjs-stream-store';
import { dataOf, rejectionOf } from '../support/events.js';
import { ManualClock } from '../support/waiting/manual-clock.js';
import { RecordingLogger } from '../support/recorders.js';
import { engineOn, newFile } from './sqlite-files.js';

const FILES = ['', '-wal', '-shm'];

async function opened() {
  const [file, logger, clock] = [newFile(), new RecordingLogger(), new ManualClock()];
  const store = await openEventStore({ engine: engineOn(file), logger, clock });
  await store.append('s', { type: 't', data: 1 });
  const append = (data: number) => store.append('s', { type: 't', data });
  return { file, logger, clock, store, append };
}

describe('a database that is open', () => {
  it.each<[string, (file: string) => void]>([
    ['deleted with all its files', (file) => FILES.forEach((end) => rmSync(file + end))],
    ['deleted alone', (file) => rmSync(file)],
    ['moved', (file) => FILES.forEach((end) => renameSync(file + end, `${file}.moved${end}`))],
    [
      'replaced by a copy',
      (file) => {
        copyFileSync(file, `${file}.copy`);
        renameSync(`${file}.copy`, file);
      },
    ],
  ])('and %s acknowledges nothing any more, and says so once', async (_how, lose) => {
    const { file, logger, store, append } = await opened();
    lose(file);

    const errors = [await rejectionOf(append(2)), await rejectionOf(append(3))];

    for (const error of errors) expect(error).toBeInstanceOf(StorageFailedError);
    expect((errors[0] as Error).message).toMatch(/was (deleted or moved|replaced by another one) while it was open/);
    await expect(store.stats()).rejects.toThrow(StorageFailedError);
    expect(logger.errors).toHaveLength(1);
    await store.close();
  });

  it.each(['-wal', '-shm'])('and whose %s is deleted is noticed within a look', async (end) => {
    const { file, logger, clock, store, append } = await opened();
    rmSync(file + end);
    await clock.advance(100);

    expect(logger.errors).toEqual([expect.stringContaining(`${file}${end} was deleted or moved`)]);
    expect(await rejectionOf(append(2))).toBeInstanceOf(StorageFailedError);
    await expect(store.readStream('s')).rejects.toThrow(StorageFailedError);
    await store.close();
  });

  it('and is put back goes on', async () => {
    const { file, clock, store, append } = await opened();
    renameSync(file, `${file}.moved`);
    await clock.advance(100);
    const refused = await rejectionOf(append(2));
    renameSync(`${file}.moved`, file);

    await append(3);

    expect(refused).toBeInstanceOf(StorageFailedError);
    expect(dataOf(await store.readStream('s'))).toEqual([1, 3]);
    await store.close();
  });

  it('keeps an append together with others whole, or refuses them all', async () => {
    const { file, store, append } = await opened();
    rmSync(file);

    const outcomes = await Promise.allSettled([append(2), append(3), append(4)]);

    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    await store.close();
  });
});

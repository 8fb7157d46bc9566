import zlib from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import { memoryEngine, UnsupportedOperationError, ValidationError } from 'nestjs-stream-store';
import { resolve } from 'node:path';
import { checkMemoryEngineOptions } from '../../../lib/memory/memory-engine-options.js';
import { openTestStore } from '../../support/open-test-store.js';

const hasZstd = 'zstdCompress' in zlib;

describe('the options of snapshots', () => {
  it.each([
    ['snapshotDirectory', ''],
    ['snapshotDirectory', 7],
    ['snapshotDirectory', null],
    ['snapshotDirectory', 'a\0b'],
    ['keepSnapshots', 0],
    ['keepSnapshots', 1.5],
    ['keepSnapshots', '2'],
    ['compression', 'brotli'],
    ['compression', null],
    ['snapshotDir', './data'],
  ])('are refused by name when they make no sense: %s = %p', (option, value) => {
    const engine = (): unknown => memoryEngine({ [option]: value });

    expect(engine).toThrow(ValidationError);
    expect(engine).toThrow(expect.objectContaining({ field: `memoryEngine.${option}` }));
  });

  it('have defaults, and a directory that does not move', () => {
    expect(checkMemoryEngineOptions({ snapshotDirectory: './data', keepSnapshots: undefined })).toEqual({
      recordCacheBytes: 64 * 1_024 * 1_024,
      maxDocumentBytes: 256 * 1_024 * 1_024,
      snapshotDirectory: resolve('data'),
      keepSnapshots: 2,
      compression: 'none',
    });
  });

  it('take Zstandard where Node has it, and say so where it has not', () => {
    const engine = (): unknown => memoryEngine({ snapshotDirectory: './data', compression: 'zstd' });

    if (hasZstd) expect(engine).not.toThrow();
    else expect(engine).toThrow(/memoryEngine.compression.*does not have zstd: take 'gzip'/);
  });

  it('left out, leave a store without snapshots, whose snapshot() says so', async () => {
    const engine = memoryEngine({ keepSnapshots: 3 });
    const store = await openTestStore({ engine });

    expect(engine.supports.snapshot).toBe(false);
    await expect(store.snapshot()).rejects.toBeInstanceOf(UnsupportedOperationError);
  });
});

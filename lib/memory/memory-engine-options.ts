import { resolve } from 'node:path';
import { ValidationError } from '../store/values/errors.js';
import { checkMembers } from '../store/values/known-members.js';
import { shown } from '../store/values/names.js';
import { hasCompression, type SnapshotCompression } from './snapshots/compression.js';

export interface MemoryEngineOptions {
  /**
   * How many bytes of events, by estimate, are kept ready for readers besides their stored form; reading those again is
   * about a hundred times faster. 0 keeps none. Default 64 MiB.
   */
  readonly recordCacheBytes?: number;

  /**
   * How many bytes documents may take, by estimate: projections, and snapshots of aggregates. More are refused with a
   * `StorageFailedError`. Default 256 MiB.
   */
  readonly maxDocumentBytes?: number;

  /**
   * Where snapshots are written, and loaded from when the store opens: a directory for this store alone, made if it is not
   * there. Default none: then everything is gone when the process ends.
   */
  readonly snapshotDirectory?: string;

  /** How many snapshots are kept; older ones are removed when a new one is complete. At least 1. Default 2. */
  readonly keepSnapshots?: number;

  /**
   * How snapshots are made smaller. `'gzip'` takes several times as long to write; `'zstd'` is faster and smaller, but not in
   * every version of Node (22.15, 23.8 and later have it). Older snapshots are loaded whatever is set. Default `'none'`.
   */
  readonly compression?: SnapshotCompression;
}

/** The value of every option that was left out, except `snapshotDirectory`. */
export const DEFAULT_MEMORY_ENGINE_OPTIONS = Object.freeze({
  recordCacheBytes: 64 * 1_024 * 1_024,
  maxDocumentBytes: 256 * 1_024 * 1_024,
  keepSnapshots: 2,
  compression: 'none',
} satisfies MemoryEngineOptions);

/** Options that were checked and filled in. */
export interface CheckedMemoryEngineOptions {
  readonly recordCacheBytes: number;
  readonly maxDocumentBytes: number;
  /** Absolute; undefined when there are no snapshots. */
  readonly snapshotDirectory: string | undefined;
  readonly keepSnapshots: number;
  readonly compression: SnapshotCompression;
}

/** @throws {ValidationError} that names the option */
export function checkMemoryEngineOptions(options: MemoryEngineOptions): CheckedMemoryEngineOptions {
  checkMembers(options, 'memoryEngine', [...Object.keys(DEFAULT_MEMORY_ENGINE_OPTIONS), 'snapshotDirectory']);
  const {
    recordCacheBytes = DEFAULT_MEMORY_ENGINE_OPTIONS.recordCacheBytes,
    maxDocumentBytes = DEFAULT_MEMORY_ENGINE_OPTIONS.maxDocumentBytes,
    snapshotDirectory,
    keepSnapshots = DEFAULT_MEMORY_ENGINE_OPTIONS.keepSnapshots,
    compression = DEFAULT_MEMORY_ENGINE_OPTIONS.compression,
  } = options;
  for (const [name, bytes] of Object.entries({ recordCacheBytes, maxDocumentBytes })) {
    if (!Number.isSafeInteger(bytes) || bytes < 0)
      throw new ValidationError(`memoryEngine.${name}`, `${String(bytes)} is no whole number of bytes.`);
  }
  if (!Number.isSafeInteger(keepSnapshots) || keepSnapshots < 1) {
    throw new ValidationError('memoryEngine.keepSnapshots', `${shown(keepSnapshots)} is no whole number above 0.`);
  }
  checkCompression(compression);
  const directory = snapshotDirectory === undefined ? undefined : toDirectory(snapshotDirectory);
  return { recordCacheBytes, maxDocumentBytes, snapshotDirectory: directory, keepSnapshots, compression };
}

function checkCompression(compression: SnapshotCompression): void {
  if (!['none', 'gzip', 'zstd'].includes(compression)) {
    throw new ValidationError(
      'memoryEngine.compression',
      `${shown(compression)} is none: take 'none', 'gzip' or 'zstd'.`,
    );
  }
  if (!hasCompression(compression)) {
    const problem = `Node ${process.version} does not have ${compression}: take 'gzip', or a later version of Node.`;
    throw new ValidationError('memoryEngine.compression', problem);
  }
}

function toDirectory(path: unknown): string {
  if (typeof path !== 'string' || path === '' || path.includes('\0')) {
    throw new ValidationError('memoryEngine.snapshotDirectory', `${shown(path)} is no path: give that of a directory.`);
  }
  // A later process.chdir() must not move the store.
  return resolve(path);
}

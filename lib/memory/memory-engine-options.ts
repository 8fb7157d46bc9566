import { ValidationError } from '../store/errors.js';
import { checkMembers } from '../store/known-members.js';

export interface MemoryEngineOptions {
  /**
   * How many bytes of events, by estimate, are kept ready for readers besides their stored form; reading those again is
   * about a hundred times faster. 0 keeps none. Default 64 MiB.
   */
  readonly recordCacheBytes?: number;
}

export const DEFAULT_MEMORY_ENGINE_OPTIONS = Object.freeze({ recordCacheBytes: 64 * 1_024 * 1_024 });

/** @throws {ValidationError} that names the option */
export function checkMemoryEngineOptions(options: MemoryEngineOptions): Required<MemoryEngineOptions> {
  checkMembers(options, 'memoryEngine', Object.keys(DEFAULT_MEMORY_ENGINE_OPTIONS));
  const { recordCacheBytes = DEFAULT_MEMORY_ENGINE_OPTIONS.recordCacheBytes } = options;
  if (!Number.isSafeInteger(recordCacheBytes) || recordCacheBytes < 0) {
    throw new ValidationError(
      'memoryEngine.recordCacheBytes',
      `${String(recordCacheBytes)} is no whole number of bytes.`,
    );
  }
  return { recordCacheBytes };
}

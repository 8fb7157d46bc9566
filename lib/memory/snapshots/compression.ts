import { promisify } from 'node:util';
import zlib from 'node:zlib';

/** How the blocks of a snapshot are made smaller. */
export type SnapshotCompression = 'none' | 'gzip' | 'zstd';

export interface Codec {
  compress(bytes: Uint8Array): Promise<Uint8Array>;
  /** @param length what the answer must not be longer than */
  expand(bytes: Uint8Array, length: number): Promise<Uint8Array>;
}

// Node takes no less (zlib, "Class: Options"), and what a damaged file asks for should not all be taken from memory at once.
const SMALLEST_CHUNK = 64;
const LARGEST_CHUNK = 1_024 * 1_024;

type Convert = (bytes: Uint8Array, options: object, done: (error: Error | null, result: Buffer) => void) => void;

/** Node 22.15 and 23.8 brought Zstandard; the types of Node 20 do not know it. */
interface Zstd {
  readonly zstdCompress?: Convert;
  readonly zstdDecompress?: Convert;
}
const { zstdCompress, zstdDecompress } = zlib as object as Zstd;

/** Its name there is `ZSTD_c_compressionLevel` (zstd.h). */
const ZSTD_LEVEL = 100;

/** In a file, a way of compressing is its place in this list. */
const IN_FILE: readonly SnapshotCompression[] = ['none', 'gzip', 'zstd'];

export function numberOfCompression(compression: SnapshotCompression): number {
  return IN_FILE.indexOf(compression);
}

/** Undefined for a number that this version does not know. */
export function compressionOfNumber(number: number): SnapshotCompression | undefined {
  return IN_FILE[number];
}

/** Whether this version of Node has it. */
export function hasCompression(compression: SnapshotCompression): boolean {
  return compression !== 'zstd' || zstdCompress !== undefined;
}

/** Undefined where nothing has to be done. */
export function codecOf(compression: SnapshotCompression): Codec | undefined {
  if (compression === 'none') return undefined;
  if (compression === 'gzip') return codec(zlib.gzip, zlib.gunzip, { level: zlib.constants.Z_BEST_SPEED });
  const params = { [ZSTD_LEVEL]: 1 };
  return codec(zstdCompress!, zstdDecompress!, { params });
}

function codec(compress: Convert, expand: Convert, options: object): Codec {
  const [compressing, expanding] = [promisify(compress), promisify(expand)];
  return {
    compress: (bytes) => compressing(bytes, options),
    // With room for all of it, the answer is one buffer and not the joint of many.
    expand: (bytes, length) =>
      expanding(bytes, {
        maxOutputLength: Math.max(SMALLEST_CHUNK, length),
        chunkSize: Math.min(Math.max(SMALLEST_CHUNK, length), LARGEST_CHUNK),
      }),
  };
}

import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { SEAL_DIGITS, SEAL_MARK, type SealPlace } from '../queries/seal.js';

const BYTES_PER_READ = 1_024 * 1_024;

/** A file's own checksum: the one that is written in it, and the one that it should be. */
export interface FileChecksum {
  readonly written: string;
  readonly computed: string;
  /** Where the written one begins in the file. */
  readonly offset: number;
}

/**
 * The SHA-256 of all bytes of a file, where those of its own checksum count as zeros.
 *
 * @returns undefined when there is no checksum where it should be
 */
export async function checksumOf(
  file: FileHandle,
  { offset, pageBytes }: SealPlace,
): Promise<FileChecksum | undefined> {
  const page = Buffer.alloc(pageBytes);
  await file.read(page, 0, pageBytes, offset);
  const mark = page.indexOf(SEAL_MARK);
  const inPage = mark + SEAL_MARK.length;
  if (mark < 0 || inPage + SEAL_DIGITS > pageBytes) return undefined;
  const written = page.toString('latin1', inPage, inPage + SEAL_DIGITS);
  return { written, computed: await hashWithout(file, offset + inPage), offset: offset + inPage };
}

async function hashWithout(file: FileHandle, checksumAt: number): Promise<string> {
  const hash = createHash('sha256');
  const buffer = Buffer.alloc(BYTES_PER_READ);
  for (let position = 0; ;) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
    if (bytesRead === 0) return hash.digest('hex');
    const from = Math.max(checksumAt - position, 0);
    const to = Math.min(checksumAt + SEAL_DIGITS - position, bytesRead);
    if (from < to) buffer.fill('0', from, to);
    hash.update(buffer.subarray(0, bytesRead));
    position += bytesRead;
  }
}

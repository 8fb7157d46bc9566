import { constants } from 'node:fs';
import * as fs from 'node:fs/promises';
import { dirname } from 'node:path';

/** All that snapshots need of a file system: few calls, so that a test can make each of them fail. */
export interface Disk {
  /** Makes a directory, and those above it, so that they outlast a power loss. New ones are for their owner only. */
  makeDirectory(path: string): Promise<void>;
  /** The names of what lies in a directory. */
  list(path: string): Promise<string[]>;
  /** Makes a file, for its owner only. Fails with EEXIST when something has that name, be it a symbolic link. */
  create(path: string): Promise<DiskFile>;
  /** Opens a file to read it. Fails when it is a symbolic link or no file. */
  open(path: string): Promise<DiskFile>;
  /** Gives a file a second name. Fails with EEXIST when something has that name. */
  link(path: string, newPath: string): Promise<void>;
  rename(path: string, newPath: string): Promise<void>;
  unlink(path: string): Promise<void>;
  /** Resolves when the names in a directory outlast a power loss. */
  syncDirectory(path: string): Promise<void>;
}

export interface DiskFile {
  size(): Promise<number>;
  /** @returns how many bytes were read: 0 at the end of the file, and otherwise not always all that there is room for */
  read(into: Uint8Array, position: number): Promise<number>;
  /** @returns how many bytes were written, which need not be all */
  write(parts: readonly Uint8Array[], position: number): Promise<number>;
  /** Takes out all that is in the file. */
  empty(): Promise<void>;
  /** Resolves when what was written outlasts a power loss. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

const OWNER_ONLY = 0o600;
const OWNER_ONLY_DIRECTORY = 0o700;
// Windows knows neither; without O_NONBLOCK, opening a named pipe would wait for its writer.
const NO_LINK = constants.O_NOFOLLOW ?? 0;
const NO_WAIT = constants.O_NONBLOCK ?? 0;

/** The file system of this computer. */
export const nodeDisk: Disk = {
  async makeDirectory(path) {
    const first = await fs.mkdir(path, { recursive: true, mode: OWNER_ONLY_DIRECTORY });
    if (first === undefined) return;
    for (let made = path; ; made = dirname(made)) {
      await this.syncDirectory(dirname(made));
      if (made === first || made === dirname(made)) return;
    }
  },
  list: (path) => fs.readdir(path),
  async create(path) {
    const { O_CREAT, O_EXCL, O_RDWR } = constants;
    return new NodeFile(await fs.open(path, O_CREAT | O_EXCL | O_RDWR | NO_LINK, OWNER_ONLY));
  },
  async open(path) {
    const handle = await fs.open(path, constants.O_RDONLY | NO_LINK | NO_WAIT);
    if ((await handle.stat()).isFile()) return new NodeFile(handle);
    await handle.close();
    throw new Error('it is no file');
  },
  link: (path, newPath) => fs.link(path, newPath),
  rename: (path, newPath) => fs.rename(path, newPath),
  unlink: (path) => fs.unlink(path),
  async syncDirectory(path) {
    // Windows does not open directories; NTFS has a journal for its names.
    if (process.platform === 'win32') return;
    const handle = await fs.open(path, constants.O_RDONLY);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
};

class NodeFile implements DiskFile {
  constructor(private readonly handle: fs.FileHandle) {}

  async size(): Promise<number> {
    return (await this.handle.stat()).size;
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    return (await this.handle.read(into, 0, into.byteLength, position)).bytesRead;
  }

  async write(parts: readonly Uint8Array[], position: number): Promise<number> {
    return (await this.handle.writev(parts, position)).bytesWritten;
  }

  empty(): Promise<void> {
    return this.handle.truncate(0);
  }

  sync(): Promise<void> {
    return this.handle.sync();
  }

  close(): Promise<void> {
    return this.handle.close();
  }
}

/** Writes all parts, one behind the other. */
export async function writeAll(file: DiskFile, parts: readonly Uint8Array[], position: number): Promise<void> {
  let left = parts.filter((part) => part.byteLength > 0);
  let at = position;
  while (left.length > 0) {
    let written = await file.write(left, at);
    // Such a file would be asked for ever.
    if (written <= 0) throw new Error(`nothing of ${left.length} parts was written at byte ${at}`);
    at += written;
    while (left.length > 0 && written >= left[0].byteLength) written -= left.shift()!.byteLength;
    if (written > 0) left = [left[0].subarray(written), ...left.slice(1)];
  }
}

/** Fills `into` as far as the file goes. @returns how many bytes it was */
export async function readAll(file: DiskFile, into: Uint8Array, position: number): Promise<number> {
  let filled = 0;
  while (filled < into.byteLength) {
    const read = await file.read(into.subarray(filled), position + filled);
    if (read <= 0) break;
    filled += read;
  }
  return filled;
}

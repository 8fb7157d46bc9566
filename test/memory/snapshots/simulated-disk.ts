import { dirname } from 'node:path';
import type { Disk, DiskFile } from '../../../lib/memory/snapshots/disk.js';
import type { Random } from '../../support/worlds/random.js';

/** A call that reached the disk. */
export interface DiskCall {
  /** Counts from 1. */
  readonly number: number;
  readonly name: keyof Disk | `file.${keyof DiskFile}`;
  readonly path: string;
}

/** A change of a file that a power loss may undo, as long as the file is not synced. */
type Change = { readonly position: number; readonly bytes: Buffer } | 'emptied';

interface Inode {
  content: Buffer;
  /** What would surive for certain. */
  synced: Buffer;
  changes: Change[];
}

/** A change of a directory, which is undone as a whole or not at all. */
type Renaming = (names: Map<string, Inode>) => void;

const SECTOR = 512;

/**
 * A disk in memory that knows what a real one would have lost at each moment, and can be told to fail.
 *
 * What was synced survives a crash. Of what was written since, any part may: each change of a name for itself, each
 * write in sectors.
 */
export class SimulatedDisk implements Disk {
  readonly calls: DiskCall[] = [];
  /** Called before each call; what it throws, the call fails with, and nothing has happened. */
  before: (call: DiskCall) => void | Promise<void> = () => undefined;
  /** Called after each call; what it throws, the call fails with, although it has happened. */
  after: (call: DiskCall) => void | Promise<void> = () => undefined;
  /** How many bytes one call reads or writes at most. */
  mostBytes = Infinity;

  #names = new Map<string, Inode>();
  #syncedNames = new Map<string, Inode>();
  #renamings: { readonly directory: string; readonly apply: Renaming }[] = [];

  makeDirectory = (path: string): Promise<void> => this.#call('makeDirectory', path, () => undefined);

  list = (path: string): Promise<string[]> =>
    this.#call('list', path, () => this.#paths(path).map((name) => name.slice(path.length + 1)));

  create = (path: string): Promise<DiskFile> =>
    this.#call('create', path, () => {
      if (this.#names.has(path)) throw systemError('EEXIST');
      const inode: Inode = { content: Buffer.alloc(0), synced: Buffer.alloc(0), changes: [] };
      this.#rename(path, (names) => names.set(path, inode));
      return this.#file(path, inode);
    });

  open = (path: string): Promise<DiskFile> => this.#call('open', path, () => this.#file(path, this.#inode(path)));

  link = (path: string, newPath: string): Promise<void> =>
    this.#call('link', newPath, () => {
      const inode = this.#inode(path);
      if (this.#names.has(newPath)) throw systemError('EEXIST');
      this.#rename(newPath, (names) => names.set(newPath, inode));
    });

  rename = (path: string, newPath: string): Promise<void> =>
    this.#call('rename', newPath, () => {
      const inode = this.#inode(path);
      this.#rename(newPath, (names) => {
        names.delete(path);
        names.set(newPath, inode);
      });
    });

  unlink = (path: string): Promise<void> =>
    this.#call('unlink', path, () => {
      this.#inode(path);
      this.#rename(path, (names) => names.delete(path));
    });

  syncDirectory = (path: string): Promise<void> =>
    this.#call('syncDirectory', path, () => {
      this.#renamings = this.#renamings.filter(({ directory, apply }) => {
        if (directory !== path) return true;
        apply(this.#syncedNames);
        return false;
      });
    });

  #file(path: string, inode: Inode): DiskFile {
    const call = <T>(name: keyof DiskFile, act: () => T): Promise<T> => this.#call(`file.${name}`, path, act);
    return {
      size: () => call('size', () => inode.content.length),
      read: (into, position) =>
        call('read', () => {
          const end = position + Math.min(into.byteLength, this.mostBytes);
          const found = inode.content.subarray(position, end);
          into.set(found);
          return found.length;
        }),
      write: (parts, position) =>
        call('write', () => {
          const bytes = Buffer.concat(parts).subarray(0, this.mostBytes);
          inode.content = written(inode.content, position, bytes);
          inode.changes.push({ position, bytes });
          return bytes.length;
        }),
      empty: () =>
        call('empty', () => {
          inode.content = Buffer.alloc(0);
          inode.changes.push('emptied');
        }),
      sync: () =>
        call('sync', () => {
          inode.synced = inode.content;
          inode.changes = [];
        }),
      close: () => call('close', () => undefined),
    };
  }

  async #call<T>(name: DiskCall['name'], path: string, act: () => T): Promise<T> {
    const call = { number: this.calls.length + 1, name, path };
    this.calls.push(call);
    await this.before(call);
    const answer = act();
    await this.after(call);
    return answer;
  }

  #inode(path: string): Inode {
    const inode = this.#names.get(path);
    if (!inode) throw systemError('ENOENT');
    return inode;
  }

  #rename(path: string, apply: Renaming): void {
    apply(this.#names);
    this.#renamings.push({ directory: dirname(path), apply });
  }

  #paths(directory: string): string[] {
    return [...this.#names.keys()].filter((path) => dirname(path) === directory).sort();
  }

  /** What a file holds now; a test may look and change without a call. */
  content(path: string): Buffer {
    return this.#inode(path).content;
  }

  /** Puts a file there that survives everything. */
  put(path: string, content: Uint8Array): void {
    const inode = { content: Buffer.from(content), synced: Buffer.from(content), changes: [] };
    this.#names.set(path, inode);
    this.#syncedNames.set(path, inode);
  }

  remove(path: string): void {
    this.#names.delete(path);
    this.#syncedNames.delete(path);
  }

  names(directory: string): string[] {
    return this.#paths(directory).map((path) => path.slice(directory.length + 1));
  }

  /** A disk with what is on this one, as if every process had ended. */
  copy(): SimulatedDisk {
    const copy = new SimulatedDisk();
    for (const [path, { content }] of this.#names) copy.put(path, content);
    return copy;
  }

  /** A disk with what a power loss at this moment would leave. */
  crashed(random: Random): SimulatedDisk {
    const names = new Map(this.#syncedNames);
    for (const { apply } of this.#renamings) if (random.below(2) === 0) apply(names);
    const survivors = new Map<Inode, Buffer>();
    const crashed = new SimulatedDisk();
    for (const [path, inode] of names) {
      if (!survivors.has(inode)) survivors.set(inode, survivorOf(inode, random));
      crashed.put(path, survivors.get(inode)!);
    }
    return crashed;
  }
}

function survivorOf({ synced, changes }: Inode, random: Random): Buffer {
  let content = synced;
  for (const change of changes) {
    if (random.below(3) === 0) continue;
    if (change === 'emptied') {
      content = Buffer.alloc(0);
      continue;
    }
    const { position, bytes } = change;
    const isTorn = random.below(2) === 0;
    for (let from = 0; from < bytes.length;) {
      const to = Math.min(bytes.length, from + SECTOR - ((position + from) % SECTOR));
      if (!isTorn || random.below(2) === 0) content = written(content, position + from, bytes.subarray(from, to));
      from = to;
    }
  }
  return content;
}

/** The content after a write; what lies between its end and the write becomes zeros. */
function written(content: Buffer, position: number, bytes: Buffer): Buffer {
  const after = Buffer.alloc(Math.max(content.length, position + bytes.length));
  content.copy(after);
  bytes.copy(after, position);
  return after;
}

/** An error as the system gives it. */
export function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: simulated`), { code });
}

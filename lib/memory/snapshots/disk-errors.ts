import { SnapshotDiskError } from '../../store/values/errors.js';
import type { Disk, DiskFile } from './disk.js';

/** A disk whose failures say what could not be done to which file: the one place where a system error becomes ours. */
export function withClearErrors(disk: Disk): Disk {
  return {
    makeDirectory: (path) => clearly('make', path, () => disk.makeDirectory(path)),
    list: (path) => clearly('list', path, () => disk.list(path)),
    create: (path) => clearly('create', path, async () => fileWithClearErrors(await disk.create(path), path)),
    open: (path) => clearly('open', path, async () => fileWithClearErrors(await disk.open(path), path)),
    link: (path, newPath) => clearly('link', newPath, () => disk.link(path, newPath)),
    rename: (path, newPath) => clearly('rename', newPath, () => disk.rename(path, newPath)),
    unlink: (path) => clearly('remove', path, () => disk.unlink(path)),
    syncDirectory: (path) => clearly('sync', path, () => disk.syncDirectory(path)),
  };
}

function fileWithClearErrors(file: DiskFile, path: string): DiskFile {
  return {
    size: () => clearly('read', path, () => file.size()),
    read: (into, position) => clearly('read', path, () => file.read(into, position)),
    write: (parts, position) => clearly('write', path, () => file.write(parts, position)),
    empty: () => clearly('empty', path, () => file.empty()),
    sync: () => clearly('sync', path, () => file.sync()),
    close: () => clearly('close', path, () => file.close()),
  };
}

async function clearly<T>(operation: string, path: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (cause) {
    throw new SnapshotDiskError(operation, path, cause);
  }
}

/** Whether the disk failed with the system's error of this code, such as `ENOENT`. */
export function failedWith(error: unknown, systemCode: string): boolean {
  return error instanceof SnapshotDiskError && error.systemCode === systemCode;
}

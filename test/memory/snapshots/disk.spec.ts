import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type EventStore, memoryEngine, openEventStore, SnapshotDirectoryInUseError } from 'nestjs-stream-store';
import { nodeDisk } from '../../../lib/memory/snapshots/disk.js';
import { systemProcesses } from '../../../lib/store/services/process-table.js';
import { numbered, rejectionOf } from '../../support/events.js';
import { RecordingLogger } from '../../support/recorders.js';
import { visible } from './stores-on-disk.js';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(realpathSync(tmpdir()), 'stream-store-disk-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const open = (snapshotDirectory: string, name?: string): Promise<EventStore> =>
  openEventStore({ name, engine: memoryEngine({ snapshotDirectory }), logger: new RecordingLogger() });

const modeOf = (path: string): number => statSync(path).mode & 0o777;

describe('a store on the disk of this computer', () => {
  it('comes back as it was', async () => {
    const store = await open(join(folder, 'data'));
    for (let n = 1; n <= 9_001; n += 1_000) await store.append('s', numbered(n, n + 999));
    await store.append('large', { type: 't', data: 'é'.repeat(3_000_000) });
    const before = await visible(store);
    await store.close();

    const again = await open(join(folder, 'data'));

    expect(await visible(again)).toBe(before);
    await again.close();
  });

  it('makes its directory, which only its owner can enter, and files that only their owner can read', async () => {
    const directory = join(folder, 'a/b/data');
    const store = await open(directory);
    await store.append('s', { type: 't' });
    await store.close();

    expect([modeOf(join(folder, 'a')), modeOf(directory)]).toEqual([0o700, 0o700]);
    for (const name of readdirSync(directory)) expect([name, modeOf(join(directory, name))]).toEqual([name, 0o600]);
  });

  it('leaves a directory that is there with the mode it has', async () => {
    chmodSync(folder, 0o755);
    await (await open(folder)).close();

    expect(modeOf(folder)).toBe(0o755);
  });

  it.each(['../../x', 'C:\\evil', '/etc/passwd', '%2e%2e%2f', '__proto__'])(
    'takes no name of a store or a stream into a path: %s',
    async (name) => {
      const directory = join(folder, 'data');
      const store = await open(directory, name);
      await store.append(name, { type: name, id: name });
      await store.close();

      expect(readdirSync(folder)).toEqual(['data']);
      expect(readdirSync(directory)).toEqual(['lock-000000000001', 'snapshot-000000000001.bin']);
    },
  );

  it('stays where it is when the process changes its directory', async () => {
    const began = process.cwd();
    try {
      process.chdir(folder);
      const store = await open('data');
      process.chdir(tmpdir());
      await store.append('s', { type: 't' });
      const { location } = await store.snapshot();
      await store.close();

      expect(location).toBe(join(folder, 'data/snapshot-000000000001.bin'));
    } finally {
      process.chdir(began);
    }
  });

  it('follows no symbolic link that lies in its place', async () => {
    const store = await open(join(folder, 'real'));
    await store.append('s', { type: 't' });
    await store.close();
    const directory = join(folder, 'data');
    await (await open(directory)).close();
    symlinkSync(join(folder, 'real/snapshot-000000000001.bin'), join(directory, 'snapshot-000000000001.bin'));

    const error = await rejectionOf(open(directory));

    expect(error).toMatchObject({ code: 'SNAPSHOT_DISK_FAILED', operation: 'open', systemCode: 'ELOOP' });
  });

  it('does not write through a symbolic link either', async () => {
    const directory = join(folder, 'data');
    const store = await open(directory);
    await store.append('s', { type: 't' });
    writeFileSync(join(folder, 'precious'), 'precious');
    symlinkSync(join(folder, 'precious'), join(directory, 'snapshot-000000000001.tmp'));

    await expect(store.snapshot()).rejects.toMatchObject({ operation: 'create', systemCode: 'EEXIST' });

    await store.close();
    expect(statSync(join(folder, 'precious')).size).toBe(8);
  });

  it.each([
    ['a directory', (path: string) => execFileSync('mkdir', [path])],
    ['a named pipe', (path: string) => execFileSync('mkfifo', [path])],
  ])('refuses %s in place of a snapshot, and does not wait for it', async (_, make) => {
    make(join(folder, 'snapshot-000000000001.bin'));

    await expect(open(folder)).rejects.toMatchObject({ code: 'SNAPSHOT_DISK_FAILED', operation: 'open' });
  });

  it('says what is wrong when the directory cannot be made', async () => {
    writeFileSync(join(folder, 'file'), '');

    const error = await rejectionOf(open(join(folder, 'file/data')));

    expect(error).toMatchObject({
      code: 'SNAPSHOT_DISK_FAILED',
      operation: 'make',
      location: join(folder, 'file/data'),
    });
  });

  it('is refused to a second store by the number of this process', async () => {
    const store = await open(folder);

    const error = await rejectionOf(open(folder));

    expect(error).toBeInstanceOf(SnapshotDirectoryInUseError);
    expect(error).toMatchObject({ pid: process.pid });
    await store.close();
  });

  it('is opened by exactly one of fifty that race for it, also after one that was never closed', async () => {
    writeFileSync(join(folder, 'lock-000000000003'), JSON.stringify({ ...systemProcesses.self, pid: endedPid() }));

    const outcomes = await Promise.allSettled(Array.from({ length: 50 }, () => open(folder)));

    const stores = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
    const errors = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as unknown] : []));
    expect(stores).toHaveLength(1);
    for (const error of errors) expect(error).toBeInstanceOf(SnapshotDirectoryInUseError);
    await stores[0].close();
    expect(readdirSync(folder)).toEqual(['lock-000000000004']);
  });
});

describe('the disk of this computer', () => {
  it('makes no file where something is, be it a link to nowhere', async () => {
    symlinkSync(join(folder, 'nowhere'), join(folder, 'link'));

    await expect(nodeDisk.create(join(folder, 'link'))).rejects.toMatchObject({ code: 'EEXIST' });
  });

  it('writes at a place, reads it again, and gives 0 bytes behind the end', async () => {
    const file = await nodeDisk.create(join(folder, 'file'));
    const written = await file.write([Buffer.from('ab'), Buffer.from('cd')], 3);
    const into = Buffer.alloc(10);

    expect([written, await file.size(), await file.read(into, 3), into.toString('utf8', 0, 4)]).toEqual([
      4,
      7,
      4,
      'abcd',
    ]);
    expect(await file.read(into, 7)).toBe(0);
    await file.empty();
    expect(await file.size()).toBe(0);
    await file.close();
  });
});

describe('a process', () => {
  const { self } = systemProcesses;

  it.each([
    ['this one', self, true],
    ['one that has ended', { ...self, pid: endedPid() }, false],
    ['an earlier one that had the number of this one', { ...self, startedAt: 'before' }, process.platform !== 'linux'],
    ['one on another host', { ...self, host: 'elsewhere', pid: endedPid() }, true],
    ['one of which the system did not say when it was started', { ...self, startedAt: undefined }, true],
    ['one of another user', { ...self, pid: 1, startedAt: undefined }, true],
  ])('(%s) is known to run or not', (_, identity, isAlive) => {
    expect(systemProcesses.isAlive(identity)).toBe(isAlive);
  });
});

/** The number of a process that has ended. */
function endedPid(): number {
  return spawnSync(process.execPath, ['--version']).pid;
}

import { rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import type { Clock, Lease, StorageEngine } from 'nestjs-stream-store';
import { describeStorageEngine } from 'nestjs-stream-store/testing';
import { brokenEngine } from '../testing/broken-engine.js';
import { CollectingRunner } from '../testing/collecting-runner.js';
import { engineOn, newFile } from './sqlite-files.js';

// Defects of what an engine can do that the memory engine cannot: leases, several engines on one log, restarts.

type Replace = (inner: StorageEngine) => Partial<StorageEngine>;

const DEFECTS: readonly (readonly [defect: string, area: string, replace: Replace])[] = [
  [
    'gives a lease to whoever asks',
    'leases',
    (inner) => ({ acquireLease: (request) => inner.acquireLease!({ ...request, holder: 'everybody' }) }),
  ],
  [
    'gives each holder the same token',
    'leases',
    (inner) => ({
      async acquireLease(request) {
        const lease = await inner.acquireLease!(request);
        return lease && { ...lease, token: 1 };
      },
    }),
  ],
  [
    'gives a new token to a holder that prolongs its lease',
    'leases',
    (inner) => {
      let more = 0;
      return {
        async acquireLease(request) {
          const lease = await inner.acquireLease!(request);
          return lease && { ...lease, token: lease.token + more++ };
        },
      };
    },
  ],
  [
    'waits for the end of a lease whose holder is known to be gone',
    'leases',
    (inner) => ({ acquireLease: (request) => inner.acquireLease!({ ...request, evenFrom: undefined }) }),
  ],
  [
    'takes a lease from any holder for who knows of one that is gone',
    'leases',
    (inner) => ({
      async acquireLease(request) {
        const held = (await inner.listLeases!(request.name)).find(({ name }) => name === request.name);
        return inner.acquireLease!(request.evenFrom && held ? { ...request, evenFrom: held } : request);
      },
    }),
  ],
  [
    'does not look at the token of the lease whose holder is known to be gone',
    'leases',
    (inner) => ({
      async acquireLease(request) {
        const held = (await inner.listLeases!(request.name)).find(({ name }) => name === request.name);
        const evenFrom = request.evenFrom && held && { ...request.evenFrom, token: held.token };
        return inner.acquireLease!({ ...request, evenFrom });
      },
    }),
  ],
  [
    'never lets a lease end',
    'leases',
    (inner) => ({ acquireLease: (request) => inner.acquireLease!({ ...request, durationMs: 1e12 }) }),
  ],
  [
    'lets a lease outlive a clock that was set back',
    'leases',
    (inner) => {
      const endOf = new Map<string, number>();
      let clock: Clock | undefined;
      return {
        open(context) {
          ({ clock } = context);
          return inner.open(context);
        },
        async acquireLease(request) {
          const [before] = await inner.listLeases!(request.name);
          const isOthers = before !== undefined && before.holder !== request.holder;
          if (isOthers && clock!.now() < endOf.get(request.name)!) return undefined;
          const lease = await inner.acquireLease!(request);
          if (lease) endOf.set(request.name, clock!.now() + request.durationMs);
          return lease;
        },
        async listLeases(prefix) {
          return inner.listLeases!(prefix);
        },
      };
    },
  ],
  [
    'does not prolong a lease',
    'leases',
    (inner) => {
      const held = new Map<string, Lease>();
      return {
        async acquireLease(request) {
          const before = held.get(request.name);
          const isHeld = (await inner.listLeases!('')).some(({ name, token }) => {
            return name === request.name && token === before?.token;
          });
          if (isHeld && before?.holder === request.holder) return before;
          const lease = await inner.acquireLease!(request);
          if (lease) held.set(request.name, lease);
          return lease;
        },
      };
    },
  ],
  [
    'lets a former holder end the lease of the next',
    'leases',
    (inner) => ({
      async releaseLease({ name }) {
        for (const lease of await inner.listLeases!(name)) await inner.releaseLease!(lease);
      },
    }),
  ],
  [
    'lists leases by any part of their names',
    'leases',
    (inner) => ({
      async listLeases(prefix) {
        const pattern = new RegExp(`^${prefix.replaceAll('%', '.*').replaceAll('_', '.').replaceAll('*', '.*')}`);
        return (await inner.listLeases!('')).filter(({ name }) => pattern.test(name));
      },
    }),
  ],
  [
    'does not look at the lease under which a checkpoint is saved',
    'fencing',
    (inner) => ({ saveCheckpoint: (name, checkpoint) => inner.saveCheckpoint(name, checkpoint) }),
  ],
  [
    'checks a lease in one step and saves in the next',
    'fencing',
    (inner) => ({
      async saveCheckpoint(name, checkpoint, lease) {
        await inner.saveCheckpoint(name, checkpoint);
        if (lease) await inner.saveCheckpoint(name, checkpoint, lease);
      },
    }),
  ],
  [
    'writes a snapshot although nothing has changed',
    'snapshots',
    (inner) => ({ snapshot: () => inner.snapshot!({ ifChanged: false }) }),
  ],
  [
    'remembers what it read, and does not see what another has appended',
    'two engines on one log',
    (inner) => {
      let revision: number | undefined;
      return {
        async readStream(request) {
          const page = await inner.readStream(request);
          revision ??= page.revision;
          const events = page.events.filter(({ position }) => position <= revision!);
          return { ...page, events };
        },
      };
    },
  ],
  [
    'forgets its checkpoints when it is closed',
    'after a restart',
    (inner) => ({
      async close() {
        for (const { name } of await inner.listCheckpoints()) await inner.removeCheckpoint(name);
        await inner.close();
      },
    }),
  ],
  ['gives no hints', 'two engines on one log', () => ({ onAppended: () => () => undefined })],
  [
    'gives hints to those who want no more',
    'two engines on one log',
    (inner) => ({
      onAppended(listener) {
        inner.onAppended!(listener);
        return () => undefined;
      },
    }),
  ],
];

/** The suite on SQLite engines with a defect. */
function suiteOf(replace: Replace): CollectingRunner {
  const runner = new CollectingRunner();
  let file: string;
  const engine = (): StorageEngine => {
    const options = { synchronous: 'NORMAL', snapshotDirectory: join(dirname(file), 'snapshots') } as const;
    return brokenEngine(engineOn(file, options), replace);
  };
  describeStorageEngine('tested', {
    create: () => {
      file = newFile();
      return engine();
    },
    createAnother: engine,
    destroy: () => rmSync(dirname(file), { recursive: true, force: true }),
    supports: { leases: true, snapshot: true },
    runner,
  });
  return runner;
}

describe('the conformance suite', () => {
  it.each(DEFECTS)('finds an engine that %s', async (_defect, area, replace) => {
    const failure = await suiteOf(replace).firstFailure(` › ${area} › `);

    expect(failure).toBeDefined();
  });
});

import assert from 'node:assert/strict';
import type { CheckpointChangedError, LeaseLostError, LogForkedError } from '../../../store/values/errors.js';
import type { WriteDocumentsRequest } from '../../../store/ports/storage-engine.js';
import { compareStreamIds } from '../../../store/values/stream-info.js';
import { area } from '../conformance-case.js';
import { numbered, numbers } from '../event-drafts.js';
import { ODD_NAMES } from '../odd-names.js';
import type { TestedLog } from '../tested-log.js';
import { checkpointAt } from './checkpoints.js';

const C = 'totals';

async function put(log: TestedLog, documents: Readonly<Record<string, string>>, collection = C): Promise<void> {
  const all = Object.entries(documents).map(([key, document]) => ({ key, document }));
  await write(log, { collection, put: all });
}

async function write(log: TestedLog, request: Partial<WriteDocumentsRequest>): Promise<void> {
  await log.engine.writeDocuments!({ collection: C, put: [], remove: [], ...request });
}

async function get(log: TestedLog, ...keys: string[]): Promise<string[]> {
  return (await log.engine.getDocuments!({ collection: C, keys })).map(({ key, document }) => `${key}=${document}`);
}

async function list(log: TestedLog, { prefix = '', after = '', limit = Infinity, collection = C } = {}) {
  return (await log.engine.listDocuments!({ collection, prefix, after, limit })).map(({ key }) => key);
}

export const documents = area(
  'documents',
  (it) => {
    it('are kept under their key, in the order that they are asked for', async (log) => {
      await put(log, { a: '1', b: '{"n":[2]}', c: '"3"' });
      assert.deepEqual(await get(log, 'c', 'missing', 'a', 'b'), ['c="3"', 'a=1', 'b={"n":[2]}']);
      assert.deepEqual(await get(log), []);
    });

    it('take the place of those before, and go when they are removed', async (log) => {
      await put(log, { a: '1', b: '1', c: '1' });
      await write(log, { put: [{ key: 'a', document: '2' }], remove: ['b', 'missing'] });
      assert.deepEqual(await get(log, 'a', 'b', 'c'), ['a=2', 'c=1']);
      await put(log, { b: '3' });
      assert.deepEqual(await get(log, 'b'), ['b=3']);
    });

    it('belong to their collection', async (log) => {
      await put(log, { a: '1' });
      await put(log, { a: '2', b: '2' }, 'others');
      assert.deepEqual([await list(log), await list(log, { collection: 'others' })], [['a'], ['a', 'b']]);
      await log.engine.dropDocuments!({ collection: C });
      await log.engine.dropDocuments!({ collection: C });
      assert.deepEqual([await list(log), await list(log, { collection: 'others' })], [[], ['a', 'b']]);
    });

    it('are listed by key, from anywhere, as many as are asked for', async (log) => {
      await put(log, Object.fromEntries(numbers(1, 30).map((n) => [`k-${String(n).padStart(2, '0')}`, String(n)])));
      assert.deepEqual(await list(log, { limit: 3 }), ['k-01', 'k-02', 'k-03']);
      assert.deepEqual(await list(log, { after: 'k-03', limit: 2 }), ['k-04', 'k-05']);
      assert.deepEqual(
        await list(log, { prefix: 'k-2' }),
        numbers(20, 29).map((n) => `k-${n}`),
      );
      assert.deepEqual(await list(log, { prefix: 'k-2', after: 'k-28' }), ['k-29']);
      assert.deepEqual(await list(log, { prefix: 'nothing' }), []);
    });

    it('are kept under any name, in the order of compareStreamIds', async (log) => {
      await put(log, Object.fromEntries(ODD_NAMES.map((name, index) => [name, String(index)])));
      assert.deepEqual(await list(log), [...ODD_NAMES].sort(compareStreamIds));
      for (const [index, name] of ODD_NAMES.entries()) assert.deepEqual(await get(log, name), [`${name}=${index}`]);
      for (const prefix of ['%', '_', '*', '?', '[', '\\']) {
        assert.deepEqual(
          await list(log, { prefix }),
          ODD_NAMES.filter((name) => name.startsWith(prefix)).sort(compareStreamIds),
        );
      }
      for (const name of ODD_NAMES) await put(log, { a: '1' }, name);
      for (const name of ODD_NAMES) assert.deepEqual(await list(log, { collection: name }), ['a']);
    });

    it('are kept as they came, also large and many', async (log) => {
      const texts = {
        a: '{"n":1.50,"big":9007199254740993}',
        b: JSON.stringify('\u0000\ud83d\ude00"\\'.repeat(50_000)),
      };
      await put(log, texts);
      assert.deepEqual(await get(log, 'a', 'b'), [`a=${texts.a}`, `b=${texts.b}`]);
      await put(log, Object.fromEntries(numbers(1, 2_000).map((n) => [`many-${n}`, `{"n":${n}}`])));
      assert.equal((await list(log, { prefix: 'many-' })).length, 2_000);
    });

    it('are kept with their checkpoint', async (log) => {
      const checkpoint = { name: 'totals', checkpoint: checkpointAt(7), conditions: { expected: null } };
      await write(log, { put: [{ key: 'a', document: '1' }], checkpoint });
      assert.deepEqual([await get(log, 'a'), await log.loadCheckpoint('totals')], [['a=1'], checkpointAt(7)]);
    });

    it('are not kept when another checkpoint is there than the one to be replaced', async (log) => {
      await put(log, { a: '1' });
      await log.saveCheckpoint('totals', checkpointAt(3));
      for (const expected of [null, checkpointAt(2)]) {
        const checkpoint = { name: 'totals', checkpoint: checkpointAt(4), conditions: { expected } };
        await assert.rejects(
          write(log, { put: [{ key: 'b', document: '2' }], remove: ['a'], checkpoint }),
          (error: CheckpointChangedError) => error.code === 'CHECKPOINT_CHANGED',
        );
      }
      assert.deepEqual([await get(log, 'a', 'b'), await log.loadCheckpoint('totals')], [['a=1'], checkpointAt(3)]);
    });

    it('are not kept when the log does not go on from the place of their checkpoint', async (log) => {
      await log.append('s', numbered(1, 3));
      const place = { streamId: null, position: 99 };
      const checkpoint = { name: 'totals', checkpoint: checkpointAt(99), conditions: { place } };
      await assert.rejects(
        write(log, { put: [{ key: 'a', document: '1' }], checkpoint }),
        (error: LogForkedError) => error.code === 'LOG_FORKED',
      );
      assert.deepEqual([await list(log), await log.loadCheckpoint('totals')], [[], undefined]);
    });

    it('are not kept under a lease that somebody else has', { needs: ['leases'] }, async (log) => {
      const lease = await log.acquired('totals', 'one');
      await write(log, { put: [{ key: 'a', document: '1' }], lease });
      await write(log, {
        put: [{ key: 'b', document: '1' }],
        lease,
        checkpoint: { name: 'totals', checkpoint: checkpointAt(1) },
      });
      for (const lost of [
        { ...lease, token: lease.token + 1 },
        { ...lease, holder: 'two' },
      ]) {
        for (const checkpoint of [undefined, { name: 'totals', checkpoint: checkpointAt(9) }]) {
          await assert.rejects(
            write(log, {
              put: [{ key: 'a', document: '2' }],
              remove: ['b'],
              lease: lost,
              ...(checkpoint && { checkpoint }),
            }),
            (error: LeaseLostError) => error.code === 'LEASE_LOST',
          );
        }
      }
      assert.deepEqual(
        [await get(log, 'a', 'b'), await log.loadCheckpoint('totals')],
        [['a=1', 'b=1'], checkpointAt(1)],
      );
    });

    it('are seen whole by readers, while they are written', async (log) => {
      const keys = numbers(1, 50).map((n) => `k${n}`);
      const writing = (async () => {
        for (const n of numbers(1, 20)) await put(log, Object.fromEntries(keys.map((key) => [key, String(n)])));
      })();
      for (let n = 0; n < 20; n++) {
        const seen = await log.engine.getDocuments!({ collection: C, keys });
        assert.ok(new Set(seen.map(({ document }) => document)).size <= 1, 'a reader saw half of a write');
      }
      await writing;
    });

    it('are no events, and stay when events are removed', async (log) => {
      await log.append('s', numbered(1, 3));
      await put(log, { s: '1' });
      await log.trim();
      assert.deepEqual([await log.streamIds(), await get(log, 's')], [[], ['s=1']]);
    });

    it('are there after a restart', { needs: ['createAnother'] }, async (log) => {
      await put(log, Object.fromEntries(numbers(1, 100).map((n) => [`k${n}`, JSON.stringify('x'.repeat(n * 50))])));
      await write(log, { remove: ['k1'], checkpoint: { name: 'totals', checkpoint: checkpointAt(1) } });
      const again = await log.reopened();
      assert.equal((await list(again)).length, 99);
      assert.deepEqual(await get(again, 'k2'), [`k2=${JSON.stringify('x'.repeat(100))}`]);
      assert.deepEqual(await again.loadCheckpoint('totals'), checkpointAt(1));
    });
  },
  ['documents'],
);

import { join } from 'node:path';
import { beforeAll, expect, it } from '@jest/globals';
import { compiledApp, startChild } from '../support/processes/child-app.js';
import { numbered } from '../support/events.js';
import { usePostgres } from '../support/engines/postgres-stores.js';
import { Random } from '../support/worlds/random.js';
import { scaled, scaledTimeLimit } from '../support/scale.js';

const KILLS = scaled(100);
const WRITERS = 4;
const EVENTS_OF_BATCH = 3;

const { server, openStore } = usePostgres();

let app: string;
beforeAll(async () => {
  app = await compiledApp(join(import.meta.dirname, 'fixtures/appending-app.ts'));
}, 60_000);

it(
  `keeps what was acknowledged, and whole batches only, when writers are killed ${KILLS} times`,
  async () => {
    const schema = server().newSchema();
    const store = await openStore({ schema }, { maxEventsPerStream: 0 });
    const acknowledged: string[] = [];
    const random = new Random(7);
    let kills = 0;
    const writeAndDie = async (writer: number): Promise<void> => {
      while (kills++ < KILLS) {
        const child = startChild(app, server().url, schema, `w${writer}`);
        await child.said(/^kept/, 1 + random.below(60));
        child.kill('SIGKILL');
        await child.ended;
        expect(child.lines.filter((line) => line.startsWith('error'))).toEqual([]);
        // The last line may have been cut off with the process.
        acknowledged.push(...child.lines.filter((line) => line.startsWith('kept')).map((line) => line.slice(5)));
      }
    };

    await Promise.all(Array.from({ length: WRITERS }, (_, writer) => writeAndDie(writer)));

    const batches = new Map<string, number[]>();
    const { events } = await store.readAll({ limit: 0 });
    for (const { id } of events) {
      const [batch, index] = id.split('/');
      batches.set(batch, [...(batches.get(batch) ?? []), Number(index)]);
    }
    expect(acknowledged.filter((batch) => !batches.has(batch))).toEqual([]);
    expect([...batches].filter(([, indexes]) => indexes.join() !== '0,1,2')).toEqual([]);
    expect(events).toHaveLength(batches.size * EVENTS_OF_BATCH);
    expect(acknowledged.length).toBeGreaterThan(KILLS);
  },
  scaledTimeLimit(180_000),
);

it('keeps nobody waiting who appends while another instance is stopped in the middle of its work', async () => {
  const schema = server().newSchema();
  const store = await openStore({ schema }, { maxEventsPerStream: 0 });
  const child = startChild(app, server().url, schema, 'stopped');
  const random = new Random(7);
  const rounds = scaled(20);
  for (let round = 0, kept = 0; round < rounds; round++) {
    kept = (await child.said(/^kept/, kept + 1 + random.below(30))).length;
    child.kill('SIGSTOP');
    await store.append('mine', numbered(round, round));
    child.kill('SIGCONT');
  }
  child.kill('SIGKILL');
  await child.ended;

  expect(await store.readStream('mine')).toHaveLength(rounds);
});

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { compiledApp, startChild } from '../../support/processes/child-app.js';
import { Random } from '../../support/worlds/random.js';
import { scaled } from '../../support/scale.js';

const KILLS = scaled(4);

let app: string;
let folder: string;

beforeAll(async () => {
  app = await compiledApp(join(import.meta.dirname, 'fixtures/appending-app.ts'));
  folder = mkdtempSync(join(tmpdir(), 'stream-store-kill-'));
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const numberIn = (line = '0 0'): number => Number(line.split(' ')[1]);

describe('a process that is killed', () => {
  it('loses what it appended after its last snapshot, and nothing else', async () => {
    const directory = join(folder, 'killed');
    const random = new Random(3);
    let [least, most] = [0, 0];
    for (let kill = 0; kill <= KILLS; kill++) {
      const child = startChild(app, directory);
      const [opened] = await child.said(/^opened/);
      expect([kill, numberIn(opened) >= least, numberIn(opened) <= most]).toEqual([kill, true, true]);

      await child.said(/^kept/, 1 + random.below(4));
      await turns(random.below(200));
      child.kill('SIGKILL');
      await child.ended;

      least = numberIn(child.lines.filter((line) => line.startsWith('kept')).at(-1));
      most = numberIn(child.lines.filter((line) => line.startsWith('begun')).at(-1));
      expect(child.lines.filter((line) => line.startsWith('error'))).toEqual([]);
    }
    expect(least).toBeGreaterThan(0);
  });

  it('leaves its directory to exactly one of those that start next', async () => {
    const directory = join(folder, 'raced');
    const first = startChild(app, directory);
    await first.said(/^kept/);
    first.kill('SIGKILL');
    await first.ended;

    const children = Array.from({ length: 4 }, () => startChild(app, directory));
    await Promise.all(children.map((child) => child.said(/^(opened|refused)/)));

    const winners = children.filter(({ lines }) => lines.some((line) => line.startsWith('opened')));
    const refusals = children.flatMap(({ lines }) => lines.filter((line) => line.startsWith('refused')));
    expect(winners).toHaveLength(1);
    expect(refusals).toHaveLength(3);
    for (const refusal of refusals) expect(refusal).toMatch(/^refused SNAPSHOT_DIRECTORY_IN_USE \d+$/);
  });
});

describe('a process that runs', () => {
  it('keeps its directory from a second one, which is told its number', async () => {
    const directory = join(folder, 'running');
    const first = startChild(app, directory);
    const [process] = await first.said(/^process/);
    const second = startChild(app, directory);

    await second.ended;

    expect(second.lines).toEqual([`refused SNAPSHOT_DIRECTORY_IN_USE ${numberIn(process)}`]);
  });
});

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

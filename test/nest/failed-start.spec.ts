import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { EventStoreModule, memoryEngine, openEventStore } from 'nestjs-stream-store';
import { aroundEngine } from '../support/engines/around-engine.js';
import { startFailure } from '../support/servers/nest-app.js';

let snapshotDirectory: string;

beforeEach(() => {
  snapshotDirectory = mkdtempSync(join(tmpdir(), 'stream-store-failed-start-'));
});

afterEach(() => rmSync(snapshotDirectory, { recursive: true, force: true }));

it('an application whose other store cannot be opened gives back what its stores hold', async () => {
  const broken = aroundEngine((verb, ask) => {
    if (verb === 'open') throw new Error('no such disk');
    return ask();
  });

  const failure = await startFailure({
    imports: [
      EventStoreModule.forRoot({ engine: memoryEngine({ snapshotDirectory }) }),
      EventStoreModule.forRoot({ name: 'broken', engine: broken }),
    ],
  });

  expect(failure.message).toBe('no such disk');
  const store = await openEventStore({ engine: memoryEngine({ snapshotDirectory }) });
  await store.close();
});

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memoryEngine } from 'nestjs-stream-store';
import { describeStorageEngine, faultyEngine } from 'nestjs-stream-store/testing';

describeStorageEngine('memory', { create: () => memoryEngine(), supports: { documents: true } });

let snapshotDirectory: string;
describeStorageEngine('memory with snapshots', {
  create: () => {
    snapshotDirectory = mkdtempSync(join(tmpdir(), 'stream-store-conformance-'));
    return memoryEngine({ snapshotDirectory });
  },
  createAnother: () => memoryEngine({ snapshotDirectory }),
  destroy: () => rmSync(snapshotDirectory, { recursive: true, force: true }),
  supports: { snapshot: true, documents: true },
});

describeStorageEngine('faulty around memory', {
  create: () => faultyEngine(memoryEngine()),
  supports: { documents: true },
});

import { rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describeStorageEngine, faultyEngine } from 'nestjs-stream-store/testing';
import { engineOn, newFile } from './sqlite-files.js';

let file: string;
const removeFile = (): void => rmSync(dirname(file), { recursive: true, force: true });

describeStorageEngine('sqlite', {
  create: () => engineOn((file = newFile()), { synchronous: 'NORMAL' }),
  createAnother: () => engineOn(file, { synchronous: 'NORMAL' }),
  destroy: removeFile,
  supports: { leases: true, documents: true },
});

const withSnapshots = () =>
  engineOn(file, { synchronous: 'NORMAL', snapshotDirectory: join(dirname(file), 'snapshots') });

describeStorageEngine('faulty around sqlite with snapshots', {
  create: () => {
    file = newFile();
    return faultyEngine(withSnapshots());
  },
  createAnother: () => faultyEngine(withSnapshots()),
  destroy: removeFile,
  supports: { leases: true, snapshot: true, documents: true },
});

import assert from 'node:assert/strict';
import type { LogCheckState, LogProblem } from '../../../store/values/log-check.js';
import { area } from '../conformance-case.js';
import { numbered } from '../event-drafts.js';
import type { TestedLog } from '../tested-log.js';

/** What the engine finds wrong with its log; nothing when it cannot look. */
async function problemsOf({ engine }: TestedLog): Promise<LogProblem[]> {
  const problems: LogProblem[] = [];
  let state: LogCheckState | undefined;
  do {
    const page = await engine.verify?.(state);
    problems.push(...(page?.problems ?? []));
    state = page?.next;
  } while (state);
  return problems;
}

export const checking = area('checking the log', (it) => {
  it('finds nothing wrong with an empty log', async (log) => {
    assert.deepEqual(await problemsOf(log), []);
  });

  it('finds nothing wrong with streams that were appended to in turn', async (log) => {
    for (let round = 1; round <= 5; round++) {
      for (const streamId of ['b', 'a', 'c', '$own']) await log.append(streamId, numbered(1, round));
    }
    assert.deepEqual(await problemsOf(log), []);
  });

  it('finds nothing wrong with a log of which the beginning was removed', async (log) => {
    for (const streamId of ['a', 'b', 'a', 'c']) await log.append(streamId, numbered(1, 3));
    await log.trim({ limit: 5 });
    assert.deepEqual(await problemsOf(log), []);
  });

  it('finds nothing wrong with a log that was emptied, nor with what comes after', async (log) => {
    for (const streamId of ['a', 'b']) await log.append(streamId, numbered(1, 3));
    await log.trim();
    assert.deepEqual(await problemsOf(log), []);
    await log.append('b', numbered(4, 5));
    assert.deepEqual(await problemsOf(log), []);
  });
});

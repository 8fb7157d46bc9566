import { beforeEach, describe, expect, it } from '@jest/globals';
import { AppendSignal } from '../../lib/store/ports/append-signal.js';
import { microtasks, turnOfEventLoop } from '../support/waiting/collect.js';

let signal: AppendSignal;
let position: number;
let wakeUps: string[];

beforeEach(() => {
  signal = new AppendSignal();
  position = 0;
  wakeUps = [];
});

function listen(streamId?: string): () => void {
  return signal.listen(streamId, () => wakeUps.push(`${streamId ?? 'all'} at ${position}`));
}

/** Appends, and goes on when the caller of `append` would. */
async function append(streamId: string, times = 1): Promise<void> {
  for (let time = 0; time < times; time++) {
    position++;
    signal.appended({ streamId, firstPosition: position, firstGlobalPosition: position });
    await microtasks(2);
  }
}

describe('who listens', () => {
  it('is woken by the stream that it listens to, and by any when it listens to all', async () => {
    listen('a');
    listen('b');
    listen();
    await append('a');
    expect(wakeUps.sort()).toEqual(['a at 1', 'all at 1']);
  });

  it('is woken by a hint about any stream', async () => {
    listen('a');
    listen();
    signal.notify();
    await microtasks(2);
    expect(wakeUps.sort()).toEqual(['a at 0', 'all at 0']);
  });

  it('is not woken after it has stopped listening', async () => {
    listen('a')();
    await append('a');
    await turnOfEventLoop();
    expect(wakeUps).toEqual([]);
  });
});

describe('appends in one turn of the event loop', () => {
  it('wake at once for the first, and for all others together at the end of the turn', async () => {
    listen('a');
    await append('a', 5);
    expect(wakeUps).toEqual(['a at 1']);
    await turnOfEventLoop();
    expect(wakeUps).toEqual(['a at 1', 'a at 5']);
  });

  it('wake whenever there are 128, so that a loop that lets the event loop never turn delays nobody for ever', async () => {
    listen('a');
    await append('a', 300);
    expect(wakeUps).toEqual(['a at 1', 'a at 129', 'a at 257']);
    await turnOfEventLoop();
    expect(wakeUps.slice(3)).toEqual(['a at 300']);
  });

  it('wake each who listens to one of the streams once', async () => {
    listen('a');
    listen('b');
    listen('c');
    await append('a');
    await append('b', 2);
    await append('a', 2);
    await turnOfEventLoop();
    expect(wakeUps).toEqual(['a at 1', 'b at 5', 'a at 5']);
  });

  it('wake nobody twice for the same', async () => {
    listen('a');
    await append('a');
    for (let turn = 0; turn < 3; turn++) await turnOfEventLoop();
    expect(wakeUps).toEqual(['a at 1']);
  });

  it('that nobody waits for do not delay the next', async () => {
    listen('b');
    await append('a', 3);
    await append('b');
    expect(wakeUps).toEqual(['b at 4']);
  });
});

it('an append in each turn wakes at once', async () => {
  listen('a');
  for (let turn = 1; turn <= 3; turn++) {
    await append('a');
    expect(wakeUps).toHaveLength(turn);
    await turnOfEventLoop();
    await turnOfEventLoop();
  }
});

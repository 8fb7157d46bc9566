import { describe, expect, it } from '@jest/globals';
import { ConnectionTurns, type Lane } from '../../lib/postgres/connection-turns.js';

/** Takes a turn, and says whether it had to wait. */
function turnsOf(connections: number, listeners = 1) {
  const turns = new ConnectionTurns(connections, 0);
  for (let n = 0; n < listeners; n++) turns.join(true);
  const taken: Record<Lane, number> = { append: 0, upkeep: 0, read: 0, transaction: 0 };
  const takeAsMany = async (lane: Lane, wanted: number): Promise<number> => {
    let count = 0;
    for (let n = 0; n < wanted; n++) {
      const turn = turns.take(lane, 'database');
      if (!turn) count++;
      else void turn.then(() => taken[lane]++);
    }
    taken[lane] += count;
    await Promise.resolve();
    return count;
  };
  return { turns, takeAsMany, taken };
}

describe('the connections of a pool', () => {
  for (const [connections, listeners] of [
    [3, 1],
    [4, 1],
    [4, 2],
    [5, 1],
    [10, 1],
    [10, 2],
    [10, 5],
  ]) {
    it(`of ${connections}, with ${listeners} that listen, are never all in transactions that wait for one more`, async () => {
      const { takeAsMany } = turnsOf(connections, listeners);

      const transactions = await takeAsMany('transaction', 20);
      const reads = await takeAsMany('read', 20);

      expect(transactions).toBeGreaterThanOrEqual(1);
      expect(reads).toBeGreaterThanOrEqual(1);
      expect(listeners + transactions).toBeLessThan(connections);
    });
  }

  it('are left to appends, whatever else is under way', async () => {
    const { takeAsMany } = turnsOf(10);

    const others =
      (await takeAsMany('read', 20)) + (await takeAsMany('transaction', 20)) + (await takeAsMany('upkeep', 20));

    expect(others).toBe(8);
    expect(await takeAsMany('append', 5)).toBe(5);
  });

  it('are not all taken by reads, so that leases can be prolonged', async () => {
    const { takeAsMany } = turnsOf(10);
    await takeAsMany('read', 20);

    expect(await takeAsMany('upkeep', 1)).toBe(1);
  });

  it('go to who waits, in order, when one is given back', async () => {
    const { turns, takeAsMany, taken } = turnsOf(4);
    await takeAsMany('read', 5);
    expect(taken.read).toBe(2);

    turns.giveBack('read');
    await Promise.resolve();

    expect(taken.read).toBe(3);
  });

  it('are refused to a store for which there are not enough', () => {
    const { turns } = turnsOf(4, 2);

    expect(turns.join(true)).toBe(5);
    expect(turns.join(false)).toBeUndefined();
  });
});

it('a read that nobody lets in fails, in the time in which a connection must be there', async () => {
  const turns = new ConnectionTurns(3, 20);
  turns.join(true);
  void turns.take('read', 'database');
  void turns.take('read', 'database');

  await expect(turns.take('read', 'database')).rejects.toMatchObject({
    code: 'STORAGE_UNAVAILABLE',
    isOutcomeUnknown: false,
  });
});

import { LeaseWorld } from '../support/worlds/lease-world.js';
import { itHoldsInEveryWorld } from '../support/worlds/seeded-worlds.js';

const SHARDS = 2;

/** @param number which of the files that run beside each other, from 1 */
export function itHoldsInLeaseWorlds(number: number): void {
  itHoldsInEveryWorld(
    'a durable handler of several processes keeps its promises, whatever happens to them in whatever order',
    { count: 2_000, oneIn: 50, create: (seed, trace) => new LeaseWorld(seed, trace) },
    { number, of: SHARDS },
  );
}

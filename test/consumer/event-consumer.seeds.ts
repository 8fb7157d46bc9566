import { ConsumerWorld } from '../support/worlds/consumer-world.js';
import { itHoldsInEveryWorld } from '../support/worlds/seeded-worlds.js';

const SHARDS = 4;

/** @param number which of the files that run beside each other, from 1 */
export function itHoldsInConsumerWorlds(number: number): void {
  itHoldsInEveryWorld(
    'a durable handler keeps its promises, whatever happens in whatever order',
    { count: 20_000, oneIn: 20, create: (seed, trace) => new ConsumerWorld(seed, trace) },
    { number, of: SHARDS },
  );
}

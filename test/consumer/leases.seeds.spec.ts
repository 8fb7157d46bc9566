import { LeaseWorld } from '../support/lease-world.js';
import { itHoldsInEveryWorld } from '../support/seeded-worlds.js';

itHoldsInEveryWorld(
  'a durable handler of several processes keeps its promises, whatever happens to them in whatever order',
  { count: 2_000, oneIn: 50, create: (seed, trace) => new LeaseWorld(seed, trace) },
);

import { ConsumerWorld } from '../support/consumer-world.js';
import { itHoldsInEveryWorld } from '../support/seeded-worlds.js';

itHoldsInEveryWorld('a durable handler keeps its promises, whatever happens in whatever order', {
  count: 20_000,
  oneIn: 20,
  create: (seed, trace) => new ConsumerWorld(seed, trace),
});

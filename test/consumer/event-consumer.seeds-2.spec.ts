import { itHoldsInConsumerWorlds } from './event-consumer.seeds.js';

itHoldsInConsumerWorlds(2);

import { itHoldsInLeaseWorlds } from './leases.seeds.js';

itHoldsInLeaseWorlds(2);

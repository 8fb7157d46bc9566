import { openEventStore } from 'nestjs-stream-store';
import { postgresEngine } from 'nestjs-stream-store/postgres';
import { connected, type DatabaseSchema } from './database.js';
import { InstanceProcess } from './instance-process.js';
import { type Parcel, Parcels } from './parcels.js';

const PACKED_BEFORE_DEATH = 20;
const PACKED_AFTERWARDS = 20;

/** What two instances have done, one of which was killed. */
export interface Failover {
  readonly alpha: Pick<InstanceProcess, 'name' | 'taken' | 'repeats'>;
  readonly beta: Pick<InstanceProcess, 'name' | 'taken' | 'repeats'>;
  /** The ids of all orders, in the order of the log. */
  readonly orders: readonly string[];
  /** In the order in which they were packed. */
  readonly parcels: readonly Parcel[];
}

/**
 * Starts two instances on one database, kills the one that runs the handler, and waits until the other has packed all.
 *
 * @param signal ends it when it takes too long
 */
export async function failOver(
  database: DatabaseSchema,
  signal: AbortSignal,
  say: (line: string) => void,
): Promise<Failover> {
  const instances: InstanceProcess[] = [];
  const start = (name: string): InstanceProcess => {
    const instance = new InstanceProcess(name, database, signal);
    instances.push(instance);
    return instance;
  };
  try {
    const alpha = start('alpha');
    await alpha.until(() => alpha.state === 'running');
    const beta = start('beta');
    await beta.until(() => beta.state === 'standby');
    say('alpha runs the handler "packing", and beta stands by. Both take orders.');

    const enough = alpha.packed.length + PACKED_BEFORE_DEATH;
    await alpha.until(() => alpha.packed.length >= enough);
    await alpha.kill();
    const killedAt = performance.now();
    say(`Killed alpha with SIGKILL when it had packed ${alpha.packed.length} orders.`);

    await beta.until(() => beta.state === 'running');
    say(`beta runs the handler ${((performance.now() - killedAt) / 1_000).toFixed(1)} seconds later.`);
    await beta.until(() => beta.packed.length >= PACKED_AFTERWARDS);
    await beta.close();

    return { alpha, beta, ...(await ordersAndParcels(database)) };
  } finally {
    for (const instance of instances) await instance.kill();
  }
}

async function ordersAndParcels({ url, schema }: DatabaseSchema): Promise<Pick<Failover, 'orders' | 'parcels'>> {
  const store = await openEventStore({ engine: postgresEngine({ connectionString: url, schema }) });
  const { events } = await store.readAll({ limit: 0 });
  await store.close();
  const parcels = await connected(url, (client) => new Parcels(client, schema).list());
  return { orders: events.map(({ id }) => id), parcels };
}

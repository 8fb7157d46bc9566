import { type DynamicModule, Module } from '@nestjs/common';
import { EventStoreModule } from 'nestjs-stream-store';
import { postgresEngine } from 'nestjs-stream-store/postgres';
import type pg from 'pg';
import { Instance } from './instance.js';
import { OrderDesk } from './order-desk.service.js';
import { Packing } from './packing.handler.js';
import { Parcels } from './parcels.js';

@Module({ providers: [OrderDesk, Packing] })
export class AppModule {
  /** One of several instances on one database. */
  static of(instance: Instance, pool: pg.Pool, schema: string): DynamicModule {
    const engine = postgresEngine({ pool, schema });
    // Nothing but this sample needs to be told of leases: the engine and the handler see to them.
    const onLeaseChange = ({ change }: { change: string }) =>
      instance.tell({ state: change === 'gained' ? 'running' : 'standby' });
    return {
      module: AppModule,
      imports: [EventStoreModule.forRoot({ engine, metricsCollector: { onLeaseChange } })],
      providers: [
        { provide: Instance, useValue: instance },
        { provide: Parcels, useValue: new Parcels(pool, schema) },
      ],
    };
  }
}

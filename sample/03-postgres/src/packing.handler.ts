import { Injectable } from '@nestjs/common';
import { OnStreamEvent, type RecordedEvent } from 'nestjs-stream-store';
import { Instance } from './instance.js';
import { Parcels } from './parcels.js';

/** Packs every order, in one instance at a time. */
@Injectable()
export class Packing {
  constructor(
    private readonly parcels: Parcels,
    private readonly instance: Instance,
  ) {}

  // Another instance takes over when this one has been silent for so long; the default is 15 seconds.
  @OnStreamEvent({ streams: 'customer-*', types: ['order.placed'] }, { durable: 'packing', leaseDurationMs: 3_000 })
  async pack({ id }: RecordedEvent): Promise<void> {
    // What was packed since the last checkpoint is delivered again when another instance takes over. The id tells.
    const isNew = await this.parcels.add(id, this.instance.name);
    this.instance.tell({ packed: id, isRepeat: !isNew });
  }
}

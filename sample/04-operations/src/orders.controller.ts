import { BadRequestException, Body, Controller, Param, Post, UseGuards } from '@nestjs/common';
import { EventStore, NO_STREAM, STREAM_EXISTS } from 'nestjs-stream-store';
import { Audited } from 'nestjs-stream-store/audit';
import { UserGuard } from './user.guard.js';

@Controller('orders')
@UseGuards(UserGuard)
@Audited()
export class OrdersController {
  constructor(private readonly store: EventStore) {}

  @Post(':id')
  @Audited({ action: 'order.place', body: ['euros'] })
  async place(@Param('id') id: string, @Body() { euros, card }: { euros: number; card: string }) {
    const placed = { type: 'order.placed', data: { euros, cardEndsWith: card.slice(-4) } };
    const { revision } = await this.store.append(`order-${id}`, placed, { expectedRevision: NO_STREAM });
    return { id, revision };
  }

  @Post(':id/shipment')
  @Audited({ action: 'order.ship', body: ['carrier'] })
  async ship(@Param('id') id: string, @Body() { carrier }: { carrier: string }) {
    const { revision } = await this.store.append(
      `order-${id}`,
      { type: 'order.shipped', data: { carrier } },
      { expectedRevision: STREAM_EXISTS },
    );
    return { id, revision };
  }

  @Post(':id/refund')
  @Audited({ action: 'order.refund', body: ['euros', 'reason'] })
  async refund(@Param('id') id: string, @Body() { euros, reason }: { euros: number; reason: string }) {
    const [placed] = await this.store.readStream(`order-${id}`, 0, { limit: 1 });
    const paid = placed.data as { euros: number };
    if (euros > paid.euros) throw new BadRequestException('A refund cannot be more than was paid.');
    const { revision } = await this.store.append(`order-${id}`, { type: 'order.refunded', data: { euros, reason } });
    return { id, revision };
  }
}

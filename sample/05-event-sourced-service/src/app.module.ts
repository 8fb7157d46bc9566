import { Module } from '@nestjs/common';
import { EventStoreModule } from 'nestjs-stream-store';
import { EventSourcingModule } from 'nestjs-stream-store/event-sourcing';
import { Account } from './account.js';
import { AccountsController } from './accounts.controller.js';
import { engineOf } from './engine.js';

@Module({
  imports: [
    EventStoreModule.forRootAsync({ useFactory: () => ({ engine: engineOf(process.env.EVENT_STORE) }) }),
    EventSourcingModule.forFeature([Account]),
  ],
  controllers: [AccountsController],
})
export class AppModule {}

import { Module } from '@nestjs/common';
import { EventStoreModule } from 'nestjs-stream-store';
import { DayReplay } from './day-replay.service.js';
import { EarthquakeImporter } from './earthquake-importer.service.js';
import { MagnitudeSummary } from './magnitude-summary.js';
import { SummaryController } from './summary.controller.js';

@Module({
  imports: [EventStoreModule.forRoot()],
  controllers: [SummaryController],
  providers: [EarthquakeImporter, MagnitudeSummary, DayReplay],
})
export class AppModule {}

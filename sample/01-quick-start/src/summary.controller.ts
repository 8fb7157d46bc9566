import { Controller, Get } from '@nestjs/common';
import { EventStore, type Stats } from 'nestjs-stream-store';
import { MagnitudeSummary, type MagnitudeBand } from './magnitude-summary.js';

/** What the sample answers over HTTP. */
interface Summary {
  readonly quakes: number;
  readonly byMagnitude: readonly MagnitudeBand[];
  readonly strongest: string | undefined;
  readonly store: Stats;
}

@Controller()
export class SummaryController {
  constructor(
    private readonly summary: MagnitudeSummary,
    private readonly store: EventStore,
  ) {}

  @Get()
  async find(): Promise<Summary> {
    return {
      quakes: this.summary.total,
      byMagnitude: this.summary.bands,
      strongest: this.summary.strongest?.data.place,
      store: await this.store.stats(),
    };
  }
}

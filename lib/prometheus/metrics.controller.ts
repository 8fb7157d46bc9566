import { Controller, Get, Inject, Res, UseGuards, VERSION_NEUTRAL, type Type } from '@nestjs/common';
import {
  CHECKED_OPTIONS,
  type CheckedPrometheusOptions,
  type MetricsEndpoint,
} from './event-store-prometheus-options.js';

/** The part of the answers of Express and Fastify that is used. */
interface Answer {
  header(name: string, value: string): unknown;
  send(text: string): unknown;
}

/**
 * A controller with one route, which answers with all metrics. It answers by itself: interceptors of the application that
 * wrap or keep what handlers return would change what Prometheus reads.
 */
export function metricsController({ path, guards }: Pick<Required<MetricsEndpoint>, 'path' | 'guards'>): Type {
  @Controller({ path, version: VERSION_NEUTRAL })
  @UseGuards(...guards)
  class MetricsController {
    constructor(@Inject(CHECKED_OPTIONS) private readonly options: CheckedPrometheusOptions) {}

    @Get()
    async metrics(@Res() answer: Answer): Promise<void> {
      const { registry } = this.options;
      const text = await registry.metrics();
      answer.header('Content-Type', registry.contentType);
      answer.send(text);
    }
  }
  return MetricsController;
}

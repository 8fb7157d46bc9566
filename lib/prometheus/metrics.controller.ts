import { Controller, Get, Inject, Res, UseGuards, VERSION_NEUTRAL, type Type } from '@nestjs/common';
import {
  CHECKED_OPTIONS,
  type CheckedPrometheusOptions,
  type MetricsEndpoint,
} from './event-store-prometheus-options.js';

/** The part of the answers of Express and Fastify that is used. */
interface Answer {
  header(name: string, value: string): unknown;
}

/** A controller with one route, which answers with all metrics. */
export function metricsController({ path, guards }: Required<MetricsEndpoint>): Type {
  @Controller({ path, version: VERSION_NEUTRAL })
  @UseGuards(...guards)
  class MetricsController {
    constructor(@Inject(CHECKED_OPTIONS) private readonly options: CheckedPrometheusOptions) {}

    @Get()
    metrics(@Res({ passthrough: true }) answer: Answer): Promise<string> {
      const { registry } = this.options;
      answer.header('Content-Type', registry.contentType);
      return registry.metrics();
    }
  }
  return MetricsController;
}

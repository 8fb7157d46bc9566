import type { Counter, Gauge, Histogram, Metric } from 'prom-client';
import { ValidationError } from '../store/values/errors.js';
import { PROMETHEUS, type CheckedPrometheusOptions } from './event-store-prometheus-options.js';
import { promClient } from './prom-client.js';

/** Makes metrics for one registry, with one prefix, puts them into it, and takes them out again. */
export class MetricSet {
  readonly #metrics = new Map<string, Metric<string>>();

  constructor(private readonly options: CheckedPrometheusOptions) {}

  counter<Label extends string>(
    name: string,
    help: string,
    labelNames: readonly Label[],
    collect?: () => Promise<void>,
  ): Counter<Label> {
    return this.#keep(name, new promClient.Counter({ ...this.#about(name, help), labelNames, collect }));
  }

  gauge<Label extends string>(
    name: string,
    help: string,
    labelNames: readonly Label[],
    collect: () => Promise<void>,
  ): Gauge<Label> {
    return this.#keep(name, new promClient.Gauge({ ...this.#about(name, help), labelNames, collect }));
  }

  histogram<Label extends string>(
    name: string,
    help: string,
    labelNames: readonly Label[],
    buckets: number[],
  ): Histogram<Label> {
    return this.#keep(name, new promClient.Histogram({ ...this.#about(name, help), labelNames, buckets }));
  }

  /** Forgets all values. */
  reset(): void {
    for (const metric of this.#metrics.values()) metric.reset();
  }

  /** @throws {ValidationError} when the registry has one of the names already; then it is left as it was */
  register(): void {
    const { registry } = this.options;
    for (const name of this.#metrics.keys()) this.#checkFree(name);
    for (const metric of this.#metrics.values()) registry.registerMetric(metric);
  }

  unregister(): void {
    const { registry } = this.options;
    for (const [name, metric] of this.#metrics) {
      if (registry.getSingleMetric(name) === metric) registry.removeSingleMetric(name);
    }
  }

  #about(shortName: string, help: string) {
    const name = this.options.prefix + shortName;
    this.#checkFree(name);
    return { name, help, registers: [] };
  }

  #keep<Kept extends Metric<string>>(shortName: string, metric: Kept): Kept {
    this.#metrics.set(this.options.prefix + shortName, metric);
    return metric;
  }

  #checkFree(name: string): void {
    if (!this.options.registry.getSingleMetric(name)) return;
    throw new ValidationError(
      `${PROMETHEUS}.registry`,
      `it has a metric "${name}" already: import the module once, and give each application a registry of its own.`,
    );
  }
}

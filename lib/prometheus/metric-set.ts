import { Counter, Gauge, Histogram } from 'prom-client';
import { ValidationError } from '../store/errors.js';
import { PROMETHEUS, type CheckedPrometheusOptions } from './event-store-prometheus-options.js';

/** Makes metrics in one registry, with one prefix, and takes them out again. */
export class MetricSet {
  readonly #names: string[] = [];

  constructor(private readonly options: CheckedPrometheusOptions) {}

  counter<Label extends string>(
    name: string,
    help: string,
    labelNames: readonly Label[],
    collect?: () => Promise<void>,
  ): Counter<Label> {
    return new Counter({ ...this.#about(name, help), labelNames, collect });
  }

  gauge<Label extends string>(
    name: string,
    help: string,
    labelNames: readonly Label[],
    collect: () => Promise<void>,
  ): Gauge<Label> {
    return new Gauge({ ...this.#about(name, help), labelNames, collect });
  }

  histogram<Label extends string>(
    name: string,
    help: string,
    labelNames: readonly Label[],
    buckets: number[],
  ): Histogram<Label> {
    return new Histogram({ ...this.#about(name, help), labelNames, buckets });
  }

  /** Forgets all values. */
  reset(): void {
    for (const name of this.#names) this.options.registry.getSingleMetric(name)?.reset();
  }

  unregister(): void {
    for (const name of this.#names.splice(0)) this.options.registry.removeSingleMetric(name);
  }

  #about(shortName: string, help: string) {
    const { registry, prefix } = this.options;
    const name = prefix + shortName;
    if (registry.getSingleMetric(name)) {
      throw new ValidationError(
        `${PROMETHEUS}.registry`,
        `it has a metric "${name}" already: import the module once, and give each application a registry of its own.`,
      );
    }
    this.#names.push(name);
    return { name, help, registers: [registry] };
  }
}

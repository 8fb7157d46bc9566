import {
  Inject,
  Module,
  type DynamicModule,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type OnModuleInit,
} from '@nestjs/common';
import { EventStoreCoreModule } from '../nest/event-store-core.module.js';
import { withGivenOptions } from '../nest/given-options.js';
import { EventStores } from '../nest/event-stores.js';
import { EventMetrics } from './event-metrics.js';
import {
  CHECKED_OPTIONS,
  checkPrometheusOptions,
  PROMETHEUS,
  type CheckedPrometheusOptions,
} from './event-store-prometheus-options.js';
import {
  ConfigurableModuleClass,
  MODULE_OPTIONS_TOKEN,
  type ASYNC_OPTIONS_TYPE,
  type OPTIONS_TYPE,
} from './event-store-prometheus.module-definition.js';
import { StatusMetrics } from './status-metrics.js';

/**
 * Metrics of all event stores of the application, and of their handlers, for Prometheus: import it once, beside
 * `EventStoreModule`.
 */
@Module({
  imports: [EventStoreCoreModule],
  providers: [
    {
      provide: CHECKED_OPTIONS,
      useFactory: checkPrometheusOptions,
      inject: [{ token: MODULE_OPTIONS_TOKEN, optional: true }],
    },
  ],
})
export class EventStorePrometheusModule
  extends ConfigurableModuleClass
  implements OnModuleInit, OnApplicationBootstrap, OnApplicationShutdown
{
  readonly #stores: EventStores;
  readonly #metrics: readonly { register(): void; unregister(): void }[];

  constructor(@Inject(CHECKED_OPTIONS) options: CheckedPrometheusOptions, @Inject(EventStores) stores: EventStores) {
    super();
    const events = new EventMetrics(options);
    stores.each((store) => store.addMetricsCollector(events));
    this.#stores = stores;
    this.#metrics = [events, new StatusMetrics(options, stores)];
  }

  /** @throws {ValidationError} when an option is not acceptable */
  static override forRoot(options: typeof OPTIONS_TYPE = {}): DynamicModule {
    return super.forRoot(options);
  }

  /** @throws {ValidationError} while the application starts, when an option is not acceptable, or the factory gives none */
  static override forRootAsync(options: typeof ASYNC_OPTIONS_TYPE): DynamicModule {
    return withGivenOptions(super.forRootAsync(options), MODULE_OPTIONS_TOKEN, PROMETHEUS, 'forRootAsync');
  }

  /** @throws {ValidationError} when the application has no event store */
  onModuleInit(): void {
    this.#stores.checkNotEmpty(PROMETHEUS);
  }

  /** @throws {ValidationError} when the registry has metrics of these names by now */
  onApplicationBootstrap(): void {
    // Not before: Nest ends nothing of an application that failed to start, and the registry lives on.
    try {
      for (const metrics of this.#metrics) metrics.register();
    } catch (error) {
      this.onApplicationShutdown();
      throw error;
    }
  }

  onApplicationShutdown(): void {
    // The registry may live longer than the application.
    for (const metrics of this.#metrics) metrics.unregister();
  }
}

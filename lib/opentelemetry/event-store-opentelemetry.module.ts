import {
  Inject,
  Module,
  Optional,
  type DynamicModule,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type OnModuleInit,
} from '@nestjs/common';
import { EventStoreCoreModule } from '../nest/event-store-core.module.js';
import { withGivenOptions } from '../nest/given-options.js';
import { EventStores } from '../nest/event-stores.js';
import { meterOf, openTelemetryMetrics } from './event-metrics.js';
import {
  checkOpenTelemetryOptions,
  OPEN_TELEMETRY,
  type EventStoreOpenTelemetryOptions,
} from './event-store-opentelemetry-options.js';
import {
  ConfigurableModuleClass,
  MODULE_OPTIONS_TOKEN,
  type ASYNC_OPTIONS_TYPE,
  type OPTIONS_TYPE,
} from './event-store-opentelemetry.module-definition.js';
import { observeStatus } from './status-metrics.js';
import { openTelemetryTracing } from './tracing.js';

/**
 * Traces and metrics of all event stores of the application, and of their handlers, for OpenTelemetry: import it once,
 * beside `EventStoreModule`. The SDK is yours, and is to be started before the application.
 */
@Module({ imports: [EventStoreCoreModule] })
export class EventStoreOpenTelemetryModule
  extends ConfigurableModuleClass
  implements OnModuleInit, OnApplicationBootstrap, OnApplicationShutdown
{
  readonly #stores: EventStores;
  readonly #observe: () => () => void;
  #stopObserving: (() => void) | undefined;

  constructor(
    @Optional() @Inject(MODULE_OPTIONS_TOKEN) options: EventStoreOpenTelemetryOptions | undefined,
    @Inject(EventStores) stores: EventStores,
  ) {
    super();
    const checked = checkOpenTelemetryOptions(options);
    const tracing = checked.traces ? openTelemetryTracing(checked) : undefined;
    const metrics = checked.metrics ? openTelemetryMetrics(checked) : undefined;
    stores.each((store, isStandIn) => {
      // What a test has made may serve several of its applications.
      if (tracing && !(isStandIn && store.instrumentation)) store.instrument(tracing);
      if (metrics) store.addMetricsCollector(metrics);
    });
    this.#stores = stores;
    this.#observe = () => (checked.metrics ? observeStatus(meterOf(checked), stores) : () => undefined);
  }

  /** @throws {ValidationError} when an option is not acceptable */
  static override forRoot(options: typeof OPTIONS_TYPE = {}): DynamicModule {
    return super.forRoot(options);
  }

  /** @throws {ValidationError} while the application starts, when an option is not acceptable, or the factory gives none */
  static override forRootAsync(options: typeof ASYNC_OPTIONS_TYPE): DynamicModule {
    return withGivenOptions(super.forRootAsync(options), MODULE_OPTIONS_TOKEN, OPEN_TELEMETRY, 'forRootAsync');
  }

  /** @throws {ValidationError} when the application has no event store */
  onModuleInit(): void {
    this.#stores.checkNotEmpty(OPEN_TELEMETRY);
  }

  onApplicationBootstrap(): void {
    // Not before: Nest ends nothing of an application that failed to start, and the meter lives on.
    this.#stopObserving = this.#observe();
  }

  onApplicationShutdown(): void {
    // The meter may live longer than the application.
    this.#stopObserving?.();
  }
}

import { Logger, Module, type DynamicModule, type Provider } from '@nestjs/common';
import { createEventStore } from '../open-event-store.js';
import { ValidationError } from '../store/errors.js';
import { DEFAULT_EVENT_STORE_OPTIONS, type EventStoreOptions } from '../store/event-store-options.js';
import { EventStore } from '../store/event-store.js';
import { EventStoreCoreModule } from './event-store-core.module.js';
import {
  ConfigurableModuleClass,
  MODULE_OPTIONS_TOKEN,
  type ASYNC_OPTIONS_TYPE,
  type AsyncEventStoreOptions,
  type EventStoreModuleExtras,
  type OPTIONS_TYPE,
} from './event-store.module-definition.js';
import { EventStoreRegistry, type EventStoreDescription } from './event-store.registry.js';
import { EVENT_STORE_DESCRIPTION, getEventStoreToken } from './event-store.tokens.js';

/**
 * Makes an event store and lets the application inject it: by the class `EventStore`, or by `@InjectEventStore(name)`.
 *
 * The class means the store without a name of its own; where every store has one, the store that was imported first; and
 * inside modules that import a store with `isGlobal: false`, that store.
 */
@Module({})
export class EventStoreModule extends ConfigurableModuleClass {
  /** @throws {ValidationError} while the application starts, when an option is not acceptable */
  static override forRoot(options: typeof OPTIONS_TYPE = {}): DynamicModule {
    return withStore(super.forRoot(options), options);
  }

  /** The options come from `useFactory` (with `inject` and `imports`), `useClass` or `useExisting`; the name is given here. */
  static override forRootAsync(options: typeof ASYNC_OPTIONS_TYPE): DynamicModule {
    return withStore(super.forRootAsync(options), options);
  }
}

function withStore(definition: DynamicModule, extras: EventStoreModuleExtras): DynamicModule {
  const { name = DEFAULT_EVENT_STORE_OPTIONS.name, isGlobal = true } = extras;
  const named = getEventStoreToken(name);
  const description: EventStoreDescription = { name, isGlobal };
  const providers: Provider[] = [
    { provide: EVENT_STORE_DESCRIPTION, useValue: description },
    {
      provide: named,
      useFactory: (registry: EventStoreRegistry, options: AsyncEventStoreOptions) =>
        registry.register(createEventStore(withName(name, options))),
      inject: [EventStoreRegistry, MODULE_OPTIONS_TOKEN],
    },
    {
      provide: EventStore,
      useFactory: (registry: EventStoreRegistry, own: EventStore) => (isGlobal ? registry.primary(name, own) : own),
      inject: [EventStoreRegistry, named],
    },
  ];
  return {
    ...definition,
    imports: [...(definition.imports ?? []), EventStoreCoreModule],
    providers: [...(definition.providers ?? []), ...providers],
    exports: [...(definition.exports ?? []), named, EventStore],
  };
}

function withName(name: string, options: EventStoreOptions = {}): EventStoreOptions {
  if (options.name !== undefined && options.name !== name) {
    throw new ValidationError(
      'name',
      `give it to forRootAsync itself, not to the options of its factory ("${options.name}").`,
    );
  }
  return { logger: new Logger(EventStore.name), ...options, name };
}

import { Logger, Module, type DynamicModule, type Provider } from '@nestjs/common';
import { createEventStore } from '../open-event-store.js';
import { systemClock } from '../store/values/clock.js';
import { ValidationError } from '../store/values/errors.js';
import { defaultStoreName, type EventStoreOptions } from '../store/event-store-options.js';
import { EventStore } from '../store/event-store.js';
import type { StorageEngine } from '../store/ports/storage-engine.js';
import { EventStoreCoreModule } from './event-store-core.module.js';
import {
  ConfigurableModuleClass,
  MODULE_OPTIONS_TOKEN,
  type ASYNC_OPTIONS_TYPE,
  type AsyncEventStoreOptions,
  type EventStoreModuleExtras,
  type OPTIONS_TYPE,
} from './event-store.module-definition.js';
import { EventStoreRegistry } from './event-store.registry.js';
import {
  EVENT_STORE_DESCRIPTION,
  type EventStoreDescription,
  getEventStoreClockToken,
  getEventStoreToken,
  OWN_EVENT_STORE,
} from './event-store.tokens.js';
import { checkGiven } from './given-options.js';
import { structuredLogger } from './structured-logger.js';

/** The engines of the package: one of them gives the name when nobody has, and a factory says late which. */
const ENGINE_NAMES = ['memory', 'sqlite', 'postgres'];

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
    const { engine } = (options ?? {}) as { engine?: StorageEngine };
    return withStore(super.forRoot(options), options, [defaultStoreName(engine)]);
  }

  /** The options come from `useFactory` (with `inject` and `imports`), `useClass` or `useExisting`; the name is given here. */
  static override forRootAsync(options: typeof ASYNC_OPTIONS_TYPE): DynamicModule {
    return withStore(
      super.forRootAsync(options),
      options,
      ENGINE_NAMES.map((name) => defaultStoreName({ name })),
    );
  }
}

/** @param defaultNames those that the store may have when it was given none */
function withStore(
  definition: DynamicModule,
  extras: EventStoreModuleExtras,
  defaultNames: readonly string[],
): DynamicModule {
  const { name, isGlobal = true, globalEnhancers = false } = extras;
  const names = name === undefined ? defaultNames : [name];
  const tokens = names.map((each) => getEventStoreToken(each) as string);
  const factories: EventStoreDescription['factories'] = new Map();
  const description: EventStoreDescription = { name, isGlobal, globalEnhancers, tokens, factories };
  // A function each, or an override of one token could not be told from the others.
  const byName = tokens.map((token) => ({
    provide: token,
    useFactory: (own: EventStore) => own,
    inject: [OWN_EVENT_STORE],
  }));
  const byClass = {
    provide: EventStore,
    useFactory: (registry: EventStoreRegistry, ...named: EventStore[]) => registry.meaningOf(description, named),
    inject: [EventStoreRegistry, ...tokens],
  };
  for (const { provide, useFactory } of [...byName, byClass]) factories.set(provide, useFactory);
  const clocks: Provider[] = [undefined, ...names].map((each) => ({
    provide: getEventStoreClockToken(each),
    // What a test has put in the place of a store need not have one.
    useFactory: (store: Partial<EventStore> | undefined) => store?.clock ?? systemClock,
    inject: [getEventStoreToken(each)],
  }));
  const providers: Provider[] = [
    { provide: EVENT_STORE_DESCRIPTION, useValue: description },
    {
      provide: OWN_EVENT_STORE,
      useFactory: (registry: EventStoreRegistry, options: AsyncEventStoreOptions) =>
        registry.make(description, () => createEventStore(checked(name, options))),
      inject: [EventStoreRegistry, MODULE_OPTIONS_TOKEN],
    },
    ...byName,
    byClass,
    ...clocks,
  ];
  const clockTokens = [undefined, ...names].map(getEventStoreClockToken);
  return {
    ...definition,
    imports: [...(definition.imports ?? []), EventStoreCoreModule],
    providers: [...(definition.providers ?? []), ...providers],
    exports: [...(definition.exports ?? []), ...tokens, EventStore, ...clockTokens],
  };
}

function checked(name: string | undefined, options: EventStoreOptions): EventStoreOptions {
  checkGiven(options, EventStoreModule.name, 'forRootAsync');
  if (options.name !== undefined && options.name !== name) {
    throw new ValidationError(
      'name',
      `give it to forRootAsync itself, not to the options of its factory ("${options.name}").`,
    );
  }
  const { logger = new Logger(EventStore.name) } = options;
  return { ...options, name, logger: logger instanceof Logger ? structuredLogger(logger) : logger };
}

import { ConfigurableModuleBuilder, type Provider } from '@nestjs/common';
import type { EventStoreOptions } from '../store/event-store-options.js';

/** What belongs to the module and not to the store it makes. */
export interface EventStoreModuleExtras {
  /** Names the store and its injection token. Default after its engine: `memory-store`, `sqlite-store`, `postgres-store`. */
  readonly name?: string;
  /** Whether every module of the application can inject the store. Default true. */
  readonly isGlobal?: boolean;
  /**
   * Whether guards, interceptors, pipes and exception filters of the whole application (`APP_GUARD` and the like,
   * `app.useGlobalGuards`) stand before the handlers of the store, too. Default false: those of the class and the method.
   */
  readonly globalEnhancers?: boolean;
  /** More providers for this module; with `forRootAsync`, its factory can inject them. */
  readonly extraProviders?: Provider[];
}

/** A class that gives the options, for `forRootAsync({ useClass })` and `useExisting`. */
export interface EventStoreOptionsFactory {
  createEventStoreOptions(): AsyncEventStoreOptions | Promise<AsyncEventStoreOptions>;
}

/** Options that may come from a factory: the name is given beside it, because the injection token needs it earlier. */
export type AsyncEventStoreOptions = Omit<EventStoreOptions, 'name'>;

export const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN, OPTIONS_TYPE, ASYNC_OPTIONS_TYPE } =
  new ConfigurableModuleBuilder<AsyncEventStoreOptions>({ moduleName: 'EventStore' })
    .setClassMethodName('forRoot')
    .setFactoryMethodName('createEventStoreOptions')
    .setExtras<EventStoreModuleExtras>(
      { name: undefined, isGlobal: true, globalEnhancers: false, extraProviders: [] },
      (definition, { isGlobal, extraProviders }) => ({
        ...definition,
        global: isGlobal ?? true,
        providers: [...(definition.providers ?? []), ...(extraProviders ?? [])],
      }),
    )
    .build();

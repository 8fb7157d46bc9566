import { ConfigurableModuleBuilder } from '@nestjs/common';
import type { EventStoreHttpOptions, EventStoreHttpRoutes } from './event-store-http-options.js';

const NO_ROUTES: EventStoreHttpRoutes = {
  path: undefined,
  guards: undefined,
  public: undefined,
  readOnly: undefined,
  page: undefined,
  store: undefined,
  imports: undefined,
};

export const {
  ConfigurableModuleClass,
  MODULE_OPTIONS_TOKEN: HTTP_OPTIONS,
  OPTIONS_TYPE,
  ASYNC_OPTIONS_TYPE,
} = new ConfigurableModuleBuilder<EventStoreHttpOptions>({ moduleName: 'EventStoreHttp' })
  .setFactoryMethodName('createEventStoreHttpOptions')
  .setExtras<EventStoreHttpRoutes>(NO_ROUTES)
  .build();

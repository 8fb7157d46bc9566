import {
  Controller,
  Inject,
  Module,
  UseFilters,
  UseGuards,
  VERSION_NEUTRAL,
  type DynamicModule,
  type NestModule,
  type OnModuleInit,
  type Provider,
  type Type,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { withGivenOptions } from '../nest/given-options.js';
import { getEventStoreToken } from '../nest/event-store.tokens.js';
import { ValidationError } from '../store/values/errors.js';
import type { EventStore } from '../store/event-store.js';
import { AllowedHostsGuard } from './request/allowed-hosts.guard.js';
import { AppendController } from './controllers/append.controller.js';
import { prepareExpress, prepareFastify } from './problems/early-errors.js';
import { EventAnswers } from './reading/event-answers.js';
import {
  checkHttpOptions,
  checkHttpRoutes,
  DEFAULT_EVENT_STORE_HTTP_OPTIONS,
  HTTP_MODULE,
  type CheckedHttpOptions,
  type CheckedHttpRoutes,
  type EventStoreHttpOptions,
  type EventStoreHttpRoutes,
} from './event-store-http-options.js';
import {
  ConfigurableModuleClass,
  HTTP_OPTIONS,
  type ASYNC_OPTIONS_TYPE,
  type OPTIONS_TYPE,
} from './event-store-http.module-definition.js';
import { EventsController } from './controllers/events.controller.js';
import {
  CHECKED_HTTP_OPTIONS,
  CHECKED_HTTP_ROUTES,
  DESCRIBED_ENDPOINTS,
  HTTP_STORE,
  PAGE_FILES,
} from './http.tokens.js';
import { LineClients } from './reading/line-clients.js';
import { LiveStreams } from './sse/live-streams.js';
import { OperationsController } from './controllers/operations.controller.js';
import { OperationsWriteController } from './controllers/operations-write.controller.js';
import { describeEndpoints } from './open-api/open-api.js';
import { readPageFiles } from './page-files.js';
import { ProblemDetailsFilter } from './problems/problem-details.filter.js';
import { RawBodies } from './request/raw-bodies.js';
import { StreamPageController } from './controllers/stream-page.controller.js';
import { StreamsController } from './controllers/streams.controller.js';

/**
 * Makes an event store reachable over HTTP: `register({ path, guards })`. Can be imported several times, with several
 * paths.
 *
 * It reads only, unless `readOnly: false` is said, and does not start without guards, unless `public: true` is said.
 */
@Module({})
export class EventStoreHttpModule extends ConfigurableModuleClass implements NestModule, OnModuleInit {
  /** @throws {ValidationError} when an option is not acceptable, above all when nobody keeps the door */
  static override register(options: typeof OPTIONS_TYPE): DynamicModule {
    return withRoutes(super.register(options), options);
  }

  /**
   * What is known before the application starts, such as `path` and `guards`, is given here; the rest comes from
   * `useFactory` (with `inject` and `imports`), `useClass` or `useExisting`.
   *
   * @throws {ValidationError} when nobody keeps the door
   */
  static override registerAsync(options: typeof ASYNC_OPTIONS_TYPE): DynamicModule {
    return withRoutes(
      withGivenOptions(super.registerAsync(options), HTTP_OPTIONS, HTTP_MODULE, 'registerAsync'),
      options,
    );
  }

  constructor(
    @Inject(HttpAdapterHost) private readonly host: HttpAdapterHost,
    @Inject(CHECKED_HTTP_ROUTES) private readonly routes: CheckedHttpRoutes,
    @Inject(RawBodies) private readonly rawBodies: RawBodies,
  ) {
    super();
  }

  /** Called before the routes are made. */
  configure(): void {
    if (!this.host.httpAdapter) return;
    prepareFastify(this.host.httpAdapter, this.routes.path, this.rawBodies);
    if (!this.routes.readOnly) this.rawBodies.watch(this.host.httpAdapter, this.routes.path);
  }

  /** Called when the routes are made. */
  onModuleInit(): void {
    if (this.host.httpAdapter) prepareExpress(this.host.httpAdapter, this.routes.path);
  }
}

function withRoutes(definition: DynamicModule, given: EventStoreHttpRoutes): DynamicModule {
  const routes = checkHttpRoutes(given);
  const imports = new Set([...(definition.imports ?? []), ...routes.imports]);
  const providers: Provider[] = [
    { provide: CHECKED_HTTP_ROUTES, useValue: routes },
    {
      provide: CHECKED_HTTP_OPTIONS,
      useFactory: (options: EventStoreHttpOptions) => checkHttpOptions(options),
      inject: [HTTP_OPTIONS],
    },
    {
      provide: HTTP_STORE,
      useFactory: (store: EventStore | undefined) => store ?? refuseMissingStore(routes.store),
      inject: [{ token: getEventStoreToken(routes.store), optional: true }],
    },
    { provide: DESCRIBED_ENDPOINTS, useFactory: describeEndpoints },
    {
      provide: RawBodies,
      useFactory: ({ maxBodyBytes }: CheckedHttpOptions) => new RawBodies(maxBodyBytes),
      inject: [CHECKED_HTTP_OPTIONS],
    },
    EventAnswers,
    LineClients,
    LiveStreams,
    ...(routes.page ? [{ provide: PAGE_FILES, useFactory: readPageFiles }] : []),
  ];
  return {
    ...definition,
    imports: [...imports],
    providers: [...(definition.providers ?? []), ...providers],
    controllers: controllersOf(routes).map((controller) => routed(controller, routes)),
  };
}

function controllersOf({ readOnly, page }: CheckedHttpRoutes): Type[] {
  const reading = [StreamsController, EventsController, OperationsController];
  const writing = [AppendController, OperationsWriteController];
  return [...reading, ...(readOnly ? [] : writing), ...(page ? [StreamPageController] : [])];
}

/** The controller at the path of this import of the module, behind its guards. */
function routed(controller: Type, { path, guards }: CheckedHttpRoutes): Type {
  // OpenAPI makes the ids of operations from it, so it has to differ from path to path.
  const name =
    path === DEFAULT_EVENT_STORE_HTTP_OPTIONS.path ? controller.name : `${controller.name}_${path.replace(/\W/g, '_')}`;
  const Routed = { [name]: class extends controller {} }[name];
  // A browser that opens the page, or an EventSource, can name no version.
  Controller({ path, version: VERSION_NEUTRAL })(Routed);
  UseFilters(new ProblemDetailsFilter())(Routed);
  UseGuards(AllowedHostsGuard, ...guards)(Routed);
  return Routed;
}

function refuseMissingStore(name: string | undefined): never {
  const called = name === undefined ? 'event store' : `event store "${name}"`;
  throw new ValidationError(
    `${HTTP_MODULE}.store`,
    `there is no ${called}: import EventStoreModule.forRoot() with it.`,
  );
}

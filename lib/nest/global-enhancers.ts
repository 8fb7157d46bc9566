import { type ApplicationConfig, type ContextIdFactory, type ModuleRef } from '@nestjs/core';

import { newGlobals } from './handler-contexts.js';

type ContextId = ReturnType<typeof ContextIdFactory.create>;

/** A guard, interceptor, pipe or filter of the application that is made anew: for each event, or for each handler. */
interface ScopedEnhancer {
  readonly token: unknown;
  isDependencyTreeStatic(): boolean;
}

/**
 * The guards, interceptors, pipes and filters of the whole application, for one handler.
 *
 * Nest makes those that are request-scoped for controllers; here they are made for each event, and transient ones once
 * for the handler.
 */
export class GlobalEnhancers {
  readonly #ofHandler = new Map<ScopedEnhancer, Promise<unknown>>();

  constructor(
    private readonly application: ApplicationConfig,
    private readonly moduleRef: ModuleRef,
  ) {}

  /** Whether some of them are made anew. */
  get areScoped(): boolean {
    const { application } = this;
    const scoped: readonly unknown[][] = [
      application.getGlobalRequestGuards(),
      application.getGlobalRequestInterceptors(),
      application.getGlobalRequestPipes(),
      application.getGlobalRequestFilters(),
    ];
    return scoped.some(({ length }) => length > 0);
  }

  /** Those that are made once. */
  static(): ApplicationConfig {
    const { application } = this;
    const all = newGlobals();
    all.useGlobalGuards(...application.getGlobalGuards());
    all.useGlobalInterceptors(...application.getGlobalInterceptors());
    all.useGlobalPipes(...application.getGlobalPipes());
    all.useGlobalFilters(...application.getGlobalFilters());
    return all;
  }

  /** All of them, for one event. */
  async of(contextId: ContextId): Promise<ApplicationConfig> {
    const { application } = this;
    const all = this.static();
    const made = async <Enhancer>(scoped: readonly unknown[]): Promise<Enhancer[]> =>
      Promise.all((scoped as ScopedEnhancer[]).map((enhancer) => this.#made(enhancer, contextId) as Promise<Enhancer>));
    all.useGlobalGuards(...(await made<never>(application.getGlobalRequestGuards())));
    all.useGlobalInterceptors(...(await made<never>(application.getGlobalRequestInterceptors())));
    all.useGlobalPipes(...(await made<never>(application.getGlobalRequestPipes())));
    all.useGlobalFilters(...(await made<never>(application.getGlobalRequestFilters())));
    return all;
  }

  #made(enhancer: ScopedEnhancer, contextId: ContextId): Promise<unknown> {
    const make = (id?: ContextId): Promise<unknown> =>
      this.moduleRef.resolve(enhancer.token as string, id, { strict: false });
    if (!enhancer.isDependencyTreeStatic()) return make(contextId);
    const known = this.#ofHandler.get(enhancer) ?? make();
    this.#ofHandler.set(enhancer, known);
    return known;
  }
}

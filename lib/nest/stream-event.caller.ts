import { Inject, Injectable } from '@nestjs/common';
import { ApplicationConfig, ContextIdFactory, ModuleRef, ModulesContainer } from '@nestjs/core';
import { GlobalEnhancers } from './global-enhancers.js';
import { HandlerContexts, newGlobals, type HandlerMethod } from './handler-contexts.js';
import type { EventHandler } from '../consumer/handling/handler-attempts.js';

/** Calls handlers the way Nest calls the methods of controllers: through guards, pipes, interceptors and filters. */
@Injectable()
export class StreamEventCaller {
  readonly #withoutGlobals: HandlerContexts;

  constructor(
    @Inject(ModuleRef) private readonly moduleRef: ModuleRef,
    @Inject(ModulesContainer) private readonly modules: ModulesContainer,
    @Inject(ApplicationConfig) private readonly application: ApplicationConfig,
  ) {
    this.#withoutGlobals = new HandlerContexts(modules, newGlobals());
  }

  callerOf(handler: HandlerMethod): EventHandler {
    const { host, globalEnhancers } = handler;
    const globals = globalEnhancers ? new GlobalEnhancers(this.application, this.moduleRef) : undefined;
    if (host.isStatic && !globals?.areScoped) {
      const contexts = globals ? new HandlerContexts(this.modules, globals.static()) : this.#withoutGlobals;
      return contexts.handlerOf(host.instance!, handler);
    }
    return async (event, context) => {
      // The event is the request: REQUEST injects it, and a strategy for durable providers gets it to decide by.
      const contextId = ContextIdFactory.getByRequest(event as unknown as Record<string, unknown>);
      this.moduleRef.registerRequestByContextId(event, contextId);
      const instance = host.isStatic ? host.instance! : await host.moduleRef.resolve<object>(host.token, contextId);
      const contexts = globals ? new HandlerContexts(this.modules, await globals.of(contextId)) : this.#withoutGlobals;
      await contexts.handlerOf(instance, handler, host.isStatic ? undefined : contextId)(event, context);
    };
  }
}

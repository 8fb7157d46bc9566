import { Inject, Injectable, type Type } from '@nestjs/common';
import { ContextIdFactory, ExternalContextCreator, ModuleRef } from '@nestjs/core';
import type { ImportedModule } from './event-store.registry.js';
import type { EventHandler } from '../subscription/event-attempts.js';

/** What `ExecutionContext.getType()` says inside a handler. */
export const STREAM_EVENT_CONTEXT = 'stream-event';

// Where Nest's parameter decorators leave their marks; the constant has this value in Nest 11 and 12 and is not exported
// by either's public entry.
const PARAMETER_MARKS = '__routeArguments__';

type Host = Record<string, (...args: unknown[]) => unknown>;

/** What the explorer knows of a handler's host. */
export interface HandlerHost {
  readonly instance: object;
  /** Under what it is provided. */
  readonly token: Type;
  readonly id: string;
  /** False when the class, or something it injects, is made anew for each request. */
  readonly isStatic: boolean;
  /** That of the host's module: several modules may provide the class, each its own. */
  readonly moduleRef: ModuleRef;
  /** The modules that the host's module imports. */
  readonly imports: Iterable<ImportedModule>;
}

/** Calls handlers the way Nest calls the methods of controllers: through guards, pipes, interceptors and filters. */
@Injectable()
export class StreamEventCaller {
  constructor(
    @Inject(ExternalContextCreator) private readonly contexts: ExternalContextCreator,
    @Inject(ModuleRef) private readonly moduleRef: ModuleRef,
  ) {}

  callerOf(host: HandlerHost, method: string): EventHandler {
    if (host.isStatic) return this.#create(host.instance as Host, method);
    return async (event, context) => {
      // The event is the request: REQUEST injects it, and a strategy for durable providers gets it to decide by.
      const contextId = ContextIdFactory.getByRequest(event as unknown as Record<string, unknown>);
      this.moduleRef.registerRequestByContextId(event, contextId);
      const instance = await host.moduleRef.resolve<Host>(host.token, contextId);
      await this.#create(instance, method, contextId, host.id)(event, context);
    };
  }

  #create(
    instance: Host,
    method: string,
    contextId?: ReturnType<typeof ContextIdFactory.create>,
    inquirerId?: string,
  ): EventHandler {
    return this.contexts.create(
      instance,
      instance[method],
      method,
      PARAMETER_MARKS,
      { exchangeKeyForValue: (_type: number, _data: unknown, args: unknown[]) => args[0] },
      contextId,
      inquirerId,
      { guards: true, interceptors: true, filters: true },
      STREAM_EVENT_CONTEXT,
    );
  }
}

import { Catch, type ExceptionFilter, type Type } from '@nestjs/common';
import {
  ApplicationConfig,
  ExternalContextCreator,
  type ModuleRef,
  NestContainer,
  type ModulesContainer,
} from '@nestjs/core';
import { isObservable, lastValueFrom } from 'rxjs';
import { withFailureAfter } from '../store/values/error-text.js';
import type { EventHandler } from '../consumer/handling/handler-attempts.js';

/** What `ExecutionContext.getType()` says inside a handler. */
export const STREAM_EVENT_CONTEXT = 'stream-event';

/** What the explorer knows of a handler's host. */
export interface HandlerHost {
  /** Undefined when a factory makes it for each attempt. */
  readonly instance: object | undefined;
  /** Under what it is provided. */
  readonly token: Type;
  readonly id: string;
  /** False when the class, or something it injects, is made anew for each request. */
  readonly isStatic: boolean;
  /** That of the host's module: several modules may provide the class, each its own. */
  readonly moduleRef: ModuleRef;
}

/** A method of a host that handles events. */
export interface HandlerMethod {
  readonly host: HandlerHost;
  readonly method: string;
  /** The class and the method, for messages. */
  readonly place: string;
  /** Whether enhancers of the whole application stand before it, too. */
  readonly globalEnhancers: boolean;
}

// Where Nest's parameter decorators leave their marks; the constant has this value in Nest 11 and 12 and is not exported
// by either's public entry.
const PARAMETER_MARKS = '__routeArguments__';

type ContextId = NonNullable<Parameters<ExternalContextCreator['create']>[5]>;

type Method = (...args: unknown[]) => unknown;

/** The modules of the application, with enhancers for all of it that are given here and are not those of the application. */
class ModulesOf extends NestContainer {
  constructor(
    private readonly modulesOfApplication: ModulesContainer,
    globals: ApplicationConfig,
  ) {
    super(globals);
  }

  override getModules(): ModulesContainer {
    return this.modulesOfApplication;
  }
}

/** Lets through what no filter wants. Nest would log it, without saying what failed; whoever hands out events does. */
@Catch()
class PassOn implements ExceptionFilter {
  catch(error: unknown): Promise<never> {
    // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- it is what was thrown
    return Promise.reject(error);
  }
}

/** A configuration for `HandlerContexts`, to which enhancers for all handlers can be added. */
export function newGlobals(): ApplicationConfig {
  const globals = new ApplicationConfig();
  // The one that was added first is asked last.
  globals.useGlobalFilters(new PassOn());
  return globals;
}

/** Puts guards, interceptors, pipes, filters and parameters before methods that handle events. */
export class HandlerContexts {
  readonly #contexts: ExternalContextCreator;
  /** One of their own: they are asked with no parameters, and a creator remembers those of a method. */
  readonly #filters: ExternalContextCreator;

  /** @param globals the enhancers that stand before every method, besides its own and those of its class */
  constructor(modules: ModulesContainer, globals: ApplicationConfig) {
    this.#contexts = ExternalContextCreator.fromContainer(new ModulesOf(modules, globals));
    this.#filters = ExternalContextCreator.fromContainer(new ModulesOf(modules, globals));
  }

  /**
   * Filters are asked when all the rest has failed, and not by Nest: so the failure is known when a filter fails, too.
   *
   * @param contextId when the instance was made for one event
   * @throws when the instance has no such method
   */
  handlerOf(instance: object, { host, method, place }: HandlerMethod, contextId?: ContextId): EventHandler {
    const callback = (instance as Record<string, Method | undefined>)[method];
    if (typeof callback !== 'function') throw new TypeError(`${place}: what its factory made has no such method.`);
    const call = this.#contexts.create(
      instance,
      callback,
      method,
      PARAMETER_MARKS,
      { exchangeKeyForValue: (_type: number, _data: unknown, args: unknown[]) => args[0] },
      contextId,
      host.id,
      { guards: true, interceptors: true, filters: false },
      STREAM_EVENT_CONTEXT,
    );
    const filtered = (failure: unknown): EventHandler => {
      // Nest finds the filters of a method by the marks of the function, which it inherits.
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- it is what was thrown
      const failing = Object.setPrototypeOf(() => Promise.reject(failure), callback) as Method;
      return this.#filters.create(
        ...([instance, failing, method, undefined, undefined, contextId, host.id] as const),
        { guards: false, interceptors: false, filters: true },
        STREAM_EVENT_CONTEXT,
      );
    };
    return (event, context) =>
      call(event, context).catch((failure: unknown) => settledBy(filtered(failure), failure, event, context));
  }
}

/** What filters make of a failure. @throws the failure, also when they fail with another one, which is then told with it */
async function settledBy(filters: EventHandler, failure: unknown, ...args: Parameters<EventHandler>): Promise<unknown> {
  try {
    const answer = await filters(...args);
    // As those for messages answer, with an Observable that fails.
    return isObservable(answer) ? await lastValueFrom(answer, { defaultValue: undefined }) : answer;
  } catch (another) {
    throw another === failure ? failure : withFailureAfter(failure, 'its exception filter failed', another);
  }
}

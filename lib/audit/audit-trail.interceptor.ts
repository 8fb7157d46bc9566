import { performance } from 'node:perf_hooks';
import { Inject, Injectable, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { from, switchMap, type Observable } from 'rxjs';
import type { JsonValue } from '../store/event.js';
import type { AuditRecord } from './audit-record.js';
import { AuditTrail } from './audit-trail.js';
import { markOf, type AuditedOptions } from './audited.decorator.js';
import { AUDIT_SETTINGS, type AuditSettings } from './audit.module-definition.js';
import { answerOf, correlationIdOf, factsOf, failureOf } from './call-facts.js';
import { keptFields } from './kept-fields.js';
import { recordAtEnd, type CallEnd } from './record-at-end.js';

/** The context of `@OnStreamEvent` handlers. What they would record might be an event for them again. */
const STREAM_EVENT = 'stream-event';

/**
 * Keeps calls of handlers in the audit trail: of controllers, gateways, message handlers and resolvers. `AuditTrailModule`
 * puts it in front of all of them.
 */
@Injectable()
export class AuditTrailInterceptor implements NestInterceptor {
  constructor(
    @Inject(AUDIT_SETTINGS) private readonly settings: AuditSettings,
    @Inject(AuditTrail) private readonly trail: AuditTrail,
    @Inject(Reflector) private readonly reflector: Reflector,
  ) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    if (context.getType<string>() === STREAM_EVENT) return next.handle();
    const mark = markOf(this.reflector, context) ?? (this.#isAuditedUnmarked(context) && {});
    if (mark === false || !this.trail.claim(context)) return next.handle();
    return from(this.#begin(context, mark)).pipe(
      switchMap((begun) =>
        begun ? next.handle().pipe(recordAtEnd((end) => this.#end(context, begun, end))) : next.handle(),
      ),
    );
  }

  #isAuditedUnmarked(context: ExecutionContext): boolean {
    const { auditsAll, options } = this.settings;
    return auditsAll && !options.skip?.(context);
  }

  /** Undefined when the call cannot be described, and goes on all the same. */
  async #begin(context: ExecutionContext, mark: AuditedOptions): Promise<BegunCall | undefined> {
    const startedAt = performance.now();
    const at = this.trail.now();
    try {
      return { startedAt, at, about: await this.#describe(context, mark) };
    } catch (error) {
      this.trail.fail(error);
      return undefined;
    }
  }

  async #describe(context: ExecutionContext, mark: AuditedOptions): Promise<BegunCall['about']> {
    const { options } = this.settings;
    const facts = factsOf(context);
    const lists = { ...options, ...mark };
    const kept = (name: 'params' | 'query' | 'body' | 'headers') => {
      const fields = keptFields(facts[name], lists[name], name, options.redact);
      return fields && { [name]: fields };
    };
    const handler = `${context.getClass().name}.${context.getHandler().name}`;
    // Now, as the handler may change what it is given.
    const fields = { ...kept('params'), ...kept('query'), ...kept('body'), ...kept('headers') };
    const actor = ((await options.actor(context)) ?? null) as JsonValue;
    const correlationId = options.correlationId?.(context) ?? correlationIdOf(facts);
    return { actor, action: mark.action ?? handler, handler, ...facts.about, ...fields, correlationId };
  }

  async #end(context: ExecutionContext, { startedAt, at, about }: BegunCall, end: CallEnd): Promise<void> {
    const { outcome, answers } = end;
    const record: AuditRecord = {
      ...about,
      outcome,
      ...(outcome === 'failure' ? failureOf(context, end.error) : answerOf(context)),
      ...(answers > 1 || outcome === 'aborted' ? { answers } : {}),
      durationMs: Math.round((performance.now() - startedAt) * 1_000) / 1_000,
    };
    try {
      await this.trail.record(record, at);
    } catch (error) {
      this.trail.fail(error);
    }
  }
}

interface BegunCall {
  /** For the duration. */
  readonly startedAt: number;
  readonly at: Date;
  readonly about: Omit<AuditRecord, 'outcome' | 'durationMs'>;
}

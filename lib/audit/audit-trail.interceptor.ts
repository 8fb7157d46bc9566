import { performance } from 'node:perf_hooks';
import { Inject, Injectable, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { from, switchMap, type Observable } from 'rxjs';
import { boundToCaller } from '../store/services/async-context.js';
import type { AuditRecord } from './audit-record.js';
import { AuditTrail } from './audit-trail.js';
import { markOf, type AuditedOptions } from './audited.decorator.js';
import { AUDIT_SETTINGS, type AuditSettings } from './audit.module-definition.js';
import { describeCall, type CallDescription } from './call-description.js';
import { answerOf, failureOf } from './call-facts.js';
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
      switchMap((begun) => {
        // An observable may end in the context of another request: of one that all have subscribed to, or of none.
        const record = boundToCaller((end: CallEnd) => this.#end(context, begun, end));
        return next.handle().pipe(recordAtEnd(record));
      }),
    );
  }

  #isAuditedUnmarked(context: ExecutionContext): boolean {
    const { auditsAll, options } = this.settings;
    if (!auditsAll) return false;
    try {
      return !options.skip?.(context);
    } catch (error) {
      // Who can make it throw must not be left out for that.
      this.trail.fail(error);
      return true;
    }
  }

  /** Describes the call before its handler begins. @throws what a function of the application threw, if that is wanted */
  async #begin(context: ExecutionContext, mark: AuditedOptions): Promise<BegunCall> {
    const startedAt = performance.now();
    const at = this.trail.now();
    const about = await describeCall(context, mark, this.settings.options, (error) => this.trail.fail(error));
    return { startedAt, at, about };
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
    await this.trail.keep(record, at);
  }
}

interface BegunCall {
  /** For the duration. */
  readonly startedAt: number;
  readonly at: Date;
  readonly about: CallDescription;
}

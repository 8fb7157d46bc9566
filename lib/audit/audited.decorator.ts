import { SetMetadata, type ExecutionContext } from '@nestjs/common';
import type { Reflector } from '@nestjs/core';
import { checkMembers } from '../store/values/known-members.js';
import { checkName } from '../store/values/names.js';
import { checkFields, type AuditedFields } from './audit-options.js';

/** What is special about a handler. Lists of fields come in the place of those of the module. */
export interface AuditedOptions extends AuditedFields {
  /** What the handler does, such as `order.refund`. Default class and method. */
  readonly action?: string;
}

/** What a handler or its class was marked with, checked; false for `@SkipAudit()`. */
export type AuditMark = AuditedOptions | false;

const MARK = 'nestjs-stream-store:audit';

/**
 * Has the calls of a handler, or of all handlers of a class, kept in the audit trail. What stands on a method comes before
 * what stands on its class.
 *
 * @throws {ValidationError} that names the option
 */
export function Audited(options: AuditedOptions = {}): MethodDecorator & ClassDecorator {
  checkMembers(options, '@Audited', ['action', 'params', 'query', 'body', 'headers']);
  if (options.action !== undefined) checkName(options.action, '@Audited.action');
  const checked = Object.entries(checkFields(options, '@Audited'));
  const own = checked.filter(([name]) => options[name as keyof AuditedFields] !== undefined);
  return SetMetadata<string, AuditMark>(MARK, { action: options.action, ...Object.fromEntries(own) });
}

/** Keeps the calls of a handler, or of all handlers of a class, out of the audit trail. */
export function SkipAudit(): MethodDecorator & ClassDecorator {
  return SetMetadata<string, AuditMark>(MARK, false);
}

/** The mark of a handler, or else of its class; undefined when neither has one. */
export function markOf(reflector: Reflector, context: ExecutionContext): AuditMark | undefined {
  return reflector.getAllAndOverride<AuditMark | undefined>(MARK, [context.getHandler(), context.getClass()]);
}

import type { ExecutionContext } from '@nestjs/common';
import type { JsonValue } from '../store/values/event.js';
import type { CheckedAuditOptions } from './audit-options.js';
import type { AuditRecord } from './audit-record.js';
import type { AuditedOptions } from './audited.decorator.js';
import { correlationIdOf, factsOf, type CallFacts } from './call-facts.js';
import { keptFields } from './kept-fields.js';
import { keptText, keptValue } from './kept-value.js';

/** What is known of a call before its handler begins. */
export type CallDescription = Omit<AuditRecord, 'outcome' | 'durationMs'>;

/**
 * Describes a call, whatever it brings: all of it is text that every store keeps. What a function of the application throws
 * for is left out, and named.
 *
 * @param report told what one of them has thrown
 */
export async function describeCall(
  context: ExecutionContext,
  mark: AuditedOptions,
  options: CheckedAuditOptions,
  report: (error: unknown) => void,
): Promise<CallDescription> {
  const missing: string[] = [];
  const leaveOut = (what: string, error: unknown): undefined => {
    missing.push(what);
    report(error);
  };
  const facts =
    known(
      () => factsOf(context),
      (error) => leaveOut('request', error),
    ) ?? noFacts(context);
  const lists = { ...options, ...mark };
  const kept = (name: 'params' | 'query' | 'body' | 'headers') => {
    const fields = keptFields(facts[name], lists[name], name, options.redact, leaveOut);
    return fields && { [name]: fields };
  };
  // Now, as the handler may change what it is given.
  const fields = { ...kept('params'), ...kept('query'), ...kept('body'), ...kept('headers') };
  const handler = keptText(`${context.getClass().name}.${context.getHandler().name}`);
  const ofTheApplication = known(
    () => options.correlationId?.(context),
    (error) => leaveOut('correlationId', error),
  );
  let actor: JsonValue = null;
  try {
    actor = actorOf(await options.actor(context));
  } catch (error) {
    leaveOut('actor', error);
  }
  return {
    actor,
    action: mark.action ?? handler,
    handler,
    ...aboutOf(facts),
    ...fields,
    correlationId: idOf(ofTheApplication) ?? correlationIdOf(facts),
    ...(missing.length > 0 && { incomplete: missing }),
  };
}

/** Who it was, as it is kept; also what is looked for by `query`. */
export function actorOf(answer: unknown): JsonValue {
  return keptValue(answer, { path: ['actor'], isIdentity: true }) ?? null;
}

/** Transport, method, route and pattern, each of which is text. */
function aboutOf({ about }: CallFacts): CallFacts['about'] {
  const texts = Object.entries(about).map(([name, text]) => [name, text === undefined ? text : keptText(String(text))]);
  return Object.fromEntries(texts) as CallFacts['about'];
}

function idOf(answer: unknown): string | undefined {
  if (answer === undefined || answer === null || answer === '') return undefined;
  const kept = keptValue(answer, { path: ['correlationId'], isIdentity: true });
  return typeof kept === 'string' ? kept : JSON.stringify(kept);
}

function noFacts(context: ExecutionContext): CallFacts {
  const nothing = { params: undefined, query: undefined, body: undefined, headers: undefined };
  return { about: { transport: context.getType<string>() }, ...nothing };
}

function known<T>(ask: () => T, leaveOut: (error: unknown) => undefined): T | undefined {
  try {
    return ask();
  } catch (error) {
    return leaveOut(error);
  }
}

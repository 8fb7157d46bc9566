import { randomUUID } from 'node:crypto';
import type { ExecutionContext } from '@nestjs/common';
import { requestOf } from './audit-options.js';
import type { AuditRecord } from './audit-record.js';
import { keptText } from './kept-value.js';
import { withoutSecrets, withoutTokens } from './secret-values.js';

/** What a call brings, before anything of it is let through. */
export interface CallFacts {
  /** What is kept of every call of its kind. */
  readonly about: Pick<AuditRecord, 'transport' | 'method' | 'route' | 'pattern'>;
  readonly params: unknown;
  readonly query: unknown;
  readonly body: unknown;
  readonly headers: unknown;
}

// What is asked of a request is what those of Express and Fastify have; of GraphQL, what every driver hands to a resolver.
// None of them is needed to compile.

interface HttpRequest {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, unknown>>;
  readonly params?: unknown;
  readonly query?: unknown;
  readonly body?: unknown;
  /** Of Express. */
  readonly route?: { readonly path?: unknown };
  /** Of Fastify. */
  readonly routeOptions?: { readonly url?: unknown };
}

interface GraphqlInfo {
  readonly fieldName?: string;
  readonly operation?: { readonly operation?: string };
}

export function factsOf(context: ExecutionContext): CallFacts {
  const transport = context.getType<string>();
  switch (transport) {
    case 'http': {
      const request = requestOf(context) as HttpRequest;
      const { method, params, query, body, headers } = request;
      const route = request.routeOptions?.url ?? request.route?.path;
      return {
        about: {
          transport,
          ...(typeof method === 'string' && { method }),
          ...(typeof route === 'string' && { route }),
        },
        params,
        query,
        body,
        headers,
      };
    }
    case 'graphql': {
      const [, args, , info] = context.getArgs<[unknown, unknown, unknown, GraphqlInfo | undefined]>();
      const pattern = [info?.operation?.operation, info?.fieldName].filter(Boolean).join(' ');
      const { headers } = requestOf(context) as HttpRequest;
      return { about: { transport, pattern }, params: args, query: undefined, body: undefined, headers };
    }
    case 'rpc': {
      const rpc = context.switchToRpc();
      return { ...NOTHING, about: { transport, pattern: patternOf(rpc.getContext()) }, body: rpc.getData() };
    }
    case 'ws': {
      const ws = context.switchToWs();
      return { ...NOTHING, about: { transport, pattern: ws.getPattern() }, body: ws.getData() };
    }
    default:
      return { ...NOTHING, about: { transport } };
  }
}

const NOTHING = { params: undefined, query: undefined, body: undefined, headers: undefined };

/** Each transport of @nestjs/microservices has a method of its own for it. */
function patternOf(context: unknown): string | undefined {
  const asked = context as Record<string, unknown> | undefined;
  for (const name of ['getPattern', 'getSubject', 'getTopic', 'getChannel']) {
    const get = asked?.[name];
    if (typeof get === 'function') return String(get.call(asked));
  }
  return undefined;
}

/** The id that came with a call, the trace it belongs to, or a new one. */
export function correlationIdOf({ headers }: Pick<CallFacts, 'headers'>): string {
  const given = (headers ?? {}) as Readonly<Record<string, unknown>>;
  const requestId = given['x-request-id'];
  // It is the caller's word, and is kept for ever.
  const isPlain = typeof requestId === 'string' && /^[\w.:/+=@-]{1,128}$/.test(requestId);
  if (isPlain && withoutTokens(requestId) === requestId) return requestId;
  const [, trace] = /^[\da-f]{2}-([\da-f]{32})-/.exec(String(given.traceparent)) ?? [];
  return trace ?? randomUUID();
}

/** What the answer of an HTTP request is like when its handler is done. */
export function answerOf(context: ExecutionContext): Pick<AuditRecord, 'status' | 'clientGone'> {
  if (context.getType<string>() !== 'http') return {};
  const response = context.switchToHttp().getResponse<{
    readonly statusCode?: unknown;
    readonly destroyed?: boolean;
    readonly raw?: { readonly destroyed?: boolean };
  }>();
  const isGone = (response.raw ?? response).destroyed === true;
  const { statusCode } = response;
  return { ...(isStatus(statusCode) && { status: statusCode }), ...(isGone && { clientGone: true }) };
}

/** What an error says about itself that is no data; whatever was thrown. */
export function failureOf(
  context: ExecutionContext,
  error: unknown,
): Pick<AuditRecord, 'status' | 'error' | 'clientGone'> {
  const answer = answerOf(context);
  const code = saidBy(error, 'code');
  const name = saidBy(error, 'name');
  return {
    ...answer,
    ...(answer.status !== undefined && { status: statusOf(error) }),
    error: {
      name: typeof name === 'string' ? shortText(name) : typeof error,
      ...(typeof code === 'string' && { code: shortText(code) }),
    },
  };
}

function statusOf(error: unknown): number {
  try {
    const status: unknown = (error as { getStatus?: () => unknown } | undefined)?.getStatus?.();
    return isStatus(status) ? status : 500;
  } catch {
    return 500;
  }
}

function isStatus(status: unknown): status is number {
  return Number.isSafeInteger(status);
}

/** A member of what was thrown, which may refuse to be read. */
function saidBy(error: unknown, member: 'name' | 'code'): unknown {
  try {
    return (error as Partial<Record<typeof member, unknown>> | null | undefined)?.[member];
  } catch {
    return undefined;
  }
}

/** A caller may have had a say in it. */
function shortText(text: string): string {
  return keptText(withoutSecrets(text.slice(0, 200)), 100);
}

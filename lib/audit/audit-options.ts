import type { ExecutionContext } from '@nestjs/common';
import { ValidationError } from '../store/values/errors.js';
import type { JsonValue } from '../store/values/event.js';
import { checkMembers } from '../store/values/known-members.js';
import { checkName, checkUserStreamId, kindOf, shown } from '../store/values/names.js';

/** Which fields are kept, by name or path, such as `amount` or `customer.id`. What is not listed is not kept. */
export interface AuditedFields {
  /** Of the parameters of the route, or of the arguments of GraphQL. Default none. */
  readonly params?: readonly string[];
  /** Of the query. Default none. */
  readonly query?: readonly string[];
  /** Of the body, or of the data of a message. Default none. */
  readonly body?: readonly string[];
  /** Of the headers, in any case. Default none. */
  readonly headers?: readonly string[];
}

export interface AuditTrailOptions extends AuditedFields {
  /** The name of the store. Default the store that the class `EventStore` means. */
  readonly store?: string;
  /**
   * The stream of a record: what its id begins with, before the day in UTC; or a function that gives the id for the time at
   * which the call began. Default `audit`: `audit-2024-01-31`.
   */
  readonly stream?: string | ((at: Date) => string);
  /**
   * Which calls of handlers without `@Audited` are left out; for handlers of other packages, which cannot be marked. Default
   * none.
   */
  readonly skip?: (context: ExecutionContext) => boolean;
  /**
   * Who makes the call: what it answers is kept as JSON, a `bigint` as text. Default the `id` or `sub` of the `user` that a
   * guard may have set on the request, on the client of a web socket, or on the context of a message.
   */
  readonly actor?: (context: ExecutionContext) => unknown;
  /** Ties the record to logs and traces. Default the `x-request-id` header, the trace in `traceparent`, or a new id. */
  readonly correlationId?: (context: ExecutionContext) => string | undefined;
  /**
   * Changes the value of a field that is to be kept, or takes it out by answering undefined. Values that stand under a name
   * such as `password` or `token`, or look like one, are redacted before; what it answers is kept in the same way.
   *
   * @param path where it stands: `body.card.number`
   */
  readonly redact?: (path: string, value: JsonValue) => JsonValue | undefined;
  /**
   * What becomes of a call whose record cannot be kept, or not be made whole: `log`, the default, says so in the log and the
   * metrics. With `fail-request` the call fails: before it begins when one of these functions threw, and otherwise although
   * it may have done its work.
   */
  readonly onFailure?: 'log' | 'fail-request';
  /** Whether each record holds a hash of the one before in its stream, so that `verify` can find what was changed. Default false. */
  readonly hashChain?: boolean;
}

export interface CheckedAuditOptions extends Required<AuditedFields> {
  readonly store: string | undefined;
  readonly stream: string | ((at: Date) => string);
  readonly skip: ((context: ExecutionContext) => boolean) | undefined;
  readonly actor: (context: ExecutionContext) => unknown;
  readonly correlationId: ((context: ExecutionContext) => string | undefined) | undefined;
  readonly redact: ((path: string, value: JsonValue) => JsonValue | undefined) | undefined;
  readonly onFailure: 'log' | 'fail-request';
  readonly hashChain: boolean;
}

/** What names the module in errors. */
export const AUDIT = 'AuditTrailModule';

const FIELDS = ['params', 'query', 'body', 'headers'] as const;
const OPTIONS = [...FIELDS, 'store', 'stream', 'skip', 'actor', 'correlationId', 'redact', 'onFailure', 'hashChain'];

/** Headers that say who somebody is to whoever reads them. */
const NEVER_KEPT = ['authorization', 'proxy-authorization', 'cookie', 'set-cookie', 'x-api-key'];

/** @throws {ValidationError} that names the option */
export function checkAuditOptions(options: AuditTrailOptions = {}): CheckedAuditOptions {
  checkMembers(options, AUDIT, OPTIONS);
  const {
    store,
    stream = 'audit',
    skip,
    actor = userOf,
    correlationId,
    redact,
    onFailure = 'log',
    hashChain = false,
  } = options;
  if (store !== undefined) checkName(store, `${AUDIT}.store`);
  if (typeof stream !== 'function') checkUserStreamId(stream, `${AUDIT}.stream`);
  for (const [name, value] of Object.entries({ skip, actor, correlationId, redact })) {
    if (value !== undefined && typeof value !== 'function')
      throw new ValidationError(`${AUDIT}.${name}`, `it is ${kindOf(value)}: give a function.`);
  }
  if (onFailure !== 'log' && onFailure !== 'fail-request') {
    throw new ValidationError(`${AUDIT}.onFailure`, `${shown(onFailure)} is neither: give "log" or "fail-request".`);
  }
  if (typeof hashChain !== 'boolean') {
    throw new ValidationError(`${AUDIT}.hashChain`, `${shown(hashChain)} is no choice: give true or false.`);
  }
  return { ...checkFields(options, AUDIT), store, stream, skip, actor, correlationId, redact, onFailure, hashChain };
}

/** Checks lists of fields and fills in empty ones. @param place what they were given to */
export function checkFields(fields: AuditedFields, place: string): Required<AuditedFields> {
  const checked = FIELDS.map((name) => {
    const list: unknown = fields[name] ?? [];
    if (!Array.isArray(list) || !list.every((path) => typeof path === 'string' && path !== '')) {
      throw new ValidationError(`${place}.${name}`, `it is ${kindOf(list)}: give an array of names, such as ['id'].`);
    }
    return [name, list as string[]] as const;
  });
  const headers = (fields.headers ?? []).map((name) => name.toLowerCase());
  const secret = headers.find((name) => NEVER_KEPT.includes(name));
  if (secret) throw new ValidationError(`${place}.headers`, `"${secret}" is a secret: take it out.`);
  return { ...(Object.fromEntries(checked) as unknown as Required<AuditedFields>), headers };
}

/** A request that a guard, a hook or middleware has said the user of. */
interface RequestOfUser {
  readonly user?: { readonly id?: unknown; readonly sub?: unknown } | null;
  /** That of Node, below that of Fastify: all that middleware gets to see there. */
  readonly raw?: RequestOfUser;
}

function userOf(context: ExecutionContext): unknown {
  const { user, raw } = requestOf(context) as RequestOfUser;
  return idOf(user) ?? (hasRawRequest(context) ? idOf(raw?.user) : undefined);
}

function idOf(user: RequestOfUser['user']): unknown {
  // A text has a member "sub", too.
  return typeof user === 'object' ? (user?.id ?? user?.sub) : undefined;
}

function hasRawRequest(context: ExecutionContext): boolean {
  return ['http', 'graphql'].includes(context.getType<string>());
}

/** The request of HTTP, also below GraphQL; the client of a web socket; the context of a message. */
export function requestOf(context: ExecutionContext): object {
  const found: unknown = foundIn(context);
  return typeof found === 'object' && found !== null ? found : {};
}

function foundIn(context: ExecutionContext): unknown {
  switch (context.getType<string>()) {
    case 'graphql':
      return context.getArgByIndex<{ req?: unknown } | undefined>(2)?.req;
    case 'rpc':
      // Not its data, in which whoever sends it may say to be anybody.
      return context.switchToRpc().getContext();
    default:
      return context.getArgByIndex(0);
  }
}

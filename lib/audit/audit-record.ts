import type { JsonValue, RecordedEvent } from '../store/values/event.js';

/** What the trail keeps of one call. */
export interface AuditRecord {
  /** Who: what the option `actor` answered; null when nobody is known. */
  readonly actor: JsonValue;
  /** What was done: the action given to `@Audited`, or else the handler. */
  readonly action: string;
  /** Class and method. */
  readonly handler: string;
  /** How the call came: `http`, `rpc`, `ws`, `graphql`, or what `ExecutionContext.getType()` says. */
  readonly transport: string;
  /** Of an HTTP request, its method. */
  readonly method?: string;
  /** Of an HTTP request, the pattern of its route, such as `/orders/:id`; never the path itself. */
  readonly route?: string;
  /** Of a message, its pattern; of GraphQL, operation and field, such as `mutation refund`. */
  readonly pattern?: string;
  /** What was let through of the parameters of the route, or the arguments of GraphQL. */
  readonly params?: AuditFields;
  readonly query?: AuditFields;
  /** What was let through of the body, or of the data of a message. */
  readonly body?: AuditFields;
  readonly headers?: AuditFields;
  /** `aborted`: whoever asked for a stream of answers has left before its end. */
  readonly outcome: 'success' | 'failure' | 'aborted';
  /** Of an HTTP request, the status that the handler answered with, or that its error stands for. */
  readonly status?: number;
  /** What the call failed with: the name of the error, and its code if it has one. Its message may hold data. */
  readonly error?: { readonly name: string; readonly code?: string };
  /** True when the HTTP client had left before the answer. */
  readonly clientGone?: boolean;
  /** How many answers a stream gave, when it was not one. */
  readonly answers?: number;
  /** From the beginning of the call until its end, in milliseconds. */
  readonly durationMs: number;
  /** The request id that came with it, the id of its trace, or a new one. */
  readonly correlationId: string;
  /**
   * What is not in the record although it should be, such as `actor` or `body.amount`: it could not be found out, or not
   * be kept. The log says why.
   */
  readonly incomplete?: readonly string[];
}

export type AuditFields = Readonly<Record<string, JsonValue>>;

/** A record of the trail, with its place. */
export interface AuditEntry extends AuditRecord {
  /** The id of the event. */
  readonly id: string;
  /** When the call began. */
  readonly at: Date;
  readonly streamId: string;
  /** The position in its stream, from 1. */
  readonly position: number;
}

/** The type of the events that the trail is made of. */
export const AUDIT_EVENT_TYPE = 'audit.recorded';

export function entryOf({ id, timestamp, streamId, position, data }: RecordedEvent): AuditEntry {
  return { id, at: timestamp, streamId, position, ...(data as unknown as AuditRecord) };
}

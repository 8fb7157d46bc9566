import { HttpException, HttpStatus } from '@nestjs/common';
import { EventStoreError } from '../../store/values/errors.js';

/** What an error looks like to a client: RFC 9457, with the facts of the error as further members. */
export interface ProblemDetails {
  /** Names the kind of problem: `urn:nestjs-stream-store:` and the code in lower case. */
  readonly type: string;
  /** What kind of problem it is, in a few words. */
  readonly title: string;
  readonly status: number;
  /** What happened this time, and what to do. */
  readonly detail: string;
  /** What went wrong, for programs: the `code` of the error, or the name of the HTTP status. */
  readonly code: string;
  readonly [fact: string]: unknown;
}

interface KnownProblem {
  readonly status: number;
  /** The fields of the error that a client is told. */
  readonly facts?: readonly string[];
  /** What is said instead of the message, which is for the log: it may name files, hosts and users. */
  readonly detail?: string;
}

const NOT_TOLD = 'The server could not do this; its log says why.';
const TRY_AGAIN = 'What keeps the events is not available: try again later, with the same ids and expected revision.';

const PUT_BACK = 'The log was put back to an earlier state: read again from a place before that.';

/** Every error of the store, by its code. */
const PROBLEMS: Readonly<Record<string, KnownProblem>> = {
  VALIDATION_FAILED: { status: 400, facts: ['field'] },
  AGGREGATE_NOT_FOUND: { status: 404, facts: ['category', 'id'] },
  STREAM_NOT_FOUND: { status: 404, facts: ['streamId'] },
  DEAD_LETTER_NOT_FOUND: { status: 404, facts: ['id'] },
  STREAM_LIMIT_REACHED: { status: 409, facts: ['limit', 'maximum', 'streamId'] },
  HANDLER_FAILED: { status: 409, facts: ['handler', 'eventId'] },
  HANDLER_STOPPED: { status: 409, facts: ['handler'] },
  LOG_FORKED: { status: 409, detail: PUT_BACK },
  EVENTS_EXPIRED: { status: 410, facts: ['globalPosition', 'streamId', 'trimmedTo'] },
  WRONG_EXPECTED_REVISION: { status: 412, facts: ['streamId', 'expected', 'actual'] },
  UNSUPPORTED_OPERATION: { status: 501, facts: ['operation'] },
  OPERATION_ABORTED: { status: 503 },
  STORE_CLOSED: { status: 503 },
  SUBSCRIPTION_ENDED: { status: 503 },
  LEASE_LOST: { status: 503, facts: ['lease'] },
  CHECKPOINT_CHANGED: { status: 503 },
  STORAGE_UNAVAILABLE: { status: 503, facts: ['isOutcomeUnknown'], detail: TRY_AGAIN },
  HANDLER_TIMEOUT: { status: 504, facts: ['handler', 'timeoutMs'] },
  UPCAST_FAILED: { status: 500, detail: NOT_TOLD },
  STORAGE_FAILED: { status: 500, detail: NOT_TOLD },
  STORAGE_TOO_NEW: { status: 500, detail: NOT_TOLD },
  STORAGE_CORRUPTED: { status: 500, detail: NOT_TOLD },
  SNAPSHOT_CORRUPTED: { status: 500, detail: NOT_TOLD },
  SNAPSHOT_UNSUPPORTED: { status: 500, detail: NOT_TOLD },
  SNAPSHOT_DIRECTORY_IN_USE: { status: 500, detail: NOT_TOLD },
  SNAPSHOT_DISK_FAILED: { status: 500, detail: NOT_TOLD },
  LAST_SNAPSHOT_FAILED: { status: 500, detail: NOT_TOLD },
  MISSING_PEER: { status: 500, detail: NOT_TOLD },
};

/** The codes that have a status of their own; every other error is a 500. */
export const KNOWN_CODES: readonly string[] = Object.keys(PROBLEMS);

/** An error of the store, to be told to a client that may not know its facts. */
export class ConcealedError extends Error {
  constructor(
    readonly code: string,
    detail: string,
    cause: EventStoreError,
  ) {
    super(detail, { cause });
  }
}

/** What a client is told about an error. */
export function problemOf(error: unknown): ProblemDetails {
  if (error instanceof ConcealedError) return problem(error.code, PROBLEMS[error.code].status, error.message);
  if (error instanceof EventStoreError) return problemOfStore(error);
  if (error instanceof HttpException) return problemOfHttp(error);
  return problemOfOther(error);
}

/** Whether the client is not told all of it, so that it belongs into the log. */
export function hidesSomething({ detail }: ProblemDetails, error: unknown): boolean {
  return !(error instanceof Error) || detail !== error.message;
}

function problemOfStore(error: EventStoreError): ProblemDetails {
  const {
    status,
    facts = [],
    detail = error.message,
  }: KnownProblem = PROBLEMS[error.code] ?? { status: 500, detail: NOT_TOLD };
  const values = error as unknown as Record<string, unknown>;
  return {
    ...problem(error.code, status, detail),
    ...Object.fromEntries(facts.map((fact) => [fact, values[fact]])),
  };
}

function problemOfHttp(error: HttpException): ProblemDetails {
  const status = error.getStatus();
  const isTold = status < 500 || status === Number(HttpStatus.SERVICE_UNAVAILABLE);
  return problem(HttpStatus[status] ?? 'UNKNOWN', status, isTold ? error.message : NOT_TOLD);
}

/** An error with a status of its own, as `http-errors` makes them and most middleware throws them. */
function problemOfOther(error: unknown): ProblemDetails {
  const status = ownStatusOf(error);
  if (status === undefined) return problem('INTERNAL_SERVER_ERROR', 500, NOT_TOLD);
  const { message, expose = status < 500 } = error as { message?: unknown; expose?: boolean };
  const isTold = expose && typeof message === 'string' && message !== '';
  return problem(HttpStatus[status] ?? 'UNKNOWN', status, isTold ? message : NOT_TOLD);
}

/** The status that an error brings along; undefined when it has none that says that something went wrong. */
export function ownStatusOf(error: unknown): number | undefined {
  const { statusCode, status } = (error ?? {}) as { statusCode?: unknown; status?: unknown };
  const isStatus = (value: unknown): value is number =>
    Number.isInteger(value) && (value as number) >= 400 && (value as number) < 600;
  return [statusCode, status].find(isStatus);
}

function problem(code: string, status: number, detail: string): ProblemDetails {
  const words = code.toLowerCase().replaceAll('_', ' ');
  return {
    type: `urn:nestjs-stream-store:${words.replaceAll(' ', '-')}`,
    title: words.charAt(0).toUpperCase() + words.slice(1),
    status,
    detail,
    code,
  };
}

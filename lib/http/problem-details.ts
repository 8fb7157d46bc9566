import { HttpException, HttpStatus } from '@nestjs/common';
import { EventStoreError } from '../store/errors.js';

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

/** The status of every error of the store, by its code. The facts of those listed with any are told to the client. */
const PROBLEMS: Readonly<Record<string, { readonly status: number; readonly facts?: readonly string[] }>> = {
  VALIDATION_FAILED: { status: 400, facts: ['field'] },
  STREAM_NOT_FOUND: { status: 404, facts: ['streamId'] },
  DEAD_LETTER_NOT_FOUND: { status: 404, facts: ['id'] },
  STREAM_LIMIT_REACHED: { status: 409, facts: ['limit', 'maximum', 'streamId'] },
  HANDLER_FAILED: { status: 409, facts: ['handler', 'eventId'] },
  HANDLER_STOPPED: { status: 409, facts: ['handler'] },
  EVENTS_EXPIRED: { status: 410, facts: ['globalPosition'] },
  WRONG_EXPECTED_REVISION: { status: 412, facts: ['streamId', 'expected', 'actual'] },
  UNSUPPORTED_OPERATION: { status: 501, facts: ['operation'] },
  OPERATION_ABORTED: { status: 503, facts: [] },
  STORE_CLOSED: { status: 503, facts: [] },
  SUBSCRIPTION_ENDED: { status: 503, facts: [] },
  LEASE_LOST: { status: 503, facts: ['lease'] },
  HANDLER_TIMEOUT: { status: 504, facts: ['handler', 'timeoutMs'] },
  // These name files and hosts, which are nobody's business but the operator's: the log has them.
  SNAPSHOT_CORRUPTED: { status: 500 },
  SNAPSHOT_UNSUPPORTED: { status: 500 },
  SNAPSHOT_DIRECTORY_IN_USE: { status: 500 },
  SNAPSHOT_DISK_FAILED: { status: 500 },
  LAST_SNAPSHOT_FAILED: { status: 500 },
};

/** The codes that have a status of their own; every other error is a 500. */
export const KNOWN_CODES: readonly string[] = Object.keys(PROBLEMS);

/** What a client is told about an error. */
export function problemOf(error: unknown): ProblemDetails {
  if (error instanceof EventStoreError) return problemOfStore(error);
  if (error instanceof HttpException) return problemOfHttp(error);
  return internalProblem('INTERNAL_SERVER_ERROR');
}

function problemOfStore(error: EventStoreError): ProblemDetails {
  const { status, facts } = PROBLEMS[error.code] ?? { status: 500 };
  if (!facts) return internalProblem(error.code);
  const values = error as unknown as Record<string, unknown>;
  return {
    ...problem(error.code, status, error.message),
    ...Object.fromEntries(facts.map((fact) => [fact, values[fact]])),
  };
}

function problemOfHttp(error: HttpException): ProblemDetails {
  const status = error.getStatus();
  const code = HttpStatus[status] ?? 'UNKNOWN';
  if (status >= 500 && status !== Number(HttpStatus.SERVICE_UNAVAILABLE)) return internalProblem(code, status);
  return problem(code, status, error.message);
}

const NOT_TOLD = 'The server could not do this; its log says why.';

/** What is known about an error like this belongs into the log, and is not told to clients. */
function internalProblem(code: string, status = 500): ProblemDetails {
  return problem(code, status, NOT_TOLD);
}

/** Whether the client was not told what happened. */
export function isInternal({ detail }: ProblemDetails): boolean {
  return detail === NOT_TOLD;
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

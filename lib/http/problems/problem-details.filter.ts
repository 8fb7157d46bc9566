import { Catch, HttpStatus, Logger, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { messageOf, stackOf } from '../../store/values/error-text.js';
import { EventStoreError } from '../../store/values/errors.js';
import { headersOf } from './error-headers.js';
import { answer, hasAnswered, SAFE_HEADERS, type HttpRequest, type HttpResponse } from '../request/http-exchange.js';
import { hidesSomething, problemOf, type ProblemDetails } from './problem-details.js';

const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';

/** Answers every error of a controller with problem details, also those of its guards. */
@Catch()
export class ProblemDetailsFilter implements ExceptionFilter {
  catch(error: unknown, host: ArgumentsHost): void {
    answerWithProblem(host.switchToHttp().getResponse<HttpResponse>(), error);
  }
}

/**
 * Answers the errors of a store in the application's own controllers with problem details: a lost race is 409 (or 412, when
 * the request has a condition), a stream that is not there 404, a store that is not available 503 with `Retry-After`, what
 * is not acceptable 400. All other errors go on to the next filter.
 *
 * For one controller, `@UseFilters(EventStoreExceptionFilter)`; for all, `app.useGlobalFilters(new EventStoreExceptionFilter())`.
 */
@Catch(EventStoreError)
export class EventStoreExceptionFilter implements ExceptionFilter {
  catch(error: EventStoreError, host: ArgumentsHost): void {
    // Messages, sockets and handlers have no response: whoever called gets the error as it is.
    if (host.getType() !== 'http') throw error;
    const http = host.switchToHttp();
    const { headers } = http.getRequest<HttpRequest>();
    const isConditional = headers['if-match'] !== undefined || headers['if-none-match'] !== undefined;
    const problem = problemOf(error);
    const isConflict = problem.status === Number(HttpStatus.PRECONDITION_FAILED) && !isConditional;
    answerWith(
      http.getResponse<HttpResponse>(),
      isConflict ? { ...problem, status: HttpStatus.CONFLICT } : problem,
      error,
    );
  }
}

const logger = new Logger('EventStoreHttp');

/** Answers with problem details. What the client is not told is logged. */
export function answerWithProblem(response: HttpResponse, error: unknown): void {
  answerWith(response, problemOf(error), error);
}

/** Logs what the client is not told of an error. */
export function reportUntold(problem: ProblemDetails, error: unknown): void {
  if (hidesSomething(problem, error)) logger.error(messageOf(error), stackOf(error));
}

function answerWith(response: HttpResponse, problem: ProblemDetails, error: unknown): void {
  reportUntold(problem, error);
  if (hasAnswered(response)) return;
  const headers = {
    ...(problem.status === 503 && { 'retry-after': '1' }),
    ...headersOf(error),
    ...SAFE_HEADERS,
    'content-type': PROBLEM_TYPE,
  };
  answer(response, problem.status, headers, JSON.stringify(problem));
}

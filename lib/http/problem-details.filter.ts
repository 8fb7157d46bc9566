import { Catch, Logger, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { messageOf, stackOf } from '../store/error-text.js';
import { answer, hasAnswered, SAFE_HEADERS, type HttpResponse } from './http-exchange.js';
import { hidesSomething, problemOf } from './problem-details.js';

const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';

/** Answers every error of a controller with problem details, also those of its guards. */
@Catch()
export class ProblemDetailsFilter implements ExceptionFilter {
  catch(error: unknown, host: ArgumentsHost): void {
    answerWithProblem(host.switchToHttp().getResponse<HttpResponse>(), error);
  }
}

const logger = new Logger('EventStoreHttp');

/** Answers with problem details. What the client is not told is logged. */
export function answerWithProblem(response: HttpResponse, error: unknown): void {
  const problem = problemOf(error);
  if (hidesSomething(problem, error)) logger.error(messageOf(error), stackOf(error));
  if (hasAnswered(response)) return;
  const headers = {
    ...SAFE_HEADERS,
    'content-type': PROBLEM_TYPE,
    ...(problem.status === 503 && { 'retry-after': '1' }),
  };
  answer(response, problem.status, headers, JSON.stringify(problem));
}

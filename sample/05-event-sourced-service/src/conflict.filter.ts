import { type ArgumentsHost, Catch, type ExceptionFilter } from '@nestjs/common';
import { AggregateNotFoundError, ValidationError, WrongExpectedRevisionError } from 'nestjs-stream-store';

/** What this filter needs of a request and an answer. */
interface Request {
  readonly headers: Readonly<Record<string, unknown>>;
}
interface Answer {
  status(code: number): { json(body: unknown): void };
}

/** Tells clients what the store refused: 404, 400, and 409 for a conflict; 412 where they said which revision they expect. */
@Catch(AggregateNotFoundError, ValidationError, WrongExpectedRevisionError)
export class ConflictFilter implements ExceptionFilter {
  catch(error: AggregateNotFoundError | ValidationError | WrongExpectedRevisionError, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const saysRevision = 'if-match' in http.getRequest<Request>().headers;
    const statusCode = statusOf(error, saysRevision);
    http.getResponse<Answer>().status(statusCode).json({ statusCode, message: error.message, code: error.code });
  }
}

function statusOf(error: Error, saysRevision: boolean): number {
  if (error instanceof AggregateNotFoundError) return 404;
  if (error instanceof ValidationError) return 400;
  return saysRevision ? 412 : 409;
}

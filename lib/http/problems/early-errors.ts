import type { AbstractHttpAdapter } from '@nestjs/core';
import { PayloadTooLargeException, UnsupportedMediaTypeException } from '@nestjs/common';
import { ValidationError } from '../../store/values/errors.js';
import { isUnder, urlOf, type HttpRequest, type HttpResponse } from '../request/http-exchange.js';
import {
  CLOUD_EVENT_BATCH_MEDIA,
  CLOUD_EVENT_MEDIA,
  charsetOf,
  isUtf8Charset,
  unknownCharset,
} from '../request/media-types.js';
import { answerWithProblem } from './problem-details.filter.js';
import type { RawBodies } from '../request/raw-bodies.js';
import { refusedNameIn } from './refused-name.js';

// A body that cannot be parsed fails before there is a controller, and a controller's filter. Both adapters have a place
// for that, which is used here for the paths of the module only, so that such a request gets problem details too.

type Next = (error?: unknown) => void;

/** The part of an Express application that is used here. */
interface ExpressApp {
  use(handler: (error: unknown, request: HttpRequest, response: HttpResponse, next: Next) => void): unknown;
}

/** The part of a Fastify instance that is used here. */
interface FastifyApp {
  addHook(name: 'onRoute', hook: (route: FastifyRoute) => void): unknown;
  hasContentTypeParser(type: string): boolean;
  addContentTypeParser(
    type: string,
    parser: (request: unknown, body: unknown, done: (error: null, body: unknown) => void) => void,
  ): unknown;
}

interface FastifyRoute {
  readonly url: string;
  errorHandler?: (error: unknown, request: HttpRequest, response: HttpResponse) => void | Promise<void>;
}

/** To be called before the routes are made, as Fastify tells of each once. */
export function prepareFastify(adapter: AbstractHttpAdapter, path: string, rawBodies: RawBodies): void {
  if (adapter.getType() !== 'fastify') return;
  const app = adapter.getInstance<FastifyApp>();
  app.addHook('onRoute', (route) => {
    if (!isUnder(path, route.url)) return;
    route.errorHandler ??= async (error, request, reply) =>
      answerTo(request, reply, (await refusalOfName(error, request, rawBodies)) ?? error);
  });
  for (const type of [CLOUD_EVENT_MEDIA, CLOUD_EVENT_BATCH_MEDIA]) {
    // Left unread, for the controller, which knows how much it may be.
    if (!app.hasContentTypeParser(type)) app.addContentTypeParser(type, (_request, body, done) => done(null, body));
  }
}

/** To be called when the routes are made, and before Nest's own handler of errors, which takes what comes to it. */
export function prepareExpress(adapter: AbstractHttpAdapter, path: string): void {
  if (adapter.getType() !== 'express') return;
  adapter.getInstance<ExpressApp>().use((error, request, response, next) => {
    if (isUnder(path, urlOf(request))) answerTo(request, response, error);
    else next(error);
  });
}

/** What the parser of Fastify has against JSON that is well-formed. */
async function refusalOfName(
  error: unknown,
  request: HttpRequest,
  rawBodies: RawBodies,
): Promise<ValidationError | undefined> {
  if ((error as { code?: unknown } | null)?.code !== 'FST_ERR_CTP_INVALID_JSON_BODY') return undefined;
  const raw = await rawBodies.of(request);
  const path = raw && refusedNameIn(valueOf(raw.bytes));
  return path === undefined
    ? undefined
    : new ValidationError(
        path,
        'Fastify takes no such name, unless onProtoPoisoning and onConstructorPoisoning say so.',
      );
}

function valueOf(json: Buffer): unknown {
  try {
    return JSON.parse(json.toString());
  } catch {
    return undefined;
  }
}

function answerTo(request: HttpRequest, response: HttpResponse, error: unknown): void {
  answerWithProblem(response, toKnownError(request, error));
}

/** What a parser of bodies or paths has refused, as an error that has problem details. */
function toKnownError({ headers }: HttpRequest, error: unknown): unknown {
  if (!isOfParser(error)) return error;
  // That of Express reads UTF-16 as well, and may find that the body is none.
  const charset = charsetOf(headers['content-type']);
  if (!isUtf8Charset(charset)) return unknownCharset(charset);
  const { statusCode, status = statusCode } = error as { statusCode?: number; status?: number };
  switch (status) {
    case 413:
      return new PayloadTooLargeException(
        'The body is larger than the application takes: send fewer events at a time.',
      );
    case 415:
      return new UnsupportedMediaTypeException('The content type is not one that is read here: send JSON.');
    case 400:
      return error instanceof URIError
        ? new ValidationError('path', 'it is not well-formed: encode it as UTF-8 with percent signs.', { cause: error })
        : new ValidationError('body', 'it is not well-formed: send JSON in UTF-8.', { cause: error });
    default:
      return error;
  }
}

/** Whether a parser of bodies or paths says so, and not something else that stands before the routes. */
function isOfParser(error: unknown): boolean {
  const { type, code } = (error ?? {}) as { type?: unknown; code?: unknown };
  return (
    error instanceof URIError ||
    error instanceof SyntaxError ||
    (typeof type === 'string' && /^(?:entity|encoding|charset|request|parameters|stream)\./.test(type)) ||
    // Of the parser of Fastify, and of what inflates bodies for that of Express.
    (typeof code === 'string' && /^(?:FST_ERR_CTP_|Z_)/.test(code))
  );
}

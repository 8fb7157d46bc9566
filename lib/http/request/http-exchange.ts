import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';

// The requests and responses of Express are those of Node, and Fastify wraps those of Node. What both have is described
// here, so that neither of them is needed to compile.

/** A request, of Express or of Fastify. */
export interface HttpRequest {
  readonly method: string;
  readonly url: string;
  /** The whole URL, also where a router has cut off what it matched. */
  readonly originalUrl?: string;
  readonly headers: IncomingHttpHeaders;
  /** The parts of the path, decoded. */
  readonly params: Readonly<Record<string, string>>;
  /** Undefined when no parser has read it. */
  readonly body?: unknown;
  /** What was sent, where the application keeps it. */
  readonly rawBody?: unknown;
}

/** A response, of Express or of Fastify. */
export type HttpResponse = ServerResponse | FastifyReply;

/** The part of a reply of Fastify that is used here. */
interface FastifyReply {
  readonly raw: ServerResponse;
  code(status: number): FastifyReply;
  headers(headers: Headers): FastifyReply;
  getHeaders(): Record<string, number | string | string[] | undefined>;
  send(body?: string | Buffer): FastifyReply;
  /** Leaves the response to the caller. */
  hijack(): FastifyReply;
}

/** What goes with everything that can be fetched: nobody keeps it, guesses its type, or puts it into another site. */
export const SAFE_HEADERS = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'cross-origin-resource-policy': 'same-origin',
};

export const JSON_TYPE = 'application/json; charset=utf-8';

type Headers = Readonly<Record<string, string | string[]>>;

/** The path and the query, as they were sent. */
export function urlOf(request: HttpRequest): string {
  return request.originalUrl ?? request.url;
}

/** Which URLs are those of the module, wherever the application has put them; in any case, as Express takes them. */
export function isUnder(path: string, url: string): boolean {
  return `${url.split('?', 1)[0]}/`.toLowerCase().includes(`/${path.toLowerCase()}/`);
}

/** Node's own request. */
export function rawRequest(request: HttpRequest): IncomingMessage {
  return (request as { raw?: IncomingMessage }).raw ?? (request as unknown as IncomingMessage);
}

/** Answers with exactly these headers, and what HTTP needs besides. */
export function answer(response: HttpResponse, status: number, headers: Headers, body: string | Buffer): void {
  if ('raw' in response) response.code(status).headers(headers).send(body);
  else response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) }).end(body);
}

/** Answers a request for something with JSON. @param headers besides the usual ones, or instead of them */
export function answerJson(response: HttpResponse, json: string | Buffer, headers?: Headers): void {
  answer(response, 200, { ...SAFE_HEADERS, 'content-type': JSON_TYPE, ...headers }, json);
}

/** Answers with a status alone. */
export function answerEmpty(response: HttpResponse, status: number, headers: Headers = {}): void {
  if ('raw' in response) response.code(status).headers(headers).send();
  else response.writeHead(status, headers).end();
}

/** Begins an answer that is written bit by bit, and leaves Node's own response to the caller. */
export function beginAnswer(response: HttpResponse, headers: Headers): ServerResponse {
  if (!('raw' in response)) return response.writeHead(200, { ...SAFE_HEADERS, ...headers });
  // What plugins such as @fastify/cors have set so far would be lost with the reply.
  const set = Object.entries(response.getHeaders()).filter(([, value]) => value !== undefined);
  response.hijack();
  return response.raw.writeHead(200, {
    ...(Object.fromEntries(set) as Record<string, string>),
    ...SAFE_HEADERS,
    ...headers,
  });
}

/** Aborts when the client has gone before it was answered: nobody needs the rest. */
export function signalOfClient(response: HttpResponse): AbortSignal {
  const raw = 'raw' in response ? response.raw : response;
  const gone = new AbortController();
  raw.once('close', () => gone.abort());
  if (raw.destroyed) gone.abort();
  return gone.signal;
}

/** Cuts the connection when the client takes nothing of an answer for so long: until then all of it is held. */
export function cutOffWhenStalled(response: HttpResponse, afterMs: number): void {
  const raw = 'raw' in response ? response.raw : response;
  const { socket } = raw;
  const before = socket?.timeout ?? 0;
  raw.setTimeout(afterMs, () => void raw.destroy());
  if (raw.req.httpVersionMajor >= 2) return;
  // What the connection serves after this may take as long as ever. First, as Node sets the time between requests then.
  raw.prependOnceListener('finish', () => socket?.setTimeout(before));
}

/** Whether anything was sent, so that no other answer can follow. */
export function hasAnswered(response: HttpResponse): boolean {
  return ('raw' in response ? response.raw : response).headersSent;
}

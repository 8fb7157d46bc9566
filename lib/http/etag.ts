import { answer, type HttpRequest, type HttpResponse } from './http-exchange.js';

/** The ETag of a stream is its revision: what an append gives back in `If-Match`. */
export function etagOf(revision: number): string {
  return `"${revision}"`;
}

/** Answers with a text, or with 304 when the client knows it by its ETag already. */
export function answerUnlessMatch(request: HttpRequest, response: HttpResponse, body: string, etag: string): void {
  const known = request.headers['if-none-match'];
  const isKnown = known !== undefined && (known.trim() === '*' || known.split(',').some((tag) => tag.trim() === etag));
  if (isKnown) answer(response, 304, undefined, { etag });
  else answer(response, 200, body, { etag });
}

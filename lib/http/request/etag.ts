import { answerEmpty, answerJson, SAFE_HEADERS, type HttpRequest, type HttpResponse } from './http-exchange.js';

/** The ETag of a stream is its revision: what an append gives back in `If-Match`. */
export function etagOf(revision: number): string {
  return `"${revision}"`;
}

/** Answers with JSON, or with 304 when the client knows it by its ETag already. */
export function answerUnlessMatch(request: HttpRequest, response: HttpResponse, json: string, etag: string): void {
  const known = request.headers['if-none-match'];
  const isKnown = known !== undefined && (known.trim() === '*' || known.split(',').some((tag) => isSame(tag, etag)));
  if (isKnown) answerEmpty(response, 304, { ...SAFE_HEADERS, etag });
  else answerJson(response, json, { etag });
}

/** The weak comparison (RFC 9110, 8.8.3.2 and 13.1.2): whoever compresses an answer on its way weakens its tag. */
function isSame(tag: string, etag: string): boolean {
  return tag.trim().replace(/^W\//, '') === etag;
}

import { answerEmpty, answerJson, SAFE_HEADERS, type HttpRequest, type HttpResponse } from './http-exchange.js';

/** The ETag of a stream is its revision: what an append gives back in `If-Match`. */
export function etagOf(revision: number): string {
  return `"${revision}"`;
}

/** Answers with JSON, or with 304 when the client knows it by its ETag already. */
export function answerUnlessMatch(request: HttpRequest, response: HttpResponse, json: string, etag: string): void {
  const known = request.headers['if-none-match'];
  const isKnown = known !== undefined && (known.trim() === '*' || known.split(',').some((tag) => tag.trim() === etag));
  if (isKnown) answerEmpty(response, 304, { ...SAFE_HEADERS, etag });
  else answerJson(response, json, { etag });
}

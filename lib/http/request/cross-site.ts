import { ForbiddenException } from '@nestjs/common';
import type { HttpRequest } from './http-exchange.js';

/**
 * Refuses what a page of another site makes a browser send, with the cookies of its user.
 *
 * Browsers say in `Sec-Fetch-Site` who sends a request (W3C Fetch Metadata), older ones in `Origin`. Programs that are no
 * browsers send neither, and carry nobody else's cookies.
 *
 * @param allowedOrigins whose pages may all the same
 * @throws {ForbiddenException}
 */
export function refuseCrossSite({ headers }: HttpRequest, allowedOrigins: ReadonlySet<string>): void {
  const { origin } = headers;
  const host = headers.host ?? headers[':authority'];
  if (origin !== undefined && allowedOrigins.has(origin)) return;
  const site = headers['sec-fetch-site'];
  const isOwn = site === undefined ? origin === undefined || isOriginOf(origin, host) : site === 'same-origin';
  // `none` is the user, who typed an address or opened a bookmark.
  if (!isOwn && site !== 'none') {
    throw new ForbiddenException('A page of another site sent this: list its origin in allowedOrigins if it may.');
  }
}

/** Whether an origin (RFC 6454) is that of a host: names in any case, and the port of the scheme said or not. */
function isOriginOf(origin: string, host: string | string[] | undefined): boolean {
  if (typeof host !== 'string' || !URL.canParse(origin)) return false;
  const { protocol, host: ownHost } = new URL(origin);
  const here = `${protocol}//${host}`;
  return ownHost !== '' && URL.canParse(here) && new URL(here).host === ownHost;
}

import { isIP } from 'node:net';
import { ForbiddenException, Inject, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { shown } from '../../store/values/names.js';
import type { CheckedHttpOptions, CheckedHttpRoutes } from '../event-store-http-options.js';
import type { HttpRequest } from './http-exchange.js';
import { CHECKED_HTTP_OPTIONS, CHECKED_HTTP_ROUTES } from '../http.tokens.js';

/**
 * Refuses requests that were sent to a name which is none of ours.
 *
 * A page whose own name was made to point here is of the same origin to its browser, so nothing else tells it from a page
 * of ours: not the origin, not the site. Its requests still name the host that they were meant for. An address cannot be
 * made to point elsewhere, nor can `localhost`.
 */
@Injectable()
export class AllowedHostsGuard implements CanActivate {
  readonly #hosts: readonly string[];

  constructor(
    @Inject(CHECKED_HTTP_OPTIONS) { allowedHosts }: CheckedHttpOptions,
    @Inject(CHECKED_HTTP_ROUTES) { isPublic }: CheckedHttpRoutes,
  ) {
    this.#hosts = allowedHosts ?? (isPublic ? [] : ['*']);
  }

  /** @throws {ForbiddenException} */
  canActivate(context: ExecutionContext): boolean {
    if (this.#hosts.includes('*')) return true;
    const { headers } = context.switchToHttp().getRequest<HttpRequest>();
    const host = headers.host ?? headers[':authority'];
    // Only programs say none.
    if (host === undefined || this.#isAllowed(nameOf(String(host)))) return true;
    throw new ForbiddenException(
      `This was sent to the host ${shown(host)}: list it in allowedHosts if it is one of yours.`,
    );
  }

  #isAllowed(name: string | undefined): boolean {
    if (name === undefined) return false;
    if (isIP(name) !== 0 || name === 'localhost' || name.endsWith('.localhost')) return true;
    return this.#hosts.some((host) =>
      host.startsWith('.') ? name.endsWith(host) || name === host.slice(1) : name === host,
    );
  }
}

/** Without the port, and without the brackets of an address; undefined for what is no host. */
function nameOf(host: string): string | undefined {
  const url = `http://${host}`;
  if (!URL.canParse(url)) return undefined;
  return new URL(url).hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
}

import { ForbiddenException } from '@nestjs/common';
import { boundToCaller } from '../../store/services/async-context.js';
import type { MaybePromise } from '../../store/values/maybe-promise.js';
import { isOwnStream, shown } from '../../store/values/names.js';
import type { HttpRequest } from './http-exchange.js';

/** What one request may see and do. */
export interface StreamAccess {
  /** Whether it may read the stream. What it may not read is left out of lists, and refused where it is asked for. */
  canRead(streamId: string): boolean;
  /** Whether it may append to the stream, and handle the dead letters of its events. */
  canWrite(streamId: string): boolean;
  /** Whether it may see the figures of the whole store and the state of all handlers, and have a snapshot written. */
  readonly isOperator: boolean;
  /** Who it is; at most `maxLiveClientsPerUser` live clients have the same. Default nobody in particular. */
  readonly user?: string;
}

/**
 * Says what a request may see and do. Asked once for each request, after the guards, with the request of Express or of
 * Fastify; it may throw an `HttpException`.
 *
 * Written as a method, whose parameter may be narrower than `unknown`: so a function can name the type of its request.
 */
export type AccessRule = { decide(request: unknown): StreamAccess | Promise<StreamAccess> }['decide'];

/** Who has passed the guards may do everything, but sees nothing of the store's own streams. */
const EVERYTHING: StreamAccess = {
  canRead: (streamId) => !isOwnStream(streamId),
  canWrite: (streamId) => !isOwnStream(streamId),
  isOperator: true,
};

/** What this request may see and do; everything but the store's own streams when there is no rule. */
export function accessOf(request: HttpRequest, rule: AccessRule | undefined): MaybePromise<StreamAccess> {
  return rule ? askedOf(rule, request) : EVERYTHING;
}

async function askedOf(rule: AccessRule, request: HttpRequest): Promise<StreamAccess> {
  const access = await rule(request);
  if (typeof access?.canRead !== 'function' || typeof access.canWrite !== 'function') {
    throw new TypeError(`The access rule answered ${shown(access)}: let it answer a StreamAccess.`);
  }
  return access;
}

/** Which streams have to be left out one by one; undefined when none of those that a reader gets. */
export function hiddenStreams(access: StreamAccess, asksForOwn: boolean): StreamAccess['canRead'] | undefined {
  if (access === EVERYTHING && !asksForOwn) return undefined;
  // Live clients are asked for when somebody else appends; a rule may look up whose request it is.
  return boundToCaller((streamId) => access.canRead(streamId));
}

/** @throws {ForbiddenException} whether the stream exists or not */
export function checkCanRead(access: StreamAccess, streamId: string): void {
  if (!access.canRead(streamId)) throw new ForbiddenException(`You may not read the stream ${shown(streamId)}.`);
}

/** @throws {ForbiddenException} whether the stream exists or not */
export function checkCanWrite(access: StreamAccess, streamId: string): void {
  if (!access.canWrite(streamId)) throw new ForbiddenException(`You may not write to the stream ${shown(streamId)}.`);
}

/** @throws {ForbiddenException} */
export function checkIsOperator(access: StreamAccess): void {
  if (access.isOperator !== true) throw new ForbiddenException('Only an operator may do this.');
}

import type { CanActivate, DynamicModule, ForwardReference, Type } from '@nestjs/common';
import { toMilliseconds, type Duration } from '../store/values/duration.js';
import { ValidationError } from '../store/values/errors.js';
import { checkMembers } from '../store/values/known-members.js';
import { checkName, kindOf, shown } from '../store/values/names.js';
import type { AccessRule } from './request/stream-access.js';

/** Which endpoints there are, and who may come in: known before the application starts. */
export interface EventStoreHttpRoutes {
  /** Where the endpoints lie. Default `event-store`. */
  readonly path?: string;
  /** Who may come in: guards, as for `@UseGuards`. At least one, unless `public` is said. */
  readonly guards?: readonly (Type<CanActivate> | CanActivate)[];
  /** Says that everybody may come in, or that guards of the whole application keep the door. Default false. */
  readonly public?: boolean;
  /** Whether there are only endpoints that read. Default true. */
  readonly readOnly?: boolean;
  /** Whether there is a page to look at the streams, at `<path>/page`. Default false. */
  readonly page?: boolean;
  /** The name of the store. Default the store that the class `EventStore` means. */
  readonly store?: string;
  /** Modules that export what the guards inject, or a store that is not global. */
  readonly imports?: readonly ImportedModule[];
}

type ImportedModule = Type | DynamicModule | Promise<DynamicModule> | ForwardReference;

/** How the endpoints answer. */
export interface EventStoreHttpOptions {
  /** What one request may see and do. Default: all streams but the store's own, which begin with `$`. */
  readonly access?: AccessRule;
  /** Other origins whose pages may append, such as `https://admin.example.com`. Default none. */
  readonly allowedOrigins?: readonly string[];
  /**
   * The hosts that requests may be sent to, such as `shop.example.com`; `.example.com` stands for all below it, and `*` for
   * any. Addresses and `localhost` always may. Keeps pages of other sites out whose names were made to point here (DNS
   * rebinding). Default none besides those with `public: true`, any with guards.
   */
  readonly allowedHosts?: readonly string[];
  /** How many events or streams a page has at most; 1 to 10 000. Default 1 000. */
  readonly maxPageSize?: number;
  /** A page of events ends when it has so many bytes, after at least one event. Default 8 MiB. */
  readonly maxPageBytes?: number;
  /** How many events one request appends at most; 1 to 100 000. Default 1 000. */
  readonly maxEventsPerAppend?: number;
  /** How many bytes the body of a request has at most. Default 1 MiB; the body parser of the adapter has a limit too. */
  readonly maxBodyBytes?: number;
  /** How many clients may follow events live at a time. Default 1 000. */
  readonly maxLiveClients?: number;
  /** How many of them may be of one user, where `access` says who it is. Default 100. */
  readonly maxLiveClientsPerUser?: number;
  /** How many clients may take events as lines at a time; each holds a page of 8 MiB. Default 50, no more than live ones. */
  readonly maxLineClients?: number;
  /** How many of them may be of one user, where `access` says who it is. Default 10, no more than live ones. */
  readonly maxLineClientsPerUser?: number;
  /** After how much silence a live client is sent a sign of life. Default 15 s. */
  readonly heartbeatInterval?: Duration;
  /** How long a client may take nothing of live events, of lines or of a page before it is cut off. Default 30 s. */
  readonly stallTimeout?: Duration;
  /**
   * How long a live client may stay. Then it has to reconnect, through the guards, and goes on where it was; so this is
   * how long a client sees events that it may not see any more. 0 for ever. Default 1 minute.
   */
  readonly liveSession?: Duration;
}

export const DEFAULT_EVENT_STORE_HTTP_OPTIONS = Object.freeze({
  path: 'event-store',
  readOnly: true,
  page: false,
  maxPageSize: 1_000,
  maxPageBytes: 8 * 2 ** 20,
  maxEventsPerAppend: 1_000,
  maxBodyBytes: 2 ** 20,
  maxLiveClients: 1_000,
  maxLiveClientsPerUser: 100,
  maxLineClients: 50,
  maxLineClientsPerUser: 10,
  heartbeatInterval: 15_000,
  stallTimeout: 30_000,
  liveSession: 60_000,
});

/** Options that were checked and filled in; durations are milliseconds. */
export interface CheckedHttpOptions {
  readonly access: AccessRule | undefined;
  readonly allowedOrigins: ReadonlySet<string>;
  readonly maxPageSize: number;
  readonly maxPageBytes: number;
  readonly maxEventsPerAppend: number;
  readonly maxBodyBytes: number;
  readonly maxLiveClients: number;
  readonly maxLiveClientsPerUser: number;
  readonly maxLineClients: number;
  readonly maxLineClientsPerUser: number;
  /** Undefined when nothing is said of hosts. */
  readonly allowedHosts: readonly string[] | undefined;
  readonly heartbeatMs: number;
  readonly stallTimeoutMs: number;
  /** Infinity for no end. */
  readonly liveSessionMs: number;
}

/** What names the module in errors. */
export const HTTP_MODULE = 'EventStoreHttpModule';

const OPTIONS = [
  'access',
  ...['allowedOrigins', 'allowedHosts'],
  ...['maxPageSize', 'maxPageBytes', 'maxEventsPerAppend', 'maxBodyBytes'],
  ...['maxLiveClients', 'maxLiveClientsPerUser', 'maxLineClients', 'maxLineClientsPerUser'],
  ...['heartbeatInterval', 'stallTimeout', 'liveSession'],
];

/** @throws {ValidationError} that names the option: `EventStoreHttpModule.maxPageSize` */
export function checkHttpOptions(options: EventStoreHttpOptions): CheckedHttpOptions {
  checkMembers(options, HTTP_MODULE, OPTIONS);
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const all = { ...DEFAULT_EVENT_STORE_HTTP_OPTIONS, ...(given as EventStoreHttpOptions) };
  const { access, allowedOrigins = [] } = all;
  if (access !== undefined && typeof access !== 'function')
    refuse('access', `it is ${kindOf(access)}: give a function.`);
  const liveSessionMs = toMilliseconds(all.liveSession, field('liveSession'));
  const maxLiveClients = toCount(all.maxLiveClients, 'maxLiveClients');
  const maxLiveClientsPerUser = toCount(all.maxLiveClientsPerUser, 'maxLiveClientsPerUser');
  return {
    access,
    allowedOrigins: toOrigins(allowedOrigins),
    maxPageSize: toCount(all.maxPageSize, 'maxPageSize', 10_000),
    maxPageBytes: toCount(all.maxPageBytes, 'maxPageBytes'),
    maxEventsPerAppend: toCount(all.maxEventsPerAppend, 'maxEventsPerAppend', 100_000),
    maxBodyBytes: toCount(all.maxBodyBytes, 'maxBodyBytes'),
    ...{ maxLiveClients, maxLiveClientsPerUser },
    maxLineClients: toCount(options.maxLineClients ?? Math.min(all.maxLineClients, maxLiveClients), 'maxLineClients'),
    maxLineClientsPerUser: toCount(
      options.maxLineClientsPerUser ?? Math.min(all.maxLineClientsPerUser, maxLiveClientsPerUser),
      'maxLineClientsPerUser',
    ),
    allowedHosts: all.allowedHosts && toHosts(all.allowedHosts),
    heartbeatMs: toPeriod(all.heartbeatInterval, 'heartbeatInterval'),
    stallTimeoutMs: toPeriod(all.stallTimeout, 'stallTimeout'),
    liveSessionMs: liveSessionMs === 0 ? Infinity : liveSessionMs,
  };
}

/** Routes that were checked and filled in. */
export type CheckedHttpRoutes = Required<Omit<EventStoreHttpRoutes, 'store' | 'public'>> & {
  readonly store: string | undefined;
  readonly isPublic: boolean;
};

/** @throws {ValidationError} above all when nobody keeps the door */
export function checkHttpRoutes(routes: EventStoreHttpRoutes): CheckedHttpRoutes {
  const { path, readOnly, page } = { ...DEFAULT_EVENT_STORE_HTTP_OPTIONS, ...withoutUndefined(routes) };
  const { guards = [], public: isPublic = false, store, imports = [] } = routes;
  if (typeof path !== 'string' || !/^\/?[\w.~-]+(?:\/[\w.~-]+)*\/?$/.test(path)) {
    refuse('path', `${shown(path)} is none: give a path of letters, digits, "-", "_", "." and "/".`);
  }
  for (const [name, value] of Object.entries({ readOnly, page, public: isPublic })) {
    if (typeof value !== 'boolean') refuse(name, `it is ${kindOf(value)}: give true or false.`);
  }
  if (!Array.isArray(guards)) refuse('guards', `it is ${kindOf(guards)}: give an array of guards.`);
  if (guards.length === 0 && !isPublic) {
    refuse('guards', 'there is none, and everybody could read all events: give at least one, or say { public: true }.');
  }
  if (store !== undefined) checkName(store, field('store'));
  return { path: path.replace(/^\/|\/$/g, ''), guards, readOnly, page, store, imports, isPublic };
}

function withoutUndefined<Value extends object>(value: Value): Partial<Value> {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as Partial<Value>;
}

function toCount(value: unknown, name: string, most = Number.MAX_SAFE_INTEGER): number {
  if (!Number.isSafeInteger(value) || (value as number) < 1 || (value as number) > most) {
    const range = most === Number.MAX_SAFE_INTEGER ? 'at least 1' : `from 1 to ${most}`;
    refuse(name, `${shown(value)} is out of range: give a whole number, ${range}.`);
  }
  return value as number;
}

function toPeriod(value: Duration, name: string): number {
  const ms = toMilliseconds(value, field(name));
  if (ms === 0) refuse(name, 'it is 0: give a duration above 0.');
  return ms;
}

function toHosts(hosts: readonly string[]): readonly string[] {
  if (!Array.isArray(hosts)) refuse('allowedHosts', `it is ${kindOf(hosts)}: give an array of hosts.`);
  return hosts.map((host: unknown, index) => {
    if (typeof host === 'string' && /^(?:\*|\.?[\w-]+(?:\.[\w-]+)*)$/.test(host)) return host.toLowerCase();
    return refuse(
      `allowedHosts[${index}]`,
      `${shown(host)} is none: give a name such as "shop.example.com", without a port.`,
    );
  });
}

function toOrigins(origins: readonly string[]): ReadonlySet<string> {
  if (!Array.isArray(origins)) refuse('allowedOrigins', `it is ${kindOf(origins)}: give an array of origins.`);
  return new Set(
    origins.map((origin: unknown, index) => {
      const url = typeof origin === 'string' && URL.canParse(origin) ? new URL(origin) : undefined;
      if (url === undefined || url.origin !== origin) {
        refuse(
          `allowedOrigins[${index}]`,
          `${shown(origin)} is none: give a text such as "https://admin.example.com".`,
        );
      }
      return url.origin;
    }),
  );
}

function field(name: string): string {
  return `${HTTP_MODULE}.${name}`;
}

function refuse(name: string, problem: string): never {
  throw new ValidationError(field(name), problem);
}

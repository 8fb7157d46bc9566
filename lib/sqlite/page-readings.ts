import type { MaybePromise } from '../store/values/maybe-promise.js';
import type {
  LogPage,
  ReadAllRequest,
  ReadStreamRequest,
  ReadTimeRangeRequest,
  StreamPage,
  TimeRangePage,
} from '../store/ports/storage-engine.js';
import type { PageReading } from './read-in-turns.js';
import { readLogPage, readStreamPage, readTimePage } from './read-pages.js';
import type { SqliteClient } from './sqlite-client.js';

/** Lets statements see one state of the database. */
export type ReadTransaction = <T>(work: (client: SqliteClient) => T) => MaybePromise<T>;

export function streamPages(transaction: ReadTransaction): PageReading<ReadStreamRequest, StreamPage> {
  return {
    read: (request, room) => transaction((client) => readStreamPage(client, request, room)),
    after: (request, { isEnd, position }) => (isEnd ? undefined : { ...request, after: position }),
    join: (page, next) => (next.trimmedTo > page.position ? undefined : joined(page, next)),
  };
}

export function logPages(transaction: ReadTransaction): PageReading<ReadAllRequest, LogPage> {
  return {
    read: (request, room) => transaction((client) => readLogPage(client, request, room)),
    after: (request, { isEnd, globalPosition }) => (isEnd ? undefined : { ...request, after: globalPosition }),
    join: (page, next) => (next.trimmedTo > page.globalPosition ? undefined : joined(page, next)),
  };
}

export function timePages(transaction: ReadTransaction): PageReading<ReadTimeRangeRequest, TimeRangePage> {
  return {
    read: (request, room) => transaction((client) => readTimePage(client, request, room)),
    after: (request, { next: after }) => after && { ...request, after },
    join: (page, next) => ({ ...next, events: page.events.concat(next.events) }),
  };
}

/** What retention removed between two parts is for the next page to say, and so is that the log was put back. */
function joined<Page extends StreamPage | LogPage>(page: Page, next: Page): Page | undefined {
  if (next.afterId !== page.reachedId) return undefined;
  return { ...next, events: page.events.concat(next.events), trimmedTo: page.trimmedTo, afterId: page.afterId };
}

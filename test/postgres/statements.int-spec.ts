import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openEventStore } from 'nestjs-stream-store';
import { postgresEngine } from 'nestjs-stream-store/postgres';
import { checkStretchOfLog, checkStretchOfStream } from '../../lib/postgres/queries/count-events.js';
import { append } from '../../lib/postgres/queries/append.js';
import { listStreams } from '../../lib/postgres/queries/list-streams.js';
import { logTime } from '../../lib/postgres/queries/log-time.js';
import { readAll } from '../../lib/postgres/queries/read-all.js';
import { readStream } from '../../lib/postgres/queries/read-stream.js';
import { streamEnds } from '../../lib/postgres/queries/stream-ends.js';
import { readTimeRange } from '../../lib/postgres/queries/read-time-range.js';
import { trim } from '../../lib/postgres/queries/trim.js';
import { usage } from '../../lib/postgres/queries/usage.js';
import { globalPositions, headOfLog, placesInStreams } from '../../lib/postgres/queries/verify.js';
import type { Query } from '../../lib/postgres/query.js';
import { CompiledFilter, type EventFilter } from '../../lib/store/values/event-filter.js';
import { costOf } from '../support/engines/statement-costs.js';
import { fillLog, STATISTICS, type Statistics } from '../support/engines/postgres-plans.js';
import { type PostgresServer, startPostgres } from '../support/engines/postgres-server.js';
import { SCALE } from '../support/scale.js';

const STREAMS = 60_000;
const EVENTS = 600_000;
const BEGIN = 1_700_000_000_000;
const HALF_AGO = BEGIN + EVENTS / 2;
const SCHEMA = '"filled"';
const STREAM = 'customer-00031415';

const all = { recordedSince: -Infinity };
const half = { recordedSince: HALF_AGO };
const page = { after: 0, limit: 100, maxBytes: 8_388_608, direction: 'forward' } as const;
const backward = { after: Infinity, direction: 'backward' } as const;
const ofStream = { ...page, streamId: STREAM, types: undefined };
const ofLog = (filter?: EventFilter) => ({ ...page, filter: filter && new CompiledFilter(filter) });
const ofTime = (filter?: EventFilter) => ({
  ...{ from: HALF_AGO, to: Infinity, after: undefined, upTo: Infinity, limit: 100, maxBytes: 8_388_608 },
  filter: filter && new CompiledFilter(filter),
});
const ofStreams = { streamId: undefined, prefix: '', after: '', limit: 100 };
const batch = (streamId: string) => ({
  ...{ streamId, expectedRevision: 'any' as const, recordedSince: -Infinity },
  events: [{ id: 'new', type: 'placed', data: '{}', metadata: '', timestamp: undefined }],
});
const commit = { now: BEGIN, isOwnClock: false, maxEventsPerStream: Infinity, announcement: undefined };

/** Each statement, and how many pages of 8 KiB it may look at. The tables have some ten thousand. */
const STATEMENTS: Readonly<Record<string, readonly [query: Query<unknown>, most: number]>> = {
  'append: one event': [append(SCHEMA, [batch(STREAM)], { ...commit, maxStreams: Infinity }), 100],
  'append: one event of a new stream': [append(SCHEMA, [batch('new')], { ...commit, maxStreams: Infinity }), 100],
  'append: eight streams in a commit': [
    append(
      SCHEMA,
      [1, 2, 3, 4, 5, 6, 7, 8].map((n) => batch(`customer-0000${n}000`)),
      { ...commit, maxStreams: Infinity },
    ),
    400,
  ],
  'append: where the streams are counted': [
    append(SCHEMA, [{ ...batch('new'), ...half }], { ...commit, maxStreams: STREAMS }),
    5 * STREAMS,
  ],
  'readStream: a page': [readStream(SCHEMA, { ...ofStream, ...all, wantsIds: true }), 100],
  'readStream: backward': [readStream(SCHEMA, { ...ofStream, ...backward, ...all }), 100],
  'readStream: by types': [
    readStream(SCHEMA, { ...ofStream, ...all, types: new CompiledFilter({ types: ['placed'] }).types }),
    100,
  ],
  'readStream: half of the log has expired': [readStream(SCHEMA, { ...ofStream, ...half }), 250],
  'readAll: the first page': [readAll(SCHEMA, { ...ofLog(), ...all, wantsIds: true }), 150],
  'readAll: a page in the middle': [readAll(SCHEMA, { ...ofLog(), ...all, after: EVENTS / 2, wantsIds: true }), 150],
  'readAll: backward': [readAll(SCHEMA, { ...ofLog(), ...backward, ...all }), 150],
  'readAll: half of the log has expired': [readAll(SCHEMA, { ...ofLog(), ...half }), 250],
  'readAll: of one stream': [readAll(SCHEMA, { ...ofLog({ stream: STREAM }), ...all }), 150],
  'readAll: of many streams': [readAll(SCHEMA, { ...ofLog({ streams: 'customer-*' }), ...all }), 150],
  'readAll: of few streams': [readAll(SCHEMA, { ...ofLog({ streams: '*-0003141*' }), ...all }), 2_500],
  'readAll: by a rare type': [readAll(SCHEMA, { ...ofLog({ types: ['never'] }), ...all, wantsIds: true }), 3_000],
  'readTimeRange: a page': [readTimeRange(SCHEMA, { ...ofTime(), ...all }), 100],
  'readTimeRange: from the beginning': [readTimeRange(SCHEMA, { ...ofTime(), from: -Infinity, ...all }), 100],
  'readTimeRange: a later page': [
    readTimeRange(SCHEMA, { ...ofTime(), ...all, after: { timestamp: HALF_AGO + 9, globalPosition: EVENTS / 2 + 9 } }),
    100,
  ],
  'readTimeRange: of one stream': [readTimeRange(SCHEMA, { ...ofTime({ stream: STREAM }), ...all }), 100],
  'readTimeRange: by a rare type': [readTimeRange(SCHEMA, { ...ofTime({ types: ['never'] }), ...all }), 500],
  'readTimeRange: half of the log has expired': [readTimeRange(SCHEMA, { ...ofTime(), from: -Infinity, ...half }), 700],
  'listStreams: a page': [listStreams(SCHEMA, { ...ofStreams, ...all }), 2_000],
  'listStreams: a later page': [listStreams(SCHEMA, { ...ofStreams, ...all, after: STREAM }), 2_000],
  'listStreams: by a prefix': [listStreams(SCHEMA, { ...ofStreams, ...all, prefix: 'customer-0003' }), 2_000],
  'listStreams: one': [listStreams(SCHEMA, { ...ofStreams, ...all, streamId: STREAM }), 50],
  'listStreams: half of the log has expired': [listStreams(SCHEMA, { ...ofStreams, ...half }), 4_000],
  'where a hundred streams end': [
    streamEnds(
      SCHEMA,
      Array.from({ length: 100 }, (_, n) => `customer-${String(1 + n * 599).padStart(8, '0')}`),
    ),
    1_500,
  ],
  usage: [usage(SCHEMA, all), 50],
  'usage: half of the log has expired': [usage(SCHEMA, half), 5 * STREAMS],
  logTime: [logTime(SCHEMA), 50],
  'trim: a thousand events': [trim(SCHEMA, { recordedBefore: HALF_AGO, upTo: Infinity, limit: 1_000 }), 20_000],
  'verify: the head': [headOfLog(SCHEMA), 20],
  'verify: global positions': [globalPositions(SCHEMA, EVENTS / 2, EVENTS, 1_000), 100],
  'verify: places in streams': [
    placesInStreams(
      SCHEMA,
      { stream: STREAM, streamId: STREAM, position: 1, globalPosition: 1, trimmedTo: 0 },
      EVENTS,
      1_000,
    ),
    6_000,
  ],
  'the events of a page are counted': [
    checkStretchOfLog(SCHEMA, { first: EVENTS / 2, last: EVENTS / 2 + 65_535 }),
    3_000,
  ],
  'the events of a page of a stream are counted': [checkStretchOfStream(SCHEMA, STREAM, { first: 1, last: 10 }), 50],
};

describe.each<Statistics>(SCALE < 1 ? ['no'] : STATISTICS)(
  'with 600 000 events in 60 000 streams and %s statistics',
  (statistics) => {
    let server: PostgresServer;
    beforeAll(async () => {
      server = await startPostgres({ fsync: 'off' });
      const engine = postgresEngine({ connectionString: server.url, schema: 'filled' });
      const store = await openEventStore({ engine, logger: { warn: () => undefined, error: () => undefined } });
      await store.close();
      await fillLog(server, 'filled', { streams: STREAMS, events: EVENTS, begin: BEGIN, statistics });
    }, 240_000);
    afterAll(() => server.stop(), 60_000);

    it.each(Object.entries(STATEMENTS))(
      '%s',
      async (_name, [query, most]) => {
        const { buffers, wholeTables } = await costOf(server.url, query);

        expect(wholeTables).toEqual([]);
        expect(buffers).toBeLessThanOrEqual(most);
      },
      60_000,
    );
  },
);

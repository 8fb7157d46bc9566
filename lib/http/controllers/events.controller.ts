import { Get, Inject, Req, Res } from '@nestjs/common';
import { ValidationError } from '../../store/values/errors.js';
import type { EventFilter } from '../../store/values/event-filter.js';
import { EventStore } from '../../store/event-store.js';
import { checkName } from '../../store/values/names.js';
import { EventAnswers } from '../reading/event-answers.js';
import type { EventReading } from '../reading/event-page.js';
import type { CheckedHttpOptions } from '../event-store-http-options.js';
import type { HttpRequest, HttpResponse } from '../request/http-exchange.js';
import { CHECKED_HTTP_OPTIONS, HTTP_STORE } from '../http.tokens.js';
import { followedFrom } from '../sse/live-start.js';
import { LiveStreams } from '../sse/live-streams.js';
import { logTarget } from '../sse/live-target.js';
import { CLOUD_EVENT_BATCH_MEDIA, JSON_MEDIA, NDJSON_MEDIA, negotiate, SSE_MEDIA } from '../request/media-types.js';
import { readingOfLog } from '../reading/position-reading.js';
import { Query, typesOf } from '../request/query.js';
import { accessOf, checkCanRead, hiddenStreams } from '../request/stream-access.js';
import { TimeReading } from '../reading/time-reading.js';

const FILTERS = ['stream', 'streams', 'type'];

/** The events of all streams, in the order they were recorded, or by time. */
export class EventsController {
  constructor(
    @Inject(HTTP_STORE) private readonly store: EventStore,
    @Inject(CHECKED_HTTP_OPTIONS) private readonly options: CheckedHttpOptions,
    @Inject(EventAnswers) private readonly answers: EventAnswers,
    @Inject(LiveStreams) private readonly live: LiveStreams,
  ) {}

  @Get('events')
  async readEvents(@Req() request: HttpRequest, @Res() response: HttpResponse): Promise<void> {
    const media = negotiate(request.headers.accept, [JSON_MEDIA, NDJSON_MEDIA, SSE_MEDIA, CLOUD_EVENT_BATCH_MEDIA]);
    const isLive = media === SSE_MEDIA;
    const order = isLive ? ['after', 'lastEventId'] : ['after', 'direction', 'from', 'to', 'limit'];
    const query = new Query(request, [...order, ...FILTERS]);
    const access = await accessOf(request, this.options.access);
    const filter = filterOf(query);
    const { stream, streams } = filter;
    if (stream !== undefined) checkCanRead(access, stream);
    const isVisible = hiddenStreams(access, (stream ?? streams)?.startsWith('$') ?? false);
    if (!isLive) {
      return this.answers.answer(response, {
        ...{ request, query, media, reading: this.#readingOf(query, filter) },
        ...{ isVisible, user: access.user },
      });
    }
    await this.live.admit(request, response, access.user, async () => {
      const target = logTarget(filter);
      const start = await followedFrom(request, query, this.store, target, isVisible);
      this.live.follow(request, response, target, start, isVisible, access.user);
    });
  }

  #readingOf(query: Query, filter: EventFilter): EventReading {
    const after = query.number('after');
    if (!query.has('from') && !query.has('to')) {
      const direction = query.choice('direction', ['forward', 'backward']) ?? 'forward';
      return readingOfLog(this.store, after ?? 0, direction, filter);
    }
    if (query.has('direction')) throw new ValidationError('direction', 'a time range is read forward: leave it out.');
    const [from, to] = [query.text('from'), query.text('to')];
    if (after !== undefined && from === undefined) {
      throw new ValidationError('after', 'in a time range it belongs to "from": give both, or neither.');
    }
    return new TimeReading(this.store, { from, to, readTo: after }, filter);
  }
}

function filterOf(query: Query): EventFilter {
  const [stream, streams] = [query.text('stream'), query.text('streams')];
  if (stream !== undefined && streams !== undefined) {
    throw new ValidationError('streams', 'there is a "stream" too: give one of them.');
  }
  if (stream !== undefined) checkName(stream, 'stream');
  if (streams !== undefined) checkName(streams, 'streams');
  return { stream, streams, types: typesOf(query) };
}

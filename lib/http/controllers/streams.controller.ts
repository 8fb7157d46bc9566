import { Get, Inject, NotFoundException, Req, Res } from '@nestjs/common';
import { ValidationError } from '../../store/values/errors.js';
import { EventLoopTurn } from '../../store/ports/event-loop-turn.js';
import { EventStore } from '../../store/event-store.js';
import { checkName, shown } from '../../store/values/names.js';
import type { StreamInfo } from '../../store/values/stream-info.js';
import { toCloudEvent } from '../request/cloud-events.js';
import { answerUnlessMatch, etagOf } from '../request/etag.js';
import { EventAnswers } from '../reading/event-answers.js';
import type { CheckedHttpOptions } from '../event-store-http-options.js';
import { answerJson, type HttpRequest, type HttpResponse } from '../request/http-exchange.js';
import { CHECKED_HTTP_OPTIONS, HTTP_STORE } from '../http.tokens.js';
import { jsonOf } from '../reading/json-of.js';
import { followedFrom } from '../sse/live-start.js';
import { LiveStreams } from '../sse/live-streams.js';
import { streamTarget } from '../sse/live-target.js';
import {
  CLOUD_EVENT_BATCH_MEDIA,
  CLOUD_EVENT_MEDIA,
  JSON_MEDIA,
  NDJSON_MEDIA,
  negotiate,
  SSE_MEDIA,
} from '../request/media-types.js';
import { readingOfStream } from '../reading/position-reading.js';
import { Query, refuseQuery, typesOf, wholeNumber } from '../request/query.js';
import { accessOf, checkCanRead } from '../request/stream-access.js';

/** How many streams are read at a time when those that a page wanted were not visible. */
const BATCH_SIZE = 512;

/** Which streams there are, and the events of one. */
export class StreamsController {
  constructor(
    @Inject(HTTP_STORE) private readonly store: EventStore,
    @Inject(CHECKED_HTTP_OPTIONS) private readonly options: CheckedHttpOptions,
    @Inject(EventAnswers) private readonly answers: EventAnswers,
    @Inject(LiveStreams) private readonly live: LiveStreams,
  ) {}

  @Get('streams')
  async listStreams(@Req() request: HttpRequest, @Res() response: HttpResponse): Promise<void> {
    const query = new Query(request, ['prefix', 'after', 'limit']);
    const access = await accessOf(request, this.options.access);
    const limit = this.answers.pageSizeOf(query);
    const streams: StreamInfo[] = [];
    // One more than is asked for tells whether another page follows.
    for await (const stream of this.#streams(query.text('prefix'), query.text('after'), limit + 1)) {
      if (!access.canRead(stream.streamId)) continue;
      streams.push(stream);
      if (streams.length > limit) break;
    }
    const isEnd = streams.length <= limit;
    if (!isEnd) streams.pop();
    const next = isEnd ? null : query.with({ after: streams[streams.length - 1].streamId });
    answerJson(response, JSON.stringify({ streams, next }));
  }

  /** All of them, read as they are asked for. */
  async *#streams(
    prefix: string | undefined,
    after: string | undefined,
    first: number,
  ): AsyncGenerator<StreamInfo, void, void> {
    const turn = new EventLoopTurn();
    for (let begin = after, size = first; ; size = Math.max(first, BATCH_SIZE)) {
      const streams = await this.store.getStreams({ prefix, after: begin, limit: size });
      yield* streams;
      if (streams.length < size) return;
      begin = streams[size - 1].streamId;
      await turn.giveBack();
    }
  }

  @Get('streams/:streamId')
  async describeStream(@Req() request: HttpRequest, @Res() response: HttpResponse): Promise<void> {
    refuseQuery(request);
    const streamId = await this.#readableStream(request);
    const info = await this.store.getStreamInfo(streamId);
    answerUnlessMatch(request, response, JSON.stringify(info), etagOf(info.lastPosition));
  }

  @Get('streams/:streamId/events')
  async readStream(@Req() request: HttpRequest, @Res() response: HttpResponse): Promise<void> {
    const offered = [JSON_MEDIA, NDJSON_MEDIA, SSE_MEDIA, CLOUD_EVENT_BATCH_MEDIA] as const;
    const media = negotiate(request.headers.accept, offered);
    if (media === SSE_MEDIA) return this.#followStream(request, response);
    const query = new Query(request, ['after', 'direction', 'limit', 'type']);
    const { streamId, user } = await this.#readable(request);
    const direction = query.choice('direction', ['forward', 'backward']) ?? 'forward';
    const reading = readingOfStream(this.store, streamId, query.number('after') ?? 0, direction, typesOf(query));
    // Asked for before the events: so a client that appends after this revision has seen every event up to it.
    const { lastPosition } = await this.store.getStreamInfo(streamId);
    await this.answers.answer(response, {
      ...{ request, query, reading, media },
      ...{ isVisible: undefined, user },
      members: `"streamId":${JSON.stringify(streamId)},"revision":${lastPosition},`,
      headers: { etag: etagOf(lastPosition) },
    });
  }

  @Get('streams/:streamId/events/:position')
  async readEvent(@Req() request: HttpRequest, @Res() response: HttpResponse): Promise<void> {
    const media = negotiate(request.headers.accept, [JSON_MEDIA, CLOUD_EVENT_MEDIA]);
    refuseQuery(request);
    const streamId = await this.#readableStream(request);
    const position = wholeNumber(request.params.position, 'position');
    if (position < 1) throw new ValidationError('position', 'positions count from 1.');
    const [event] = await this.store.readStream(streamId, position - 1, { limit: 1 });
    if (event?.position !== position) {
      throw new NotFoundException(`Stream ${shown(streamId)} has no event at position ${position}: it holds others.`);
    }
    if (media === JSON_MEDIA) return answerJson(response, jsonOf(event));
    const headers = { 'content-type': `${CLOUD_EVENT_MEDIA}; charset=utf-8` };
    answerJson(response, jsonOf(toCloudEvent(event)), headers);
  }

  /** A stream that does not exist yet is waited for. */
  async #followStream(request: HttpRequest, response: HttpResponse): Promise<void> {
    const query = new Query(request, ['after', 'type', 'lastEventId']);
    const { streamId, user } = await this.#readable(request);
    const target = streamTarget(streamId, typesOf(query));
    await this.live.admit(request, response, user, async () => {
      const start = await followedFrom(request, query, this.store, target, undefined);
      this.live.follow(request, response, target, start, undefined, user);
    });
  }

  /** The stream of the path. @throws {ForbiddenException | ValidationError} */
  async #readableStream(request: HttpRequest): Promise<string> {
    return (await this.#readable(request)).streamId;
  }

  /** The stream of the path, and who asks for it. @throws {ForbiddenException | ValidationError} */
  async #readable(request: HttpRequest): Promise<{ readonly streamId: string; readonly user: string | undefined }> {
    const { streamId } = request.params;
    checkName(streamId, 'streamId');
    const access = await accessOf(request, this.options.access);
    checkCanRead(access, streamId);
    return { streamId, user: access.user };
  }
}

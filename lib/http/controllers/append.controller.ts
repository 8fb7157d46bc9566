import { Inject, Post, Req, Res } from '@nestjs/common';
import { StreamLimitReachedError, WrongExpectedRevisionError } from '../../store/values/errors.js';
import type { NewEvent } from '../../store/values/event.js';
import { EventStore } from '../../store/event-store.js';
import type { AppendResult } from '../../store/services/event-appender.js';
import type { ExpectedRevision } from '../../store/values/expected-revision.js';
import { isPromise } from '../../store/values/maybe-promise.js';
import { eventsOf, expectedRevisionOf } from '../request/append-request.js';
import { refuseCrossSite } from '../request/cross-site.js';
import { etagOf } from '../request/etag.js';
import type { CheckedHttpOptions } from '../event-store-http-options.js';
import { answer, JSON_TYPE, type HttpRequest, type HttpResponse } from '../request/http-exchange.js';
import { CHECKED_HTTP_OPTIONS, HTTP_STORE } from '../http.tokens.js';
import { refuseQuery } from '../request/query.js';
import { ConcealedError } from '../problems/problem-details.js';
import { RawBodies } from '../request/raw-bodies.js';
import { accessOf, checkCanWrite, type StreamAccess } from '../request/stream-access.js';

/** Appends events. */
export class AppendController {
  constructor(
    @Inject(HTTP_STORE) private readonly store: EventStore,
    @Inject(CHECKED_HTTP_OPTIONS) private readonly options: CheckedHttpOptions,
    @Inject(RawBodies) private readonly rawBodies: RawBodies,
  ) {}

  @Post('streams/:streamId/events')
  async append(@Req() request: HttpRequest, @Res() response: HttpResponse): Promise<void> {
    refuseCrossSite(request, this.options.allowedOrigins);
    refuseQuery(request);
    const { streamId } = request.params;
    const asked = accessOf(request, this.options.access);
    const access = isPromise(asked) ? await asked : asked;
    checkCanWrite(access, streamId);
    const expectedRevision = expectedRevisionOf(request);
    const events = await eventsOf(request, this.rawBodies, this.options);
    const result = await this.#append(access, streamId, events, expectedRevision);
    const status = result.count > 0 ? 201 : 200;
    // How far the stream and the log have come is for those who may read them.
    if (!access.canRead(streamId)) {
      return answer(response, status, { 'content-type': JSON_TYPE }, JSON.stringify({ streamId, count: result.count }));
    }
    const headers = { 'content-type': JSON_TYPE, etag: etagOf(result.revision) };
    answer(response, status, headers, JSON.stringify(result));
  }

  async #append(
    access: StreamAccess,
    streamId: string,
    events: NewEvent | NewEvent[],
    expectedRevision: ExpectedRevision,
  ): Promise<AppendResult> {
    try {
      return await this.store.append(streamId, events, { expectedRevision });
    } catch (error) {
      if (access.canRead(streamId)) throw error;
      if (error instanceof WrongExpectedRevisionError) {
        throw new ConcealedError(error.code, 'The stream is not at the revision that was expected.', error);
      }
      if (error instanceof StreamLimitReachedError) {
        throw new ConcealedError(error.code, 'The stream takes no more events.', error);
      }
      throw error;
    }
  }
}

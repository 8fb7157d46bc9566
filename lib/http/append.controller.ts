import { Inject, Post, Req, Res } from '@nestjs/common';
import { EventStore } from '../store/event-store.js';
import { isPromise } from '../store/maybe-promise.js';
import { eventsOf, expectedRevisionOf } from './append-request.js';
import { refuseCrossSite } from './cross-site.js';
import { etagOf } from './etag.js';
import type { CheckedHttpOptions } from './event-store-http-options.js';
import { answer, JSON_TYPE, type HttpRequest, type HttpResponse } from './http-exchange.js';
import { CHECKED_HTTP_OPTIONS, HTTP_STORE } from './http.tokens.js';
import { refuseQuery } from './query.js';
import { accessOf, checkCanWrite } from './stream-access.js';

/** Appends events. */
export class AppendController {
  constructor(
    @Inject(HTTP_STORE) private readonly store: EventStore,
    @Inject(CHECKED_HTTP_OPTIONS) private readonly options: CheckedHttpOptions,
  ) {}

  @Post('streams/:streamId/events')
  async append(@Req() request: HttpRequest, @Res() response: HttpResponse): Promise<void> {
    refuseCrossSite(request, this.options.allowedOrigins);
    refuseQuery(request);
    const { streamId } = request.params;
    const access = accessOf(request, this.options.access);
    checkCanWrite(isPromise(access) ? await access : access, streamId);
    const expectedRevision = expectedRevisionOf(request);
    const asked = eventsOf(request, this.options);
    const events = isPromise(asked) ? await asked : asked;
    const result = await this.store.append(streamId, events, { expectedRevision });
    const headers = { 'content-type': JSON_TYPE, etag: etagOf(result.revision) };
    answer(response, result.count > 0 ? 201 : 200, headers, JSON.stringify(result));
  }
}

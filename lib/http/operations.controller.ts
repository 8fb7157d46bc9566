import { Get, Inject, Req, Res } from '@nestjs/common';
import { StreamSubscriptions, type StreamSubscriptionStatus } from '../nest/stream-subscriptions.js';
import { messageOf } from '../store/error-text.js';
import { EventStore } from '../store/event-store.js';
import type { CheckedHttpOptions, CheckedHttpRoutes } from './event-store-http-options.js';
import { answerJson, type HttpRequest, type HttpResponse } from './http-exchange.js';
import { CHECKED_HTTP_OPTIONS, CHECKED_HTTP_ROUTES, HTTP_STORE } from './http.tokens.js';
import { jsonOf } from './json-of.js';
import { LiveStreams } from './live/live-streams.js';
import { Query, refuseQuery } from './query.js';
import { accessOf, checkIsOperator } from './stream-access.js';

/** How the store and its handlers are doing. */
export class OperationsController {
  constructor(
    @Inject(HTTP_STORE) private readonly store: EventStore,
    @Inject(CHECKED_HTTP_OPTIONS) private readonly options: CheckedHttpOptions,
    @Inject(CHECKED_HTTP_ROUTES) private readonly routes: CheckedHttpRoutes,
    @Inject(StreamSubscriptions) private readonly subscriptions: StreamSubscriptions,
    @Inject(LiveStreams) private readonly live: LiveStreams,
  ) {}

  @Get('stats')
  async readStats(@Req() request: HttpRequest, @Res() response: HttpResponse): Promise<void> {
    refuseQuery(request);
    checkIsOperator(await accessOf(request, this.options.access));
    const { name: store } = this.store;
    const stats = await this.store.stats();
    const deadLetters = (await this.subscriptions.deadLettersOf(this.store).list()).length;
    const { readOnly } = this.routes;
    answerJson(response, JSON.stringify({ store, readOnly, ...stats, deadLetters, liveClients: this.live.count }));
  }

  @Get('subscriptions')
  async listSubscriptions(@Req() request: HttpRequest, @Res() response: HttpResponse): Promise<void> {
    refuseQuery(request);
    checkIsOperator(await accessOf(request, this.options.access));
    const all = await this.subscriptions.list();
    const subscriptions = all.filter(({ store }) => store === this.store.name).map(withoutStack);
    answerJson(response, JSON.stringify({ subscriptions }));
  }

  @Get('dead-letters')
  async listDeadLetters(@Req() request: HttpRequest, @Res() response: HttpResponse): Promise<void> {
    const query = new Query(request, ['subscription']);
    const access = await accessOf(request, this.options.access);
    const letters = await this.subscriptions.deadLettersOf(this.store).list(query.text('subscription'));
    const deadLetters = letters
      .filter(({ event }) => access.canRead(event.streamId))
      .map(({ error, ...letter }) => ({ ...letter, error: { name: error.name, message: error.message } }));
    answerJson(response, jsonOf({ deadLetters }));
  }
}

/** What was thrown, in words: the place in the code is for the log. */
function withoutStack({ lastError, outage: _, ...status }: StreamSubscriptionStatus): object {
  if (lastError === undefined) return { ...status, lastError: null };
  const { name, message } = lastError instanceof Error ? lastError : { name: 'Error', message: messageOf(lastError) };
  return { ...status, lastError: { name, message } };
}

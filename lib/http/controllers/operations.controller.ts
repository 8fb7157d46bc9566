import { Get, Inject, Req, Res } from '@nestjs/common';
import { checkDeadLetterQuery } from '../../consumer/dead-letters/dead-letter-query.js';
import { readDeadLetterPage } from '../../consumer/dead-letters/dead-letter-page.js';
import { StreamSubscriptions, type StreamSubscriptionStatus } from '../../nest/stream-subscriptions.js';
import { messageOf } from '../../store/values/error-text.js';
import { EventStore } from '../../store/event-store.js';
import { DEAD_LETTER_PARAMETERS, deadLetterFilterOf } from '../request/dead-letter-request.js';
import type { CheckedHttpOptions, CheckedHttpRoutes } from '../event-store-http-options.js';
import { answerJson, cutOffWhenStalled, type HttpRequest, type HttpResponse } from '../request/http-exchange.js';
import { CHECKED_HTTP_OPTIONS, CHECKED_HTTP_ROUTES, HTTP_STORE } from '../http.tokens.js';
import { jsonOf } from '../reading/json-of.js';
import { LiveStreams } from '../sse/live-streams.js';
import { Query, refuseQuery } from '../request/query.js';
import { accessOf, checkIsOperator } from '../request/stream-access.js';

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
    const counts = await this.subscriptions.deadLettersOf(this.store).counts();
    const deadLetters = [...counts.values()].reduce((sum, count) => sum + count, 0);
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
    const query = new Query(request, DEAD_LETTER_PARAMETERS);
    const access = await accessOf(request, this.options.access);
    const filter = {
      ...checkDeadLetterQuery({
        ...deadLetterFilterOf(query),
        after: query.text('after'),
        limit: query.number('limit'),
      }),
      isVisible: (streamId: string) => access.canRead(streamId),
    };
    const page = await readDeadLetterPage([this.subscriptions.deadLettersOf(this.store)], filter);
    const deadLetters = page.deadLetters.map(({ error, ...letter }) => ({
      ...letter,
      error: { name: error.name, message: error.message },
    }));
    const next = page.next === undefined ? undefined : query.with({ after: page.next });
    cutOffWhenStalled(response, this.options.stallTimeoutMs);
    answerJson(response, jsonOf({ deadLetters, next: next ?? null }), {
      ...(next !== undefined && { link: `<${next}>; rel="next"` }),
    });
  }
}

/** What was thrown, in words: the place in the code is for the log. */
function withoutStack({ lastError, outage: _, ...status }: StreamSubscriptionStatus): object {
  if (lastError === undefined) return { ...status, lastError: null };
  const { name, message } = lastError instanceof Error ? lastError : { name: 'Error', message: messageOf(lastError) };
  return { ...status, lastError: { name, message } };
}

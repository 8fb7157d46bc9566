import { Delete, HttpCode, Inject, Post, Req, Res } from '@nestjs/common';
import { checkDeadLetterFilter } from '../../consumer/dead-letters/dead-letter-query.js';
import { DeadLetters } from '../../nest/dead-letters.js';
import { StreamSubscriptions } from '../../nest/stream-subscriptions.js';
import { monotonic } from '../../store/values/clock.js';
import { DeadLetterNotFoundError } from '../../store/values/errors.js';
import { EventStore } from '../../store/event-store.js';
import { checkNoOtherBody } from '../request/append-request.js';
import { answerWithProgress } from '../reading/bulk-progress.js';
import { refuseCrossSite } from '../request/cross-site.js';
import { DEAD_LETTER_FILTER, deadLetterFilterOf } from '../request/dead-letter-request.js';
import type { CheckedHttpOptions } from '../event-store-http-options.js';
import {
  answer,
  answerEmpty,
  JSON_TYPE,
  signalOfClient,
  type HttpRequest,
  type HttpResponse,
} from '../request/http-exchange.js';
import { CHECKED_HTTP_OPTIONS, HTTP_STORE } from '../http.tokens.js';
import { Query, refuseQuery } from '../request/query.js';
import { accessOf, checkCanWrite, checkIsOperator, type StreamAccess } from '../request/stream-access.js';

/** Has snapshots written, and handles dead letters. */
export class OperationsWriteController {
  constructor(
    @Inject(HTTP_STORE) private readonly store: EventStore,
    @Inject(CHECKED_HTTP_OPTIONS) private readonly options: CheckedHttpOptions,
    @Inject(StreamSubscriptions) private readonly subscriptions: StreamSubscriptions,
    @Inject(DeadLetters) private readonly deadLetters: DeadLetters,
  ) {}

  @Post('snapshots')
  async writeSnapshot(@Req() request: HttpRequest, @Res() response: HttpResponse): Promise<void> {
    checkIsOperator(await this.#accessOfWriter(request));
    // Where it lies is nobody's business but the operator's of the machine.
    const { id, createdAt, events, streams, bytes } = await this.store.snapshot();
    answer(response, 201, { 'content-type': JSON_TYPE }, JSON.stringify({ id, createdAt, events, streams, bytes }));
  }

  @Post('dead-letters/:id/retry')
  @HttpCode(204)
  async retryDeadLetter(@Req() request: HttpRequest, @Res() response: HttpResponse): Promise<void> {
    await this.#checkCanDealWith(request);
    await this.deadLetters.retry(request.params.id);
    answerEmpty(response, 204);
  }

  @Delete('dead-letters/:id')
  @HttpCode(204)
  async discardDeadLetter(@Req() request: HttpRequest, @Res() response: HttpResponse): Promise<void> {
    await this.#checkCanDealWith(request);
    await this.deadLetters.discard(request.params.id);
    answerEmpty(response, 204);
  }

  @Post('dead-letters/retry')
  async retryDeadLetters(@Req() request: HttpRequest, @Res() response: HttpResponse): Promise<void> {
    await this.#dealWithAll('retry', request, response);
  }

  @Post('dead-letters/discard')
  async discardDeadLetters(@Req() request: HttpRequest, @Res() response: HttpResponse): Promise<void> {
    await this.#dealWithAll('discard', request, response);
  }

  /** Those that match the query, of those that the request may see and write. It ends when the client goes. */
  async #dealWithAll(act: 'retry' | 'discard', request: HttpRequest, response: HttpResponse): Promise<void> {
    const query = new Query(request, DEAD_LETTER_FILTER);
    const access = await this.#accessOfSender(request);
    const isVisible = (streamId: string): boolean => access.canRead(streamId) && access.canWrite(streamId);
    const scope = { stores: [this.store], filter: { ...checkDeadLetterFilter(deadLetterFilterOf(query)), isVisible } };
    const signal = signalOfClient(response);
    try {
      await answerWithProgress(
        response,
        () => monotonic(this.store.clock),
        (onProgress) => this.deadLetters.dealWithAll(act, scope, { signal, onProgress }),
      );
    } catch (error) {
      // Who has gone needs no answer.
      if (!signal.aborted) throw error;
    }
  }

  async #accessOfWriter(request: HttpRequest): Promise<StreamAccess> {
    refuseQuery(request);
    return this.#accessOfSender(request);
  }

  async #accessOfSender(request: HttpRequest): Promise<StreamAccess> {
    refuseCrossSite(request, this.options.allowedOrigins);
    checkNoOtherBody(request);
    return accessOf(request, this.options.access);
  }

  /** @throws {DeadLetterNotFoundError} also for those of other stores, and for those that may not be read */
  async #checkCanDealWith(request: HttpRequest): Promise<void> {
    const access = await this.#accessOfWriter(request);
    const { id } = request.params;
    const letter = await this.subscriptions.deadLettersOf(this.store).find(id);
    if (!letter || !access.canRead(letter.streamId)) throw new DeadLetterNotFoundError(id);
    checkCanWrite(access, letter.streamId);
  }
}

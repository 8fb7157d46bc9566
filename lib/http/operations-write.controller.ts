import { Delete, HttpCode, Inject, Post, Req, Res } from '@nestjs/common';
import { DeadLetters } from '../nest/dead-letters.js';
import { StreamSubscriptions } from '../nest/stream-subscriptions.js';
import { DeadLetterNotFoundError } from '../store/errors.js';
import { EventStore } from '../store/event-store.js';
import { checkNoOtherBody } from './append-request.js';
import { refuseCrossSite } from './cross-site.js';
import type { CheckedHttpOptions } from './event-store-http-options.js';
import { answer, answerEmpty, JSON_TYPE, type HttpRequest, type HttpResponse } from './http-exchange.js';
import { CHECKED_HTTP_OPTIONS, HTTP_STORE } from './http.tokens.js';
import { refuseQuery } from './query.js';
import { accessOf, checkCanWrite, checkIsOperator, type StreamAccess } from './stream-access.js';

/** Has snapshots written, and deals with dead letters. */
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

  async #accessOfWriter(request: HttpRequest): Promise<StreamAccess> {
    refuseCrossSite(request, this.options.allowedOrigins);
    checkNoOtherBody(request);
    refuseQuery(request);
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

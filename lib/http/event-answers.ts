import { Inject, Injectable, ServiceUnavailableException, type BeforeApplicationShutdown } from '@nestjs/common';
import type { RecordedEvent } from '../store/event.js';
import { toCloudEvent } from './cloud-events.js';
import type { CheckedHttpOptions } from './event-store-http-options.js';
import { writePage, type EventReading } from './event-page.js';
import { answerJson, type HttpRequest, type HttpResponse } from './http-exchange.js';
import { CHECKED_HTTP_OPTIONS } from './http.tokens.js';
import { CLOUD_EVENT_BATCH_MEDIA, NDJSON_MEDIA } from './media-types.js';
import { answerWithLines } from './ndjson.js';
import type { Query } from './query.js';
import { ValidationError } from '../store/errors.js';

const DEFAULT_PAGE_SIZE = 100;

/** What is to be answered, and how. */
export interface EventRequest {
  readonly request: HttpRequest;
  readonly query: Query;
  readonly reading: EventReading;
  readonly media: string;
  /** Whether this request may not see an event. */
  readonly isHidden: (event: RecordedEvent) => boolean;
  /** What stands before the events of a JSON page: `"revision":7,` */
  readonly members?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Answers with events: a page of JSON or of CloudEvents, or all of them as lines. */
@Injectable()
export class EventAnswers implements BeforeApplicationShutdown {
  readonly #shutdown = new AbortController();

  constructor(@Inject(CHECKED_HTTP_OPTIONS) private readonly options: CheckedHttpOptions) {}

  /** Long answers would hold the shutdown up until their clients have taken all of them. */
  beforeApplicationShutdown(): void {
    this.#shutdown.abort();
  }

  async answer(response: HttpResponse, events: EventRequest): Promise<void> {
    if (events.media === NDJSON_MEDIA) await this.#answerWithLines(response, events);
    else await this.#answerWithPage(response, events);
  }

  /** How many streams or events a page is to have. @throws {ValidationError} */
  pageSizeOf(query: Query): number {
    const { maxPageSize } = this.options;
    const limit = query.number('limit') ?? Math.min(DEFAULT_PAGE_SIZE, maxPageSize);
    if (limit >= 1 && limit <= maxPageSize) return limit;
    throw new ValidationError('limit', `${limit} is out of range: give a number from 1 to ${maxPageSize}.`);
  }

  async #answerWithPage(response: HttpResponse, events: EventRequest): Promise<void> {
    const { query, reading, media, isHidden, members = '', headers } = events;
    const page = await reading.page(this.pageSizeOf(query));
    const asCloudEvents = media === CLOUD_EVENT_BATCH_MEDIA;
    const write = (event: RecordedEvent): string => JSON.stringify(asCloudEvents ? toCloudEvent(event) : event);
    const { texts, next } = writePage(reading, page, this.options.maxPageBytes, isHidden, write);
    const link = next && query.with(next);
    const list = `[${texts.join(',')}]`;
    answerJson(response, asCloudEvents ? list : `{${members}"events":${list},"next":${JSON.stringify(link ?? null)}}`, {
      ...(link !== undefined && { link: `<${link}>; rel="next"` }),
      ...(asCloudEvents && { 'content-type': `${CLOUD_EVENT_BATCH_MEDIA}; charset=utf-8` }),
      ...headers,
    });
  }

  async #answerWithLines(response: HttpResponse, { query, reading, isHidden }: EventRequest): Promise<void> {
    const { signal } = this.#shutdown;
    if (signal.aborted) throw new ServiceUnavailableException('The application is about to end: come again.');
    const limit = query.number('limit') ?? Infinity;
    if (limit < 1) throw new ValidationError('limit', `${limit} is out of range: give a number from 1.`);
    await answerWithLines(response, reading.batches(limit, signal), isHidden, signal);
  }
}

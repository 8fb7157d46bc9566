import { Inject, Injectable, ServiceUnavailableException, type BeforeApplicationShutdown } from '@nestjs/common';
import { EventsExpiredError, ValidationError } from '../../store/values/errors.js';
import type { RecordedEvent } from '../../store/values/event.js';
import { EventStore } from '../../store/event-store.js';
import { toCloudEvent } from '../request/cloud-events.js';
import type { CheckedHttpOptions } from '../event-store-http-options.js';
import { writePage, type EventReading, type Visibility } from './event-page.js';
import {
  answerJson,
  cutOffWhenStalled,
  signalOfClient,
  type HttpRequest,
  type HttpResponse,
} from '../request/http-exchange.js';
import { CHECKED_HTTP_OPTIONS, HTTP_STORE } from '../http.tokens.js';
import { jsonOf } from './json-of.js';
import { LineClients } from './line-clients.js';
import { CLOUD_EVENT_BATCH_MEDIA, NDJSON_MEDIA } from '../request/media-types.js';
import { answerWithLines } from './ndjson.js';
import { ConcealedError } from '../problems/problem-details.js';
import type { Query } from '../request/query.js';

const DEFAULT_PAGE_SIZE = 100;

/** What is to be answered, and how. */
export interface EventRequest {
  readonly request: HttpRequest;
  readonly query: Query;
  readonly reading: EventReading;
  readonly media: string;
  readonly isVisible: Visibility;
  /** Who asks, when there is a limit for each. */
  readonly user: string | undefined;
  /** What stands before the events of a JSON page: `"revision":7,` */
  readonly members?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Answers with events: a page of JSON or of CloudEvents, or all of them as lines. */
@Injectable()
export class EventAnswers implements BeforeApplicationShutdown {
  readonly #shutdown = new AbortController();

  constructor(
    @Inject(HTTP_STORE) private readonly store: EventStore,
    @Inject(CHECKED_HTTP_OPTIONS) private readonly options: CheckedHttpOptions,
    @Inject(LineClients) private readonly lineClients: LineClients,
  ) {}

  /** Long answers would hold the shutdown up until their clients have taken all of them. */
  beforeApplicationShutdown(): void {
    this.#shutdown.abort();
  }

  async answer(response: HttpResponse, events: EventRequest): Promise<void> {
    try {
      if (events.media === NDJSON_MEDIA) await this.#answerWithLines(response, events);
      else await this.#answerWithPage(response, events);
    } catch (error) {
      if (!events.isVisible || !(error instanceof EventsExpiredError)) throw error;
      // The event that is gone may be one that was hidden.
      throw new ConcealedError(error.code, 'Retention removed events while they were read: begin later.', error);
    }
  }

  /** How many streams or events a page is to have. @throws {ValidationError} */
  pageSizeOf(query: Query): number {
    const { maxPageSize } = this.options;
    const limit = query.number('limit') ?? Math.min(DEFAULT_PAGE_SIZE, maxPageSize);
    if (limit >= 1 && limit <= maxPageSize) return limit;
    throw new ValidationError('limit', `${limit} is out of range: give a number from 1 to ${maxPageSize}.`);
  }

  async #answerWithPage(response: HttpResponse, events: EventRequest): Promise<void> {
    const { query, reading, media, isVisible, members = '', headers } = events;
    const bounds = { events: this.pageSizeOf(query), bytes: this.options.maxPageBytes };
    const asCloudEvents = media === CLOUD_EVENT_BATCH_MEDIA;
    const write = (event: RecordedEvent): string => jsonOf(asCloudEvents ? toCloudEvent(event) : event);
    const { texts, next } = await writePage(reading, bounds, isVisible, write, signalOfClient(response));
    const link = next && query.with(next);
    const [begin, end] = asCloudEvents
      ? ['[', ']']
      : [`{${members}"events":[`, `],"next":${JSON.stringify(link ?? null)}}`];
    cutOffWhenStalled(response, this.options.stallTimeoutMs);
    answerJson(response, joined(begin, texts, end), {
      ...(link !== undefined && { link: `<${link}>; rel="next"` }),
      ...(asCloudEvents && { 'content-type': `${CLOUD_EVENT_BATCH_MEDIA}; charset=utf-8` }),
      ...headers,
    });
  }

  async #answerWithLines(response: HttpResponse, { query, reading, isVisible, user }: EventRequest): Promise<void> {
    const { signal } = this.#shutdown;
    if (signal.aborted) throw new ServiceUnavailableException('The application is shutting down. Retry later.');
    const limit = query.number('limit') ?? Infinity;
    if (limit < 1) throw new ValidationError('limit', `${limit} is out of range: give a number from 1.`);
    const { clock } = this.store;
    const { stallTimeoutMs } = this.options;
    await this.lineClients.admit(user, () =>
      answerWithLines(response, reading.batches({ first: limit, signal }), {
        ...{ limit, isVisible, clock, stallTimeoutMs, signal },
      }),
    );
  }
}

function joined(begin: string, texts: readonly Buffer[], end: string): Buffer {
  const comma = Buffer.from(',');
  const parts = texts.flatMap((text, index) => (index === 0 ? [text] : [comma, text]));
  return Buffer.concat([Buffer.from(begin), ...parts, Buffer.from(end)]);
}

import type { ServerResponse } from 'node:http';
import {
  HttpStatus,
  Inject,
  Injectable,
  ServiceUnavailableException,
  type BeforeApplicationShutdown,
} from '@nestjs/common';
import { messageOf, stackOf } from '../../store/values/error-text.js';
import { monotonic } from '../../store/values/clock.js';
import { EventStore } from '../../store/event-store.js';
import { internalsOf } from '../../store/store-internals.js';
import { StoreClosedError } from '../../store/values/errors.js';
import { ClientPlaces } from '../reading/client-places.js';
import type { CheckedHttpOptions } from '../event-store-http-options.js';
import type { Visibility } from '../reading/event-page.js';
import { beginAnswer, hasAnswered, rawRequest, type HttpRequest, type HttpResponse } from '../request/http-exchange.js';
import { CHECKED_HTTP_OPTIONS, HTTP_STORE } from '../http.tokens.js';
import { SSE_MEDIA } from '../request/media-types.js';
import { problemOf } from '../problems/problem-details.js';
import { reportUntold } from '../problems/problem-details.filter.js';
import { FrameWriter } from './frames.js';
import { LiveChannel } from './live-channel.js';
import { LiveClient, type LiveSource } from './live-client.js';
import { LiveFeed } from './live-feed.js';
import type { LiveStart } from './live-start.js';
import type { LiveTarget } from './live-target.js';

/** How often is looked what is due, at most. */
const TICK_MS = 1_000;
/** How soon a browser reconnects after its connection has ended. */
const RETRY_MS = 1_000;
/** How long a client may take for the rest, when the application ends. */
const LAST_WORDS_MS = 500;

/** All clients that follow events live, and the channels that serve them. */
@Injectable()
export class LiveStreams implements BeforeApplicationShutdown {
  readonly #clients = new Map<LiveClient, Promise<void>>();
  readonly #places: ClientPlaces;
  readonly #channels = new Map<string, LiveChannel>();
  readonly #feeds = new Map<string, LiveFeed>();
  /** What is asked of the log at this moment, by stream and position. */
  readonly #looks = new Map<string, Promise<{ readonly id: string | undefined }>>();
  readonly #source: LiveSource;
  #cancelTick: (() => void) | undefined;
  #isClosing = false;

  constructor(
    @Inject(HTTP_STORE) private readonly store: EventStore,
    @Inject(CHECKED_HTTP_OPTIONS) private readonly options: CheckedHttpOptions,
  ) {
    const { heartbeatMs, stallTimeoutMs, liveSessionMs: sessionMs } = options;
    this.#places = new ClientPlaces({
      most: options.maxLiveClients,
      mostPerUser: options.maxLiveClientsPerUser,
      full: (count) => `There are ${count} live clients, the limit. Retry later.`,
      fullForUser: (count) => `You have ${count} live clients, the limit. End one, or retry later.`,
    });
    this.#source = {
      store,
      writer: new FrameWriter(),
      times: { heartbeatMs, stallTimeoutMs, sessionMs },
      report: (error) => this.#report(error),
      channelOf: ({ key }) => this.#channels.get(key),
      eventAt: ({ streamId }, position) => this.#eventAt(streamId, position),
      openChannel: (target, after) => this.#openChannel(target, after),
    };
  }

  /** How many clients there are. */
  get count(): number {
    return this.#places.count;
  }

  /**
   * Lets a client in, if there is room and the store can be read; otherwise asks it to reconnect.
   *
   * That is asked with 200: to an `EventSource` every other answer is final (HTML Standard, 9.2.3).
   *
   * @param user who it is, when there is a limit for each
   * @param follow answers it with events
   */
  async admit(
    request: HttpRequest,
    response: HttpResponse,
    user: string | undefined,
    follow: () => Promise<void>,
  ): Promise<void> {
    try {
      this.#checkRoom(user);
      await follow();
    } catch (error) {
      const problem = problemOf(error);
      if (problem.status !== Number(HttpStatus.SERVICE_UNAVAILABLE) || hasAnswered(response)) throw error;
      reportUntold(problem, error);
      const raw = this.#begin(request, response);
      const [least, most] = this.#isClosing ? [RETRY_MS, 2 * RETRY_MS] : [2 * RETRY_MS, 5 * RETRY_MS];
      const { clock } = this.store;
      const retryMs = Math.round(least + (clock.random ?? Math.random)() * (most - least));
      raw.end(`: ${problem.detail}\nretry: ${retryMs}\n\n`);
    }
  }

  /** @throws {ServiceUnavailableException} when there are as many clients as may be, or the application ends */
  #checkRoom(user: string | undefined): void {
    if (this.#isClosing) throw new ServiceUnavailableException('The application is shutting down. Retry later.');
    this.#places.check(user);
  }

  /**
   * Answers with the events of a target, for as long as the client stays.
   *
   * @param isVisible which streams it may see; undefined for all
   * @throws {ServiceUnavailableException}
   */
  follow(
    request: HttpRequest,
    response: HttpResponse,
    target: LiveTarget,
    start: LiveStart,
    isVisible: Visibility,
    user: string | undefined,
  ): void {
    this.#checkRoom(user);
    const raw = this.#begin(request, response);
    if (request.method === 'HEAD' || raw.destroyed) return void raw.end();
    const client = new LiveClient(this.#source, raw, target, start, isVisible);
    this.#add(client, new Promise((resolve) => raw.once('close', resolve)), target);
    raw.once('close', this.#places.take(user));
    client.start(RETRY_MS, start.reset);
  }

  /** Ends all clients, and waits until they have gone: an open connection would hold the end of the application up. */
  async beforeApplicationShutdown(): Promise<void> {
    this.#isClosing = true;
    for (const client of this.#clients.keys()) client.end();
    if (this.#clients.size === 0) return;
    const cutOff = (): void => this.#clients.forEach((_closed, client) => client.cutOff());
    const cancelTimer = this.store.clock.setTimer(cutOff, LAST_WORDS_MS, { background: true });
    await Promise.all(this.#clients.values());
    cancelTimer();
  }

  /** Many clients stand at one place, and ask at the same moment. */
  #eventAt(streamId: string | null, position: number): Promise<{ readonly id: string | undefined }> {
    const key = JSON.stringify([streamId, position]);
    const known = this.#looks.get(key);
    if (known) return known;
    const look = internalsOf(this.store)
      .look(streamId, position)
      .finally(() => this.#looks.delete(key));
    this.#looks.set(key, look);
    return look;
  }

  #begin(request: HttpRequest, response: HttpResponse): ServerResponse {
    return beginAnswer(response, {
      'content-type': SSE_MEDIA,
      'cache-control': 'no-store, no-transform',
      'x-accel-buffering': 'no',
      // The connection has nothing left to do when the events end, and would hold the end of the application up.
      ...(rawRequest(request).httpVersionMajor < 2 && { connection: 'close' }),
    });
  }

  #add(client: LiveClient, closed: Promise<void>, { key, feed: { key: feedKey } }: LiveTarget): void {
    this.#clients.set(client, closed);
    this.#scheduleTick();
    void closed.then(() => {
      this.#clients.delete(client);
      if (this.#clients.size === 0) this.#stopTicking();
      const channel = this.#channels.get(key);
      if (!channel?.isEmpty) return;
      this.#channels.delete(key);
      channel.close();
      const feed = this.#feeds.get(feedKey);
      if (!feed?.isEmpty) return;
      this.#feeds.delete(feedKey);
      feed.close();
    });
  }

  #openChannel(target: LiveTarget, after: number): LiveChannel {
    const feed = this.#feeds.get(target.feed.key) ?? this.#openFeed(target, after);
    const channel = new LiveChannel(target, feed, this.#source.writer);
    this.#channels.set(target.key, channel);
    return channel;
  }

  #openFeed(target: LiveTarget, after: number): LiveFeed {
    const { key } = target.feed;
    const feed = new LiveFeed(this.store, target, this.#source.writer, after, (error) => {
      if (this.#feeds.get(key) === feed) {
        this.#feeds.delete(key);
        for (const [name, channel] of this.#channels) if (channel.target.feed.key === key) this.#channels.delete(name);
      }
      this.#report(error);
    });
    this.#feeds.set(key, feed);
    return feed;
  }

  #report(error: unknown): void {
    if (error === undefined || error instanceof StoreClosedError) return;
    const { name, logger, metricsCollector } = this.store;
    metricsCollector.onBackgroundFailure?.({ store: name, operation: 'http-live' });
    logger.error(`Store "${name}": live clients were ended, and reconnect: ${messageOf(error)}`, stackOf(error));
  }

  #stopTicking(): void {
    this.#cancelTick?.();
    this.#cancelTick = undefined;
  }

  #scheduleTick(): void {
    if (this.#cancelTick) return;
    const { heartbeatMs, stallTimeoutMs } = this.options;
    const tick = (): void => {
      this.#cancelTick = undefined;
      if (this.#clients.size === 0) return;
      const now = monotonic(this.store.clock);
      for (const client of this.#clients.keys()) client.tick(now);
      this.#scheduleTick();
    };
    const periodMs = Math.min(TICK_MS, heartbeatMs, stallTimeoutMs);
    this.#cancelTick = this.store.clock.setTimer(tick, periodMs, { background: true });
  }
}

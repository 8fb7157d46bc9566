import { describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import {
  EventStore,
  EventStoreModule,
  getEventStoreToken,
  HandlerStoppedError,
  OnStreamEvent,
  type RecordedEvent,
  StreamSubscriptions,
  ValidationError,
} from 'nestjs-stream-store';
import { ManualClock, whenSettled } from 'nestjs-stream-store/testing';
import { ENGINES } from '../support/engines/around-engine.js';
import { numbered, rejectionOf } from '../support/events.js';
import { settled } from '../support/waiting/manual-clock.js';
import { startApp } from '../support/servers/nest-app.js';

/** Takes its time for each event. */
@Injectable()
class Slow {
  readonly dealtWith: unknown[] = [];

  @OnStreamEvent('orders')
  async on({ data }: RecordedEvent): Promise<void> {
    for (let turn = 0; turn < 3; turn++) await settled();
    this.dealtWith.push(data);
  }
}

/** Each stage appends to the next one. */
@Injectable()
class Chain {
  readonly ended: unknown[] = [];

  constructor(private readonly store: EventStore) {}

  @OnStreamEvent({ streams: 'stage-*' })
  async on({ streamId, data }: RecordedEvent): Promise<void> {
    await settled();
    const stage = Number(streamId.slice('stage-'.length));
    if (stage === 4) this.ended.push(data);
    else await this.store.append(`stage-${stage + 1}`, { type: 'moved', data });
  }
}

describe.each(ENGINES)('an application has settled, on %s,', (_kind, createEngine) => {
  it('when its handlers have handled everything that was appended', async () => {
    const app = await startApp({ imports: [EventStoreModule.forRoot({ engine: createEngine() })], providers: [Slow] });

    await app.get(EventStore).append('orders', numbered(1, 5));
    await whenSettled(app);

    expect(app.get(Slow).dealtWith).toEqual([1, 2, 3, 4, 5]);
  });

  it('when they have handled what handlers appended in turn', async () => {
    const app = await startApp({ imports: [EventStoreModule.forRoot({ engine: createEngine() })], providers: [Chain] });

    await app.get(EventStore).append('stage-1', numbered(1, 3));
    await whenSettled(app);

    expect(app.get(Chain).ended).toEqual([1, 2, 3]);
  });
});

describe('whenSettled', () => {
  it('looks at all stores of the application', async () => {
    @Injectable()
    class ToAudit {
      readonly audited: unknown[] = [];

      constructor(private readonly store: EventStore) {}

      @OnStreamEvent('entries', { store: 'audit' })
      async on({ data }: RecordedEvent): Promise<void> {
        await settled();
        if (data === 'first') await this.store.append('orders', { type: 'asked', data: 'back' });
      }

      @OnStreamEvent('orders')
      async back({ data }: RecordedEvent): Promise<void> {
        await settled();
        this.audited.push(data);
      }
    }
    const app = await startApp({
      imports: [EventStoreModule.forRoot(), EventStoreModule.forRoot({ name: 'audit' })],
      providers: [ToAudit],
    });

    await app.get<EventStore>(getEventStoreToken('audit')).append('entries', { type: 'noted', data: 'first' });
    await whenSettled(app);

    expect(app.get(ToAudit).audited).toEqual(['back']);
  });

  it('takes a ModuleRef, of any module', async () => {
    @Injectable()
    class Holder {
      constructor(readonly moduleRef: ModuleRef) {}
    }
    const app = await startApp({ imports: [EventStoreModule.forRoot()], providers: [Slow, Holder] });
    await app.get(EventStore).append('orders', numbered(1, 2));

    await whenSettled(app.get(Holder).moduleRef);

    expect(app.get(Slow).dealtWith).toEqual([1, 2]);
  });

  it('resolves when there is nothing to do', async () => {
    const app = await startApp({ imports: [EventStoreModule.forRoot()] });

    await whenSettled(app);
  });

  it('waits for the attempts to come, which need the clock to move', async () => {
    @Injectable()
    class Fragile {
      attempts = 0;

      @OnStreamEvent('orders', { durable: 'fragile' })
      on(): void {
        if (++this.attempts < 3) throw new Error('not yet');
      }
    }
    const clock = new ManualClock();
    const app = await startApp({ imports: [EventStoreModule.forRoot({ clock })], providers: [Fragile] });
    await app.get(EventStore).append('orders', numbered(1, 1));

    const isSettled = whenSettled(app);
    await clock.advance(50);
    expect(app.get(Fragile).attempts).toBe(2);
    await clock.advance(100);
    await isSettled;

    expect(app.get(Fragile).attempts).toBe(3);
  });

  it('says so when a handler is paused', async () => {
    const app = await startApp({ imports: [EventStoreModule.forRoot()], providers: [Slow] });
    await app.get(StreamSubscriptions).pause('Slow.on');

    expect(await rejectionOf(whenSettled(app))).toBeInstanceOf(HandlerStoppedError);
  });

  it('says what to do when the application has no event store', async () => {
    const app = await startApp({});

    const failure = (await rejectionOf(whenSettled(app))) as Error;

    expect(failure).toBeInstanceOf(ValidationError);
    expect(failure.message).toContain('EventStoreModule.forRoot()');
  });
});

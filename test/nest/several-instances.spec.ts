import { describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import {
  EventStore,
  EventStoreModule,
  OnStreamEvent,
  type OnStreamEventOptions,
  type RecordedEvent,
  StreamSubscriptions,
  ValidationError,
} from 'nestjs-stream-store';
import { numbered, rejectionOf } from '../support/events.js';
import { ManualClock, settled } from '../support/waiting/manual-clock.js';
import { startApp, startFailure } from '../support/servers/nest-app.js';
import { SharedMemory } from '../support/engines/shared-memory-engine.js';

const LEASE = 15_000;

function recorder(options: OnStreamEventOptions) {
  @Injectable()
  class Recorder {
    readonly seen: unknown[] = [];

    @OnStreamEvent('orders', options)
    on({ data }: RecordedEvent): void {
      this.seen.push(data);
    }
  }
  return Recorder;
}

/** Two applications on one log. */
async function twoApps(options: OnStreamEventOptions) {
  const clock = new ManualClock();
  const memory = new SharedMemory(clock);
  const Recorder = recorder(options);
  const start = () =>
    startApp({ imports: [EventStoreModule.forRoot({ engine: memory.engine(), clock })], providers: [Recorder] });
  const apps = [await start(), await start()];
  return { clock, memory, apps, recorders: apps.map((app) => app.get(Recorder)) };
}

describe('a durable handler of two applications on one log', () => {
  it('is called in one of them, and the other shows where', async () => {
    const { apps, recorders } = await twoApps({ durable: 'billing' });
    await Promise.all(apps.map((app) => app.get(StreamSubscriptions).ready()));
    await apps[1].get(EventStore).append('orders', numbered(1, 3));
    await apps[0].get(StreamSubscriptions).whenSettled();

    expect(recorders.map(({ seen }) => seen)).toEqual([[1, 2, 3], []]);
    const [one, two] = await Promise.all(apps.map((app) => app.get(StreamSubscriptions).list()));
    const holder = expect.stringMatching(new RegExp(`^.+:${process.pid}:[0-9a-f]{8}$`)) as unknown;
    expect(one).toMatchObject([{ name: 'billing', isDurable: true, state: 'live', position: 3, holder }]);
    expect(two).toMatchObject([{ name: 'billing', isDurable: true, state: 'standby', holder: one[0].holder }]);
  });

  it('goes on in the other when the one ends', async () => {
    const { apps, recorders, clock } = await twoApps({ durable: 'billing' });
    await apps[0].get(EventStore).append('orders', numbered(1, 2));
    await apps[0].get(StreamSubscriptions).whenSettled();

    await apps[0].close();
    await apps[1].get(EventStore).append('orders', numbered(3, 3));
    const waiting = apps[1].get(StreamSubscriptions).whenSettled();
    await clock.advance(LEASE / 3);
    await waiting;

    expect(recorders.map(({ seen }) => seen)).toEqual([[1, 2], [3]]);
  });

  it('is called in both of them when it is live', async () => {
    const { apps, recorders } = await twoApps({});
    await apps[0].get(EventStore).append('orders', numbered(1, 2));
    await Promise.all(apps.map((app) => app.get(StreamSubscriptions).whenSettled()));

    expect(recorders.map(({ seen }) => seen)).toEqual([
      [1, 2],
      [1, 2],
    ]);
  });

  it('is not forgotten by an application that does not have it, while the other runs it', async () => {
    const { apps, memory, clock } = await twoApps({ durable: 'billing' });
    const imports = [EventStoreModule.forRoot({ engine: memory.engine(), clock })];
    const without = await startApp({ imports });
    const subscriptions = without.get(StreamSubscriptions);

    const failure = await rejectionOf(subscriptions.forget('billing'));
    await Promise.all(apps.map((app) => app.close()));

    expect(failure).toBeInstanceOf(ValidationError);
    expect((failure as Error).message).toMatch(/"billing" is run by .+:/);
    expect(await subscriptions.forget('billing')).toBe(true);
  });

  it('keeps the second from starting when it counts in something else there', async () => {
    const { memory, clock } = await twoApps({ durable: 'billing' });

    @Injectable()
    class Changed {
      @OnStreamEvent({ all: true }, { durable: 'billing' })
      on(): void {}
    }
    const imports = [EventStoreModule.forRoot({ engine: memory.engine(), clock })];
    const failure = await startFailure({ imports, providers: [Changed] });
    await settled();

    expect(failure.message).toMatch(/Changed\.on: .*stream "orders"/);
  });

  it('with partitions is called in both, and forgotten with all of them', async () => {
    const clock = new ManualClock();
    const memory = new SharedMemory(clock);

    @Injectable()
    class Spread {
      readonly seen: string[] = [];

      @OnStreamEvent({ streams: 'order-*' }, { durable: 'spread', partitions: 4 })
      on({ streamId }: RecordedEvent): void {
        this.seen.push(streamId);
      }
    }
    const imports = () => [EventStoreModule.forRoot({ engine: memory.engine(), clock })];
    const apps = [
      await startApp({ imports: imports(), providers: [Spread] }),
      await startApp({ imports: imports(), providers: [Spread] }),
    ];
    await clock.advance(LEASE);
    const streams = Array.from({ length: 20 }, (_, index) => `order-${index}`);
    for (const streamId of streams) await apps[0].get(EventStore).append(streamId, { type: 'placed' });
    const waiting = Promise.all(apps.map((app) => app.get(StreamSubscriptions).whenSettled()));
    await clock.advance(2_000);
    await waiting;

    const seen = apps.map((app) => app.get(Spread).seen);
    expect(seen.flat().sort()).toEqual([...streams].sort());
    expect(seen.every(({ length }) => length > 0)).toBe(true);
    const [[{ partitions }]] = await Promise.all(apps.map((app) => app.get(StreamSubscriptions).list()));
    expect(new Set(partitions!.map(({ holder }) => holder)).size).toBe(2);
    const without = await startApp({ imports: imports() });
    expect(await rejectionOf(without.get(StreamSubscriptions).forget('spread'))).toBeInstanceOf(ValidationError);
    await Promise.all(apps.map((app) => app.close()));
    expect(await without.get(StreamSubscriptions).forget('spread')).toBe(true);
    expect([...memory.checkpoints.keys()]).toEqual([]);
  });
});

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from '@jest/globals';
import {
  type ConsumerOptions,
  HandlerTimeoutError,
  recordedEvent,
  type RecordedEvent,
  type StreamEventContext,
} from 'nestjs-stream-store';
import { checkConsumerOptions } from '../../../lib/consumer/consumer-options.js';
import { HandlerAttempts, type EventHandler } from '../../../lib/consumer/handling/handler-attempts.js';
import { Interrupted } from '../../../lib/subscription/interrupted.js';
import { rejectionOf } from '../../support/events.js';
import { ManualClock, settled } from '../../support/waiting/manual-clock.js';

const eventAt = (position: number): RecordedEvent =>
  recordedEvent({
    id: `id-${position}`,
    type: 'counted',
    data: String(position),
    metadata: '',
    timestamp: 0,
    streamId: 's',
    position,
    globalPosition: position,
    recordedAt: 0,
  });

interface Setup {
  readonly clock: ManualClock;
  readonly attempts: HandlerAttempts;
  /** What the handler was called with. */
  readonly calls: [RecordedEvent, StreamEventContext][];
}

function setUp(handle: EventHandler, options: ConsumerOptions = {}): Setup {
  const clock = new ManualClock();
  const calls: Setup['calls'] = [];
  const recording: EventHandler = (event, context) => {
    calls.push([event, context]);
    return handle(event, context);
  };
  return {
    clock,
    calls,
    attempts: new HandlerAttempts('billing', 'main', checkConsumerOptions(options), clock, recording),
  };
}

const never = (): Promise<never> => new Promise(() => undefined);

describe('an attempt', () => {
  it('hands over the event, and tells who, where, and which attempt it is', async () => {
    const { attempts, calls } = setUp(() => undefined);
    const event = eventAt(1);

    await attempts.once(event, 3);

    const [[handed, { signal, ...context }]] = calls;
    expect(handed).toBe(event);
    expect(context).toEqual({ subscription: 'billing', store: 'main', attempt: 3 });
    expect(signal.aborted).toBe(false);
  });

  it('ends when the promise of the handler has resolved, whatever it resolves with', async () => {
    let resolve!: (value: unknown) => void;
    const { attempts } = setUp(() => new Promise((end) => (resolve = end)));
    let hasEnded = false;
    const attempt = attempts.once(eventAt(1), 1).then((value: unknown) => [(hasEnded = true), value]);

    await settled();
    expect(hasEnded).toBe(false);
    resolve(new Error('a value, not a failure'));

    expect(await attempt).toEqual([true, undefined]);
  });

  it.each<[string, EventHandler]>([
    [
      'throws',
      () => {
        throw new Error('broken');
      },
    ],
    ['rejects', () => Promise.reject(new Error('broken'))],
    ['rejects later', () => settled().then(() => Promise.reject(new Error('broken')))],
  ])('fails with what a handler %s', async (_how, handle) => {
    const { attempts, clock } = setUp(handle);

    expect(await rejectionOf(attempts.once(eventAt(1), 1))).toEqual(new Error('broken'));
    expect(clock.pendingTimers).toBe(0);
  });

  it('has no time limit left over when it has ended', async () => {
    const { attempts, calls, clock } = setUp(() => settled(), { timeoutMs: 1_000 });

    await attempts.once(eventAt(1), 1);
    await clock.advance(5_000);

    expect(clock.pendingTimers).toBe(0);
    expect(calls[0][1].signal.aborted).toBe(false);
  });
});

describe('an attempt that takes too long', () => {
  it('fails when its time is over, and its signal is aborted with the reason', async () => {
    const { attempts, calls, clock } = setUp(never, { timeoutMs: 1_000 });
    const failed = rejectionOf(attempts.once(eventAt(1), 1));
    let hasFailed = false;
    void failed.then(() => (hasFailed = true));

    await clock.advance(999);
    expect([hasFailed, calls[0][1].signal.aborted]).toEqual([false, false]);
    await clock.advance(1);

    const error = await failed;
    expect(error).toBeInstanceOf(HandlerTimeoutError);
    expect(error).toMatchObject({ code: 'HANDLER_TIMEOUT', handler: 'billing', timeoutMs: 1_000 });
    expect(calls[0][1].signal).toMatchObject({ aborted: true, reason: error });
  });

  it.each<[string, (end: { resolve: () => void; reject: (error: Error) => void }) => void]>([
    ['succeeds', ({ resolve }) => resolve()],
    ['fails', ({ reject }) => reject(new Error('late'))],
  ])('changes nothing any more when it %s in the end', async (_how, finish) => {
    const unhandled: unknown[] = [];
    const note = (error: unknown): void => void unhandled.push(error);
    process.on('unhandledRejection', note);
    let end!: { resolve: () => void; reject: (error: Error) => void };
    const { attempts, clock } = setUp(() => new Promise<void>((resolve, reject) => (end = { resolve, reject })), {
      timeoutMs: 1_000,
    });
    const failed = rejectionOf(attempts.once(eventAt(1), 1));
    await clock.advance(1_000);
    await failed;

    finish(end);
    await settled();
    await settled();

    expect(await failed).toBeInstanceOf(HandlerTimeoutError);
    expect(unhandled).toEqual([]);
    process.off('unhandledRejection', note);
  });

  it('may take as long as it likes with a limit of 0', async () => {
    let resolve!: () => void;
    const { attempts, clock } = setUp(() => new Promise<void>((end) => (resolve = end)), { timeoutMs: 0 });
    const attempt = attempts.once(eventAt(1), 1);

    expect(clock.pendingTimers).toBe(0);
    await clock.advance(1e12);
    resolve();

    expect(await attempt).toBeUndefined();
  });

  it('may end by itself when its signal aborts, and has timed out all the same', async () => {
    const { attempts, clock } = setUp(
      (_event, { signal }) => new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve())),
      { timeoutMs: 1_000 },
    );
    const failed = rejectionOf(attempts.once(eventAt(1), 1));

    await clock.advance(1_000);

    expect(await failed).toBeInstanceOf(HandlerTimeoutError);
  });

  it('leaves nothing behind, ten thousand times', async () => {
    setFlagsFromString('--expose-gc');
    const collectGarbage = runInNewContext('gc') as () => void;
    const left: WeakRef<object>[] = [];
    const clock = new ManualClock();
    const attempts = new HandlerAttempts(
      'billing',
      'main',
      checkConsumerOptions({ timeoutMs: 10 }),
      clock,
      (event, context) => {
        left.push(new WeakRef(event), new WeakRef(context.signal));
        return never();
      },
    );
    for (let round = 0; round < 100; round++) {
      const failures = Array.from({ length: 100 }, (_, index) => rejectionOf(attempts.once(eventAt(index + 1), 1)));
      await clock.advance(10);
      for (const failure of await Promise.all(failures)) expect(failure).toBeInstanceOf(HandlerTimeoutError);
    }
    // The event loop turns, so that nothing is held by the turn that made it.
    await settled();
    collectGarbage();
    await settled();
    collectGarbage();

    expect(left).toHaveLength(20_000);
    expect(clock.pendingTimers).toBe(0);
    expect(left.filter((reference) => reference.deref() !== undefined).length).toBeLessThan(200);
  });
});

describe('the pause after a failed attempt', () => {
  it('lasts as long as the retry policy says', async () => {
    const clock = new ManualClock(0, { random: 0.25 });
    const options = checkConsumerOptions({ retry: { initialDelayMs: 400, factor: 3 } });
    const attempts = new HandlerAttempts('billing', 'main', options, clock, never);
    let isOver = false;
    void attempts.pauseAfter(2).then(() => (isOver = true));

    await clock.advance(299);
    expect(isOver).toBe(false);
    await clock.advance(1);

    expect(isOver).toBe(true);
  });

  it('needs no timer when it is nothing', async () => {
    const { attempts, clock } = setUp(never, { retry: { initialDelayMs: 0 } });

    await attempts.pauseAfter(1);

    expect(clock.pendingTimers).toBe(0);
  });

  it('ends at once when no further attempt may begin', async () => {
    const { attempts, clock } = setUp(never);
    const pause = rejectionOf(attempts.pauseAfter(1));

    attempts.interrupt();

    expect(await pause).toBeInstanceOf(Interrupted);
    expect(clock.pendingTimers).toBe(0);
    expect(await rejectionOf(attempts.pauseAfter(1))).toBeInstanceOf(Interrupted);
  });

  it('is taken again after attempts may begin again', async () => {
    const { attempts, clock } = setUp(never);
    attempts.interrupt();

    attempts.resume();
    const pause = attempts.pauseAfter(1);
    expect(clock.pendingTimers).toBe(1);
    await clock.advance(100);

    expect(await pause).toBeUndefined();
    expect(() => attempts.throwIfInterrupted()).not.toThrow();
  });
});

describe('attempts that run', () => {
  it('go on when no further one may begin', async () => {
    let resolve!: () => void;
    const { attempts, calls } = setUp(() => new Promise<void>((end) => (resolve = end)));
    const attempt = attempts.once(eventAt(1), 1);

    attempts.interrupt();
    await settled();
    expect(calls[0][1].signal.aborted).toBe(false);
    resolve();

    expect(await attempt).toBeUndefined();
  });

  it('are not waited for once they are aborted, and learn of it by their signals', async () => {
    const { attempts, calls, clock } = setUp(never);
    const failed = [1, 2].map((position) => rejectionOf(attempts.once(eventAt(position), 1)));

    attempts.abortRunning();

    for (const failure of await Promise.all(failed)) expect(failure).toBeInstanceOf(Interrupted);
    expect(calls.map(([, { signal }]) => signal.aborted)).toEqual([true, true]);
    expect(clock.pendingTimers).toBe(0);
  });

  it('that have ended are not aborted', async () => {
    const { attempts, calls } = setUp(() => undefined);
    await attempts.once(eventAt(1), 1);

    attempts.abortRunning();

    expect(calls[0][1].signal.aborted).toBe(false);
  });
});

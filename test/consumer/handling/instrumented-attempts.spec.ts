import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, expect, it } from '@jest/globals';
import type { HandlerCall, HandlerMeasurement, Instrumentation, MetricsCollector } from 'nestjs-stream-store';
import { settled } from '../../support/waiting/manual-clock.js';
import { Machine } from '../../support/worlds/machine.js';

type GiveUp = Parameters<NonNullable<MetricsCollector['onHandlerGaveUp']>>[0];

class AttemptCollector implements MetricsCollector {
  readonly attempts: HandlerMeasurement[] = [];
  readonly giveUps: GiveUp[] = [];
  readonly backgroundFailures: string[] = [];

  onHandlerAttempt(measurement: HandlerMeasurement): void {
    this.attempts.push(measurement);
  }

  onHandlerGaveUp(giveUp: GiveUp): void {
    this.giveUps.push(giveUp);
  }

  onBackgroundFailure({ operation }: { operation: string }): void {
    this.backgroundFailures.push(operation);
  }
}

async function measuredMachine(instrumentation?: Instrumentation) {
  const collector = new AttemptCollector();
  const machine = await Machine.start({ name: 'main', metricsCollector: collector, instrumentation });
  return { machine, collector };
}

describe('a metrics collector', () => {
  it('is told of each attempt: the handler, the outcome, which attempt, and how long it took', async () => {
    const { machine, collector } = await measuredMachine();
    let failures = 2;
    const handle = (): void => {
      if (failures-- > 0) throw new TypeError('not yet');
    };
    await machine.run({ durable: 'billing', retry: { attempts: 3 }, handle });
    await machine.append('a1');
    await machine.clock.advance(60_000);

    const one = { store: 'main', handler: 'billing', durationMs: expect.any(Number) };
    expect(collector.attempts).toEqual([
      { ...one, attempt: 1, outcome: 'UNKNOWN' },
      { ...one, attempt: 2, outcome: 'UNKNOWN' },
      { ...one, attempt: 3, outcome: 'ok' },
    ]);
    expect(collector.giveUps).toEqual([]);
  });

  it('is told that an attempt took too long', async () => {
    const { machine, collector } = await measuredMachine();
    await machine.run({ timeoutMs: 1_000, handle: () => new Promise(() => undefined) });
    await machine.append('a1');
    await machine.clock.advance(1_000);

    expect(collector.attempts).toMatchObject([{ outcome: 'HANDLER_TIMEOUT', handler: 'Live.handler' }]);
  });

  it.each(['dead-letter', 'park-stream', 'stop', 'skip'] as const)(
    'is told when a handler has given an event up, with the policy %s',
    async (policy) => {
      const { machine, collector } = await measuredMachine();
      const handle = (): never => {
        throw new Error('never');
      };
      await machine.run({ durable: 'billing', retry: { attempts: 2 }, onFailure: policy, handle });
      await machine.append('a1');
      await machine.clock.advance(60_000);

      expect(collector.attempts).toHaveLength(2);
      expect(collector.giveUps).toEqual([{ store: 'main', handler: 'billing', policy }]);
    },
  );

  it('is told of a checkpoint that could not be saved', async () => {
    const { machine, collector } = await measuredMachine();
    await machine.run({ durable: 'billing', handle: () => undefined });
    machine.around = (verb, ask) => {
      if (verb === 'saveCheckpoint') throw new Error('disk full');
      return ask();
    };
    await machine.append('a1');
    await machine.clock.advance(1_000);
    machine.around = (_verb, ask) => ask();

    expect(collector.backgroundFailures).toContain('checkpoint');
  });
});

describe('an instrumentation around handlers', () => {
  it('is told of each attempt, and the handler runs in the context that it makes', async () => {
    const told: HandlerCall[] = [];
    const contexts = new AsyncLocalStorage<number>();
    const seen: unknown[] = [];
    const { machine } = await measuredMachine({
      aroundHandler: (handling, call) => {
        told.push(handling);
        return contexts.run(handling.attempt, call);
      },
    });
    const handle = async (): Promise<void> => {
      await settled();
      seen.push(contexts.getStore());
      if (seen.length === 1) throw new Error('again');
    };
    await machine.run({ durable: 'billing', retry: { attempts: 2, initialDelayMs: 0 }, handle });
    await machine.append('a1');
    await machine.clock.advance(0);
    await settled();

    expect(told).toMatchObject([
      { store: 'main', handler: 'billing', attempt: 1, event: { streamId: 'a', position: 1 } },
      { store: 'main', handler: 'billing', attempt: 2, event: { streamId: 'a', position: 1 } },
    ]);
    expect(seen).toEqual([1, 2]);
  });

  it('sees an attempt end when its time is over, not when the handler is done at last', async () => {
    const ends: unknown[] = [];
    const { machine } = await measuredMachine({
      aroundHandler: (_handling, call) => call().catch((error: unknown) => ends.push(error)),
    });
    await machine.run({ timeoutMs: 1_000, handle: () => new Promise(() => undefined) });
    await machine.append('a1');
    await machine.clock.advance(1_000);

    expect(ends).toMatchObject([{ code: 'HANDLER_TIMEOUT' }]);
  });

  it('that does not make the call changes nothing', async () => {
    const handled: string[] = [];
    const { machine } = await measuredMachine({ aroundHandler: () => undefined });
    await machine.run({ durable: 'billing', handle: ({ streamId }) => void handled.push(streamId) });
    await machine.append('a1', 'b1');
    await settled();

    expect(handled).toEqual(['a', 'b']);
  });
});

import { describe, expect, it } from '@jest/globals';
import { type ConsumerOptions, ValidationError } from 'nestjs-stream-store';
import { checkConsumerOptions, CONSUMER_OPTION_NAMES } from '../../lib/consumer/consumer-options.js';

const refusalOf = (options: unknown): ValidationError => {
  try {
    checkConsumerOptions(options as ConsumerOptions);
  } catch (error) {
    if (error instanceof ValidationError) return error;
    throw error;
  }
  throw new Error('it was accepted');
};

describe('the options of a handler', () => {
  it('of a live handler default to one attempt, and to going on after a failure', () => {
    expect(checkConsumerOptions({})).toEqual({
      durable: undefined,
      concurrency: 1,
      batchSize: 512,
      retry: { attempts: 1, initialDelayMs: 100, maxDelayMs: 30_000, factor: 2 },
      onFailure: 'skip',
      timeoutMs: 30_000,
      checkpointEvery: 100,
      checkpointIntervalMs: 1_000,
      leaseDurationMs: 15_000,
      partitions: 1,
      transaction: false,
      onFork: 'rewind',
    });
  });

  it('of a durable handler default to five attempts, and to a dead letter after them', () => {
    expect(checkConsumerOptions({ durable: 'billing' })).toMatchObject({
      durable: 'billing',
      retry: { attempts: 5 },
      onFailure: 'dead-letter',
    });
  });

  it('that are undefined count as left out', () => {
    const undefinedOptions = Object.fromEntries(CONSUMER_OPTION_NAMES.map((name) => [name, undefined]));

    expect(checkConsumerOptions(undefinedOptions)).toEqual(checkConsumerOptions({}));
  });

  it('are kept as they were given, up to their bounds', () => {
    const least = {
      durable: 'd',
      concurrency: 1,
      timeoutMs: 0,
      checkpointEvery: 1,
      checkpointIntervalMs: 0,
      leaseDurationMs: 1_000,
      partitions: 1,
      transaction: false,
      onFailure: 'park-stream',
    } as const;
    const most = {
      durable: 'd'.repeat(400),
      concurrency: 10_000,
      timeoutMs: 1e12,
      checkpointEvery: 100_000,
      checkpointIntervalMs: 1e12,
      leaseDurationMs: 3_600_000,
      partitions: 1_024,
      transaction: true,
      onFailure: 'stop',
    } as const;

    expect(checkConsumerOptions(least)).toMatchObject(least);
    expect(checkConsumerOptions(most)).toMatchObject(most);
  });

  it('may retry and stop without being durable', () => {
    expect(checkConsumerOptions({ onFailure: 'stop', retry: { attempts: 3 } })).toMatchObject({
      onFailure: 'stop',
      retry: { attempts: 3 },
    });
  });

  it.each(['dead-letter', 'park-stream', 'stop', 'skip'] as const)('may be durable with the policy %s', (onFailure) => {
    expect(checkConsumerOptions({ durable: 'billing', onFailure }).onFailure).toBe(onFailure);
  });

  it.each(['$billing', '__proto__', '../x', 'é', 'a b', '😀'.repeat(400)])(
    'may have a durable name such as %.20s',
    (durable) => {
      expect(checkConsumerOptions({ durable }).durable).toBe(durable);
    },
  );

  it.each<[string, unknown]>([
    ['durable', ''],
    ['durable', null],
    ['durable', 7],
    ['durable', 'd'.repeat(401)],
    ['durable', '😀'.repeat(401)],
    ['durable', 'a\nb'],
    ['durable', '\ud800'],
    ['concurrency', 0],
    ['concurrency', -1],
    ['concurrency', 1.5],
    ['concurrency', 10_001],
    ['concurrency', '4'],
    ['concurrency', null],
    ['concurrency', NaN],
    ['concurrency', 4n],
    ['concurrency', Object.create(null)],
    ['timeoutMs', -1],
    ['timeoutMs', Infinity],
    ['timeoutMs', '30s'],
    ['timeoutMs', Symbol('30s')],
    ['checkpointEvery', 0],
    ['checkpointEvery', 100_001],
    ['checkpointEvery', 0.5],
    ['checkpointIntervalMs', -1],
    ['checkpointIntervalMs', NaN],
    ['checkpointIntervalMs', null],
    ['leaseDurationMs', 999],
    ['leaseDurationMs', 3_600_001],
    ['leaseDurationMs', 2_000n],
    ['leaseDurationMs', '15s'],
    ['leaseDurationMs', NaN],
    ['partitions', 0],
    ['partitions', 1_025],
    ['partitions', 2.5],
    ['partitions', '4'],
    ['transaction', 'yes'],
    ['transaction', null],
    ['onFailure', 'retry'],
    ['onFailure', ''],
    ['onFailure', null],
    ['onFailure', 1n],
    ['onFailure', Symbol('skip')],
    ['onFailure', ['skip']],
    ['retry', 3],
    ['retry', null],
    ['retry.attempts', { attempts: 0 }],
    ['retry.tries', { tries: 3 }],
  ])('are refused by name when they are not acceptable: %s', (field, value) => {
    const [name] = field.split('.');

    expect(refusalOf({ durable: 'billing', [name]: value }).field).toBe(field);
  });

  it.each(['dead-letter', 'park-stream'] as const)(
    'need a durable name to keep dead letters under: %s',
    (onFailure) => {
      expect(refusalOf({ onFailure })).toMatchObject({
        field: 'onFailure',
        message: expect.stringContaining('durable'),
      });
    },
  );

  it.each(['checkpointEvery', 'checkpointIntervalMs', 'leaseDurationMs', 'partitions', 'transaction'])(
    'need a durable name: %s',
    (name) => {
      expect(refusalOf({ [name]: 10 })).toMatchObject({ field: name, message: expect.stringContaining('durable') });
    },
  );
});

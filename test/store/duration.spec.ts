import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ValidationError } from 'nestjs-stream-store';
import { toMilliseconds } from '../../lib/store/values/duration.js';
import type { Duration } from '../../lib/store/values/duration.js';
import { anyText } from '../support/texts.js';

describe('a duration', () => {
  it.each<[Duration, number]>([
    [0, 0],
    [1, 1],
    [0.5, 0.5],
    [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
    ['0', 0],
    ['100', 100],
    ['100ms', 100],
    ['90s', 90_000],
    ['30m', 1_800_000],
    ['24h', 86_400_000],
    ['7d', 604_800_000],
    ['2w', 1_209_600_000],
    ['1y', 31_557_600_000],
    ['1.5h', 5_400_000],
    ['7 days', 604_800_000],
    ['7D', 604_800_000],
  ])('of %j is %d milliseconds', (duration, ms) => {
    expect(toMilliseconds(duration, 'retentionDuration')).toBe(ms);
  });

  it.each([
    -1,
    NaN,
    Infinity,
    -Infinity,
    '',
    ' ',
    '-1',
    '-7d',
    'd',
    'a week',
    '7 fortnights',
    '7d 2h',
    '1e3',
    '0x10',
    'Infinity',
    '7d'.repeat(100),
    null,
    undefined,
    true,
    {},
    [],
    ['7d'],
    10n,
    Symbol('7d'),
    Object.create(null),
    new Date(5),
    () => 5,
  ])('is not %p, and the error names the option', (duration) => {
    let error: unknown;
    try {
      toMilliseconds(duration as never, 'retentionDuration');
    } catch (thrown) {
      error = thrown;
    }

    expect(error).toBeInstanceOf(ValidationError);
    expect(error).toMatchObject({ field: 'retentionDuration' });
    expect((error as Error).message).toContain('"7d"');
  });

  it('is a number of milliseconds or a ValidationError, whatever text is given', () => {
    fc.assert(
      fc.property(anyText(), (text) => {
        try {
          expect(toMilliseconds(text, 'x')).toBeGreaterThanOrEqual(0);
        } catch (error) {
          expect(error).toBeInstanceOf(ValidationError);
        }
      }),
    );
  });
});

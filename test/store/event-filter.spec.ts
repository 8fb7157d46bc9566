import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { CompiledFilter, type EventFilter, Pattern, ValidationError } from 'nestjs-stream-store';
import { anyText } from '../support/texts.js';

/** The same question, asked of a regular expression. */
function asRegExp(pattern: string): RegExp {
  const parts = pattern.split('*').map((part) => part.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&'));
  return new RegExp(`^${parts.join('[^]*')}$`);
}

describe('a pattern', () => {
  it.each<[string, string[], string[]]>([
    ['orders', ['orders'], ['order', 'orderss', 'Orders', '']],
    ['order-*', ['order-1', 'order-', 'order-1-2', 'order-*'], ['order', 'orders-1', ' order-1']],
    ['*-order', ['a-order', '-order', 'a-order-order'], ['order', 'a-order ']],
    ['*', ['', 'a', '*', 'a\nb', '🚀'], []],
    ['**', ['', 'a'], []],
    ['a*b*c', ['abc', 'aXbXc', 'abbcc', 'abcbc'], ['ab', 'acb', 'abcd']],
    ['*a*', ['a', 'xax', 'aa'], ['', 'b']],
    ['ab*ba', ['abba', 'abXba'], ['aba', 'ab']],
    ['order.*', ['order.placed', 'order.'], ['orderXplaced']],
    ['a?c', ['a?c'], ['abc', 'ac']],
    ['[ab]', ['[ab]'], ['a', 'b']],
    ['a\\*', ['a\\', 'a\\b'], ['a*']],
    ['(a|b)+$', ['(a|b)+$'], ['a']],
    ['é*', ['é', 'éa'], ['e\u0301']],
  ])('%j matches %j and not %j', (pattern, matching, others) => {
    const compiled = new Pattern(pattern);

    expect(matching.filter((text) => !compiled.matches(text))).toEqual([]);
    expect(others.filter((text) => compiled.matches(text))).toEqual([]);
    expect(String(compiled)).toBe(pattern);
  });

  it('matches what a regular expression would match', () => {
    const few = fc.string({ unit: fc.constantFrom('a', 'b', '*', '.', '$', '[', '\\'), maxLength: 8 });
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '*', '.', '$', '[', '\\', '\n'), maxLength: 10 });
    fc.assert(
      fc.property(few, text, (pattern, name) => {
        expect(new Pattern(pattern).matches(name)).toBe(asRegExp(pattern).test(name));
      }),
      { numRuns: 5_000 },
    );
  });

  it('matches every text with some stretches of it replaced by "*"', () => {
    fc.assert(
      fc.property(anyText(), fc.nat(), fc.nat(), (text, a, b) => {
        const [begin, end] = [a % (text.length + 1), b % (text.length + 1)].sort((x, y) => x - y) as [number, number];
        expect(new Pattern(`${text.slice(0, begin)}*${text.slice(end)}`).matches(text)).toBe(true);
      }),
      { numRuns: 1_000 },
    );
  });

  it('that would keep a regular expression busy for years is answered at once', () => {
    const pattern = new Pattern('*a'.repeat(50) + 'b');

    expect(pattern.matches('a'.repeat(100_000))).toBe(false);
    expect(pattern.matches('a'.repeat(100_000) + 'b')).toBe(true);
  });
});

describe('a filter', () => {
  it.each<[EventFilter, string, string, boolean]>([
    [{}, 'orders', 'placed', true],
    [{ stream: 'orders' }, 'orders', 'placed', true],
    [{ stream: 'orders' }, 'orders-2', 'placed', false],
    [{ stream: 'order*' }, 'orders', 'placed', false],
    [{ streams: 'order*' }, 'orders', 'placed', true],
    [{ streams: 'orders' }, 'orders', 'placed', true],
    [{ streams: 'order*' }, 'customers', 'placed', false],
    [{ types: ['placed'] }, 'orders', 'placed', true],
    [{ types: ['paid', 'pl*'] }, 'orders', 'placed', true],
    [{ types: ['paid'] }, 'orders', 'placed', false],
    [{ stream: 'orders', streams: 'order*', types: ['p*'] }, 'orders', 'placed', true],
    [{ stream: 'orders', streams: 'customer*' }, 'orders', 'placed', false],
    [{ stream: undefined, streams: undefined, types: undefined }, 'orders', 'placed', true],
  ])('%j asked about stream %s and type %s says %j', (filter, streamId, type, expected) => {
    const compiled = new CompiledFilter(filter);

    expect(compiled.matchesStream(streamId) && compiled.matchesType(type)).toBe(expected);
  });

  it.each<[unknown, string]>([
    [null, 'filter'],
    ['orders', 'filter'],
    [{ type: 'placed' }, 'filter.type'],
    [{ stream: '' }, 'filter.stream'],
    [{ stream: ['a'] }, 'filter.stream'],
    [{ streams: 'a\0' }, 'filter.streams'],
    [{ types: 'placed' }, 'filter.types'],
    [{ types: [] }, 'filter.types'],
    [{ types: ['placed', 5] }, 'filter.types[1]'],
  ])('%j is refused, and the error names %s', (filter, field) => {
    let error: unknown;
    try {
      new CompiledFilter(filter as EventFilter);
    } catch (thrown) {
      error = thrown;
    }

    expect(error).toBeInstanceOf(ValidationError);
    expect(error).toMatchObject({ field });
  });

  it('is not changed by changing the object it came from', () => {
    const types = ['placed'];
    const compiled = new CompiledFilter({ types });
    types[0] = 'paid';

    expect(compiled.matchesType('placed')).toBe(true);
  });
});

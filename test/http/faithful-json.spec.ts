import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ValidationError } from 'nestjs-stream-store';
import { parseFaithfully } from '../../lib/http/request/faithful-json.js';
import { scaled } from '../support/scale.js';

/** The path to what is refused; undefined when nothing is. */
function refusedAt(text: string): string | undefined {
  try {
    parseFaithfully(text, '');
    return undefined;
  } catch (error) {
    if (error instanceof ValidationError) return error.field;
    throw error;
  }
}

describe('a JSON text', () => {
  it.each([
    ...[
      '0',
      '-0',
      '0.0',
      '-0.0e7',
      '0e99999999999',
      '1',
      '1.0',
      '1.10',
      '100e-2',
      '1E2',
      '1e+2',
      '0.1',
      '1e-7',
      '1e21',
    ],
    ...['0.30000000000000004', '5e-324', '1.7976931348623157e308', '17976931348623157e292', '-1.5e-9'],
    ...['9007199254740991', '9007199254740992', '9007199254740994', '-9007199254740992', '123456789012345'],
    ...['100000000000000000000000', '12345678901234567e3', '1152921504606847000', `1.${'0'.repeat(2_000)}`],
    ...[
      '"\\ud83d\\ude00"',
      '"\\uD83D\\uDE00 \\u00e9 \\\\ud800 \\""',
      '{"a":{"a":1},"b":[{"a":1},{"a":2}]}',
      ' [ { } , [ ] ] ',
    ],
    ...['{"":1," ":2,"\\u0000":3}', '{"a":":","b":"\\":"}', '{"__proto__":1,"constructor":{"prototype":2},"length":3}'],
  ])('that says what its value says is that value: %s', (text) => {
    expect(parseFaithfully(`{"data":${text}}`, '')).toEqual({ data: JSON.parse(text) as unknown });
  });

  it.each([
    ...['9007199254740993', '-9007199254740993', '12345678901234567890', '1524831183200260097', '9007199254740993.0'],
    ...[
      '90071992547409930e-1',
      '9007199254740993E0',
      '1152921504606846976',
      '1e400',
      '-1e400',
      '1e-400',
      '2e-324',
      '4.9e-324',
    ],
    ...[
      '0.30000000000000004441',
      '0.1000000000000000055511151231257827',
      '3.141592653589793238',
      '1.0000000000000000001',
    ],
    ...[
      `0.${'0'.repeat(400)}1`,
      '1'.repeat(400),
      '1.7976931348623159e308',
      '0.00000000000000000000010000000000000000000001',
    ],
  ])('with a number that JavaScript reads as another one is refused: %s', (number) => {
    expect(refusedAt(`{"data":${number}}`)).toBe('data');
    expect(refusedAt(`[1,{"data":{"a b":[0,{"c":${number} }]}}]`)).toBe('events[1].data["a b"][1].c');
  });

  it.each([
    ['{"a":1,"a":1}', 'a'],
    ['{"a":1,"\\u0061":2}', 'a'],
    ['{"\\u0061":1,"b":2,"a":{"c":3}}', 'a'],
    ['{"data":{"items":[{},{"x":1,"y":[{"x":1}],"x":2}]}}', 'data.items[1].x'],
    ['{"data":{"":1,"":2}}', 'data[""]'],
    ['{"data":{"__proto__":1,"__proto__":2}}', 'data.__proto__'],
    ['[{"data":{"a":{"b":1}}},{"data":{"a":{"b":1},"a":{"b":1}}}]', 'events[1].data.a'],
    ['{"data":{"a":{"b":1,"c":{"b":1,"b":2}},"a":[]}}', 'data.a.c.b'],
  ])('with a member that is there twice is refused: %s', (text, path) => {
    expect(refusedAt(text)).toBe(path);
  });

  it.each([
    ['{"data":["x","\\ud800"]}', 'data[1]'],
    ['{"data":"\\uDC00\\uD800"}', 'data'],
    ['{"data":"\\ud83d\\ud83d\\ude00"}', 'data'],
    ['{"data":{"\\udfff":1}}', 'data["\\udfff"]'],
  ])('with half of a surrogate pair is refused: %s', (text, path) => {
    expect(refusedAt(text)).toBe(path);
  });

  it('exhausts no stack, however deep it is, and is not looked at deeper than an event may be', () => {
    const nested = (depth: number): string => `{"data":${'['.repeat(depth)}9007199254740993${']'.repeat(depth)}}`;

    expect(refusedAt(nested(128))).toBe(`data${'[0]'.repeat(128)}`);
    expect(refusedAt(nested(500_000))).toBeUndefined();
    expect(refusedAt(`${'{"a":'.repeat(300_000)}1${'}'.repeat(300_000)}`)).toBeUndefined();
  });

  it('that is no JSON is a SyntaxError', () => {
    for (const text of ['', '{', '{"a":1,}', '01', '"\u0000"', 'NaN'])
      expect(() => parseFaithfully(text, '')).toThrow(SyntaxError);
  });

  it('that JavaScript writes is taken, whatever it is', () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), fc.nat(3), (value, indent) => {
        const text = JSON.stringify(value, undefined, indent);
        expect(parseFaithfully(text, '')).toEqual(JSON.parse(text));
      }),
      { numRuns: scaled(500) },
    );
  });

  it('with any number is taken when, and only when, that has the value of what JavaScript writes for it', () => {
    const digits = fc.stringMatching(/^(?:0|[1-9]\d{0,24})(?:\.\d{1,24})?(?:[eE][+-]?\d{1,3})?$/);
    fc.assert(
      fc.property(digits, fc.boolean(), (number, isNegative) => {
        const written = isNegative ? `-${number}` : number;
        const value = Number(written);
        const isSame = Number.isFinite(value) && isSameDecimal(written, String(value));
        expect(refusedAt(`[${written}]`)).toBe(isSame ? undefined : 'events[0]');
      }),
      { numRuns: scaled(2_000) },
    );
  });

  it('with a member once more, anywhere, is refused', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.string(), fc.jsonValue(), fc.jsonValue(), (around, name, first, second) => {
        const [key, value, again] = [name, first, second].map((part) => JSON.stringify(part));
        const escaped = `"${[...name].map((unit) => [...Array(unit.length).keys()].map((at) => `\\u${unit.charCodeAt(at).toString(16).padStart(4, '0')}`).join('')).join('')}"`;
        const rest = JSON.stringify(around);
        expect(
          refusedAt(`[${rest},{${key}:${value},"more ${name.length}":${rest},${escaped}:${again}},${rest}]`),
        ).toMatch(/^events\[1\]/);
      }),
      { numRuns: scaled(500) },
    );
  });
});

/** By whole numbers of any size, and so by other means than what is tested. */
function isSameDecimal(one: string, other: string): boolean {
  const [a, b] = [one, other].map((text) => {
    const [, sign, whole, fraction = '', power = '0'] = /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/i.exec(text)!;
    return { digits: BigInt(sign + whole + fraction), power: Number(power) - fraction.length };
  });
  const least = Math.min(a.power, b.power);
  return a.digits * 10n ** BigInt(a.power - least) === b.digits * 10n ** BigInt(b.power - least);
}

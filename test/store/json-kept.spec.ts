import vm from 'node:vm';
import { describe, expect, it } from '@jest/globals';
import type { JsonValue } from 'nestjs-stream-store';
import { keep, nested } from '../support/kept-data.js';

describe('data that JSON holds is kept:', () => {
  it.each<[string, unknown]>([
    ['null', null],
    ['false', false],
    ['zero', 0],
    ['minus zero', -0],
    ['the smallest number', 5e-324],
    ['the largest number', Number.MAX_VALUE],
    ['an integer that fits', Number.MAX_SAFE_INTEGER],
    ['an empty text', ''],
    ['a text with quotes, slashes and control characters', '"\\/\b\f\n\r\t\u0000\u001f\u007f'],
    ['a text with line separators', '\u2028\u2029'],
    ['a text of characters beyond U+FFFF', '🚀 𝕏 家'],
    ['a text with a byte order mark', '\ufeffx'],
    ['an empty array', []],
    ['an empty object', {}],
    ['an array in an array', [[], [[1]]]],
    ['minus zero in an array', [-0, 0]],
    ['keys that look like numbers', { 10: 'b', 2: 'a' }],
    ['an empty key', { '': 1 }],
    ['the same object twice without a cycle', ((shared) => [shared, shared])({ a: 1 })],
    ['an object without a prototype', Object.assign(Object.create(null), { a: 1 })],
    ['128 levels', nested(128)],
    ['a text of a megabyte', 'é'.repeat(500_000)],
  ])('%s', async (_, data) => {
    expect(await keep(data)).toEqual(data);
  });

  it('undefined as the whole data becomes null', async () => {
    expect(await keep(undefined)).toBeNull();
  });

  it('undefined members are left out', async () => {
    const kept = await keep({ a: undefined, b: { c: undefined, d: 1 } });

    expect(JSON.stringify(kept)).toBe('{"b":{"d":1}}');
  });

  it('toJSON is honoured, and asked once', async () => {
    let calls = 0;
    const price = {
      toJSON(key: string) {
        calls++;
        return { key, cents: 100 };
      },
    };

    const kept = await keep({ price });

    expect(kept).toEqual({ price: { key: 'price', cents: 100 } });
    expect(calls).toBe(1);
  });

  it('toJSON of the answer is not asked again, as in JSON.stringify', async () => {
    const answer = { a: 1, toJSON: undefined };

    expect(await keep({ toJSON: () => answer })).toEqual({ a: 1 });
  });

  it('a Date becomes its ISO text', async () => {
    expect(await keep({ at: new Date('2024-01-01T00:00:00Z') })).toEqual({ at: '2024-01-01T00:00:00.000Z' });
  });

  it('a Buffer becomes what its toJSON says', async () => {
    expect(await keep({ bytes: Buffer.from('hi') })).toEqual({ bytes: { type: 'Buffer', data: [104, 105] } });
  });

  it('a URL becomes its text', async () => {
    expect(await keep({ link: new URL('https://example.com/a?b=1') })).toEqual({ link: 'https://example.com/a?b=1' });
  });

  it('an object with a getter of its own is read once', async () => {
    let reads = 0;
    const order = {
      get total() {
        return ++reads;
      },
    };

    expect(await keep(order)).toEqual({ total: 1 });
    expect(reads).toBe(1);
  });

  it('instances of plain classes, as data transfer objects are', async () => {
    class Address {
      constructor(readonly city: string) {}
    }
    class Order {
      readonly address = new Address('Bern');
      note?: string;
      total(): number {
        return 3;
      }
    }
    class UrgentOrder extends Order {
      readonly until = 'noon';
    }

    expect(await keep(new UrgentOrder())).toEqual({ address: { city: 'Bern' }, until: 'noon' });
  });

  it('instances of a plain class whose source has a "#" in a text or a comment', async () => {
    class Paint {
      // As in ticket #colour-7.
      readonly colour = '#ffffff';
    }

    expect(await keep(new Paint())).toEqual({ colour: '#ffffff' });
  });

  it('plain objects of another realm, such as those that structuredClone makes under Jest', async () => {
    const foreign = vm.runInNewContext('({ a: [1, { b: 2 }] })') as unknown;

    expect(await keep(foreign)).toEqual({ a: [1, { b: 2 }] });
    expect(await keep(structuredClone({ a: 1 }))).toEqual({ a: 1 });
  });

  it('a member named __proto__ is a member, and nothing is polluted', async () => {
    const data = JSON.parse(
      '{"__proto__": {"polluted": true}, "constructor": {"prototype": {"polluted": true}}}',
    ) as JsonValue;

    const kept = await keep(data);

    expect(Object.keys(kept as object)).toEqual(['__proto__', 'constructor']);
    expect(JSON.stringify(kept)).toBe(JSON.stringify(data));
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });
});

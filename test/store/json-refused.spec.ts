import { describe, expect, it } from '@jest/globals';
import { type JsonValue, ValidationError } from 'nestjs-stream-store';
import { eventCount, rejectionOf } from '../support/events.js';
import { nested } from '../support/kept-data.js';
import { openTestStore } from '../support/open-test-store.js';

async function refusalOf(data: unknown): Promise<ValidationError> {
  const store = await openTestStore();
  const error = await rejectionOf(store.append('s', { type: 't', data: data as JsonValue }));
  expect(error).toBeInstanceOf(ValidationError);
  expect(await eventCount(store)).toBe(0);
  return error as ValidationError;
}

class Vault {
  readonly #secret = 'hidden';
  readonly shown = 1;
  open(): string {
    return this.#secret;
  }
}

class Temperature {
  constructor(readonly celsius: number) {}
  get fahrenheit(): number {
    return this.celsius * 1.8 + 32;
  }
}

class WarmVault extends Vault {
  readonly warmth = 20;
}

const cycle: Record<string, unknown> = { name: 'ring' };
cycle.self = { again: cycle };

const withHole = ['a', , 'c'];

describe('data that JSON would change or lose is refused with the path to it:', () => {
  it.each<[string, unknown, string]>([
    ['a BigInt', { total: 1n }, 'data.total'],
    ['a BigInt as the whole data', 1n, 'data'],
    ['NaN', { a: { b: NaN } }, 'data.a.b'],
    ['Infinity', [1, Infinity], 'data[1]'],
    ['-Infinity', { 'not a name': -Infinity }, 'data["not a name"]'],
    ['a function', { on: () => 1 }, 'data.on'],
    ['a symbol', { mark: Symbol('x') }, 'data.mark'],
    ['a symbol as a key', { inner: { [Symbol('x')]: 1 } }, 'data.inner'],
    ['a Map', { map: new Map([[1, 2]]) }, 'data.map'],
    ['an empty Map', { map: new Map() }, 'data.map'],
    ['a Set', [new Set([1])], 'data[0]'],
    ['a WeakMap', { weak: new WeakMap() }, 'data.weak'],
    ['a RegExp', { pattern: /x/g }, 'data.pattern'],
    ['an Error', { cause: new Error('lost') }, 'data.cause'],
    ['a Promise', { later: Promise.resolve(1) }, 'data.later'],
    ['a typed array', { bytes: new Uint8Array([1, 2]) }, 'data.bytes'],
    ['an ArrayBuffer', { bytes: new ArrayBuffer(2) }, 'data.bytes'],
    ['a String object', { text: new String('x') }, 'data.text'],
    ['a Number object', { number: new Number(1) }, 'data.number'],
    ['an object with private fields', { vault: new Vault() }, 'data.vault'],
    ['an object that inherits private fields', { vault: new WarmVault() }, 'data.vault'],
    ['an object with a getter in its class', { t: new Temperature(1) }, 'data.t'],
    ['a cycle', cycle, 'data.self.again'],
    ['a lone surrogate', { name: 'a\ud800b' }, 'data.name'],
    ['a lone low surrogate', ['\udc00'], 'data[0]'],
    ['a lone surrogate in a key', { inner: { 'a\ud800': 1 } }, 'data.inner["a\\ud800"]'],
    ['a hole in an array', { list: withHole }, 'data.list[1]'],
    ['undefined in an array', [1, undefined], 'data[1]'],
    ['an invalid Date', { at: new Date(NaN) }, 'data.at'],
    ['a list with members besides its elements', { match: 'abc'.match(/b/) }, 'data.match'],
    ['a member that is not enumerable', { order: Object.defineProperty({}, 'total', { value: 1 }) }, 'data.order'],
    ['an object that inherits its members', { order: Object.create({ total: 1 }) as object }, 'data.order'],
    ['a Map behind a proxy', { map: new Proxy(new Map(), {}) }, 'data.map'],
    ['what toJSON gives, when JSON cannot hold it', { price: { toJSON: () => ({ amount: 1n }) } }, 'data.price.amount'],
    ['undefined from toJSON in an array', [{ toJSON: () => undefined }], 'data[0]'],
  ])('%s', async (_, data, field) => {
    const error = await refusalOf(data);

    expect(error.code).toBe('VALIDATION_FAILED');
    expect(error.field).toBe(field);
    expect(error.message).toContain(field);
  });

  it('more than 128 levels', async () => {
    const error = await refusalOf(nested(129));

    expect(error.message).toContain('128');
    expect(error.field.startsWith('data.value[0].value')).toBe(true);
  });

  it('far more levels than the stack has room for', async () => {
    await refusalOf(nested(1_000_000));
  });

  it('an object whose toJSON makes ever more of itself', async () => {
    const endless = { toJSON: () => ({ more: endless }) };

    await refusalOf(endless);
  });

  it('the same things in metadata, under their own path', async () => {
    const store = await openTestStore();
    const event = { type: 't', metadata: { user: { age: NaN } } };

    await expect(store.append('s', [{ type: 't' }, event])).rejects.toMatchObject({
      field: 'events[1].metadata.user.age',
    });
  });

  it.each([
    ['an array', []],
    ['a text', 'x'],
    ['null', null],
    ['a number', 5],
    ['a Date', new Date(0)],
  ])('metadata that is %s and no object', async (_, metadata) => {
    const store = await openTestStore();

    await expect(store.append('s', { type: 't', metadata: metadata as never })).rejects.toMatchObject({
      field: 'metadata',
    });
  });

  it('an object whose toJSON fails, with the failure as cause', async () => {
    const failure = new Error('out of order');
    const broken = {
      toJSON() {
        throw failure;
      },
    };

    const error = await refusalOf({ price: broken });

    expect(error.field).toBe('data.price');
    expect(error.cause).toBe(failure);
  });

  it('an object whose getter fails, with the failure as cause', async () => {
    const failure = new Error('out of order');
    const broken = {
      get total(): number {
        throw failure;
      },
    };

    const error = await refusalOf({ order: broken });

    expect(error.field).toBe('data.order.total');
    expect(error.cause).toBe(failure);
  });

  it('a revoked proxy', async () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();

    expect((await refusalOf({ order: proxy })).field).toBe('data.order');
  });
});

describe('what is longer as JSON than a string can be', () => {
  const long = Array<string>(600).fill('x'.repeat(2 ** 20));

  it.each([
    ['text whose escapes make it too long', { type: 'x', data: '"'.repeat(260 * 2 ** 20) }, 'data'],
    ['an array', { type: 'x', data: long }, 'data'],
    ['a member of an object', { type: 'x', data: { deep: { long } } }, 'data'],
    ['metadata', { type: 'x', metadata: { long } }, 'metadata'],
  ])('is refused by its field: %s', async (_what, event, field) => {
    const store = await openTestStore();

    const error = await rejectionOf(store.append('s', event));

    expect(error).toBeInstanceOf(ValidationError);
    expect(error).toMatchObject({ field });
    expect((error as Error).message).toContain('longer than a string can be');
    expect(await store.getStreams()).toEqual([]);
  });
});

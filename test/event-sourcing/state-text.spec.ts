import { isDeepStrictEqual } from 'node:util';
import { runInThisContext } from 'node:vm';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { privateFieldOf } from '../../lib/event-sourcing/private-fields.js';
import { readState, writeState } from '../../lib/event-sourcing/state-text.js';

const PURE = { mayShare: true };

describe('the text of a state', () => {
  it('reads back equal, whatever plain data it is', () => {
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { maxDepth: 4 },
        fc.constantFrom(null, undefined, true, false, 0, -0, 'text', '\ud800', '__proto__'),
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        fc.array(tie('tree').filter((element) => element !== undefined)),
        fc.dictionary(fc.oneof(fc.string(), fc.constantFrom('constructor', 'toString')), tie('tree'), {
          noNullPrototype: true,
        }),
      ),
    }));

    // Jest would compare members called "constructor" as if they were the class.
    fc.assert(fc.property(tree, (state) => isDeepStrictEqual(readState(writeState(state, 'state', PURE)), state)));
  });

  it.each<[string, unknown, string]>([
    ['a Date', { at: new Date(0) }, 'state.at'],
    ['a Map', { seats: new Map() }, 'state.seats'],
    ['an object of a class', [{ price: new (class Money {})() }], 'state[0].price'],
    ['a function', { act: () => 1 }, 'state.act'],
    ['a bigint', { n: 1n }, 'state.n'],
    ['no number', { n: NaN }, 'state.n'],
    ['an infinity', { 'first name': -Infinity }, 'state["first name"]'],
    ['undefined in an array', { list: [1, undefined] }, 'state.list[1]'],
    ['a hole in an array', { list: Object.assign([], { length: 1 }) }, 'state.list[0]'],
    ['members of an array', Object.assign([], { extra: 1 }), 'state'],
    ['a symbol', { of: { [Symbol('x')]: 1 } }, 'state.of'],
    ['a getter', Object.defineProperty({}, 'now', { get: () => 1, enumerable: true }), 'state.now'],
    ['a hidden member', Object.defineProperty({}, 'secret', { value: 1 }), 'state.secret'],
    ['an object without a prototype', { dictionary: Object.create(null) as unknown }, 'state.dictionary'],
  ])('is none of %s, which is refused with its path', (_, state, field) => {
    expect(() => writeState(state, 'state', PURE)).toThrow(
      expect.objectContaining({ code: 'VALIDATION_FAILED', field }),
    );
  });

  it('is none of an object that contains itself', () => {
    const state: { self?: unknown } = {};
    state.self = state;

    expect(() => writeState(state, 'state', PURE)).toThrow(expect.objectContaining({ field: 'state.self' }));
  });

  it('is none of one object at two places, where it could be changed in place', () => {
    const shared = { n: 1 };
    const state = { first: shared, second: shared };

    expect(() => writeState(state, 'state', { mayShare: false })).toThrow(
      expect.objectContaining({ field: 'state.second' }),
    );
    Object.freeze(shared);
    expect(readState(writeState(state, 'state', { mayShare: false }))).toEqual(state);
  });
});

describe('private fields', () => {
  class Plain {
    value = 1;
    #isFine(): boolean {
      return this.value > 0;
    }
    get fine(): boolean {
      return this.#isFine();
    }
  }
  class Hiding extends Plain {
    #cents = 0;
    get cents(): number {
      return this.#cents;
    }
  }
  class Inheriting extends Hiding {}

  it('are found where they are declared, and private methods are none', () => {
    expect(privateFieldOf(Plain, Object)).toBeUndefined();
    expect(privateFieldOf(Hiding, Object)).toBe('Hiding.#cents');
    expect(privateFieldOf(Inheriting, Object)).toBe('Hiding.#cents');
    expect(privateFieldOf(Inheriting, Hiding)).toBeUndefined();
  });

  it.each([
    ['__classPrivateFieldGet(this, _A_cents, "f")', 'A.#private'],
    ['__classPrivateFieldGet(this, _A_instances, "m", _A_check).call(this)', undefined],
    ['__privateSet(this, _cents, 1)', 'A.#private'],
    ['_classPrivateFieldGet2(_cents, this)', 'A.#private'],
  ])('show also where they were compiled away: %s', (code, expected) => {
    const compiled = runInThisContext(`(class A { cents() { return ${code}; } })`) as object;

    expect(privateFieldOf(compiled, Object)).toBe(expected);
  });
});

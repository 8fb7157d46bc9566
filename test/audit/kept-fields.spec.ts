import { describe, expect, it } from '@jest/globals';
import { keptFields } from '../../lib/audit/kept-fields.js';

const kept = (source: unknown, ...paths: string[]) => keptFields(source, paths, 'body', undefined);

describe('what is kept of a request', () => {
  it('is what the list names, by name or by path, and nothing else', () => {
    const source = { amount: 5, customer: { id: 7, name: 'Ada' }, 'a.b': 1, list: [{ id: 1 }, { id: 2 }] };

    expect(kept(source, 'amount', 'customer.id', 'a.b', 'list.1.id', 'nothing', 'amount.deeper')).toEqual({
      amount: 5,
      'customer.id': 7,
      'a.b': 1,
      'list.1.id': 2,
    });
    expect(kept(source, 'customer')).toEqual({ customer: { id: 7, name: 'Ada' } });
    expect(kept(source)).toBeUndefined();
    expect(kept(source, 'nothing')).toBeUndefined();
  });

  it.each([[null], [undefined], ['text'], [5]])('is nothing of %p', (source) => {
    expect(kept(source, 'length', 'constructor')).toBeUndefined();
  });

  it('is never what an object has inherited', () => {
    const source = JSON.parse('{"__proto__": {"admin": true}, "own": 1}') as object;

    expect(kept(source, 'constructor', 'toString', 'own.constructor.name', '__proto__.admin')).toEqual({
      '__proto__.admin': true,
    });
    expect(kept({}, '__proto__', 'constructor.prototype')).toBeUndefined();
  });

  it.each([
    'password',
    'newPassword',
    'PASSWORD',
    'user_password',
    'passphrase',
    'pwd',
    'secret',
    'clientSecret',
    'token',
    'access_token',
    'refreshToken',
    'x-csrf-token',
    'apiKey',
    'api_key',
    'X-Api-Key',
    'privateKey',
    'authorization',
    'cookie',
    'credentials',
    'jwt',
    'otp',
    'pin',
    'cvv',
    'iban',
    'cardNumber',
    'card.number',
  ])('does not tell the value of %s', (name) => {
    const [parent, member] = name.split('.');
    const source = member ? { [parent]: { [member]: 'tell' } } : { [name]: 'tell' };

    expect(kept(source, name)).toEqual({ [name]: '[redacted]' });
    expect(JSON.stringify(kept({ outer: source }, 'outer'))).not.toContain('tell');
  });

  it.each(['footprint', 'option', 'pinned', 'compass', 'keyboard', 'accessories', 'amount', 'session'])(
    'tells the value of %s, which only looks like a secret',
    (name) => {
      expect(kept({ [name]: 'tell' }, name)).toEqual({ [name]: 'tell' });
    },
  );

  it('is what JSON can hold, within bounds', () => {
    class Amount {
      constructor(readonly euros: number) {}
    }
    const deep: Record<string, unknown> = {};
    let inner = deep;
    for (let level = 0; level < 50; level++) {
      const next = {};
      inner.in = next;
      inner = next;
    }
    const source = {
      date: new Date('2024-01-01T00:00:00Z'),
      notNumber: NaN,
      big: 5n,
      symbol: Symbol('x'),
      call: () => 1,
      buffer: Buffer.from('secret bytes'),
      map: new Map([['a', 1]]),
      dto: new Amount(5),
      gone: undefined,
      long: 'x'.repeat(5_000),
      lone: '\ud800',
      many: Array.from({ length: 500 }, (_, index) => index),
      deep,
    };
    const all = kept(source, ...Object.keys(source))!;

    expect(all).toMatchObject({
      date: '2024-01-01T00:00:00.000Z',
      notNumber: 'NaN',
      big: '[bigint]',
      symbol: '[symbol]',
      call: '[function]',
      buffer: '[Buffer]',
      map: '[Map]',
      dto: { euros: 5 },
      long: `${'x'.repeat(1_000)}…`,
      lone: '\ufffd',
    });
    expect('gone' in all).toBe(false);
    expect(all.many).toHaveLength(100);
    expect(JSON.stringify(all.deep)).toContain('[too deep]');
  });

  it('is what the application makes of it, after secrets were taken out', () => {
    const seen: unknown[] = [];
    const redact = (path: string, value: unknown) => {
      seen.push([path, value]);
      return path.endsWith('name') ? undefined : 'changed';
    };
    const source = { customer: { id: 7, name: 'Ada', password: 'secret' } };

    expect(keptFields(source, ['customer'], 'body', redact)).toEqual({
      customer: { id: 'changed', password: 'changed' },
    });
    expect(seen).toEqual([
      ['body.customer.id', 7],
      ['body.customer.name', 'Ada'],
      ['body.customer.password', '[redacted]'],
    ]);
  });
});

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
      big: '5',
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

  it('is kept of whatever a caller has sent, or a pipe has made of it', () => {
    const cycle: Record<string, unknown> = { id: 1 };
    cycle.self = cycle;
    const throwing = {
      get balance(): never {
        throw new Error('no');
      },
      id: 7,
    };
    const revoked = Proxy.revocable({}, {});
    revoked.revoke();
    const source = {
      '\ud800': 1,
      '\udfff': 2,
      '\ufffd': 3,
      deep: { a: [{ 'b\udfff': '\ud800' }] },
      cut: `${'x'.repeat(999)}😀`,
      ['n'.repeat(199) + '😀']: 1,
      cycle,
      throwing,
      refusing: { toJSON: () => fail() },
      stating: { toJSON: () => ({ euros: 5n }) },
      revoked: revoked.proxy,
      invalid: new Date(NaN),
      objectId: new (class ObjectId {
        readonly buffer = Buffer.from('x');
        toJSON = () => '65b';
      })(),
      nothing: null,
      sparse: [1, , 3],
      list: [undefined, () => 1],
    };
    const all = kept({ source, after: 1 }, 'source', 'after') as { source: Record<string, unknown>; after: number };

    expect(all.source).toEqual({
      '\ufffd': 1,
      '\ufffd′': 2,
      '\ufffd′′': 3,
      deep: { a: [{ 'b\ufffd': '\ufffd' }] },
      cut: `${'x'.repeat(999)}…`,
      ['n'.repeat(199) + '…']: 1,
      cycle: { id: 1, self: '[circular]' },
      throwing: { balance: '[unreadable]', id: 7 },
      refusing: '[unreadable]',
      stating: { euros: '5' },
      revoked: '[unreadable]',
      invalid: '[Date]',
      objectId: '65b',
      nothing: null,
      sparse: [1, '[undefined]', 3],
      list: ['[undefined]', '[function]'],
    });
    expect(all.after).toBe(1);
  });

  it('says where there was more, and keeps the other fields whole however large one of them is', () => {
    const members = Object.fromEntries(Array.from({ length: 150 }, (_, index) => [`m${index}`, index]));
    let huge: unknown = 'x'.repeat(1_000);
    for (let level = 0; level < 5; level++) huge = Array.from({ length: 100 }, () => huge);
    const all = kept({ members, huge, amount: 5 }, 'huge', 'members', 'amount') as Record<string, never>;

    expect(all.members).toMatchObject({ m0: 0, m99: 99, '…': '50 more' });
    expect(JSON.stringify(all.huge)).toContain('[too large]');
    expect(JSON.stringify(all.huge).length).toBeLessThan(100_000);
    expect(all.amount).toBe(5);
  });

  it('is fixed where the application answers what JSON cannot hold', () => {
    const answers: unknown[] = [5n, '\ud800', new Map(), NaN, { a: [new Date(0)] }, Promise.resolve(1), undefined];
    const source = { list: answers.map((_, index) => index) };

    expect(keptFields(source, ['list'], 'body', (_path, index) => answers[index as number] as never)).toEqual({
      list: ['5', '\ufffd', '[Map]', 'NaN', { a: ['1970-01-01T00:00:00.000Z'] }, '[Promise]'],
    });
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

function fail(): never {
  throw new Error('not today');
}

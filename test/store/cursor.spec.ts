import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Cursor, END, START, ValidationError } from 'nestjs-stream-store';
import { anyText } from '../support/texts.js';

const streamId = fc
  .oneof(
    anyText({ minLength: 1, maxLength: 30 }),
    fc.constantFrom(
      'a pos:1',
      'a pos:1 time:2024-01-01T00:00:00Z',
      'stream:x',
      ' pos:',
      ' ',
      'time:',
      '\u2028',
      'x pos:9 ',
      'a pos:1 id:0abcdef',
      'a pos:1 id:0abcdef time:2024-01-01T00:00:00Z',
      ' id:0abcdef',
      '__proto__',
    ),
  )
  .filter((text) => text !== '' && !/\p{Control}/u.test(text));
const position = fc.maxSafeNat();
const mark = fc.option(fc.stringMatching(/^[0-9a-z]{7}$/), { nil: undefined });
const timestamp = fc.option(fc.date({ noInvalidDate: true }), { nil: undefined });

describe('the text of a cursor', () => {
  it('names the stream, the position and the time', () => {
    const cursor = new Cursor('user-stream', 0, new Date('2024-01-01T00:00:00Z'));

    expect(String(cursor)).toBe('stream:user-stream pos:0 time:2024-01-01T00:00:00Z');
  });

  it('has milliseconds when there are some', () => {
    const cursor = new Cursor('user-stream', 12, new Date('2024-01-01T00:00:00.050Z'));

    expect(String(cursor)).toBe('stream:user-stream pos:12 time:2024-01-01T00:00:00.050Z');
  });

  it('has no time when the cursor has none', () => {
    expect(String(new Cursor('user-stream', 7))).toBe('stream:user-stream pos:7');
  });

  it('tells which event is there, by its mark, when the cursor has one', () => {
    const time = new Date('2024-01-01T00:00:00Z');

    expect(String(new Cursor('orders', 7, time, '0abcdef'))).toBe(
      'stream:orders pos:7 id:0abcdef time:2024-01-01T00:00:00Z',
    );
    expect(String(new Cursor('orders', 7, undefined, '0abcdef'))).toBe('stream:orders pos:7 id:0abcdef');
  });

  it('is taken with the mark behind the time, too', () => {
    const cursor = Cursor.parse('stream:orders pos:7 time:2024-01-01T00:00:00Z id:0abcdef');

    expect(cursor).toEqual(new Cursor('orders', 7, new Date('2024-01-01T00:00:00Z'), '0abcdef'));
  });

  it('begins before the first event', () => {
    expect(String(new Cursor('user-stream'))).toBe('stream:user-stream pos:0');
  });

  it('is what stands in a JSON document', () => {
    const document = JSON.stringify({ checkpoint: new Cursor('orders', 3) });

    expect(document).toBe('{"checkpoint":"stream:orders pos:3"}');
  });

  it('gives an equal cursor back, whatever the stream is called', () => {
    fc.assert(
      fc.property(streamId, position, timestamp, mark, (id, at, time, of) => {
        const cursor = new Cursor(id, at, time, of);

        const parsed = Cursor.parse(String(cursor));

        expect(parsed).toEqual(cursor);
        const { streamId: parsedId, position: parsedAt, timestamp: parsedTime, mark: parsedMark } = parsed;
        expect([parsedId, parsedAt, parsedTime?.getTime(), parsedMark]).toEqual([id, at, time?.getTime(), of]);
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    'stream:orders',
    'stream: pos:1',
    'pos:1',
    'orders pos:1',
    'Stream:orders pos:1',
    'stream:orders pos:',
    'stream:orders pos:-1',
    'stream:orders pos:1.5',
    'stream:orders pos:1e3',
    'stream:orders pos:0x10',
    'stream:orders pos:9007199254740992',
    'stream:orders pos:1 ',
    ' stream:orders pos:1',
    'stream:orders pos:1 time:',
    'stream:orders pos:1 time:yesterday',
    'stream:orders pos:1 time:1',
    'stream:orders pos:1 time:2024',
    'stream:orders pos:1 time:2024-13-01T00:00:00Z',
    'stream:orders pos:1 time:2024-02-30T00:00:00Z',
    'stream:orders pos:1 time:2024-01-01T00:00:00Z more',
    'stream:orders pos:1 id:',
    'stream:orders pos:1 id:0abcde',
    'stream:orders pos:1 id:0abcdefg',
    'stream:orders pos:1 id:0ABCDEF',
    'stream:orders id:0abcdef pos:1 id:0abcdef id:0abcdef',
    'stream:orders pos:1 id:0abcdef time:2024-01-01T00:00:00Z id:0abcdef',
    '',
    '{}',
  ])('is refused when it is %j', (text) => {
    expect(() => Cursor.parse(text)).toThrow(ValidationError);
    expect(() => Cursor.parse(text)).toThrow(/cursor/);
  });

  it.each([[undefined], [null], [5], [{}], [['stream:a pos:1']], [new Cursor('a', 1)]])(
    'is refused when it is no text: %p',
    (text) => {
      expect(() => Cursor.parse(text as never)).toThrow(ValidationError);
    },
  );

  it('is refused in a time that grows with its length only', () => {
    for (const part of [' pos:1', ' pos:1 id:0abcdef', ' pos:1 time:x']) {
      expect(() => Cursor.parse(`stream:${part.repeat(20_000)} time:`)).toThrow(ValidationError);
    }
  });
});

describe('a cursor', () => {
  it('cannot be changed', () => {
    const timestamp = new Date('2024-01-01T00:00:00Z');
    const cursor = new Cursor('orders', 1, timestamp);
    timestamp.setTime(0);

    expect(() => Object.assign(cursor, { position: 2 })).toThrow(TypeError);
    expect(() => cursor.timestamp!.setTime(0)).toThrow(TypeError);
    expect(String(cursor)).toBe('stream:orders pos:1 time:2024-01-01T00:00:00Z');
  });

  it.each([['0abcde'], ['0abcdefg'], ['0abcde '], ['0ABCDEF'], ['0abcdef\n'], [''], [7], [null]])(
    'is refused with %j as its mark',
    (text) => {
      expect(() => new Cursor('orders', 1, undefined, text as never)).toThrow(ValidationError);
    },
  );

  it('is not the same as START and END, which stand for either end', () => {
    expect([START, END]).toEqual(['start', 'end']);
  });
});

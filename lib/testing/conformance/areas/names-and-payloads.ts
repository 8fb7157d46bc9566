import assert from 'node:assert/strict';
import { area } from '../conformance-case.js';
import { dataOf } from '../event-drafts.js';
import { ODD_NAMES } from '../odd-names.js';

// Two code units each: as long as a name can be, whatever an engine counts.
const LONGEST_NAME = '😀'.repeat(512);

function nested(depth: number): unknown {
  let value: unknown = 'core';
  for (let level = 0; level < depth; level++) value = level % 2 === 0 ? [value] : { a: value };
  return value;
}

/** Payloads as JSON text: what `JSON.parse` makes of it is what readers must get. */
const PAYLOADS: readonly (readonly [what: string, text: string])[] = [
  ['null', 'null'],
  ['a boolean', 'false'],
  ['an empty text', '""'],
  ['an empty object', '{}'],
  ['an empty array', '[]'],
  ['zero and minus zero', '[0,-0]'],
  ['numbers of any size', '[1e21,-1e21,5e-324,1.7976931348623157e308,9007199254740993,0.1,123456789012345680000]'],
  ['numbers that end in zeros', '[1.0,100,1.50]'],
  ['text with quotes and backslashes', JSON.stringify('"\\\'`\\u0041\\n')],
  ['every control character', JSON.stringify(String.fromCharCode(...Array.from({ length: 32 }, (_, code) => code)))],
  ['characters of all planes', JSON.stringify('é\u0301 ß İ \u2028\u2029 \ufeff \ufffe\uffff 日本 😀👩‍👩‍👧 \u{10ffff}')],
  ['members named like those of every object', '{"__proto__":{"a":1},"constructor":null,"toString":"x","":0}'],
  ['members in their order', '{"b":1,"a":2,"c":{"z":1,"y":2},"10":"ten","9":"nine"}'],
  ['objects nested a hundred levels deep', JSON.stringify(nested(100))],
  ['a text of a million characters', JSON.stringify('x'.repeat(1_000_000))],
  ['ten thousand numbers', JSON.stringify(Array.from({ length: 10_000 }, (_, index) => index / 3))],
  ['text that looks like SQL', JSON.stringify("'); DROP TABLE events; -- $1 ? :name @p")],
  ['text that looks like JSON', JSON.stringify('{"a":1}')],
];

export const names = area('names', (it) => {
  for (const name of ODD_NAMES) {
    it(`may be ${JSON.stringify(name)}: of a stream, a type and an event`, async (log) => {
      await log.append(name, { id: name, type: name, data: 'here' });
      await log.append('other', { data: 'there' });
      const [event, ...more] = await log.stream(name);
      assert.deepEqual([event.streamId, event.id, event.type, more.length], [name, name, name, 0]);
      assert.deepEqual(dataOf(await log.log({ filter: { stream: name } })), ['here']);
      if (!name.includes('*')) assert.deepEqual(dataOf(await log.log({ filter: { types: [name] } })), ['here']);
    });
  }

  it('may have 512 characters that take two code units each', async (log) => {
    await log.append(LONGEST_NAME, { id: LONGEST_NAME, type: LONGEST_NAME, data: 1 });
    const almost = LONGEST_NAME.slice(2);
    await log.append(almost, { id: almost, type: almost, data: 2 });
    const [{ streamId, id, type }] = await log.stream(LONGEST_NAME);
    assert.ok([streamId, id, type].every((name) => name === LONGEST_NAME));
    assert.deepEqual(await log.streamIds(), [almost, LONGEST_NAME]);
  });

  it('of a thousand streams are all found', async (log) => {
    const ids = Array.from({ length: 1_000 }, (_, index) => `stream-${index}`);
    await Promise.all(ids.map((streamId) => log.append(streamId, { data: streamId })));
    assert.equal((await log.streams()).length, 1_000);
    for (const streamId of [ids[0], ids[499], ids[999]])
      assert.deepEqual(dataOf(await log.stream(streamId)), [streamId]);
  });
});

export const payloads = area('payloads', (it) => {
  for (const [what, text] of PAYLOADS) {
    it(`may be ${what}: as data and in metadata`, async (log) => {
      await log.append('s', { dataText: text, metadata: { value: JSON.parse(text) as unknown } });
      const [{ data }] = await log.stream('s');
      assert.deepEqual(data, JSON.parse(text));
      assert.equal(JSON.stringify(data), JSON.stringify(JSON.parse(text)));
    });
  }
});

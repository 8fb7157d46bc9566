import assert from 'node:assert/strict';
import { compileTypes } from '../../../store/values/event-filter.js';
import type { RecordedEvent } from '../../../store/values/event.js';
import type { Direction, TimePlace } from '../../../store/ports/storage-engine.js';
import { area } from '../conformance-case.js';
import { dataOf, type EventDraft } from '../event-drafts.js';
import type { TestedLog } from '../tested-log.js';

/** What a page may take. Small, so that no engine has to be filled with real pages of large events. */
const MAX_BYTES = 5_000;

/** Texts of so many characters, which differ. */
const large = (size: number, name: string): string => name.padEnd(size, 'x');

/** Events of 2 000 bytes, among them one that is larger than a page, and one that has all its bytes in its metadata. */
const DRAFTS: readonly EventDraft[] = [
  ...['a', 'b', 'c', 'd'].map((name) => ({ data: large(2_000, name), type: 'even' })),
  { data: large(7_000, 'huge'), type: 'odd' },
  { data: large(2_000, 'e'), type: 'even' },
  { data: 'f', metadata: { text: large(3_000, 'f') }, type: 'odd' },
  ...['g', 'h', 'i'].map((name) => ({ data: large(2_000, name), type: 'even' })),
  ...['1', '2', '3'].map((name) => ({ data: name, type: 'odd' })),
];

const NAMES = DRAFTS.map(({ data }) => nameOf(data));

function nameOf(data: unknown): string {
  return (data as string).replace(/x+$/, '');
}

function namesOf(events: readonly RecordedEvent[]): string[] {
  return dataOf(events).map(nameOf);
}

function bytesOf({ data, metadata }: RecordedEvent): number {
  return JSON.stringify(data).length + (Object.keys(metadata).length > 0 ? JSON.stringify(metadata).length : 0);
}

/** In two streams, in turn, so that neither follows the order of the log. */
async function fill(log: TestedLog): Promise<void> {
  for (const [index, draft] of DRAFTS.entries()) {
    await log.append(index % 2 === 0 ? 'left' : 'right', { ...draft, timestamp: index });
    await log.append('whole', { ...draft, timestamp: index });
  }
}

/** What a reader may hold, and that it gets on: an event that is too large by itself comes alone. */
function assertBounded(events: readonly RecordedEvent[]): void {
  const bytes = events.reduce((sum, event) => sum + bytesOf(event), 0);
  assert.ok(bytes <= MAX_BYTES || events.length === 1, `a page of ${events.length} events has ${bytes} bytes`);
}

const inOrder = (names: string[], direction: Direction): string[] =>
  direction === 'forward' ? names : [...names].reverse();

const twice = (names: readonly string[]): string[] => names.flatMap((name) => [name, name]);

const isEven = (name: string): boolean => DRAFTS[NAMES.indexOf(name)].type === 'even';

export const largeEvents = area('pages of large events', (it) => {
  for (const direction of ['forward', 'backward'] as const) {
    for (const types of [undefined, ['even']]) {
      const what = `${direction}${types ? ', by type' : ''}`;

      it(`bounds a page of a stream in bytes, and loses nothing: ${what}`, async (log) => {
        await fill(log);
        const found: RecordedEvent[] = [];
        let after = direction === 'forward' ? 0 : Infinity;
        for (;;) {
          const request = { after, direction, types: compileTypes(types, 'types'), maxBytes: MAX_BYTES };
          const page = await log.streamPage('whole', request);
          assertBounded(page.events);
          found.push(...page.events);
          assert.ok(!(page.isFull && page.isEnd), 'the last page cannot end for want of room');
          if (page.isEnd) break;
          assert.notEqual(page.position, after, 'a page that is not the last one leads on');
          after = page.position;
        }
        assert.deepEqual(namesOf(found), inOrder(types ? NAMES.filter(isEven) : NAMES, direction));
      });

      it(`bounds a page of the log in bytes, and loses nothing: ${what}`, async (log) => {
        await fill(log);
        const found: RecordedEvent[] = [];
        let after = direction === 'forward' ? 0 : Infinity;
        for (;;) {
          const page = await log.logPage({ after, direction, maxBytes: MAX_BYTES, filter: types && { types } });
          assertBounded(page.events);
          found.push(...page.events);
          assert.ok(!(page.isFull && page.isEnd), 'the last page cannot end for want of room');
          if (page.isEnd) break;
          assert.notEqual(page.globalPosition, after, 'a page that is not the last one leads on');
          after = page.globalPosition;
        }
        assert.deepEqual(namesOf(found), inOrder(twice(types ? NAMES.filter(isEven) : NAMES), direction));
      });
    }

    it(`bounds a page of one stream within the log in bytes: ${direction}`, async (log) => {
      await fill(log);
      const found: RecordedEvent[] = [];
      let after = direction === 'forward' ? 0 : Infinity;
      for (;;) {
        const page = await log.logPage({ after, direction, maxBytes: MAX_BYTES, filter: { stream: 'whole' } });
        assertBounded(page.events);
        found.push(...page.events);
        if (page.isEnd) break;
        assert.notEqual(page.globalPosition, after, 'a page that is not the last one leads on');
        after = page.globalPosition;
      }
      assert.deepEqual(namesOf(found), inOrder(NAMES, direction));
    });
  }

  for (const types of [undefined, ['even']]) {
    it(`bounds a page of a time range in bytes, and loses nothing${types ? ': by type' : ''}`, async (log) => {
      await fill(log);
      const found: RecordedEvent[] = [];
      let after: TimePlace | undefined;
      do {
        const page = await log.timePage({ after, maxBytes: MAX_BYTES, filter: types && { types } });
        assertBounded(page.events);
        found.push(...page.events);
        if (page.next) assert.notDeepEqual(page.next, after, 'a page that is not the last one leads on');
        after = page.next;
      } while (after);
      assert.deepEqual(namesOf(found), twice(types ? NAMES.filter(isEven) : NAMES));
    });
  }

  it('says of a page that it ends for want of room', async (log) => {
    await fill(log);
    const stream = await log.streamPage('whole', { maxBytes: MAX_BYTES });
    assert.deepEqual([namesOf(stream.events), stream.isFull, stream.isEnd], [['a', 'b'], true, false]);
    const all = await log.logPage({ maxBytes: MAX_BYTES });
    assert.deepEqual([namesOf(all.events), all.isFull, all.isEnd], [['a', 'a'], true, false]);
  });

  it('does not say so of a page that has all there is, or all that was asked for', async (log) => {
    await fill(log);
    assert.equal((await log.streamPage('whole', { after: 10, maxBytes: MAX_BYTES })).isFull, false);
    assert.equal((await log.streamPage('whole', { limit: 2, maxBytes: MAX_BYTES })).isFull, false);
    assert.equal((await log.logPage({ after: 20, maxBytes: MAX_BYTES })).isFull, false);
    assert.equal((await log.logPage({ limit: 2, maxBytes: MAX_BYTES })).isFull, false);
  });

  it('answers with one event at least, however large it is', async (log) => {
    await fill(log);
    assert.deepEqual(namesOf((await log.streamPage('whole', { after: 4, maxBytes: 1 })).events), ['huge']);
    assert.deepEqual(namesOf((await log.logPage({ after: 8, maxBytes: 1 })).events), ['huge']);
    assert.deepEqual(namesOf((await log.timePage({ from: 4, maxBytes: 1 })).events), ['huge']);
  });
});

import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { JsonValue, RecordedEvent } from 'nestjs-stream-store';
import { fromCloudEvent, toCloudEvent, type CloudEvent } from '../../lib/http/request/cloud-events.js';
import { jsonOf } from '../../lib/http/reading/json-of.js';
import { openTestStore } from '../support/open-test-store.js';
import { ADAPTERS, startHttpApp } from './http-app.js';

const STRUCTURED = { 'content-type': 'application/cloudevents+json; charset=utf-8' };
const BATCH = { 'content-type': 'application/cloudevents-batch+json' };

async function recorded(event: { data?: JsonValue; metadata?: Record<string, JsonValue> }): Promise<RecordedEvent> {
  const store = await openTestStore();
  await store.append('order/1', { type: 'order.placed', id: 'e-1', timestamp: '2024-01-01T00:00:00Z', ...event });
  const [kept] = await store.readStream('order/1');
  return kept;
}

describe('an event as a CloudEvent', () => {
  it('has the attributes that CloudEvents 1.0 asks for, and the store’s own as extensions', async () => {
    const event = await recorded({ data: { euros: 5 } });

    expect(toCloudEvent(event)).toEqual({
      specversion: '1.0',
      id: 'e-1',
      source: '/streams/order%2F1',
      type: 'order.placed',
      time: '2024-01-01T00:00:00.000Z',
      subject: 'order/1',
      datacontenttype: 'application/json',
      position: '1',
      globalposition: '1',
      recordedat: event.recordedAt.toISOString(),
      data: { euros: 5 },
    });
  });

  it('has metadata as extensions where they can be, and the rest of them together', async () => {
    const metadata = {
      traceparent: '00-4bf',
      count: 7,
      flag: false,
      userId: 'ada',
      big: 2 ** 40,
      nested: { a: [1] },
      none: null,
    };
    const event = await recorded({ metadata });

    const cloudEvent = toCloudEvent(event);

    expect(cloudEvent).toMatchObject({ traceparent: '00-4bf', count: 7, flag: false });
    expect(JSON.parse(cloudEvent.metadata as string)).toEqual({
      userId: 'ada',
      big: 2 ** 40,
      nested: { a: [1] },
      none: null,
    });
  });

  it('is the same event when it comes back, whatever its data and metadata are', async () => {
    const json = fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<JsonValue>;
    const name = fc.oneof(
      fc.constantFrom(
        'metadata',
        'source',
        'subject',
        'id',
        'data',
        'position',
        '__proto__',
        'constructor',
        'traceparent',
      ),
      fc.string({ maxLength: 25 }),
    );
    const store = await openTestStore({ maxEventsPerStream: 0 });
    await fc.assert(
      fc.asyncProperty(json, fc.dictionary(name, json, { noNullPrototype: true }), async (data, metadata) => {
        const { revision } = await store.append('s', { type: 't', data, metadata });
        const [event] = await store.readStream('s', revision - 1);

        const { metadata: back, ...rest } = fromCloudEvent(JSON.parse(jsonOf(toCloudEvent(event))), '');

        // Source and subject are attributes that every CloudEvent has, so they are there when it comes back.
        const { source, subject, ...others } = back as Record<string, JsonValue>;
        const own: Record<string, JsonValue> = { ...event.metadata };
        expect(rest).toEqual({ id: event.id, type: 't', data: event.data, timestamp: event.timestamp.toISOString() });
        if (typeof own.source === 'string' && own.source !== '') expect(source).toBe(own.source);
        if (typeof own.subject === 'string' && own.subject !== '') expect(subject).toBe(own.subject);
        for (const key of ['source', 'subject']) {
          if (typeof own[key] === 'string') delete own[key];
        }
        expect(new Map(Object.entries({ ...others, ...pick(back!, own) }))).toEqual(new Map(Object.entries(own)));
      }),
      {
        numRuns: 300,
        // Members that hide those which every object has.
        examples: [[null, { constructor: { toString: {} }, valueof: { valueOf: 1, toString: 2 } }]],
      },
    );
  });
});

/** Members that are in both. */
function pick(from: object, as: object): object {
  return Object.fromEntries(Object.entries(from).filter(([name]) => Object.hasOwn(as, name)));
}

describe.each(ADAPTERS)('on %s, CloudEvents', (adapter) => {
  const foreign: CloudEvent = {
    specversion: '1.0',
    id: 'A234-1234-1234',
    source: 'https://github.com/cloudevents/spec/pull',
    type: 'com.github.pull_request.opened',
    subject: '123',
    time: '2018-04-05T17:31:00Z',
    datacontenttype: 'application/json',
    dataschema: 'https://example.com/schema',
    comexampleextension: 'value',
    unsetextension: null,
    data: { appinfoA: 'abc' },
  };

  it('come in one by one, and go out as they came', async () => {
    const { store, post, get } = await startHttpApp(adapter);

    const { status } = await post('/streams/pulls/events', foreign, STRUCTURED);
    const [event] = await store.readStream('pulls');
    const back = await get('/streams/pulls/events/1', { accept: 'application/cloudevents+json' });

    expect(status).toBe(201);
    expect(event).toMatchObject({ id: foreign.id, type: foreign.type, data: foreign.data });
    expect(event.metadata).toEqual({
      ...{
        source: foreign.source,
        subject: '123',
        dataschema: 'https://example.com/schema',
        comexampleextension: 'value',
      },
    });
    expect(back.headers['content-type']).toBe('application/cloudevents+json; charset=utf-8');
    expect(back.json).toEqual({
      ...Object.fromEntries(Object.entries(foreign).filter(([, value]) => value !== null)),
      ...{ time: '2018-04-05T17:31:00.000Z', recordedat: event.recordedAt.toISOString() },
      ...{ position: '1', globalposition: '1' },
    });
  });

  it('come in batches, whole or not at all, and go out in batches with a link to the next', async () => {
    const { store, post, get } = await startHttpApp(adapter);
    const batch = [1, 2, 3].map((number) => ({ ...foreign, id: `e-${number}` }));

    const kept = await post('/streams/pulls/events', batch, { ...BATCH, 'if-none-match': '*' });
    const refused = await post('/streams/pulls/events', [{ ...foreign }, { ...foreign, id: '' }], BATCH);
    const page = await get('/events?limit=2', { accept: 'application/cloudevents-batch+json' });

    expect(kept).toMatchObject({ status: 201, json: { count: 3, revision: 3 } });
    expect(refused).toMatchObject({ status: 400, json: { field: 'events[1].id' } });
    expect((await store.stats()).totalEvents).toBe(3);
    expect(page.headers['content-type']).toBe('application/cloudevents-batch+json; charset=utf-8');
    expect(page.headers.link).toBe('<?limit=2&after=2>; rel="next"');
    expect((page.json as unknown as CloudEvent[]).map(({ id }) => id)).toEqual(['e-1', 'e-2']);
  });

  it.each<[string, object | string, string]>([
    ['another version', { ...foreign, specversion: '0.3' }, 'specversion'],
    ['no source', { ...foreign, source: undefined }, 'source'],
    ['no type', { ...foreign, type: 7 }, 'type'],
    ['binary data', { ...foreign, data: undefined, data_base64: 'AAAA' }, 'data_base64'],
    ['data that are not JSON', { ...foreign, datacontenttype: 'text/xml', data: '<a/>' }, 'datacontenttype'],
    ['a name that no attribute has', { ...foreign, traceParent: 'x' }, 'traceParent'],
    ['a value that no attribute has', { ...foreign, extension: { a: 1 } }, 'extension'],
    ['a time that is none', { ...foreign, time: 'yesterday' }, 'timestamp'],
    ['metadata that are no JSON', { ...foreign, metadata: '{' }, 'metadata'],
    ['a text', '"hello"', 'event'],
    ['no JSON', '{', 'body'],
  ])('are refused with %s', async (_what, event, field) => {
    const { store, post } = await startHttpApp(adapter);

    expect(await post('/streams/pulls/events', event, STRUCTURED)).toMatchObject({ status: 400, json: { field } });
    expect((await store.stats()).totalEvents).toBe(0);
  });

  it('are refused as a batch that is none', async () => {
    const { post } = await startHttpApp(adapter);

    expect(await post('/streams/pulls/events', foreign, BATCH)).toMatchObject({
      status: 400,
      json: { field: 'events' },
    });
  });

  it('with a key that changes prototypes elsewhere change none here', async () => {
    const { store, post } = await startHttpApp(adapter);
    const text = JSON.stringify(foreign).replace('"value"', JSON.stringify('x'));
    const attack = text.replace(
      '"data":{',
      '"metadata":"{\\"__proto__\\":{\\"polluted\\":1}}","data":{"__proto__":{"polluted":1},',
    );

    const { status } = await post('/streams/pulls/events', attack, STRUCTURED);

    expect(status).toBe(201);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
    const [event] = await store.readStream('pulls');
    expect(Object.hasOwn(event.metadata, '__proto__')).toBe(true);
    expect((event.metadata as Record<string, unknown>).polluted).toBeUndefined();
  });
});

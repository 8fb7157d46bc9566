import { describe, expect, it } from '@jest/globals';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import { Validator } from '@seriousme/openapi-schema-validator';
import { EventStoreModule } from 'nestjs-stream-store';
import { EventStoreHttpModule } from 'nestjs-stream-store/http';
import { numbered } from '../support/events.js';
import { ADAPTERS, startHttpApp, type AdapterName } from './http-app.js';

async function documentOf(adapter: AdapterName, version?: string, readOnly = false): Promise<OpenAPIObject> {
  const { app } = await startHttpApp(adapter, {
    http: { readOnly, page: true },
    imports: [
      EventStoreModule.forRoot({ name: 'audit' }),
      EventStoreHttpModule.register({ path: 'audit/log', store: 'audit', public: true }),
    ],
  });
  const config = new DocumentBuilder().setTitle('Test').setVersion('1.0');
  if (version) config.setOpenAPIVersion(version);
  return SwaggerModule.createDocument(app, config.build());
}

const A_DEAD_LETTER = Buffer.from(JSON.stringify([0, 'billing', 1, 'memory-store'])).toString('base64url');

describe.each(ADAPTERS)('on %s, the OpenAPI document', (adapter) => {
  it.each([undefined, '3.1.0'])('is valid as version %s, by a validator of others', async (version) => {
    const document = await documentOf(adapter, version);

    const { valid, errors } = await new Validator().validate(
      JSON.parse(JSON.stringify(document)) as Record<string, unknown>,
    );

    expect(errors).toBeUndefined();
    expect(valid).toBe(true);
  });

  it('has every endpoint that there is, and the page not', async () => {
    const { paths } = await documentOf(adapter);

    const endpoints = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method} ${path}`),
    );
    expect(endpoints.filter((endpoint) => endpoint.includes('/event-store/')).sort()).toEqual([
      'delete /event-store/dead-letters/{id}',
      'get /event-store/dead-letters',
      'get /event-store/events',
      'get /event-store/stats',
      'get /event-store/streams',
      'get /event-store/streams/{streamId}',
      'get /event-store/streams/{streamId}/events',
      'get /event-store/streams/{streamId}/events/{position}',
      'get /event-store/subscriptions',
      'post /event-store/dead-letters/discard',
      'post /event-store/dead-letters/retry',
      'post /event-store/dead-letters/{id}/retry',
      'post /event-store/snapshots',
      'post /event-store/streams/{streamId}/events',
    ]);
    expect(endpoints.filter((endpoint) => endpoint.includes('/audit/log/'))).toHaveLength(8);
    const ids = Object.values(paths).flatMap((methods) =>
      Object.values(methods as Record<string, { operationId: string }>).map(({ operationId }) => operationId),
    );
    expect(new Set(ids).size).toBe(ids.length);
    expect(paths['/audit/log/events'].get!.tags).toEqual(['Event store']);
  });

  it('says what an endpoint takes, what it answers, and which problems there are', async () => {
    const { paths } = await documentOf(adapter);

    const read = paths['/event-store/streams/{streamId}/events'].get!;
    expect(read.parameters?.map((parameter) => 'name' in parameter && parameter.name).sort()).toEqual([
      'Last-Event-ID',
      'after',
      'direction',
      'limit',
      'streamId',
      'type',
    ]);
    expect(Object.keys(read.responses)).toEqual(expect.arrayContaining(['200', '400', '403', '404', '406', '503']));
    expect(JSON.stringify(read.responses['200'])).toContain('text/event-stream');
    const append = paths['/event-store/streams/{streamId}/events'].post!;
    expect(JSON.stringify(append.requestBody)).toContain('application/cloudevents-batch+json');
    expect(JSON.stringify(append.responses['412'])).toContain('application/problem+json');
  });

  it('tells the truth: every parameter it has is taken, and what is answered has its members', async () => {
    const { app, store, get } = await startHttpApp(adapter);
    await store.append('orders', numbered(1, 3));
    const document = SwaggerModule.createDocument(app, new DocumentBuilder().build());
    const examples: Record<string, string> = {
      ...{
        after: '0',
        limit: '1',
        direction: 'forward',
        type: 'counted',
        stream: 'orders',
        streams: 'o*',
        prefix: 'o',
      },
      ...{ from: '2000-01-01T00:00:00Z', to: '2100-01-01T00:00:00Z', subscription: 'x' },
    };
    for (const [template, { get: operation }] of Object.entries(document.paths)) {
      if (!operation) continue;
      const path = template.replace('/event-store', '').replace('{streamId}', 'orders').replace('{position}', '1');
      for (const parameter of operation.parameters ?? []) {
        if (!('in' in parameter) || parameter.in !== 'query') continue;
        // Of dead letters it is no position, but what a page has said.
        const isLetter = path === '/dead-letters' && parameter.name === 'after';
        const example = isLetter ? A_DEAD_LETTER : examples[parameter.name];
        const { status } = await get(`${path}?${parameter.name}=${example}`);
        expect([path, parameter.name, status]).toEqual([path, parameter.name, 200]);
      }
      const { json } = await get(path);
      const [response] = [operation.responses['200']] as {
        content: Record<string, { schema: { required: string[] } }>;
      }[];
      const { required } = response.content['application/json'].schema;
      expect([path, Object.keys(json).sort()]).toEqual([path, [...required].sort()]);
    }
  });
});

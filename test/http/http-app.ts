import { request as httpRequest, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { INestApplication, ModuleMetadata, NestApplicationOptions } from '@nestjs/common';
import type { AbstractHttpAdapter } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { EventStore, EventStoreModule, type EventStoreOptions } from 'nestjs-stream-store';
import { EventStoreHttpModule, type EventStoreHttpOptions, type EventStoreHttpRoutes } from 'nestjs-stream-store/http';
import { closedAfterTest, RecordingNestLogger } from '../support/servers/nest-app.js';

export type AdapterName = 'Express' | 'Fastify';

/** Both adapters, for `describe.each`. */
export const ADAPTERS: readonly AdapterName[] = ['Express', 'Fastify'];

export interface HttpAppOptions extends ModuleMetadata {
  /** Of the module; without guards it is public. */
  readonly http?: EventStoreHttpRoutes & EventStoreHttpOptions;
  readonly store?: EventStoreOptions;
  readonly prefix?: string;
  readonly logger?: RecordingNestLogger;
  readonly nest?: NestApplicationOptions;
  /** Called before it listens. */
  readonly prepare?: (app: INestApplication) => void;
}

/** An application that listens, with a store behind the endpoints of `nestjs-stream-store/http`. */
export interface HttpApp {
  readonly app: INestApplication;
  readonly store: EventStore;
  readonly origin: string;
  /** Where the endpoints lie. */
  readonly url: string;
  readonly logger: RecordingNestLogger;
  readonly get: (path: string, headers?: Record<string, string>) => Promise<Answer>;
  readonly post: (path: string, body: unknown, headers?: Record<string, string>) => Promise<Answer>;
  readonly send: (method: string, path: string, options?: SendOptions) => Promise<Answer>;
}

export interface SendOptions {
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: string | Buffer;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The text, parsed. */
  readonly json: Record<string, never> & { readonly [member: string]: unknown };
}

export function adapterOf(name: AdapterName): AbstractHttpAdapter {
  return name === 'Express' ? new ExpressAdapter() : new FastifyAdapter({ routerOptions: { maxParamLength: 2_048 } });
}

/** Starts an application, and closes it when the test is over. */
export async function startHttpApp(adapter: AdapterName, options: HttpAppOptions = {}): Promise<HttpApp> {
  const {
    http = {},
    store,
    prefix,
    logger = new RecordingNestLogger(),
    imports = [],
    nest,
    prepare,
    ...metadata
  } = options;
  const routes = { public: http.guards === undefined, readOnly: false, ...http };
  const module = await Test.createTestingModule({
    imports: [EventStoreModule.forRoot(store), EventStoreHttpModule.register(routes), ...imports],
    ...metadata,
  })
    .setLogger(logger)
    .compile();
  const app = closedAfterTest(module.createNestApplication(adapterOf(adapter), { logger, ...nest }));
  prepare?.(app);
  if (prefix) app.setGlobalPrefix(prefix);
  await app.listen(0, '127.0.0.1');
  return clientOf(app, [prefix, routes.path ?? 'event-store'].filter(Boolean).join('/'), logger);
}

function clientOf(app: INestApplication, path: string, logger: RecordingNestLogger): HttpApp {
  const { port } = (app.getHttpServer() as { address(): AddressInfo }).address();
  const origin = `http://127.0.0.1:${port}`;
  const send: HttpApp['send'] = (method, under, { headers, body } = {}) =>
    exchange(port, method, under.startsWith('http') ? under : `/${path}${under}`, headers, body);
  return {
    ...{ app, origin, logger, send },
    store: app.get(EventStore),
    url: `${origin}/${path}`,
    get: (under, headers) => send('GET', under, { headers }),
    post: (under, body, headers) =>
      send('POST', under, {
        headers: { 'content-type': 'application/json', ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
  };
}

/** A request over a socket of its own, whose path is sent as it is: `fetch` would tidy it up. */
function exchange(
  port: number,
  method: string,
  path: string,
  headers: OutgoingHttpHeaders = {},
  body?: string | Buffer,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const saysLength = body !== undefined && headers['transfer-encoding'] === undefined;
    const length = saysLength ? { 'content-length': Buffer.byteLength(body) } : {};
    const request = httpRequest({
      host: '127.0.0.1',
      port,
      method,
      path,
      headers: { ...length, ...headers },
      agent: false,
    });
    request.on('error', reject);
    request.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text += chunk));
      response.on('error', reject);
      response.on('end', () => {
        const { statusCode: status = 0, headers } = response;
        resolve({
          ...{ status, headers, text },
          get json() {
            return JSON.parse(text) as Answer['json'];
          },
        });
      });
    });
    request.end(body);
  });
}

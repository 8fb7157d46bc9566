// Nest as dist/ gets it, from the folder above: one of the packages that are compared brings another one.
import '../node_modules/reflect-metadata/Reflect.js';
import { Body, Controller, Module, Param, Post, Sse } from '../node_modules/@nestjs/common/index.js';
import { NestFactory } from '../node_modules/@nestjs/core/index.js';
import { ExpressAdapter } from '../node_modules/@nestjs/platform-express/index.js';
import { FastifyAdapter } from '../node_modules/@nestjs/platform-fastify/index.js';
import { Subject, map } from '../node_modules/rxjs/dist/cjs/index.js';

/** Starts a Nest application of one module on a free port. */
export async function startNest(adapterName, module) {
  const adapter = adapterName === 'Express' ? new ExpressAdapter() : new FastifyAdapter();
  const app = await NestFactory.create(module, adapter, { logger: false, abortOnError: false });
  await app.listen(0, '127.0.0.1');
  return { app, port: app.getHttpServer().address().port };
}

/** A store that can be reached over HTTP. */
export async function startOurs(adapterName) {
  const { EventStore, EventStoreModule } = await import('../dist/esm/index.js');
  const { EventStoreHttpModule } = await import('../dist/esm/http/index.js');
  const counted = { appended: 0 };
  const metricsCollector = { onAppend: ({ events }) => void (counted.appended += events) };
  const module = decorated(class AppModule {}, [
    Module({
      imports: [
        EventStoreModule.forRoot({ maxEventsPerStream: 0, metricsCollector }),
        EventStoreHttpModule.register({ public: true, readOnly: false, liveSession: 0 }),
      ],
    }),
  ]);
  const { app, port } = await startNest(adapterName, module);
  return { app, port, store: app.get(EventStore) };
}

/** The least that a Nest endpoint can do with an event: put it into an array, and say where. */
export function startTrivialEndpoint(adapterName) {
  class TrivialController {
    events = [];

    append(streamId, event) {
      this.events.push({ streamId, ...event });
      return { streamId, revision: this.events.length };
    }
  }
  decoratedMethod(TrivialController, 'append', [Post('event-store/streams/:streamId/events')]);
  Param('streamId')(TrivialController.prototype, 'append', 0);
  Body()(TrivialController.prototype, 'append', 1);
  return startNest(adapterName, moduleOf(TrivialController));
}

/** Nest's own server-sent events, with an Observable for each client. */
export async function startNestSse(adapterName) {
  const events = new Subject();
  class SseController {
    follow() {
      return events.pipe(map((event) => ({ id: String(event.position), data: event })));
    }
  }
  decoratedMethod(SseController, 'follow', [Sse('events')]);
  const { app, port } = await startNest(adapterName, moduleOf(SseController));
  return { app, port, events };
}

function moduleOf(controller) {
  Controller()(controller);
  return decorated(class AppModule {}, [Module({ controllers: [controller] })]);
}

function decorated(target, decorators) {
  for (const decorate of decorators) decorate(target);
  return target;
}

function decoratedMethod({ prototype }, name, decorators) {
  for (const decorate of decorators) decorate(prototype, name, Object.getOwnPropertyDescriptor(prototype, name));
}

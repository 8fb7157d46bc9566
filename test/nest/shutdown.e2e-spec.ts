import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import {
  type BeforeApplicationShutdown,
  type DynamicModule,
  Injectable,
  type INestApplicationContext,
  Module,
  type OnApplicationShutdown,
  type OnModuleDestroy,
  type Type,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventStore, EventStoreModule, memoryEngine, OnStreamEvent, type RecordedEvent } from 'nestjs-stream-store';
import { aroundEngine } from '../support/engines/around-engine.js';
import { compiledApp, startChild } from '../support/processes/child-app.js';
import { collect, until } from '../support/waiting/collect.js';
import { numbered, rejectionOf } from '../support/events.js';
import { settled } from '../support/waiting/manual-clock.js';
import { closedAfterTest, RecordingNestLogger } from '../support/servers/nest-app.js';

/** What happened in one test, in order. */
const log: string[] = [];

@Injectable()
class SlowHandler {
  goOn: () => void = () => undefined;

  @OnStreamEvent('orders')
  async onOrder({ position }: RecordedEvent): Promise<void> {
    log.push(`begins ${position}`);
    await new Promise<void>((resolve) => (this.goOn = resolve));
    log.push(`ends ${position}`);
  }
}

function telling(): DynamicModule {
  const engine = aroundEngine((verb, ask) => {
    if (verb === 'close') log.push('engine closed');
    return ask();
  }, memoryEngine());
  return EventStoreModule.forRoot({ engine });
}

async function start(module: Type, logger = new RecordingNestLogger()): Promise<INestApplicationContext> {
  log.length = 0;
  return closedAfterTest(await NestFactory.createApplicationContext(module, { logger }));
}

describe('app.close()', () => {
  it('waits for the handler in flight, and closes the store afterwards', async () => {
    @Module({ imports: [telling()], providers: [SlowHandler] })
    class AppModule {}
    const app = await start(AppModule);
    const store = app.get(EventStore);
    await store.append('orders', numbered(1, 1));
    await until(() => log.includes('begins 1'), 'the call');

    let isClosed = false;
    const closed = app.close().then(() => (isClosed = true));
    for (let turn = 0; turn < 10; turn++) await settled();
    expect([isClosed, log]).toEqual([false, ['begins 1']]);
    app.get(SlowHandler).goOn();
    await closed;

    expect(log).toEqual(['begins 1', 'ends 1', 'engine closed']);
    expect(await rejectionOf(store.append('orders', numbered(2, 2)))).toMatchObject({ code: 'STORE_CLOSED' });
  });

  it('waits for a handler that appends while it ends', async () => {
    @Injectable()
    class Appending {
      constructor(private readonly store: EventStore) {}

      @OnStreamEvent('orders')
      async onOrder(): Promise<void> {
        for (let turn = 0; turn < 10; turn++) await settled();
        await this.store.append('mails', { type: 'sent' });
        log.push('appended');
      }
    }

    @Module({ imports: [telling()], providers: [Appending] })
    class AppModule {}
    const logger = new RecordingNestLogger();
    const app = await start(AppModule, logger);
    await app.get(EventStore).append('orders', numbered(1, 1));

    await app.close();

    expect(log).toEqual(['appended', 'engine closed']);
    expect(logger.errors).toEqual([]);
  });

  it('may be called twice, one after the other and at once', async () => {
    @Module({ imports: [telling()], providers: [SlowHandler] })
    class AppModule {}
    const app = await start(AppModule);

    await Promise.all([app.close(), app.close()]);
    await app.close();

    expect(log).toEqual(['engine closed']);
  });

  it('is no trouble when the store was closed before', async () => {
    @Module({ imports: [telling()], providers: [SlowHandler] })
    class AppModule {}
    const logger = new RecordingNestLogger();
    const app = await start(AppModule, logger);
    await app.get(EventStore).close();

    await app.close();

    expect(log).toEqual(['engine closed']);
    expect(logger.errors).toEqual([]);
  });

  it('ends subscriptions that the application opened itself', async () => {
    @Module({ imports: [telling()] })
    class AppModule {}
    const app = await start(AppModule);
    const reader = collect(app.get(EventStore).subscribe('orders'));
    await settled();

    await app.close();
    await reader.ended;

    expect(log).toEqual(['engine closed']);
  });

  it('closes the stores after every other module has had its say', async () => {
    @Injectable()
    class LastWords implements OnModuleDestroy, BeforeApplicationShutdown, OnApplicationShutdown {
      constructor(private readonly store: EventStore) {}

      async onModuleDestroy(): Promise<void> {
        await this.#append('destroyed');
      }

      async beforeApplicationShutdown(): Promise<void> {
        await this.#append('before shutdown');
      }

      async onApplicationShutdown(): Promise<void> {
        await this.#append('shut down');
      }

      async #append(type: string): Promise<void> {
        // Nest 11 calls the hooks again when the application is closed again, as after each test.
        if (log.includes('engine closed')) return;
        await this.store.append('last-words', { type });
        log.push(type);
      }
    }

    // Nest ends the modules that lie deepest last.
    @Module({ providers: [LastWords] })
    class Deepest {}

    const between = (depth: number, module: Type): Type => {
      @Module({ imports: [module] })
      class Between {}
      return depth === 0 ? module : between(depth - 1, Between);
    };

    @Module({ imports: [telling(), between(6, Deepest)] })
    class AppModule {}
    const logger = new RecordingNestLogger();
    const app = await start(AppModule, logger);

    await app.close();

    expect(log).toEqual(['destroyed', 'before shutdown', 'shut down', 'engine closed']);
    expect(logger.errors).toEqual([]);
  });

  it('closes every store', async () => {
    const engines = ['orders', 'audit'].map((name) =>
      EventStoreModule.forRoot({
        name,
        engine: aroundEngine((verb, ask) => {
          if (verb === 'close') log.push(`${name} closed`);
          return ask();
        }),
      }),
    );

    @Module({ imports: engines })
    class AppModule {}
    const app = await start(AppModule);

    await app.close();

    expect(log.sort()).toEqual(['audit closed', 'orders closed']);
  });
});

describe('a process with an application', () => {
  let file: string;

  // Compiling and starting take long on a busy machine.
  beforeAll(async () => {
    file = await compiledApp(join(import.meta.dirname, 'fixtures/shutdown-app.ts'));
  }, 60_000);

  it.each(['SIGTERM', 'SIGINT'] as const)(
    'ends by %s when shutdown hooks are enabled: after its handler, and with its store closed',
    async (signal) => {
      const child = startChild(file);
      await child.said('ready');
      await child.said('handler begins placed');

      child.kill(signal);

      const { code, signal: by } = await child.ended;
      expect([code, by]).toEqual(code === null ? [null, signal] : [0, null]);
      expect(child.lines.slice(-3)).toEqual(['handler begins placed', 'handler ends placed', 'engine closed']);
    },
    60_000,
  );

  it('ends by itself after app.close(): nothing keeps it alive', async () => {
    const child = startChild(file, 'close');

    expect(await child.ended).toEqual({ code: 0, signal: null });
    expect(child.lines.slice(-3)).toEqual(['handler ends placed', 'engine closed', 'closed']);
  }, 60_000);
});

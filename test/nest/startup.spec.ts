import { describe, expect, it } from '@jest/globals';
import {
  type DynamicModule,
  Global,
  Injectable,
  Module,
  type ModuleMetadata,
  type OnApplicationBootstrap,
  type OnModuleInit,
  type Type,
} from '@nestjs/common';
import {
  EventStore,
  EventStoreModule,
  OnStreamEvent,
  type RecordedEvent,
  type StorageEngine,
} from 'nestjs-stream-store';
import { ENGINES } from '../support/engines/around-engine.js';
import { until } from '../support/waiting/collect.js';
import { settled } from '../support/waiting/manual-clock.js';
import { startApp } from '../support/servers/nest-app.js';

const seen: string[] = [];

@Injectable()
class Handler {
  @OnStreamEvent('starting')
  onStream({ type }: RecordedEvent): void {
    seen.push(`stream ${type}`);
  }

  @OnStreamEvent({ all: true })
  onAll({ type }: RecordedEvent): void {
    seen.push(`all ${type}`);
  }
}

/** Appends at every step of its life before the application is there. */
@Injectable()
class Appender implements OnModuleInit, OnApplicationBootstrap {
  constructor(private readonly store: EventStore) {
    void store.append('starting', { type: 'constructed' });
  }

  async onModuleInit(): Promise<void> {
    await this.store.append('starting', { type: 'initialised' });
    await settled();
    await this.store.append('starting', { type: 'initialised later' });
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.store.append('starting', { type: 'bootstrapped' });
  }
}

@Module({ providers: [Handler] })
class HandlerModule {}

@Module({ providers: [Appender] })
class AppenderModule {}

@Global()
@Module({ providers: [Appender] })
class GlobalAppenderModule {}

/** A module so many imports away. */
function under(depth: number, module: Type): Type {
  if (depth === 0) return module;

  @Module({ imports: [under(depth - 1, module)] })
  class Between {}
  return Between;
}

const storeModule = (engine?: StorageEngine): DynamicModule => EventStoreModule.forRoot(engine ? { engine } : {});

const SHAPES: [string, (store: DynamicModule) => ModuleMetadata][] = [
  ['in one module', (store) => ({ imports: [store], providers: [Handler, Appender] })],
  ['in one module, the appending one first', (store) => ({ imports: [store], providers: [Appender, Handler] })],
  ['in modules side by side', (store) => ({ imports: [store, HandlerModule, AppenderModule] })],
  ['with the appending module before the store', (store) => ({ imports: [AppenderModule, store, HandlerModule] })],
  ['with the appending module deep down', (store) => ({ imports: [store, HandlerModule, under(6, AppenderModule)] })],
  ['with the handler deep down', (store) => ({ imports: [store, under(6, HandlerModule), AppenderModule] })],
  ['with a global appending module first', (store) => ({ imports: [GlobalAppenderModule, store, HandlerModule] })],
  ['with a global appending module last', (store) => ({ imports: [HandlerModule, store, GlobalAppenderModule] })],
];

describe.each(ENGINES)('what modules append while they start reaches the handlers, on %s', (_kind, createEngine) => {
  it.each(SHAPES)('%s', async (_shape, metadataOf) => {
    seen.length = 0;
    await startApp(metadataOf(storeModule(createEngine())));
    await until(() => seen.length === 8, 'the last call');

    const types = ['constructed', 'initialised', 'initialised later', 'bootstrapped'];
    const inOrder = (prefix: string): string[] => seen.filter((call) => call.startsWith(prefix));
    expect(inOrder('stream')).toEqual(types.map((type) => `stream ${type}`));
    expect(inOrder('all')).toEqual(types.map((type) => `all ${type}`));
  });
});

it('handlers are called when all modules have been initialised', async () => {
  seen.length = 0;

  @Injectable()
  class Slow implements OnModuleInit {
    async onModuleInit(): Promise<void> {
      for (let turn = 0; turn < 5; turn++) await settled();
      seen.push('slow module is ready');
    }
  }

  await startApp({ imports: [storeModule(), AppenderModule, HandlerModule], providers: [Slow] });
  await until(() => seen.length === 9, 'the last call');

  expect(seen[0]).toBe('slow module is ready');
});

it('an application that fails to start calls no handler and leaves nothing running', async () => {
  seen.length = 0;

  @Injectable()
  class Failing implements OnModuleInit {
    constructor(readonly store: EventStore) {}

    async onModuleInit(): Promise<void> {
      await this.store.append('starting', { type: 'last words' });
      throw new Error('no way');
    }
  }

  await expect(startApp({ imports: [storeModule(), HandlerModule], providers: [Failing] })).rejects.toThrow('no way');
  await settled();

  expect(seen).toEqual([]);
});

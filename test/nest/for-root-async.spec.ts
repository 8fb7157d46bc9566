import { describe, expect, it } from '@jest/globals';
import { Inject, Injectable, Module } from '@nestjs/common';
import {
  type AsyncEventStoreOptions,
  EventStore,
  EventStoreModule,
  type EventStoreOptionsFactory,
  getEventStoreToken,
  ValidationError,
} from 'nestjs-stream-store';
import { rejectionOf } from '../support/events.js';
import { settled } from '../support/waiting/manual-clock.js';
import { startApp, startFailure } from '../support/servers/nest-app.js';

@Injectable()
class Config {
  readonly maxEventsPerStream: number = 1;
}

@Module({ providers: [Config], exports: [Config] })
class ConfigModule {}

@Injectable()
class OptionsFromConfig implements EventStoreOptionsFactory {
  constructor(@Inject(Config) private readonly config: Config) {}

  createEventStoreOptions(): AsyncEventStoreOptions {
    return { maxEventsPerStream: this.config.maxEventsPerStream };
  }
}

@Injectable()
class LateOptions implements EventStoreOptionsFactory {
  async createEventStoreOptions(): Promise<AsyncEventStoreOptions> {
    await settled();
    return { maxEventsPerStream: 1 };
  }
}

@Module({ imports: [ConfigModule], providers: [OptionsFromConfig], exports: [OptionsFromConfig] })
class OptionsModule {}

describe('EventStoreModule.forRootAsync', () => {
  it.each<[string, Parameters<typeof EventStoreModule.forRootAsync>[0]]>([
    ['useFactory', { useFactory: () => ({ maxEventsPerStream: 1 }) }],
    ['a useFactory that gives a promise', { useFactory: async () => ({ maxEventsPerStream: 1 }) }],
    [
      'useFactory with inject and imports',
      {
        imports: [ConfigModule],
        inject: [Config],
        useFactory: (config: Config) => ({ maxEventsPerStream: config.maxEventsPerStream }),
      },
    ],
    ['useClass with imports', { imports: [ConfigModule], useClass: OptionsFromConfig }],
    ['a useClass that gives a promise', { useClass: LateOptions }],
    ['useExisting', { imports: [OptionsModule], useExisting: OptionsFromConfig }],
    [
      'extraProviders that the factory injects',
      {
        extraProviders: [{ provide: 'LIMIT', useValue: 1 }],
        inject: ['LIMIT'],
        useFactory: (limit: number) => ({ maxEventsPerStream: limit }),
      },
    ],
    ['extraProviders that the options class injects', { extraProviders: [Config], useClass: OptionsFromConfig }],
  ])('takes the options from %s', async (_what, options) => {
    const app = await startApp({ imports: [EventStoreModule.forRootAsync(options)] });
    const store = app.get(EventStore);
    await store.append('a', { type: 'x' });

    expect(store.name).toBe('memory-store');
    expect(await rejectionOf(store.append('a', { type: 'x' }))).toMatchObject({ maximum: 1 });
  });

  it('takes the name beside the factory', async () => {
    const app = await startApp({
      imports: [EventStoreModule.forRootAsync({ name: 'audit', useFactory: () => ({ maxStreams: 3 }) })],
    });

    expect(app.get<EventStore>(getEventStoreToken('audit')).name).toBe('audit');
    expect(app.get(EventStore)).toBe(app.get(getEventStoreToken('audit')));
  });

  it.each([
    ['without another name', {}],
    ['with another name', { name: 'orders' }],
  ])('refuses a name among the options of the factory, %s', async (_what, extras) => {
    const useFactory = (): AsyncEventStoreOptions => ({ name: 'audit' }) as AsyncEventStoreOptions;
    const failure = await startFailure({ imports: [EventStoreModule.forRootAsync({ ...extras, useFactory })] });

    expect(failure).toBeInstanceOf(ValidationError);
    expect(failure).toMatchObject({ field: 'name' });
    expect(failure.message).toContain('forRootAsync');
    expect(failure.message).toContain('"audit"');
  });

  it('uses the defaults when the factory gives no options', async () => {
    const app = await startApp({ imports: [EventStoreModule.forRootAsync({ useFactory: () => ({}) })] });

    expect(app.get(EventStore).name).toBe('memory-store');
  });

  it('fails to start when the factory fails', async () => {
    const failure = new Error('no configuration');
    const useFactory = (): Promise<AsyncEventStoreOptions> => Promise.reject(failure);

    expect(await startFailure({ imports: [EventStoreModule.forRootAsync({ useFactory })] })).toBe(failure);
  });

  it('fails to start when the factory of the store that the class means fails, although others wait for it', async () => {
    const failure = new Error('no configuration');
    const useFactory = async (): Promise<AsyncEventStoreOptions> => {
      await settled();
      throw failure;
    };

    expect(
      await startFailure({
        imports: [EventStoreModule.forRoot({ name: 'audit' }), EventStoreModule.forRootAsync({ useFactory })],
      }),
    ).toBe(failure);
  });

  it('fails to start on an option that nobody knows, and names it', async () => {
    const useFactory = (): AsyncEventStoreOptions => ({ maxEventPerStream: 5 }) as AsyncEventStoreOptions;
    const failure = await startFailure({ imports: [EventStoreModule.forRootAsync({ useFactory })] });

    expect(failure).toBeInstanceOf(ValidationError);
    expect((failure as ValidationError).field).toMatch(/\bmaxEventPerStream$/);
  });

  it('hides the store with isGlobal: false', async () => {
    @Module({ imports: [EventStoreModule.forRootAsync({ isGlobal: false, useFactory: () => ({}) })] })
    class Hiding {}

    @Module({ providers: [{ provide: 'USER', useFactory: (store: EventStore) => store, inject: [EventStore] }] })
    class Seeking {}

    const failure = await startFailure({ imports: [Hiding, Seeking] });

    expect(failure.message).toContain("can't resolve dependencies of the USER");
  });

  it('makes several named stores, each with options of its own', async () => {
    const app = await startApp({
      imports: [
        EventStoreModule.forRootAsync({ name: 'one', useFactory: () => ({ maxStreams: 1 }) }),
        EventStoreModule.forRootAsync({ name: 'two', useFactory: async () => ({ maxStreams: 2 }) }),
      ],
    });
    const [one, two] = ['one', 'two'].map((name) => app.get<EventStore>(getEventStoreToken(name)));

    for (const store of [one, two]) await store.append('a', { type: 'x' });
    await two.append('b', { type: 'x' });

    expect(await rejectionOf(one.append('b', { type: 'x' }))).toMatchObject({ maximum: 1 });
    expect(await rejectionOf(two.append('c', { type: 'x' }))).toMatchObject({ maximum: 2 });
  });
});

it.each([undefined, null, 'text'])('a factory that gives %s is refused', async (options) => {
  const failure = await startFailure({
    imports: [EventStoreModule.forRootAsync({ useFactory: () => options as never })],
  });

  expect(failure.message).toMatch(/Invalid EventStoreModule: the factory of forRootAsync gave/);
});

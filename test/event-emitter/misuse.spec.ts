import { describe, expect, it } from '@jest/globals';
import type { ModuleMetadata } from '@nestjs/common';
import { EventEmitter2, EventEmitterModule } from '@nestjs/event-emitter';
import { EventStore, EventStoreModule, ValidationError } from 'nestjs-stream-store';
import { EventEmitterBridgeModule, type EventEmitterBridgeOptions } from 'nestjs-stream-store/event-emitter';
import { aroundEngine } from '../support/engines/around-engine.js';
import { RecordingNestLogger, startApp, startFailure } from '../support/servers/nest-app.js';

const bridge = (options: unknown) => EventEmitterBridgeModule.register(options as EventEmitterBridgeOptions);
const whole = (options: unknown): ModuleMetadata => ({
  imports: [EventEmitterModule.forRoot(), EventStoreModule.forRoot(), bridge(options)],
});
const rule = { on: 'order.placed', stream: 'orders' };

describe('an application with a bridge that is used wrongly does not start, and is told what is wrong: ', () => {
  it.each<[string, unknown, string]>([
    ['no options', undefined, 'EventEmitterBridgeModule: it is missing'],
    ['options that are none', [], 'EventEmitterBridgeModule: it is an array'],
    ['nothing to do', {}, 'EventEmitterBridgeModule: there is nothing to do: give emit or append'],
    ['an option that nobody knows', { emits: [] }, 'EventEmitterBridgeModule.emits: there is no such option'],
    ['a store without a name', { store: '', emit: [] }, 'EventEmitterBridgeModule.store: it is empty'],
    [
      'rules that are no list',
      { emit: { target: 'orders' } },
      'EventEmitterBridgeModule.emit: it is a value of type Object',
    ],
    ['a rule that is none', { append: [null] }, 'EventEmitterBridgeModule.append[0]: it is null'],

    ['no target', { emit: [{}] }, 'emit[0].target: it is missing'],
    ['a bad target', { emit: [{ target: { stream: 'a', all: true } }] }, 'emit[0].target: give a stream id, or one of'],
    [
      'a slip in a target',
      { emit: [{ target: { all: true, type: ['a'] } }] },
      'emit[0].target.type: there is no such option',
    ],
    [
      'a slip in a rule',
      { emit: [{ target: 'a' }, { target: 'a', name: 'b' }] },
      'emit[1].name: there is no such option',
    ],
    ['a name that is no function', { emit: [{ target: 'a', as: 'b' }] }, 'emit[0].as: it is a string: give a function'],
    ['a bad beginning', { emit: [{ target: 'a', from: 'now' }] }, 'emit[0].from: '],
    ['a bad option of handlers', { emit: [{ target: 'a', concurrency: 0 }] }, 'emit[0].concurrency: 0 is not'],
    ['a bad retry', { emit: [{ target: 'a', retry: { attempts: 0 } }] }, 'emit[0].retry.attempts: 0 is not'],
    ['dead letters without a name', { emit: [{ target: 'a', onFailure: 'dead-letter' }] }, 'emit[0].onFailure: '],
    ['a store in a rule', { emit: [{ target: 'a', store: 'b' }] }, 'emit[0].store: there is no such option'],

    ['no event', { append: [{ stream: 'a' }] }, 'append[0].on: undefined names no event'],
    ['an empty list of events', { append: [{ ...rule, on: [] }] }, 'append[0].on: '],
    ['an event without a name', { append: [{ ...rule, on: ['a', ''] }] }, "append[0].on: '' names no event"],
    [
      'an event that is no text',
      { append: [{ ...rule, on: [Symbol('a')] }] },
      'append[0].on: Symbol(a) names no event',
    ],
    ['no stream', { append: [{ on: 'a' }] }, 'append[0].stream: it is missing'],
    [
      'a stream of the store itself',
      { append: [{ on: 'a', stream: '$mine' }] },
      'append[0].stream: "$mine" begins with',
    ],
    ['a type that is none', { append: [{ ...rule, type: 7 }] }, 'append[0].type: it is a number'],
    [
      'data that are always the same',
      { append: [{ ...rule, data: {} }] },
      'append[0].data: it is a value of type Object',
    ],
    ['metadata that are none', { append: [{ ...rule, metadata: 'a' }] }, 'append[0].metadata: it is a string'],
    ['a slip of the pen', { append: [{ ...rule, streams: 'a' }] }, 'append[0].streams: there is no such option'],
    [
      'a pattern for an emitter without',
      { append: [rule, { ...rule, on: ['a', 'order.*'] }] },
      'append[1].on: the emitter takes "order.*" for a plain name: import EventEmitterModule.forRoot({ wildcard: true })',
    ],
  ])('%s', async (_what, options, message) => {
    const failure = await startFailure(whole(options));

    expect(failure).toBeInstanceOf(ValidationError);
    expect(failure.message).toContain(`Invalid EventEmitterBridgeModule`);
    expect(failure.message).toContain(message);
  });

  it('a module that is imported without register', async () => {
    const failure = await startFailure({
      imports: [EventEmitterModule.forRoot(), EventStoreModule.forRoot(), EventEmitterBridgeModule],
    });

    expect(failure.message).toContain('EventEmitterBridgeModule: it is missing');
  });

  it('no event emitter', async () => {
    const failure = await startFailure({ imports: [EventStoreModule.forRoot(), bridge({ append: [rule] })] });

    expect(failure).toBeInstanceOf(ValidationError);
    expect(failure.message).toContain('import EventEmitterModule.forRoot() of @nestjs/event-emitter');
  });

  it('no event store', async () => {
    const failure = await startFailure({ imports: [EventEmitterModule.forRoot(), bridge({ append: [rule] })] });

    expect(failure).toBeInstanceOf(ValidationError);
    expect(failure.message).toContain('import EventStoreModule.forRoot()');
  });

  it.each(['emit', 'append'])('no store of that name to %s', async (direction) => {
    const rules = { emit: [{ target: 'orders' }], append: [rule] };
    const failure = await startFailure(whole({ store: 'audit', [direction]: rules[direction as 'emit' | 'append'] }));

    expect(failure).toBeInstanceOf(ValidationError);
    expect(failure.message).toContain('there is no event store "audit"');
  });

  it('a durable name that a handler has already', async () => {
    const failure = await startFailure(
      whole({
        emit: [
          { target: 'orders', durable: 'mail' },
          { target: 'others', durable: 'mail' },
        ],
      }),
    );

    expect(failure.message).toContain('EventEmitterBridge.emit[1]');
    expect(failure.message).toContain('"mail"');
  });
});

it('a bridge that is used wrongly opens no engine', async () => {
  const asked: string[] = [];
  const engine = aroundEngine((verb, ask) => {
    asked.push(verb);
    return ask();
  });

  await startFailure({
    imports: [EventEmitterModule.forRoot(), EventStoreModule.forRoot({ engine }), bridge({ append: [{}] })],
  });

  expect(asked).toEqual([]);
});

it('a bridge whose store a test has replaced appends nothing, and says so', async () => {
  const { Test } = await import('@nestjs/testing');
  const logger = new RecordingNestLogger();
  const app = await Test.createTestingModule(whole({ append: [rule] }))
    .overrideProvider(EventStore)
    .useValue({ append: () => Promise.reject(new Error('not me')) })
    .setLogger(logger)
    .compile();
  await app.init();

  await app.get(EventEmitter2).emitAsync('order.placed');
  await app.close();

  expect(logger.warnings).toEqual([expect.stringContaining('Emitted events are not appended')]);
  expect(logger.errors).toEqual([]);
});

it('a bridge with empty lists does nothing', async () => {
  await startApp(whole({ emit: [], append: [] }));
});

import type { EventStore, StorageEngine, Subscription, SubscriptionTarget } from 'nestjs-stream-store';
import { aroundEngine, type EngineVerb } from '../engines/around-engine.js';
import { collect, type Collected } from './collect.js';

/** An engine that counts what it is asked, and passes its hints on, or loses all of them. */
export function countingEngine(inner: StorageEngine, losesHints = false) {
  const calls = new Map<EngineVerb, number>();
  const counting = aroundEngine((verb, ask) => {
    calls.set(verb, (calls.get(verb) ?? 0) + 1);
    return ask();
  }, inner);
  const engine: StorageEngine = {
    ...counting,
    onAppended: (tell) => (losesHints ? () => undefined : inner.onAppended!(tell)),
  };
  return {
    engine,
    /** How often it was asked one of these; without any, how often altogether. */
    calls: (...verbs: EngineVerb[]): number =>
      (verbs.length > 0 ? verbs : [...calls.keys()]).reduce((sum, verb) => sum + (calls.get(verb) ?? 0), 0),
  };
}

/** One of each kind: a stream with events, a stream that never was, all, a pattern, some types of both. */
export function mixedTarget(index: number): SubscriptionTarget {
  const targets: SubscriptionTarget[] = [
    `order-${index % 7}`,
    `unborn-${index}`,
    { all: true },
    { streams: `order-${index % 5}*` },
    { all: true, types: ['counted'] },
    { stream: `order-${index % 7}`, types: ['counted'] },
  ];
  return targets[index % targets.length];
}

export interface IdleSubscription {
  readonly target: SubscriptionTarget;
  readonly subscription: Subscription;
  readonly reader: Collected<unknown>;
}

/** Subscriptions of all kinds that have read everything. */
export async function openIdle(store: EventStore, count: number): Promise<IdleSubscription[]> {
  const idle = Array.from({ length: count }, (_, index) => {
    const target = mixedTarget(index);
    const subscription = store.subscribe(target);
    return { target, subscription, reader: collect(subscription) };
  });
  await Promise.all(idle.map(({ subscription }) => subscription.caughtUp()));
  return idle;
}

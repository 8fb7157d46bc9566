import { describe, expect, it } from '@jest/globals';
import { memoryEngine, type StorageEngine, ValidationError } from 'nestjs-stream-store';
import { type ConformanceOptions, describeStorageEngine } from 'nestjs-stream-store/testing';
import { CollectingRunner } from './collecting-runner.js';

function collected(options: Partial<ConformanceOptions> = {}): CollectingRunner {
  const runner = new CollectingRunner();
  describeStorageEngine('memory', { create: () => memoryEngine(), runner, ...options });
  return runner;
}

const fieldOf = (options: unknown): string => {
  try {
    describeStorageEngine('memory', options as ConformanceOptions);
  } catch (error) {
    return (error as ValidationError).field;
  }
  return 'none';
};

describe('describeStorageEngine', () => {
  it('has at least 150 cases for every engine, and more for what it supports', () => {
    const { cases, skipped } = collected();

    expect(cases.length).toBeGreaterThanOrEqual(150);
    expect(skipped.length).toBeGreaterThanOrEqual(50);
  });

  it('gives every case a name of its own', () => {
    const { cases, skipped } = collected();
    const paths = [...cases.map(({ path }) => path), ...skipped];

    expect(new Set(paths).size).toBe(paths.length);
  });

  it('skips what the engine is not declared to support, under a name that says so', () => {
    const { skipped } = collected({ supports: { snapshot: true } });

    expect(skipped).toContain('storage engine memory › leases › end after their time [needs leases]');
    expect(skipped.filter((path) => path.includes('snapshots'))).toEqual([]);
  });

  it('skips nothing when everything is declared', () => {
    const supports = { leases: true, snapshot: true, transactions: true, documents: true };

    expect(collected({ supports, createAnother: () => memoryEngine() }).skipped).toEqual([]);
  });

  it('makes a log for each case, and removes it afterwards, also when the case fails', async () => {
    const made: StorageEngine[] = [];
    const removed: StorageEngine[] = [];
    const runner = collected({
      create: () => {
        const engine = memoryEngine();
        made.push(engine);
        return Object.assign(engine, { append: () => Promise.reject(new Error('broken')) });
      },
      destroy: (engine) => void removed.push(engine),
    });

    expect(await runner.firstFailure(' › appending › ')).toMatchObject({ error: { message: 'broken' } });
    expect(await runner.firstFailure(' › an empty log › ')).toBeUndefined();
    expect(made.length).toBeGreaterThan(2);
    expect(removed).toEqual(made);
  });

  it('refuses options that it does not know or cannot use, and names them', () => {
    expect(fieldOf({})).toBe('describeStorageEngine.create');
    expect(fieldOf({ create: memoryEngine() })).toBe('describeStorageEngine.create');
    expect(fieldOf({ create: memoryEngine, destroy: 1 })).toBe('describeStorageEngine.destroy');
    expect(fieldOf({ create: memoryEngine, reopen: memoryEngine })).toBe('describeStorageEngine.reopen');
    expect(fieldOf({ create: memoryEngine, supports: { lease: true } })).toBe('describeStorageEngine.supports.lease');
  });

  it('says what is missing where there is no describe() and it()', () => {
    const own: unknown = Reflect.get(globalThis, 'describe');
    Reflect.set(globalThis, 'describe', undefined);
    try {
      expect(fieldOf({ create: memoryEngine })).toBe('describeStorageEngine.runner');
    } finally {
      Reflect.set(globalThis, 'describe', own);
    }
  });
});

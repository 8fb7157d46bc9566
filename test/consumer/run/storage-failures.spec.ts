import { describe, expect, it } from '@jest/globals';
import { StorageCorruptedError, StorageFailedError } from 'nestjs-stream-store';
import { Cluster } from '../../support/worlds/cluster.js';
import { ScriptedHandler } from '../../support/worlds/scripted-handler.js';

const LEASE_MS = 3_000;
const REFUSED = new StorageFailedError('database', new Error('permission denied for table events'));
const DAMAGED = new StorageCorruptedError('database', 'a page is missing');

/** Two processes that run a durable handler; the storage of the first, which has the lease, lets it read no events. */
async function sickAndHealthy(failure: Error) {
  const cluster = new Cluster();
  const handler = new ScriptedHandler();
  const parts = { durable: 'd', leaseDurationMs: LEASE_MS, handle: handler.handle };
  const sick = await cluster.instance('sick');
  const first = await sick.run(parts);
  const healthy = await cluster.instance('healthy');
  const second = await healthy.run(parts);
  let isSick = true;
  sick.around = (verb, ask) => {
    if (isSick && verb === 'readAll') throw failure;
    return ask();
  };
  const recover = (): void => void (isSick = false);
  return { cluster, handler, sick, healthy, first, second, recover };
}

describe('a durable handler whose storage fails in one process', () => {
  it('waits while that is short, keeps its lease, and says it once', async () => {
    const { cluster, handler, sick, first, second, recover } = await sickAndHealthy(REFUSED);

    await cluster.append('a1', 'a2');
    await cluster.clock.advance(2_000);
    expect(sick.backgroundFailures).toEqual(['subscription']);
    recover();
    await cluster.clock.advance(2_000);

    expect(handler.handled).toEqual(['a1', 'a2']);
    expect(sick.logger.warnings).toHaveLength(1);
    expect([(await first.status()).state, (await second.status()).state]).toEqual(['live', 'standby']);
  });

  it('gives its lease back when that lasts for two leases, so that a healthy process goes on', async () => {
    const { cluster, handler, sick, healthy } = await sickAndHealthy(REFUSED);

    await cluster.append('a1', 'a2');
    await cluster.clock.advance(4 * LEASE_MS);

    expect(handler.handled).toEqual(['a1', 'a2']);
    expect(sick.leaseChanges).toEqual(['d gained', 'd released']);
    expect(healthy.leaseChanges).toEqual(['d gained']);
  });

  it('goes on there when no other process wants it', async () => {
    const { cluster, handler, first, second, recover } = await sickAndHealthy(REFUSED);
    await second.stop();

    await cluster.append('a1', 'a2');
    await cluster.clock.advance(5 * LEASE_MS);
    expect(handler.handled).toEqual([]);
    recover();
    expect((await first.status()).outage).toBe(REFUSED);
    await cluster.clock.advance(3 * LEASE_MS);

    expect(handler.handled).toEqual(['a1', 'a2']);
    expect(await first.status()).toMatchObject({ state: 'live', outage: undefined });
  });

  it('can be paused meanwhile, and goes on where it was when it is resumed afterwards', async () => {
    const { cluster, handler, first, second, recover } = await sickAndHealthy(REFUSED);
    await second.stop();
    await cluster.append('a1', 'a2');
    await cluster.clock.advance(1_000);

    await first.pause();
    recover();
    expect((await first.status()).state).toBe('paused');
    await cluster.clock.advance(1_000);
    expect(handler.handled).toEqual([]);
    await first.resume();
    await cluster.clock.advance(1_000);

    expect(handler.handled).toEqual(['a1', 'a2']);
  });

  it('has stopped there when it is damaged, gives its lease back, and can be resumed', async () => {
    const { cluster, handler, sick, first, second, recover } = await sickAndHealthy(DAMAGED);

    await cluster.append('a1', 'a2');
    await cluster.clock.advance(2 * LEASE_MS);

    expect(handler.handled).toEqual(['a1', 'a2']);
    expect(sick.leaseChanges).toEqual(['d gained', 'd released']);
    recover();
    expect(await first.status()).toMatchObject({ state: 'halted', lastError: DAMAGED });
    await first.resume();
    expect(await first.status()).toMatchObject({ state: 'standby' });
    await second.stop();
    await cluster.clock.advance(2 * LEASE_MS);
    expect(await first.status()).toMatchObject({ state: 'live' });
  });
});

it('a handler that its policy has stopped keeps its lease, whatever it failed with', async () => {
  const cluster = new Cluster();
  const one = await cluster.instance('one');
  const handle = (): void => {
    throw DAMAGED;
  };
  const parts = { durable: 'd', leaseDurationMs: LEASE_MS, onFailure: 'stop' as const, retry: { attempts: 1 }, handle };
  const consumer = await one.run(parts);

  await cluster.append('a1');
  await cluster.clock.advance(5 * LEASE_MS);

  expect(one.leaseChanges).toEqual(['d gained']);
  expect(await consumer.status()).toMatchObject({ state: 'halted', lastError: DAMAGED });
});

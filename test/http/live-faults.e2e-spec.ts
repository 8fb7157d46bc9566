import { describe, expect, it } from '@jest/globals';
import { memoryEngine } from 'nestjs-stream-store';
import { aroundEngine } from '../support/engines/around-engine.js';
import { RecordingNestLogger } from '../support/servers/nest-app.js';
import { ADAPTERS, startHttpApp } from './http-app.js';
import { SseClient } from './sse-client.js';

describe.each(ADAPTERS)('on %s', (adapter) => {
  it('a rule that throws for one client ends that one only, and the log says why', async () => {
    const access = ({ headers }: { headers: Record<string, string> }) => ({
      ...{ canWrite: () => true, isOperator: true },
      canRead: (streamId: string) => {
        if (headers['x-user'] === 'bad' && streamId === 'poison') throw new Error('this rule is broken');
        return true;
      },
    });
    const logger = new RecordingNestLogger();
    const { store, url } = await startHttpApp(adapter, { http: { access }, logger });
    await store.append('s', { type: 't' });
    const clients = ['good', 'bad', 'fine'].map((user) => new SseClient(`${url}/events`, { 'x-user': user }));
    await Promise.all(clients.map((client) => client.received(1)));

    await store.append('poison', { type: 't' });
    await store.append('s', { type: 't' });

    const [good, bad, fine] = clients;
    await Promise.all([good.received(3), fine.received(3), bad.ended()]);
    expect([good.hasEnded, fine.hasEnded, bad.events.length]).toEqual([false, false, 1]);
    expect(logger.errors.map(({ message }) => message).join()).toContain('this rule is broken');
  });

  it('an append is read once for all clients, however many patterns they follow', async () => {
    let reads = 0;
    const engine = aroundEngine((verb, ask) => {
      if (verb === 'readAll') reads++;
      return ask();
    }, memoryEngine());
    const { store, url } = await startHttpApp(adapter, { store: { engine } });
    await store.append('s', { type: 'first' });
    const clients = Array.from({ length: 60 }, (_, index) => new SseClient(`${url}/events?type=first&type=*-${index}`));
    await Promise.all(clients.map((client) => client.received(1)));

    for (let index = 0; index < 60; index++) await store.append('s', { type: `event-${index}` });
    await Promise.all(clients.map((client) => client.received(2)));

    expect(clients.map(({ events }) => events[1].type)).toEqual(clients.map((_, index) => `event-${index}`));
    // A few for each client until it is live. If each was read by itself, there were 60 more for each append.
    expect(reads).toBeLessThan(600);
  });
});

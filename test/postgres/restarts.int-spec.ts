import { expect, it } from '@jest/globals';
import { createEvent, type EventStore, START, StorageUnavailableError } from 'nestjs-stream-store';
import { collect } from '../support/waiting/collect.js';
import { eventually } from '../support/waiting/eventually.js';
import { usePostgres } from '../support/engines/postgres-stores.js';
import { scaled, scaledTimeLimit } from '../support/scale.js';

const RESTARTS = scaled(20, 4);
const WRITERS = 8;

// As a server is when nobody has changed its settings: every commit waits for the disk.
const { server, openStore } = usePostgres({});

const restartable = process.env.PG_URL === undefined ? it : it.skip;

restartable(
  `keeps every acknowledged event, once, when the server dies ${RESTARTS} times under load`,
  async () => {
    const schema = server().newSchema();
    const [first, second] = [await openStore({ schema }), await openStore({ schema })];
    const reader = collect(second.subscribe({ all: true }, START));
    const progress = { acknowledged: 0, unknown: 0, isOver: false };

    const write = async (store: EventStore, writer: number): Promise<number> => {
      for (let revision = 0; ; revision += 2) {
        if (progress.isOver) return revision;
        const batch = [createEvent('counted', revision + 1), createEvent('counted', revision + 2)];
        // What may have been kept is repeated with the same ids after the same revision, and then kept once.
        for (let isKept = false; !isKept;) {
          try {
            await store.append(`writer-${writer}`, batch, { expectedRevision: revision });
            isKept = true;
            progress.acknowledged++;
          } catch (error) {
            if (!(error instanceof StorageUnavailableError)) throw error;
            if (error.isOutcomeUnknown) progress.unknown++;
            await new Promise((resolve) => setTimeout(resolve, 20));
          }
        }
      }
    };
    const writing = Promise.all(
      Array.from({ length: WRITERS }, (_, writer) => write(writer % 2 === 0 ? first : second, writer)),
    );
    writing.catch(() => undefined);
    for (let restart = 0; restart < RESTARTS; restart++) {
      const before = progress.acknowledged;
      await Promise.race([eventually('progress', () => progress.acknowledged >= before + 3 * WRITERS), writing]);
      await server().restart();
    }
    progress.isOver = true;
    const revisions = await writing;

    for (const [writer, revision] of revisions.entries()) {
      const events = await first.readStream(`writer-${writer}`);
      expect(events.map(({ data }) => data)).toEqual(Array.from({ length: revision }, (_, index) => index + 1));
    }
    const { events } = await first.readAll({ limit: 0 });
    await eventually('the last event', () => reader.items.length >= events.length);
    expect(reader.items.map(({ globalPosition }) => globalPosition)).toEqual(events.map((_, index) => index + 1));
    expect(progress.unknown).toBeGreaterThan(0);
  },
  scaledTimeLimit(120_000),
);

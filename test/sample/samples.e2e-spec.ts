import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventStore } from 'nestjs-stream-store';
import { AppModule } from '../../sample/01-quick-start/src/app.module.js';
import { DayReplay } from '../../sample/01-quick-start/src/day-replay.service.js';
import { EarthquakeImporter } from '../../sample/01-quick-start/src/earthquake-importer.service.js';
import { readEarthquakes } from '../../sample/01-quick-start/src/earthquake.js';
import { MagnitudeSummary } from '../../sample/01-quick-start/src/magnitude-summary.js';
import type { Failover } from '../../sample/03-postgres/src/failover.js';
import { brokenPromises } from '../../sample/03-postgres/src/report.js';
import { startPostgres } from '../support/engines/postgres-server.js';
import { codeBlocks, readPage, REPOSITORY } from '../docs/markdown.js';

/** The data file as it is, so that the sample's way of reading it is checked too. */
const { features } = JSON.parse(
  readFileSync(join(REPOSITORY, 'node_modules/vega-datasets/data/earthquakes.json'), 'utf8'),
) as { features: { id: string; properties: { mag: number; place: string; time: number } }[] };

describe('the application of the quick start', () => {
  let app: INestApplicationContext;
  let store: EventStore;

  beforeAll(async () => {
    app = await NestFactory.createApplicationContext(AppModule, { logger: false });
    store = app.get(EventStore);
    await app.get(EarthquakeImporter).importAll(readEarthquakes());
    await app.get(MagnitudeSummary).whenCounted(features.length);
  });

  afterAll(() => app.close());

  it('keeps every earthquake of the file, with its id and its time, in a stream of its region', async () => {
    expect(features).toHaveLength(1_707);
    const { events } = await store.readAll({ limit: 0 });

    const kept = new Map(events.map((event) => [event.id, event]));
    expect(kept.size).toBe(1_707);
    for (const { id, properties } of features) {
      expect(kept.get(id)).toMatchObject({
        type: 'earthquake.recorded',
        timestamp: new Date(properties.time),
        streamId: expect.stringMatching(/^earthquakes-[a-z0-9-]+$/),
        data: { place: properties.place, magnitude: properties.mag },
      });
    }
    expect(kept.get('us1000chhc')).toMatchObject({ streamId: 'earthquakes-taiwan', data: { magnitude: 6.4 } });
  });

  it('puts the earthquakes of California into one stream, however their place spells it', async () => {
    const inCalifornia = features.filter(({ properties }) => /, (CA|California)$/.test(properties.place));

    const { eventCount } = await store.getStreamInfo('earthquakes-california');

    expect(eventCount).toBe(inCalifornia.length);
  });

  it('keeps the streams in the order in which the earthquakes happened', async () => {
    for (const { streamId } of await store.getStreams()) {
      const times = (await store.readStream(streamId)).map(({ timestamp }) => timestamp.getTime());
      expect(times).toEqual([...times].sort((a, b) => a - b));
    }
  });

  it('counts in its handler what a count over the file gives', () => {
    const { bands, strongest, total } = app.get(MagnitudeSummary);

    expect(total).toBe(1_707);
    for (const { from, quakes } of bands) {
      const inFile = features.filter(({ properties: { mag } }) => mag >= from! && mag < from! + 1);
      expect([from, quakes]).toEqual([from, inFile.length]);
    }
    expect(bands.reduce((sum, { quakes }) => sum + quakes, 0)).toBe(1_707);
    expect(strongest?.data.magnitude).toBe(Math.max(...features.map(({ properties }) => properties.mag)));
  });

  it('replays a day in the order of time, and nothing but that day', async () => {
    const ofThatDay = features
      .filter(({ properties }) => new Date(properties.time).toISOString().startsWith('2018-02-06'))
      .sort((a, b) => a.properties.time - b.properties.time);

    const replayed = await app.get(DayReplay).quakesOf('2018-02-06');

    expect(replayed.map(({ id }) => id)).toEqual(ofThatDay.map(({ id }) => id));
    expect(replayed).toHaveLength(213);
  });

  it('stores nothing when the same earthquakes are imported again', async () => {
    const before = await store.stats();

    await app.get(EarthquakeImporter).importAll(readEarthquakes());

    expect(await store.stats()).toMatchObject({ totalEvents: 1_707, eventsAppended: before.eventsAppended });
    expect(app.get(MagnitudeSummary).total).toBe(1_707);
  });
});

describe('npm start', () => {
  const MAIN = 'dist/sample/01-quick-start/src/main.js';

  let started: Run;

  // Builds the package and compiles the samples, if that was not done before.
  beforeAll(async () => {
    started = await run('scripts/start.mjs');
  }, 120_000);

  it('prints what the README of the sample shows, and ends by itself', () => {
    const shown = codeBlocks(readPage('sample/01-quick-start/README.md')).find(({ language }) => language === 'text')!;

    expect(started).toMatchObject({ code: 0 });
    expect(withoutMemory(started.stdout)).toBe(withoutMemory(shown.code));
  });

  it('explains itself with --help', async () => {
    const { code, stdout } = await run(MAIN, '--help');

    expect([code, stdout]).toEqual([0, expect.stringContaining('Usage: npm start')]);
  });

  it('refuses an argument it does not know, with exit code 2', async () => {
    const { code, stderr } = await run(MAIN, '--sevre');

    expect([code, stderr]).toEqual([2, expect.stringMatching(/^Unknown option '--sevre'\.\n\nUsage: npm start/)]);
  });

  it.each(['SIGINT', 'SIGTERM'] as const)(
    'serves the summary with --serve until %s, then ends cleanly',
    async (signal) => {
      const child = spawn(process.execPath, [MAIN, '--serve'], { cwd: REPOSITORY, env: { ...process.env, PORT: '0' } });
      const output = outputOf(child);
      const ended = once(child, 'close');
      const url = await saying(output, child, /at (http:\S+)/);
      await saying(output, child, /^ {2}2018-02-06 00:10 {2}1\.6 {2}/m);

      const summary = (await (await fetch(url)).json()) as { quakes: number; store: { totalEvents: number } };
      child.kill(signal);

      expect(summary).toMatchObject({ quakes: 1_707, store: { totalEvents: 1_707 } });
      expect(await ended).toEqual([0, null]);
      expect(output.text).toMatch(/Stopped after replaying \d+ quakes\.\n$/);
    },
    30_000,
  );
});

describe('npm start -- 02-durable-handlers', () => {
  // Compiled with the quick start, by the first test above that needed it.
  const MAIN = 'dist/sample/02-durable-handlers/src/main.js';

  it('loses no accepted order when its process is killed, and says what was retried and dead-lettered', async () => {
    const shown = codeBlocks(readPage('sample/02-durable-handlers/README.md')).find(
      ({ language }) => language === 'text',
    )!;

    const { code, stdout } = await run(MAIN);

    expect(code).toBe(0);
    expect(withoutMomentOfDeath(stdout)).toBe(withoutMomentOfDeath(shown.code));
  }, 60_000);

  it('refuses an argument it does not know, with exit code 2', async () => {
    const { code, stderr } = await run(MAIN, '--desks');

    expect([code, stderr]).toEqual([2, expect.stringContaining('Usage: npm start -- 02-durable-handlers')]);
  });
});

describe('npm start -- 03-postgres', () => {
  // Compiled with the quick start, by the first test above that needed it.
  const MAIN = 'dist/sample/03-postgres/src/main.js';

  it('goes on in the other instance when the one that runs the handler is killed, as its README shows', async () => {
    const shown = codeBlocks(readPage('sample/03-postgres/README.md')).find(({ language }) => language === 'text')!;

    const { code, stdout, stderr } = await run(MAIN);

    expect(stderr).toBe('');
    expect(withoutNumbers(stdout)).toBe(withoutNumbers(shown.code));
    expect(code).toBe(0);
  }, 90_000);

  it('runs one instance with --instance until SIGTERM, then ends cleanly when all is packed', async () => {
    const server = await startPostgres();
    const schema = server.newSchema();
    const env = { ...process.env, DATABASE_URL: server.url };
    const child = spawn(process.execPath, [MAIN, '--instance', 'one', '--schema', schema], { cwd: REPOSITORY, env });
    const output = outputOf(child);
    const ended = once(child, 'close');
    await saying(output, child, /packed/);
    child.kill('SIGTERM');

    expect(await ended).toEqual([0, null]);
    const lines = output.text.trim().split('\n');
    expect(lines.every((line) => /^one \{"(state|taken|packed)":"/.test(line))).toBe(true);
    const count = (what: string): number => lines.filter((line) => line.includes(what)).length;
    expect(count('packed')).toBe(count('taken'));
    await server.stop();
  }, 90_000);

  it('would say so if an order were lost, forgotten, or packed out of order', () => {
    const failover = (taken: string[], orders: string[], packed: string[]): Failover => ({
      alpha: { name: 'alpha', taken, repeats: 0 },
      beta: { name: 'beta', taken: [], repeats: 0 },
      orders,
      parcels: packed.map((parcel) => ({ order: parcel[1], packedBy: parcel[0] === 'a' ? 'alpha' : 'beta' })),
    });

    expect(brokenPromises(failover(['1', '2'], ['1', '2'], ['a1', 'b2']))).toEqual([]);
    expect(brokenPromises(failover(['1', '2'], ['1'], ['a1']))).toEqual([expect.stringMatching('1 orders were taken')]);
    expect(brokenPromises(failover([], ['1', '2'], ['a1']))).toEqual([
      expect.stringMatching('1 orders were not packed'),
    ]);
    expect(brokenPromises(failover([], ['1', '2'], ['a2', 'a1']))).toEqual([expect.stringMatching('order of the log')]);
    expect(brokenPromises(failover([], ['1', '2'], ['b1', 'a2']))).toEqual([expect.stringMatching('by alpha')]);
  });

  it('refuses arguments it does not know, and an instance without a database, with exit code 2', async () => {
    for (const args of [['--instances'], ['--instance', 'one']]) {
      const { code, stderr } = await run(MAIN, ...args);

      expect([code, stderr]).toEqual([2, expect.stringContaining('Usage: npm start -- 03-postgres')]);
    }
  });
});

describe('npm start -- 04-operations', () => {
  // Compiled with the quick start, by the first test above that needed it.
  const MAIN = 'dist/sample/04-operations/src/main.js';

  it('shows health, metrics, the audit trail and a trace, as its README does', async () => {
    const shown = codeBlocks(readPage('sample/04-operations/README.md')).find(({ language }) => language === 'text')!;

    expect(await run(MAIN, '--trace')).toMatchObject({ code: 0, stdout: shown.code, stderr: '' });
  }, 60_000);

  it('shows the same without the trace when it is not asked for', async () => {
    const { code, stdout } = await run(MAIN);

    expect([code, stdout]).toEqual([0, expect.stringMatching(/as it was written:[^]*"mine"\}\n$/)]);
  }, 60_000);

  it('serves what it speaks of until SIGTERM, then ends cleanly', async () => {
    const child = spawn(process.execPath, [MAIN, '--serve'], { cwd: REPOSITORY, env: { ...process.env, PORT: '0' } });
    const output = outputOf(child);
    const ended = once(child, 'close');
    const page = await saying(output, child, /at (http:\S+\/event-store\/page)/);
    const url = page.replace('/event-store/page', '');
    const paths = ['/event-store/page', '/event-store/streams', '/health/live', '/health/ready', '/metrics'];
    const answers = await Promise.all(paths.map(async (path) => (await fetch(url + path)).status));
    const headers = { accept: 'text/event-stream' };
    const customers = await fetch(`${url}/event-store/events?streams=order-1*&after=end`, { headers });
    for await (const chunk of customers.body as AsyncIterable<Uint8Array>) {
      if (Buffer.from(chunk).includes('order.placed')) break;
    }
    child.kill('SIGTERM');

    expect(answers).toEqual([200, 200, 200, 200, 200]);
    expect(await ended).toEqual([0, null]);
  }, 60_000);

  it('is what npm start runs in its folder', async () => {
    const environment = { INIT_CWD: join(REPOSITORY, 'sample/04-operations') };
    const { code, stdout } = await runWith(environment, 'scripts/start.mjs', '--help');

    expect([code, stdout]).toEqual([0, expect.stringContaining('Usage: npm start -- 04-operations')]);
  }, 60_000);

  it('refuses an argument it does not know, with exit code 2', async () => {
    const { code, stderr } = await run(MAIN, '--metrics');

    expect([code, stderr]).toEqual([2, expect.stringContaining('Usage: npm start -- 04-operations')]);
  });
});

describe('npm start -- 05-event-sourced-service', () => {
  // Compiled with the quick start, by the first test above that needed it.
  const MAIN = 'dist/sample/05-event-sourced-service/src/main.js';
  const shown = codeBlocks(readPage('sample/05-event-sourced-service/README.md')).find(
    ({ language }) => language === 'text',
  )!;

  it('answers clients as its README shows', async () => {
    expect(await run(MAIN)).toMatchObject({ code: 0, stdout: shown.code, stderr: '' });
  }, 60_000);

  it('answers the same on PostgreSQL, by one variable', async () => {
    const server = await startPostgres();
    const { code, stdout, stderr } = await runWith({ EVENT_STORE: server.url }, MAIN);
    await server.stop();

    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: shown.code, stderr: '' });
  }, 90_000);

  it('serves accounts with --serve until SIGTERM, then ends cleanly', async () => {
    const child = spawn(process.execPath, [MAIN, '--serve'], { cwd: REPOSITORY, env: { ...process.env, PORT: '0' } });
    const output = outputOf(child);
    const ended = once(child, 'close');
    const url = await saying(output, child, /at (http:\S+\/accounts)/);
    const { status } = await fetch(`${url}/nobody`);
    child.kill('SIGTERM');

    expect(status).toBe(404);
    expect(await ended).toEqual([0, null]);
  }, 60_000);

  it('refuses an argument it does not know, with exit code 2', async () => {
    const { code, stderr } = await run(MAIN, '--engine');

    expect([code, stderr]).toEqual([2, expect.stringContaining('Usage: npm start -- 05-event-sourced-service')]);
  });
});

interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function run(...args: string[]): Promise<Run> {
  return runWith({}, ...args);
}

async function runWith(environment: Record<string, string>, ...args: string[]): Promise<Run> {
  // A database of the developer's is not for tests.
  const env = { ...process.env, DATABASE_URL: process.env.PG_URL, ...environment };
  const child = spawn(process.execPath, args, { cwd: REPOSITORY, env });
  const [stdout, stderr] = [outputOf(child, 'stdout'), outputOf(child, 'stderr')];
  const [code] = (await once(child, 'close')) as [number];
  return { code, stdout: stdout.text, stderr: stderr.text };
}

function outputOf(child: ChildProcess, stream: 'stdout' | 'stderr' = 'stdout'): { text: string } {
  const output = { text: '' };
  child[stream]!.setEncoding('utf8').on('data', (text: string) => (output.text += text));
  return output;
}

/** Waits until the output fits the pattern, and gives its first group. */
async function saying(output: { text: string }, child: ChildProcess, pattern: RegExp): Promise<string> {
  for (;;) {
    const found = pattern.exec(output.text);
    if (found) return found[1] ?? found[0];
    if (child.exitCode !== null) throw new Error(`It ended instead of saying ${String(pattern)}: ${output.text}`);
    await Promise.race([once(child.stdout!, 'data'), once(child, 'exit')]);
  }
}

/** How much memory the store takes depends on when it is asked. */
function withoutMemory(output: string): string {
  return output.replace(/takes [\d.]+ MB/, 'takes some MB');
}

/** How much is done until a process is killed, and until another takes over, depends on the moment. */
function withoutNumbers(output: string): string {
  return output.replace(/ +\d+(\.\d)?/g, ' some');
}

/** An order or two may be accepted while the signal is on its way. */
function withoutMomentOfDeath(output: string): string {
  return output.replace(/accepted \d+/g, 'accepted some');
}

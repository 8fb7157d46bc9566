import { parseArgs } from 'node:util';
import { NestFactory } from '@nestjs/core';
import { EventStore } from 'nestjs-stream-store';
import { AppModule } from './app.module.js';
import { DayReplay } from './day-replay.service.js';
import { EarthquakeImporter } from './earthquake-importer.service.js';
import { readEarthquakes } from './earthquake.js';
import { MagnitudeSummary } from './magnitude-summary.js';
import { withProgressBar } from './progress-bar.js';
import {
  count,
  describeBusiest,
  describeDay,
  describeMagnitudes,
  describeQuake,
  describeStats,
  minuteOf,
} from './report.js';

const USAGE = `Usage: npm start [-- options]

Appends a week of earthquakes to an event store, counts them in a handler, replays a day, and says what it found.

  --serve  keep running: the summary at http://localhost:3000 (or the port in PORT), and the day over and over,
           a minute each time, until Ctrl-C
  --help   this text`;

/** The day of the Hualien earthquake in Taiwan. */
const DAY = '2018-02-06';
/** A day a minute. */
const SPEED = 24 * 60;
const LOG_LEVELS: ['warn', 'error'] = ['warn', 'error'];

await main();

async function main(): Promise<void> {
  const options = readArguments();
  if (!options) process.exitCode = 2;
  else if (options.help) console.log(USAGE);
  else if (options.serve) await serve();
  else await report();
}

function readArguments(): { serve?: boolean; help?: boolean } | undefined {
  try {
    return parseArgs({ options: { serve: { type: 'boolean' }, help: { type: 'boolean' } } }).values;
  } catch (error) {
    // What parseArgs says after its first sentence is about arguments that this program does not have.
    console.error(`${(error as Error).message.split('. ')[0]}.\n\n${USAGE}`);
    return undefined;
  }
}

async function report(): Promise<void> {
  const app = await NestFactory.createApplicationContext(AppModule, { logger: LOG_LEVELS });
  const store = app.get(EventStore);
  const summary = app.get(MagnitudeSummary);

  const reports = readEarthquakes();
  await app.get(EarthquakeImporter).importAll(reports);
  const streams = await store.getStreams({ prefix: 'earthquakes-' });
  const [first, last] = [reports[0], reports.at(-1)!].map(({ time }) => minuteOf(new Date(time)));
  console.log(`Appended ${count(reports.length)} earthquakes to ${streams.length} streams, one for each region.`);
  console.log(`They happened from ${first} to ${last}; all times are UTC.\n`);

  await summary.whenCounted(reports.length);
  console.log(`The handler counted ${count(summary.total)} of them, by magnitude:`);
  console.log(describeMagnitudes(summary.bands));
  if (summary.strongest) console.log(`The strongest was ${describeQuake(summary.strongest)}.\n`);

  console.log('The busiest regions:');
  console.log(`${describeBusiest(streams)}\n`);

  const quakes = await withProgressBar(DAY, (options) => app.get(DayReplay).quakesOf(DAY, options));
  console.log(`Replayed ${DAY}: ${quakes.length} quakes, in the order they happened.`);
  console.log(`${describeDay(quakes)}\n`);

  console.log(describeStats(await store.stats()));
  await app.close();
}

async function serve(): Promise<void> {
  const app = await NestFactory.create(AppModule, { logger: LOG_LEVELS });
  // So that Ctrl-C closes the application, and with it the handlers and the store.
  app.enableShutdownHooks(['SIGINT', 'SIGTERM'], { useProcessExit: true });
  try {
    await app.listen(process.env.PORT ?? 3000);
  } catch (error) {
    console.error(`Cannot listen: ${(error as Error).message}. Set PORT to a free port.`);
    process.exitCode = 1;
    return app.close();
  }
  const reports = readEarthquakes();
  await app.get(EarthquakeImporter).importAll(reports);
  await app.get(MagnitudeSummary).whenCounted(reports.length);
  const { port } = new URL(await app.getUrl());
  console.log(`Appended and counted ${count(reports.length)} earthquakes. The summary is at http://localhost:${port}/`);
  console.log(`Replaying ${DAY} over and over, a minute each time; Ctrl-C ends it.`);
  const replayed = await app.get(DayReplay).repeat(DAY, SPEED, (quake) => console.log(`  ${describeQuake(quake)}`));
  console.log(`Stopped after replaying ${count(replayed)} quakes.`);
}

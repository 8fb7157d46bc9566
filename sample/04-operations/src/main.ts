import { parseArgs } from 'node:util';
import { NestFactory } from '@nestjs/core';
import { AppModule } from './app.module.js';
import { Customers } from './customers.js';
import { describeTrace, startTracing } from './tracing.js';
import { describeOperations, makeRequests } from './walk-through.js';

const USAGE = `Usage: npm start -- 04-operations [options]

Serves a small shop, orders from it, and shows what whoever runs it gets to see: health, metrics, the audit trail.

  --trace  also trace the requests, and show what came of one of them
  --serve  keep running until Ctrl-C, with customers that order now and then, at http://localhost:3000 or the port in PORT
  --help   this text`;

const { values, problem } = readArguments();
if (problem) {
  console.error(`${problem}\n\n${USAGE}`);
  process.exitCode = 2;
} else if (values?.help) console.log(USAGE);
else await run(values ?? {});

function readArguments() {
  try {
    const flag = { type: 'boolean' } as const;
    return parseArgs({ options: { trace: flag, serve: flag, help: flag } }) as { values: Options; problem?: undefined };
  } catch (error) {
    return { values: undefined, problem: `${(error as Error).message.split('. ')[0]}.` };
  }
}

interface Options {
  readonly trace?: boolean;
  readonly serve?: boolean;
  readonly help?: boolean;
}

async function run({ trace, serve }: Options): Promise<void> {
  if (trace) startTracing();
  // What a handler fails on is the point here, and would fill the screen.
  const app = await NestFactory.create(AppModule, { logger: ['fatal'] });
  // So that Ctrl-C closes the application, and with it the handlers and the stores.
  if (serve) app.enableShutdownHooks(['SIGINT', 'SIGTERM'], { useProcessExit: true });
  await app.listen(serve ? (process.env.PORT ?? 3000) : 0, '127.0.0.1');
  const { port } = new URL(await app.getUrl());
  const url = `http://localhost:${port}`;

  const { made, refused } = await makeRequests(url);
  console.log(`Made ${made} requests, of which ${refused} were refused.\n`);
  console.log(await describeOperations(app, url));
  if (trace) console.log(`\nWhat came of the order of 35 euros:\n${describeTrace('POST /orders/2')}`);
  if (!serve) return app.close();
  app.get(Customers).keepOrdering(url);
  console.log(
    `\nCustomers keep coming. Look at ${url}/event-store/page, ${url}/health/ready and ${url}/metrics; Ctrl-C ends it.`,
  );
}

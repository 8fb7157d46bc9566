import { parseArgs } from 'node:util';
import { NestFactory } from '@nestjs/core';
import { AppModule } from './app.module.js';
import { walkThrough } from './walk-through.js';

const USAGE = `Usage: npm start -- 05-event-sourced-service [options]

Serves bank accounts, does with one of them what clients do, and shows what they are answered.

  --serve  keep running until Ctrl-C, at http://localhost:3000 or the port in PORT
  --help   this text

The variable EVENT_STORE says where events are kept: "memory", the file of a SQLite database, or a postgres:// address.`;

const { values, problem } = readArguments();
if (problem) {
  console.error(`${problem}\n\n${USAGE}`);
  process.exitCode = 2;
} else if (values?.help) console.log(USAGE);
else await run(values ?? {});

interface Options {
  readonly serve?: boolean;
  readonly help?: boolean;
}

function readArguments() {
  try {
    const flag = { type: 'boolean' } as const;
    return parseArgs({ options: { serve: flag, help: flag } }) as { values: Options; problem?: undefined };
  } catch (error) {
    return { values: undefined, problem: `${(error as Error).message.split('. ')[0]}.` };
  }
}

async function run({ serve }: Options): Promise<void> {
  const app = await NestFactory.create(AppModule, { logger: ['error', 'fatal'] });
  if (serve) app.enableShutdownHooks(['SIGINT', 'SIGTERM'], { useProcessExit: true });
  await app.listen(serve ? (process.env.PORT ?? 3000) : 0, '127.0.0.1');
  const url = `http://localhost:${new URL(await app.getUrl()).port}`;
  for await (const line of walkThrough(url)) console.log(line);
  if (!serve) return app.close();
  console.log(`\nAccounts are at ${url}/accounts; Ctrl-C ends it.`);
}

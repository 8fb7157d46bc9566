import { parseArgs } from 'node:util';
import { prepare, withNewSchema } from './database.js';
import { failOver } from './failover.js';
import { Instance, type InstanceMessage } from './instance.js';
import { brokenPromises, describe } from './report.js';
import { runInstance } from './run-instance.js';

const USAGE = `Usage: npm start -- 03-postgres [options]

Runs two instances of an application on one PostgreSQL database, kills the one that runs a durable handler with
SIGKILL, and says what became of the handler and the events. The database is that of DATABASE_URL, or else a server
that is started for it.

  --instance NAME  only run one instance, on the database of DATABASE_URL: run several, and kill one yourself
  --schema NAME    where that instance keeps its tables, default sample_03
  --help           this text`;

const LONGEST_MS = 50_000;

const { values, problem } = readArguments();
if (problem) {
  console.error(`${problem}\n\n${USAGE}`);
  process.exitCode = 2;
} else if (values.help) console.log(USAGE);
else if (values.instance !== undefined) await runOne(values.instance, values.schema ?? 'sample_03');
else await runTwo();

interface Arguments {
  readonly instance?: string;
  readonly schema?: string;
  readonly help?: boolean;
}

function readArguments(): { values: Arguments; problem?: string } {
  try {
    const text = { type: 'string' } as const;
    const { values } = parseArgs({ options: { instance: text, schema: text, help: { type: 'boolean' } } });
    const isAlone = values.instance !== undefined && process.env.DATABASE_URL === undefined;
    return { values, ...(isAlone && { problem: 'DATABASE_URL does not say which database the instance shares.' }) };
  } catch (error) {
    return { values: {}, problem: `${(error as Error).message.split('. ')[0]}.` };
  }
}

async function runTwo(): Promise<void> {
  const tooLong = AbortSignal.timeout(LONGEST_MS);
  const failover = await withNewSchema((database) => failOver(database, tooLong, console.log));
  console.log(`\n${describe(failover)}\n`);
  const broken = brokenPromises(failover);
  console.log(broken.join('\n') || 'Every order that was taken was packed, once and in order.');
  if (broken.length > 0) process.exitCode = 1;
}

async function runOne(name: string, schema: string): Promise<void> {
  const database = { url: process.env.DATABASE_URL!, schema };
  const closing = new AbortController();
  const close = (): void => closing.abort();
  if (process.send) {
    process.on('message', close);
    // Whoever started it is gone, or this instance has said all it had to say.
    process.on('disconnect', () => process.exit());
  } else {
    await prepare(database);
    process.once('SIGINT', close).once('SIGTERM', close);
  }
  const tell = (message: InstanceMessage): void => {
    if (process.send) process.send(message);
    else console.log(name, JSON.stringify(message));
  };
  await runInstance(new Instance(name, tell), database, closing.signal);
  if (process.connected) process.disconnect();
}

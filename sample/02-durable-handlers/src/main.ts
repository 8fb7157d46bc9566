import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { runDesk, type Day, type DeskMessage } from './desk.js';
import { describeDay } from './report.js';

const USAGE = `Usage: npm start -- 02-durable-handlers [options]

Runs an order desk, kills it with SIGKILL in the middle of its work, starts it again, and says what was lost.

  --desk DIRECTORY  only run a desk that keeps its orders in DIRECTORY, to be killed by you
  --help            this text`;

const ORDERS = 24;
const KILLED_AFTER = 11;

const { desk, help } = readArguments();
if (help) console.log(USAGE);
else if (desk !== undefined) await runDesk(desk, ORDERS, report);
else if (process.exitCode === undefined) await killAndRestart();

function readArguments(): { desk?: string; help?: boolean } {
  try {
    return parseArgs({ options: { desk: { type: 'string' }, help: { type: 'boolean' } } }).values;
  } catch (error) {
    console.error(`${(error as Error).message.split('. ')[0]}.\n\n${USAGE}`);
    process.exitCode = 2;
    return {};
  }
}

/** Tells the process that started this one, or else the terminal. */
function report(message: DeskMessage): void {
  if (process.send) process.send(message);
  else if ('accepted' in message) console.log(`Accepted order ${message.accepted}.`);
  else console.log(describeDay(message.day));
}

async function killAndRestart(): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'order-desk-'));
  try {
    const before: number[] = [];
    await runInProcess(directory, (message, kill) => {
      if ('accepted' in message) before.push(message.accepted);
      if (before.length === KILLED_AFTER) kill();
    });
    console.log(`Killed the order desk with SIGKILL after it had accepted ${before.length} orders.`);

    const after: number[] = [];
    let day: Day | undefined;
    await runInProcess(directory, (message) => {
      if ('accepted' in message) after.push(message.accepted);
      else day = message.day;
    });
    console.log(`Started it again: it accepted ${after.length} more, and closed for the day.\n`);

    const lost = [...before, ...after].filter((order) => !day!.orders.includes(order));
    console.log(describeDay(day!));
    console.log(lost.length === 0 ? 'No accepted order was lost.' : `LOST: orders ${lost.join(', ')}.`);
    if (lost.length > 0) process.exitCode = 1;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Runs a desk in a process of its own. */
async function runInProcess(directory: string, told: (message: DeskMessage, kill: () => void) => void): Promise<void> {
  const child = fork(fileURLToPath(import.meta.url), ['--desk', directory]);
  child.on('message', (message) => told(message as DeskMessage, () => child.kill('SIGKILL')));
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  if (code !== 0 && signal !== 'SIGKILL') throw new Error(`The order desk ended with code ${code}.`);
}

import { parseArgs } from 'node:util';
import { EventStoreError } from '../store/values/errors.js';
import { describeProblem } from '../store/values/log-check.js';
import { openStoreToCheck, type StorePlace } from './store-place.js';

const HELP = `Usage: nestjs-stream-store verify --postgres <url> [--schema <name>] [--json] [--limit <count>]
       nestjs-stream-store verify --sqlite <file> [--json] [--limit <count>]

Looks at everything that a store keeps for what cannot be: positions that are missing, streams that are not listed,
events that are out of order. It changes no event, and the application may run meanwhile.

  --postgres <url>  where the database is, such as postgres://user:password@host/database
  --schema <name>   where the tables are; default event_store
  --sqlite <file>   the database file
  --json            one JSON document instead of lines for people
  --limit <count>   after how many problems to give up; 0 for never; default 100
  --help            this text

Exit code: 0 when nothing is wrong, 1 when something is, 2 when it could not tell.
`;

/** Where a command writes. */
interface Output {
  write(text: string): unknown;
}

/** Where the check is done is not right, or the command makes no sense; the message says what would be. */
export class UsageError extends Error {}

/** Runs a command. @returns its exit code */
export async function runCommand(args: readonly string[], out: Output, errors: Output): Promise<number> {
  try {
    const command = parsed(args);
    if (!command) {
      out.write(HELP);
      return 0;
    }
    return await verify(command, out);
  } catch (error) {
    errors.write(`nestjs-stream-store: ${whatIsWrong(error)}\n`);
    return 2;
  }
}

interface VerifyCommand {
  readonly place: StorePlace;
  readonly json: boolean;
  readonly limit: number;
}

/** @returns undefined when the help is asked for */
function parsed(args: readonly string[]): VerifyCommand | undefined {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      postgres: { type: 'string' },
      schema: { type: 'string' },
      sqlite: { type: 'string' },
      json: { type: 'boolean', default: false },
      limit: { type: 'string', default: '100' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help || args.length === 0) return undefined;
  const [name, ...rest] = positionals;
  if (name !== 'verify' || rest.length > 0) {
    throw new UsageError(`there is no command "${positionals.join(' ')}": see --help.`);
  }
  if (!/^\d{1,9}$/.test(values.limit)) throw new UsageError(`--limit ${values.limit} is no whole number.`);
  return { place: placeOf(values), json: values.json, limit: Number(values.limit) };
}

function placeOf({
  postgres,
  schema,
  sqlite,
}: {
  readonly postgres?: string;
  readonly schema?: string;
  readonly sqlite?: string;
}): StorePlace {
  if ((postgres === undefined) === (sqlite === undefined)) {
    throw new UsageError('give either --postgres <url> or --sqlite <file>.');
  }
  if (sqlite === undefined) return { kind: 'postgres', connectionString: postgres!, schema };
  if (schema !== undefined) throw new UsageError('--schema is for --postgres: a SQLite file has none.');
  return { kind: 'sqlite', file: sqlite };
}

async function verify({ place, json, limit }: VerifyCommand, out: Output): Promise<number> {
  const store = await openStoreToCheck(place);
  try {
    const { problems, isComplete } = await store.checkLog({ limit });
    if (json) {
      const described = problems.map((problem) => ({ ...problem, message: describeProblem(problem) }));
      out.write(
        `${JSON.stringify({ isWhole: problems.length === 0, isComplete, problems: described }, undefined, 2)}\n`,
      );
    } else {
      for (const problem of problems) out.write(`${describeProblem(problem)}\n`);
      if (problems.length === 0) out.write('Nothing is wrong.\n');
      else
        out.write(
          `${isComplete ? '' : 'At least '}${problems.length} ${problems.length === 1 ? 'problem' : 'problems'}.\n`,
        );
    }
    return problems.length === 0 ? 0 : 1;
  } finally {
    await store.close();
  }
}

/** The message of what is expected to go wrong; with its origin, what is not. */
function whatIsWrong(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const isExpected =
    error instanceof UsageError ||
    error instanceof EventStoreError ||
    String((error as NodeJS.ErrnoException).code).startsWith('ERR_PARSE_ARGS');
  return isExpected ? error.message : (error.stack ?? error.message);
}

import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { runCommand } from '../../lib/cli/command.js';
import { numbered } from '../support/events.js';
import { usePostgres } from '../support/engines/postgres-stores.js';

const { server, openStore } = usePostgres();

async function run(...args: string[]) {
  const [out, errors]: [string[], string[]] = [[], []];
  const code = await runCommand(args, { write: (text) => out.push(text) }, { write: (text) => errors.push(text) });
  return { code, out: out.join(''), errors: errors.join('') };
}

async function filledSchema(damage?: string): Promise<string> {
  const schema = server().newSchema();
  const store = await openStore({ schema });
  await store.append('orders', numbered(1, 5));
  await store.close();
  if (damage) await server().run(damage.replace('events', `"${schema}".events`));
  return schema;
}

describe('verify on PostgreSQL', () => {
  it('says that nothing is wrong, with exit code 0', async () => {
    const schema = await filledSchema();

    expect(await run('verify', '--postgres', server().url, '--schema', schema)).toEqual({
      code: 0,
      out: 'Nothing is wrong.\n',
      errors: '',
    });
  });

  it('says what is wrong, with exit code 1', async () => {
    const schema = await filledSchema('DELETE FROM events WHERE position = 3');

    const { code, out } = await run('verify', `--postgres=${server().url}`, `--schema=${schema}`);

    expect(code).toBe(1);
    expect(out).toBe('no event has the global position 3\nstream "orders" has no event at position 3\n2 problems.\n');
  });

  it('says it as JSON', async () => {
    const schema = await filledSchema('DELETE FROM events WHERE position = 3');

    const { code, out } = await run('verify', '--postgres', server().url, '--schema', schema, '--json', '--limit', '1');

    expect(code).toBe(1);
    expect(JSON.parse(out)).toEqual({
      isWhole: false,
      isComplete: false,
      problems: [{ kind: 'missing-in-log', first: 3, last: 3, message: 'no event has the global position 3' }],
    });
  });

  it('makes no store where there is none', async () => {
    const schema = server().newSchema();

    const { code, errors } = await run('verify', '--postgres', server().url, '--schema', schema);

    expect(code).toBe(2);
    expect(errors).toContain(`there is no store in schema "${schema}"`);
    expect(await server().run('SELECT to_regnamespace($1) AS found', [schema])).toEqual([{ found: null }]);
  });

  it('says when nobody answers, with exit code 2', async () => {
    const { code, errors } = await run('verify', '--postgres', 'postgres://nobody@127.0.0.1:1/none');

    expect(code).toBe(2);
    expect(errors).toContain('ECONNREFUSED');
  });
});

describe('verify on SQLite', () => {
  it('makes no file where there is none', async () => {
    const file = join(mkdtempSync(join(tmpdir(), 'stream-store-cli-')), 'events.db');

    const { code, errors } = await run('verify', '--sqlite', file);

    expect(code).toBe(2);
    expect(errors).toContain(`there is no file "${file}"`);
    expect(existsSync(file)).toBe(false);
  });
});

describe('a command that makes no sense', () => {
  it.each([
    [['verify'], 'either --postgres <url> or --sqlite <file>'],
    [['verify', '--sqlite', 'a', '--postgres', 'b'], 'either --postgres <url> or --sqlite <file>'],
    [['verify', '--sqlite', 'a', '--schema', 'b'], '--schema is for --postgres'],
    [['verify', '--sqlite'], '--sqlite'],
    [['verify', '--sqlite', 'a', '--limit', 'many'], '--limit many is no whole number'],
    [['verify', '--sqlite', 'a', '--jsn'], "'--jsn'"],
    [['check', '--sqlite', 'a'], 'there is no command "check"'],
  ])('%j is refused with exit code 2, and says why', async (args, why) => {
    const { code, errors } = await run(...args);

    expect(code).toBe(2);
    expect(errors).toContain(why);
    expect(errors).not.toContain('    at ');
  });

  it.each([[[]], [['--help']], [['verify', '-h']]])('%j is answered with help', async (args: string[]) => {
    expect(await run(...args)).toMatchObject({ code: 0, out: expect.stringContaining('Usage: ') });
  });
});

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { hostname } from 'node:os';
import { afterEach, describe, expect, it } from '@jest/globals';
import { hasEnded, holderName } from '../../lib/store/services/holder-name.js';

const children: ChildProcess[] = [];

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

async function startProcess(): Promise<ChildProcess> {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1_000)'], { stdio: 'ignore' });
  children.push(child);
  await once(child, 'spawn');
  return child;
}

const OWN = holderName();
const [, numbering, ticks] = /\/([0-9a-f]{12})-(\d+):\d+:[0-9a-f]{8}$/.exec(OWN) ?? [];

/** The name of a store in this or another process. */
function nameOf(parts: Partial<Record<'host' | 'numbering' | 'ticks', string>> & { pid: number }): string {
  const { host, pid, ...rest } = { host: hostname(), numbering, ticks, ...parts };
  return `${host}/${rest.numbering}-${rest.ticks}:${pid}:0123abcd`;
}

it('a store has the host, the process and a random part in its name', () => {
  expect(OWN).toMatch(new RegExp(`^.+:${process.pid}:[0-9a-f]{8}$`));
  expect(holderName()).not.toBe(OWN);
});

it('a store whose process runs has not ended', () => {
  expect(hasEnded(OWN)).toBe(false);
});

it.each(['web-2:1:9f8e7d6c', `${hostname()}:999999999:9f8e7d6c`, '', 'one', 'a:b:c', `${hostname()}/x-1:1:9f8e7d6c`])(
  'a name that does not tell enough, such as "%s", is of a store that may be there',
  (name) => expect(hasEnded(name)).toBe(false),
);

describe('where the system tells of processes', () => {
  const gone = 999_999_999;

  it('a store whose process is gone has ended', async () => {
    const child = await startProcess();
    const pid = child.pid!;
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(hasEnded(nameOf({ pid }))).toBe(true);
  });

  it('a store whose process id another process has now has ended', () => {
    expect(hasEnded(nameOf({ pid: process.pid, ticks: String(Number(ticks) - 1) }))).toBe(true);
    expect(hasEnded(nameOf({ pid: process.pid }))).toBe(false);
  });

  it.each([
    ['another host', { host: 'elsewhere' }],
    ['another start of the computer, or in another container,', { numbering: '0123456789ab' }],
  ])('a store of %s may be there, whatever processes there are here', (_, parts) => {
    expect(hasEnded(nameOf({ pid: gone }))).toBe(true);
    expect(hasEnded(nameOf({ pid: gone, ...parts }))).toBe(false);
  });
});

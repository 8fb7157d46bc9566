import { createHash, randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { numberingOfProcesses, systemProcesses } from './process-table.js';

const HOLDER = /^(?<host>.*)\/(?<numbering>[0-9a-f]{12})-(?<ticks>\d+):(?<pid>\d+):[0-9a-f]{8}$/s;

/**
 * Names a store among those that share a log: another name in each process, and after each start of one.
 *
 * It says the host, the process and a random part. Where the system tells, what follows the host lets others on it find out
 * whether the process still runs: which numbering its id belongs to, and when it was started.
 */
export function holderName(): string {
  const { pid, startedAt } = systemProcesses.self;
  const numbering = ownNumbering();
  const ticks = startedAt?.split('/')[1];
  const host = numbering && ticks ? `${hostname()}/${numbering}-${ticks}` : hostname();
  return `${host}:${pid}:${randomUUID().slice(0, 8)}`;
}

/** Whether it is certain that the process has ended whose store has this name. What cannot be known counts as running. */
export function hasEnded(holder: string): boolean {
  const { host, pid, numbering, ticks } = HOLDER.exec(holder)?.groups ?? {};
  if (host === undefined || host !== hostname() || numbering !== ownNumbering()) return false;
  // The same numbering is of the same start of the computer.
  const boot = systemProcesses.self.startedAt?.split('/')[0];
  if (!boot) return false;
  return !systemProcesses.isAlive({ pid: Number(pid), host, startedAt: `${boot}/${ticks}` });
}

function ownNumbering(): string | undefined {
  const numbering = numberingOfProcesses();
  return numbering && createHash('sha256').update(numbering).digest('hex').slice(0, 12);
}

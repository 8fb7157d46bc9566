import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** A process, told apart from a later one that got the same number. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly host: string;
  /** When it was started, counted by the system; undefined where the system does not say. */
  readonly startedAt: string | undefined;
}

export interface ProcessTable {
  /** The process that runs this. */
  readonly self: ProcessIdentity;
  /** Whether a process runs, or may run: of a process on another host nothing can be known. */
  isAlive(process: ProcessIdentity): boolean;
}

/** The processes of this computer. */
export const systemProcesses: ProcessTable = {
  get self() {
    return { pid: process.pid, host: hostname(), startedAt: startOf(process.pid) };
  },

  isAlive({ pid, host, startedAt }) {
    if (host !== hostname()) return true;
    try {
      process.kill(pid, 0);
    } catch (error) {
      // EPERM: there is such a process, of somebody else.
      if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    }
    if (startedAt === undefined) return true;
    // In a container a process often gets the number of the one before it, and most often 1.
    const start = startOf(pid);
    return start === undefined || start === startedAt;
  },
};

/**
 * What the process ids of this process are unique in: this start of the computer, and the container or the like. Undefined
 * where the system does not say.
 */
export function numberingOfProcesses(): string | undefined {
  try {
    const [pid] = readFileSync('/proc/self/stat', 'latin1').split(' ');
    // Somebody has mounted the process table of another numbering.
    if (Number(pid) !== process.pid) return undefined;
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
    return `${boot} ${readlinkSync('/proc/self/ns/pid')} ${namespaceOfTime()}`;
  } catch {
    return undefined;
  }
}

/** By it the system moves the times at which processes were started. Systems before Linux 5.6 have but one. */
function namespaceOfTime(): string {
  try {
    return readlinkSync('/proc/self/ns/time');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}

/** Undefined where it cannot be known; empty for a process that has ended and was not yet taken note of. */
function startOf(pid: number): string | undefined {
  try {
    // Linux, proc_pid_stat(5): the state is the first field behind the name, the time of the start the twentieth.
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return '';
    // The time counts from the start of the computer.
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()}/${fields[19]}`;
  } catch {
    return undefined;
  }
}

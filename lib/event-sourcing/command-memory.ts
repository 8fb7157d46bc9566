import { WrongExpectedRevisionError } from '../store/values/errors.js';
import type { NewEvent } from '../store/values/event.js';
import { NO_STREAM } from '../store/values/expected-revision.js';
import type { AggregateLog } from './aggregate-log.js';
import { eventIdOf } from './command-ids.js';

/** What a command has appended. */
export interface DoneCommand {
  /** The position of its first event. */
  readonly firstPosition: number;
  /** The global position of its last event. */
  readonly globalPosition: number;
  readonly count: number;
}

/** What became of an append. */
export interface CommandAppend extends DoneCommand {
  /** Whether the command had been done before, by somebody else: these are the events of then. */
  readonly wasDoneBefore: boolean;
}

/**
 * Which commands were done: a command is known by the ids of its events, which are derived from it, as long as its stream is
 * kept.
 */
export class CommandMemory {
  constructor(private readonly log: AggregateLog) {}

  /** What the command has appended to the stream; undefined when it was not done. */
  async find(streamId: string, commandId: string): Promise<DoneCommand | undefined> {
    let found: DoneCommand | undefined;
    let position = 0;
    for (let isEnd = false; !isEnd;) {
      const page = await this.log.after(streamId, { position });
      if (!page) break;
      for (const event of page.events) {
        if (event.id === eventIdOf(streamId, commandId, found?.count ?? 0)) {
          const { firstPosition = event.position, count = 0 } = found ?? {};
          found = { firstPosition, globalPosition: event.globalPosition, count: count + 1 };
        } else if (found) return found;
      }
      ({ position, isEnd } = page);
    }
    return found;
  }

  /**
   * Appends after a revision.
   *
   * @returns what the command has appended, now or before
   * @throws {WrongExpectedRevisionError} when somebody else appended first
   */
  async append(
    streamId: string,
    events: readonly NewEvent[],
    revision: number,
    commandId: string | undefined,
  ): Promise<CommandAppend> {
    try {
      const appended = await this.log.append(streamId, events, revision === 0 ? NO_STREAM : revision);
      return { ...appended, wasDoneBefore: false };
    } catch (error) {
      if (!(error instanceof WrongExpectedRevisionError) || commandId === undefined) throw error;
      const done = await this.find(streamId, commandId);
      if (done) return { ...done, wasDoneBefore: true };
      throw error;
    }
  }
}

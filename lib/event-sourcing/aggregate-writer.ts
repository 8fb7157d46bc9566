import { internalsOf } from '../store/store-internals.js';
import { retryDelayMs } from '../consumer/retry-policy.js';
import type { Clock } from '../store/values/clock.js';
import { WrongExpectedRevisionError } from '../store/values/errors.js';
import type { RecordedEvent } from '../store/values/event.js';
import { createEventId } from '../store/values/event-id.js';
import { ANY, type ExpectedRevision, NO_STREAM, STREAM_EXISTS } from '../store/values/expected-revision.js';
import type { Act, AggregateDefinition } from './aggregate-definition.js';
import type { AggregateLog } from './aggregate-log.js';
import { eventIdOf } from './command-ids.js';
import type { CommandAppend, CommandMemory, DoneCommand } from './command-memory.js';
import { Recording } from './recording.js';
import type { LoadedState, StateLoader } from './state-loader.js';
import type { StreamTurns } from './stream-turns.js';
import type { CheckedUpdateOptions } from './update-options.js';

/** A command for an aggregate, checked. */
export interface Command {
  readonly streamId: string;
  readonly id: string;
  readonly act: Act;
  readonly options: CheckedUpdateOptions;
  /** Whether the aggregate is to be made by it. */
  readonly creates: boolean;
}

/** What a command has led to. */
export interface CommandOutcome {
  readonly loaded: LoadedState<unknown>;
  readonly events: readonly RecordedEvent[];
}

/** How long to wait before a command that lost a race is tried again: at the longest 10 ms, then 20 ms, up to a second. */
const RETRY = { attempts: 1, initialDelayMs: 10, maxDelayMs: 1_000, factor: 2 };

/**
 * Carries out commands: takes the turn of the stream, asks whether the command was done before, loads the state, lets the act
 * decide, and appends what it recorded after the revision it has seen. When somebody else was first, it begins again.
 *
 * Only that is tried again. When the storage goes away during an append, the command may have been done: it rejects, and the
 * same command once more finds it out.
 */
export class AggregateWriter {
  constructor(
    private readonly definition: AggregateDefinition<unknown>,
    private readonly log: AggregateLog,
    private readonly loader: StateLoader<unknown>,
    private readonly commands: CommandMemory,
    private readonly turns: StreamTurns,
  ) {}

  /** @throws what the act throws, and what appending fails with; nothing is kept then, unless that is not known */
  async carryOut(command: Command): Promise<CommandOutcome> {
    return this.turns.run(command.streamId, async () => {
      const { clock } = this.log.store;
      for (let attempt = 1; ; attempt++) {
        const outcome = await this.#attempt(command, clock);
        if (!(outcome instanceof WrongExpectedRevisionError)) return outcome;
        if (attempt >= command.options.attempts) throw outcome;
        await pause(clock, retryDelayMs(attempt, RETRY, clock));
      }
    });
  }

  /** @returns the conflict, when somebody else appended first */
  async #attempt(command: Command, clock: Clock): Promise<CommandOutcome | WrongExpectedRevisionError> {
    const { streamId, id, act } = command;
    const { commandId, metadata, expectedRevision } = command.options;
    const done = commandId === undefined ? undefined : await this.commands.find(streamId, commandId);
    if (done) return this.#asTheFirstTime(command, done);

    const loaded = command.creates ? await this.#beforeFirst(streamId) : await this.loader.load(streamId, id, 2);
    const { revision } = loaded;
    checkRevision(streamId, revision, expectedRevision);

    const idOf = (index: number): string =>
      commandId === undefined ? createEventId(clock.now()) : eventIdOf(streamId, commandId, index);
    const { catalog } = internalsOf(this.log.store);
    const place = { streamId, revision, metadata, now: () => clock.now(), idOf, catalog };
    const recording = new Recording(this.definition, loaded.take(), place);
    const events = await recording.during(() => this.definition.decide(recording, act));
    if (events.length === 0) return { loaded, events: [] };
    // A state that no snapshot can hold is refused before anything is kept.
    if (this.definition.snapshot) this.definition.write(recording.state);

    let appended: CommandAppend;
    try {
      appended = await this.commands.append(streamId, events, revision, commandId);
    } catch (error) {
      if (error instanceof WrongExpectedRevisionError) return error;
      throw error;
    }
    // Another process has done this command since it was looked for.
    if (appended.wasDoneBefore) return this.#asTheFirstTime(command, appended);
    return this.#after(command, loaded, recording, appended);
  }

  async #beforeFirst(streamId: string): Promise<LoadedState<unknown>> {
    const revision = await this.log.revision(streamId);
    if (revision > 0) throw new WrongExpectedRevisionError(streamId, NO_STREAM, revision);
    return this.loader.beginning();
  }

  /** The events are read back, as the store may have added to them. */
  async #after(
    { streamId, id }: Command,
    loaded: LoadedState<unknown>,
    recording: Recording<unknown>,
    { firstPosition, globalPosition, count }: DoneCommand,
  ): Promise<CommandOutcome> {
    const kept = await this.log.range(streamId, firstPosition, count).catch(() => undefined);
    // They are kept, whatever has become of the storage since.
    const events = kept ?? recording.eventsUpTo(globalPosition);
    return { loaded: await this.loader.advance(streamId, id, loaded, events, kept !== undefined), events };
  }

  async #asTheFirstTime({ streamId, id }: Command, { firstPosition, count }: DoneCommand): Promise<CommandOutcome> {
    const until = { revision: firstPosition + count - 1, recordedAt: Infinity };
    const loaded = await this.loader.load(streamId, id, 1, until);
    return { loaded, events: await this.log.range(streamId, firstPosition, count) };
  }
}

/** @throws {WrongExpectedRevisionError} when the stream is not where the caller expects it */
function checkRevision(streamId: string, actual: number, expected: ExpectedRevision): void {
  if (expected === ANY) return;
  const isExpected = expected === STREAM_EXISTS ? actual > 0 : actual === (expected === NO_STREAM ? 0 : expected);
  if (!isExpected) throw new WrongExpectedRevisionError(streamId, expected, actual);
}

function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => void clock.setTimer(resolve, ms));
}

import { NO_STREAM, STREAM_EXISTS, type ExpectedRevision } from './expected-revision.js';

/**
 * The base of every error this package throws.
 *
 * Decide by `code` (it never changes within a major version) or by class; messages are for people and may be reworded.
 */
export abstract class EventStoreError extends Error {
  /** What went wrong, in capitals, for programs. */
  abstract readonly code: string;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** An argument, an option or a part of an event is not acceptable. Nothing was kept. */
export class ValidationError extends EventStoreError {
  readonly code = 'VALIDATION_FAILED';

  /**
   * @param field which input, as a path: `streamId`, `events[2].data.price`, `retentionDuration`
   * @param problem what is wrong with it and what would be right
   */
  constructor(
    readonly field: string,
    problem: string,
    options?: ErrorOptions,
  ) {
    super(`Invalid ${field}: ${problem}`, options);
  }
}

/** A package that a subpath of this one needs is not installed, or in a version that does not fit. */
export class MissingPeerError extends EventStoreError {
  readonly code = 'MISSING_PEER';

  /**
   * @param subpath what needs it, such as `nestjs-stream-store/terminus`
   * @param peer the name of the package
   * @param versions those that fit, when one is installed that does not
   */
  constructor(
    readonly subpath: string,
    readonly peer: string,
    versions?: string,
    options?: ErrorOptions,
  ) {
    super(
      versions === undefined
        ? `${subpath} needs ${peer}: npm install ${peer}`
        : `${subpath} needs ${peer} ${versions}, and another version is installed: npm install "${peer}@${versions}"`,
      options,
    );
  }
}

/** Nothing was ever appended to the stream. */
export class StreamNotFoundError extends EventStoreError {
  readonly code = 'STREAM_NOT_FOUND';

  constructor(readonly streamId: string) {
    super(`There is no stream "${streamId}": append to it first, or subscribe to it, which waits for the first event.`);
  }
}

/** Nothing was ever appended to the stream of an aggregate. */
export class AggregateNotFoundError extends EventStoreError {
  readonly code = 'AGGREGATE_NOT_FOUND';

  /** @param id that of the aggregate, without its category */
  constructor(
    readonly category: string,
    readonly id: string,
  ) {
    super(`There is no ${category} "${id}": create it first, or ask with find(), which answers with undefined.`);
  }
}

/** Somebody else appended first: the stream is not at the revision the caller had seen. Nothing was kept. */
export class WrongExpectedRevisionError extends EventStoreError {
  readonly code = 'WRONG_EXPECTED_REVISION';

  constructor(
    readonly streamId: string,
    readonly expected: ExpectedRevision,
    readonly actual: number,
  ) {
    super(
      `Expected stream "${streamId}" ${expectation(expected)}, but it is at revision ${actual}. Read it again and retry.`,
    );
  }
}

/** The append would go over a limit of the store. Nothing was kept. */
export class StreamLimitReachedError extends EventStoreError {
  readonly code = 'STREAM_LIMIT_REACHED';

  /** @param maximum the configured limit */
  constructor(
    readonly limit: 'maxEventsPerStream' | 'maxStreams',
    readonly maximum: number,
    readonly streamId: string,
  ) {
    super(
      limit === 'maxStreams'
        ? `Stream "${streamId}" would be one more than ${maximum} streams: raise maxStreams, or set it to 0 for no limit.`
        : `Stream "${streamId}" would hold more than ${maximum} events: raise maxEventsPerStream, set it to 0 for no ` +
            `limit, or set a retentionDuration.`,
    );
  }
}

/** The store was closed, or is closing. Calls accepted earlier still finish. */
export class StoreClosedError extends EventStoreError {
  readonly code = 'STORE_CLOSED';

  constructor(readonly storeName: string) {
    super(`The event store "${storeName}" is closed: open a new one.`);
  }
}

/** The caller's `AbortSignal` ended the call. `cause` is the signal's reason; nothing was kept. */
export class OperationAbortedError extends EventStoreError {
  readonly code = 'OPERATION_ABORTED';

  constructor(
    readonly operation: string,
    reason: unknown,
  ) {
    super(`${operation} was aborted by its signal: call it again with a signal that is not aborted.`, {
      cause: reason,
    });
  }
}

/** A subscription was closed or aborted before what was waited for. `cause` is the reason of its signal, if it had one. */
export class SubscriptionEndedError extends EventStoreError {
  readonly code = 'SUBSCRIPTION_ENDED';

  /** @param target what the subscription was for, in words */
  constructor(
    readonly target: string,
    reason?: unknown,
  ) {
    super(`The subscription to ${target} ended before it had caught up: subscribe again from its position.`, {
      cause: reason,
    });
  }
}

/** Data that was written in an earlier version of its type, or a later one, cannot be brought into the present one. */
export class UpcastFailedError extends EventStoreError {
  readonly code = 'UPCAST_FAILED';

  /**
   * @param position of the event in its stream
   * @param type its type, as it is called now
   * @param schemaVersion the version that it was written in
   * @param isNewer whether that is later than what is known here: another instance, or a later release, can read it
   */
  constructor(
    readonly streamId: string,
    readonly position: number,
    readonly type: string,
    readonly schemaVersion: number,
    reason: string,
    readonly isNewer: boolean,
    options?: ErrorOptions,
  ) {
    super(
      `Event ${position} of stream "${streamId}" is "${type}" in version ${schemaVersion}, and cannot be read: ${reason}. ` +
        (isNewer ? 'Update what reads it.' : 'Fix the upcast; { raw: true } reads it as it was written.'),
      options,
    );
  }
}

/**
 * Retention removed events that are needed: those that a replay was to cover before it came to them, or the first ones of a
 * stream whose state follows from all of them.
 */
export class EventsExpiredError extends EventStoreError {
  readonly code = 'EVENTS_EXPIRED';

  /**
   * @param globalPosition of the first event that is missing to a replay; undefined where a stream begins too late
   * @param streamId the stream that begins too late; undefined for a replay
   * @param trimmedTo the position of the last event of the stream that is missing
   */
  constructor(
    readonly globalPosition: number | undefined,
    readonly streamId?: string,
    readonly trimmedTo?: number,
  ) {
    super(
      streamId === undefined
        ? `Retention removed the event at global position ${globalPosition} before the replay came to it: give it a longer ` +
            `retentionDuration, a higher speed or a later beginning.`
        : `Retention removed the events of "${streamId}" up to position ${trimmedTo}, and its state follows from all of ` +
            `them: keep aggregates in a store without a retentionDuration.`,
    );
  }
}

/** The engine, as it is configured, cannot do this. */
export class UnsupportedOperationError extends EventStoreError {
  readonly code = 'UNSUPPORTED_OPERATION';

  /** @param remedy what to configure, or what to use instead */
  constructor(
    readonly operation: string,
    remedy: string,
  ) {
    super(`${operation} is not supported here: ${remedy}`);
  }
}

/** What keeps the events cannot be reached, or cannot answer now. It may a moment later: the engine connects again by itself. */
export class StorageUnavailableError extends EventStoreError {
  readonly code = 'STORAGE_UNAVAILABLE';

  /**
   * @param storage which one, in words
   * @param isOutcomeUnknown whether the call may have been carried out all the same; false when it surely was not
   */
  constructor(
    readonly storage: string,
    readonly isOutcomeUnknown: boolean,
    cause: unknown,
  ) {
    super(
      `The ${storage} is not available: ${cause instanceof Error ? cause.message : String(cause)}. Try again later` +
        `${isOutcomeUnknown ? '; an append may have been kept, so repeat it with the same ids and expected revision' : ''}.`,
      { cause },
    );
  }
}

/** What keeps the events refused something the engine needs, and will until somebody fixes it. Nothing was kept. */
export class StorageFailedError extends EventStoreError {
  readonly code = 'STORAGE_FAILED';

  /** @param storage which one, in words */
  constructor(
    readonly storage: string,
    cause: unknown,
  ) {
    super(
      `The ${storage} failed: ${cause instanceof Error ? cause.message : String(cause)}. See "cause", and fix it.`,
      {
        cause,
      },
    );
  }
}

/** A later version of this package has changed how events are kept: this one does not know how to read them. */
export class StorageTooNewError extends EventStoreError {
  readonly code = 'STORAGE_TOO_NEW';

  /**
   * @param storage which one, in words
   * @param version of its layout
   * @param supported the last version that is known here
   */
  constructor(
    readonly storage: string,
    readonly version: number,
    readonly supported: number,
  ) {
    super(`The ${storage} is at version ${version}, and only ${supported} is known here: update nestjs-stream-store.`);
  }
}

/** What keeps the events is damaged. What can still be read may be incomplete, so nothing is read from it. */
export class StorageCorruptedError extends EventStoreError {
  readonly code = 'STORAGE_CORRUPTED';

  /**
   * @param storage which one, in words
   * @param reason what is wrong with it
   */
  constructor(
    readonly storage: string,
    readonly reason: string,
    options?: ErrorOptions,
  ) {
    super(
      `The ${storage} is damaged: ${reason}. Keep a copy of it, then put a snapshot or a backup in its place.`,
      options,
    );
  }
}

/** A snapshot is not as it was written, and no older one is intact. The store is not opened. */
export class SnapshotCorruptedError extends EventStoreError {
  readonly code = 'SNAPSHOT_CORRUPTED';

  /**
   * @param location the file
   * @param reason what is wrong with it, and where
   */
  constructor(
    readonly location: string,
    readonly reason: string,
    options?: ErrorOptions,
  ) {
    super(
      `The snapshot ${location} is damaged: ${reason}. Put a copy of it or of an older one into its place; or, to begin ` +
        `without its events, move all snapshots away.`,
      options,
    );
  }
}

/** A snapshot may be intact, but this version of the package, of Node, or this kind of computer cannot read it. */
export class SnapshotUnsupportedError extends EventStoreError {
  readonly code = 'SNAPSHOT_UNSUPPORTED';

  /**
   * @param location the file
   * @param reason what is missing, and what to do
   */
  constructor(
    readonly location: string,
    readonly reason: string,
  ) {
    super(`The snapshot ${location} cannot be read here: ${reason}.`);
  }
}

/** Another store, in this process or another one, keeps its snapshots in the directory. */
export class SnapshotDirectoryInUseError extends EventStoreError {
  readonly code = 'SNAPSHOT_DIRECTORY_IN_USE';

  /**
   * @param pid of the process; undefined when it cannot be told
   * @param host of the process
   * @param lockFile says so, and can be removed when it is wrong
   */
  constructor(
    readonly directory: string,
    readonly pid: number | undefined,
    readonly host: string | undefined,
    readonly lockFile: string,
  ) {
    super(
      `${directory} is in use by ${pid === undefined ? 'another store' : `process ${pid} on ${host}`}: give each store a ` +
        `directory of its own, or close that one first. If it is sure not to run any more, remove ${lockFile}.`,
    );
  }
}

/** The disk refused something that a snapshot needs. Snapshots that were complete before are untouched. */
export class SnapshotDiskError extends EventStoreError {
  readonly code = 'SNAPSHOT_DISK_FAILED';
  /** The system's code, such as `ENOSPC`; undefined when it gave none. */
  readonly systemCode: string | undefined;

  /**
   * @param operation what was tried, such as `write`
   * @param location the file or directory
   */
  constructor(
    readonly operation: string,
    readonly location: string,
    cause: unknown,
  ) {
    super(
      `Could not ${operation} ${location}: ${cause instanceof Error ? cause.message : String(cause)}. See that the disk ` +
        `works, has room, and lets this process write, then try again.`,
      { cause },
    );
    this.systemCode = (cause as NodeJS.ErrnoException | undefined)?.code;
  }
}

/**
 * The store closed, but could not write its last snapshot. Where an engine keeps events in snapshots alone, what was kept
 * since the one before ends with the process.
 */
export class LastSnapshotFailedError extends EventStoreError {
  readonly code = 'LAST_SNAPSHOT_FAILED';

  constructor(
    readonly storeName: string,
    cause: unknown,
  ) {
    super(
      `The event store "${storeName}" is closed, but its last snapshot failed. Unless its engine keeps every append on ` +
        `disk, what was kept since the one before is lost: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    );
  }
}

/** A handler took longer than its `timeoutMs`. What it still does changes nothing; its signal was aborted. */
export class HandlerTimeoutError extends EventStoreError {
  readonly code = 'HANDLER_TIMEOUT';

  constructor(
    readonly handler: string,
    readonly timeoutMs: number,
  ) {
    super(`${handler} took longer than ${timeoutMs} ms: raise timeoutMs, or end the work when context.signal aborts.`);
  }
}

/** A handler failed on an event that was handed to it on request. `cause` is what it threw. */
export class HandlerFailedError extends EventStoreError {
  readonly code = 'HANDLER_FAILED';

  constructor(
    readonly handler: string,
    readonly eventId: string,
    cause: unknown,
  ) {
    super(`${handler} failed on event ${eventId} again: fix what it fails on, then retry.`, { cause });
  }
}

/** A handler is paused, or stopped after a failure: it handles no events until it is resumed. */
export class HandlerStoppedError extends EventStoreError {
  readonly code = 'HANDLER_STOPPED';

  constructor(
    readonly handler: string,
    cause?: unknown,
  ) {
    super(`${handler} is paused or has stopped: resume it, after fixing what stopped it.`, { cause });
  }
}

/**
 * The log does not go on from where a reader is: it ends before that place, or has another event there. It was put back to
 * an earlier state, as by a restored backup or a failover, and what was read since is not in it, or not at that position.
 */
export class LogForkedError extends EventStoreError {
  readonly code = 'LOG_FORKED';

  /**
   * @param reader who, in words
   * @param position that the reader had come to: in its stream, or in the whole log
   * @param head the position of the last event there is now; undefined when it is not known
   */
  constructor(
    readonly reader: string,
    readonly position: number,
    readonly head: number | undefined,
  ) {
    super(
      `${reader} had come to position ${position}, and the log ` +
        `${head !== undefined && head < position ? `ends at ${head}` : 'has another event there'} now: it was put back to ` +
        `an earlier state. Read again from a place before that.`,
    );
  }
}

/** Another checkpoint is kept than the one that was to be replaced: what keeps it was put back, or somebody else saved. */
export class CheckpointChangedError extends EventStoreError {
  readonly code = 'CHECKPOINT_CHANGED';

  /** @param checkpoint its name */
  constructor(readonly checkpoint: string) {
    super(
      `The checkpoint of "${checkpoint}" is not the one that was saved last: what keeps it was put back to an earlier state, ` +
        `or another process has saved it. Nothing is to be done: the handler begins again at the one that is kept.`,
    );
  }
}

/** Another instance runs the handler now, or may: this one was too slow, or cut off. What it wrote since was not kept. */
export class LeaseLostError extends EventStoreError {
  readonly code = 'LEASE_LOST';

  /** @param lease its name */
  constructor(readonly lease: string) {
    super(
      `The lease of "${lease}" was not renewed in time, so another instance may run it: nothing is to be done, unless it ` +
        `happens often. Then see that this process is not blocked for long, or raise leaseDurationMs.`,
    );
  }
}

/** No dead letter has this id: it was retried or discarded before, or never was. */
export class DeadLetterNotFoundError extends EventStoreError {
  readonly code = 'DEAD_LETTER_NOT_FOUND';

  constructor(readonly id: string) {
    super(`There is no dead letter "${id}": list them to see which there are.`);
  }
}

/** The code of an error for metrics: its own, or `UNKNOWN` for an error that is not the store's. */
export function codeOf(error: unknown): string {
  return error instanceof EventStoreError ? error.code : 'UNKNOWN';
}

/** What an append had expected of its stream, for the message. */
function expectation(expected: ExpectedRevision): string {
  if (expected === NO_STREAM) return 'not to exist';
  if (expected === STREAM_EXISTS) return 'to exist';
  return `to be at revision ${String(expected)}`;
}

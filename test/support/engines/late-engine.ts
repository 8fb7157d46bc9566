import { memoryEngine, type MaybePromise, type StorageEngine } from 'nestjs-stream-store';
import { settled } from '../waiting/manual-clock.js';

type Verb = keyof StorageEngine;

/** A storage engine that answers in a later turn of the event loop, as one with a server behind it does. */
export interface LateEngine extends StorageEngine {
  /** The verbs it was asked, in order. */
  readonly asked: string[];
  /** The verbs it was asked and has not answered. */
  readonly unanswered: string[];
  /** What was unanswered when `close` was called; undefined before. */
  readonly unansweredAtClose: readonly string[] | undefined;
  /** Keeps all answers back until `release`. */
  hold(): void;
  release(): void;
  /** Makes the next call of a verb fail. */
  failNext(verb: Verb, error: Error): void;
}

export function lateEngine(inner: StorageEngine = memoryEngine()): LateEngine {
  const asked: string[] = [];
  const unanswered: string[] = [];
  const failures = new Map<string, Error>();
  let unansweredAtClose: readonly string[] | undefined;
  let whenReleased: Promise<void> = Promise.resolve();
  let release = (): void => undefined;

  const late = async <Answer>(verb: Verb, answer: () => MaybePromise<Answer>): Promise<Answer> => {
    asked.push(verb);
    unanswered.push(verb);
    try {
      await settled();
      await whenReleased;
      const failure = failures.get(verb);
      failures.delete(verb);
      if (failure) throw failure;
      return await answer();
    } finally {
      unanswered.splice(unanswered.indexOf(verb), 1);
    }
  };

  return {
    name: 'late',
    supports: inner.supports,
    asked,
    unanswered,
    get unansweredAtClose() {
      return unansweredAtClose;
    },
    hold: () => void (whenReleased = new Promise((resolve) => (release = resolve))),
    release: () => release(),
    failNext: (verb, error) => void failures.set(verb, error),
    open: (context) => late('open', () => inner.open(context)),
    append: (request) => late('append', () => inner.append(request)),
    readStream: (request) => late('readStream', () => inner.readStream(request)),
    readAll: (request) => late('readAll', () => inner.readAll(request)),
    readTimeRange: (request) => late('readTimeRange', () => inner.readTimeRange(request)),
    listStreams: (request) => late('listStreams', () => inner.listStreams(request)),
    trim: (request) => late('trim', () => inner.trim(request)),
    loadCheckpoint: (name) => late('loadCheckpoint', () => inner.loadCheckpoint(name)),
    saveCheckpoint: (name, checkpoint) => late('saveCheckpoint', () => inner.saveCheckpoint(name, checkpoint)),
    listCheckpoints: () => late('listCheckpoints', () => inner.listCheckpoints()),
    removeCheckpoint: (name) => late('removeCheckpoint', () => inner.removeCheckpoint(name)),
    getDocuments: (request) => late('getDocuments', () => inner.getDocuments!(request)),
    listDocuments: (request) => late('listDocuments', () => inner.listDocuments!(request)),
    writeDocuments: (request) => late('writeDocuments', () => inner.writeDocuments!(request)),
    dropDocuments: (request) => late('dropDocuments', () => inner.dropDocuments!(request)),
    usage: (request) => late('usage', () => inner.usage(request)),
    close: () => {
      unansweredAtClose = [...unanswered];
      return late('close', () => inner.close());
    },
  };
}

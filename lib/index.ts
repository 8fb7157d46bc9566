export { Cursor, END, START } from './store/values/cursor.js';
export { systemClock, type Clock } from './store/values/clock.js';
export type { Duration } from './store/values/duration.js';
export {
  AggregateNotFoundError,
  CheckpointChangedError,
  DeadLetterNotFoundError,
  EventStoreError,
  EventsExpiredError,
  HandlerFailedError,
  HandlerStoppedError,
  HandlerTimeoutError,
  LastSnapshotFailedError,
  LeaseLostError,
  LogForkedError,
  MissingPeerError,
  OperationAbortedError,
  SnapshotCorruptedError,
  SnapshotDirectoryInUseError,
  SnapshotDiskError,
  SnapshotUnsupportedError,
  StorageCorruptedError,
  StorageFailedError,
  StorageTooNewError,
  StorageUnavailableError,
  StoreClosedError,
  StreamLimitReachedError,
  StreamNotFoundError,
  SubscriptionEndedError,
  UnsupportedOperationError,
  UpcastFailedError,
  ValidationError,
  WrongExpectedRevisionError,
} from './store/values/errors.js';
export { CompiledFilter, Pattern, type EventFilter } from './store/values/event-filter.js';
export { createEventId } from './store/values/event-id.js';
export {
  DEFAULT_EVENT_STORE_OPTIONS,
  type EventStoreOptions,
  type RetentionOptions,
} from './store/event-store-options.js';
export { EventStore } from './store/event-store.js';
export type { AppendOptions, AppendResult } from './store/services/event-appender.js';
export type { CheckLogOptions } from './store/services/log-checker.js';
export type { UnknownEvents } from './store/services/event-catalog.js';
export {
  type AnyEventDefinitions,
  type DataOf,
  defineEvents,
  EventDefinitions,
  type EventOf,
  type InputOf,
  type NewEventOf,
  type TypedTarget,
  type TypeOf,
} from './store/values/typed/event-definitions.js';
export { EventType, eventType, type EventTypeOptions, type Upcast } from './store/values/typed/event-type.js';
export type { Jsonify } from './store/values/typed/jsonify.js';
export type { StandardSchemaV1 } from './store/values/typed/standard-schema.js';
export { defineStream, type StreamId, StreamTemplate } from './store/values/typed/stream-template.js';
export { createEvent, type JsonValue, type NewEvent, type RecordedEvent } from './store/values/event.js';
export { ANY, NO_STREAM, STREAM_EXISTS, type ExpectedRevision } from './store/values/expected-revision.js';
export {
  checkPart,
  type CheckedLog,
  type LogCheck,
  type LogCheckPage,
  type LogCheckState,
  type LogProblem,
  type PlaceInStream,
} from './store/values/log-check.js';
export type { StoreLogger } from './store/ports/logger.js';
export type { MaybePromise } from './store/values/maybe-promise.js';
export type {
  AddedMetadata,
  AppendCall,
  GuardedInstrumentation,
  HandlerCall,
  Instrumentation,
} from './store/ports/instrumentation.js';
export type {
  AppendMeasurement,
  HandlerMeasurement,
  MetricsCollector,
  Outcome,
  ReadMeasurement,
  SnapshotMeasurement,
} from './store/ports/metrics-collector.js';
export { goesOnFrom, type Place, type PlaceInLog, type SeenAtPlace } from './store/values/place.js';
export type {
  ReadAllOptions,
  ReadAllResult,
  ReadOptions,
  ReadResult,
  ReadStreamOptions,
  ReadTimeRangeOptions,
} from './store/services/read-request.js';
export type { Time } from './store/values/time.js';
export { recordedEvent, type EventRow } from './store/values/recorded-event.js';
export { Replay, type ReplayOptions, type ReplayProgress } from './store/services/replay.js';
export type {
  AppendAnswer,
  AppendRequest,
  CheckpointConditions,
  Direction,
  EngineCapabilities,
  EngineContext,
  EngineTransaction,
  EngineUsage,
  EventToAppend,
  GetDocumentsRequest,
  Lease,
  LeaseRequest,
  ListDocumentsRequest,
  ListStreamsRequest,
  LogPage,
  LogTime,
  NamedCheckpoint,
  PageIds,
  ReadAllRequest,
  ReadStreamRequest,
  ReadTimeRangeRequest,
  Retained,
  SnapshotRequest,
  StorageEngine,
  StoredDocument,
  StreamEnd,
  StreamPage,
  TimePlace,
  TimeRangePage,
  TrimRequest,
  WriteDocumentsRequest,
} from './store/ports/storage-engine.js';
export {
  compareStreamIds,
  type Stats,
  type StoreSnapshot,
  type StreamInfo,
  type StreamQuery,
} from './store/values/stream-info.js';
export type {
  SubscribeOptions,
  Subscription,
  StorageOutage,
  SubscriptionFork,
  SubscriptionGap,
  SubscriptionStart,
  SubscriptionState,
} from './store/ports/subscription.js';
export type { SubscriptionTarget } from './store/values/target.js';
export { memoryEngine } from './memory/memory-engine.js';
export { DEFAULT_MEMORY_ENGINE_OPTIONS, type MemoryEngineOptions } from './memory/memory-engine-options.js';
export type { SnapshotCompression } from './memory/snapshots/compression.js';
export { openEventStore } from './open-event-store.js';
export { EventStoreModule } from './nest/event-store.module.js';
export type {
  AsyncEventStoreOptions,
  EventStoreModuleExtras,
  EventStoreOptionsFactory,
} from './nest/event-store.module-definition.js';
export { getEventStoreClockToken, getEventStoreToken } from './nest/event-store.tokens.js';
export { InjectEventStore, InjectEventStoreClock } from './nest/decorators/inject-event-store.decorator.js';
export {
  OnStreamEvent,
  type OnStreamEventOptions,
  type StreamEventDecorator,
} from './nest/decorators/on-stream-event.decorator.js';
export { EventStoreCoreModule } from './nest/event-store-core.module.js';
export { EventStores, type EventStoreStatus } from './nest/event-stores.js';
export { EventData, EventMetadata } from './nest/decorators/event-data.decorator.js';
export { STREAM_EVENT_CONTEXT } from './nest/handler-contexts.js';
export { StreamSubscriptions, type StreamSubscriptionStatus } from './nest/stream-subscriptions.js';
export {
  DeadLetters,
  type BulkOptions,
  type BulkProgress,
  type DiscardedDeadLetters,
  type RetriedDeadLetters,
} from './nest/dead-letters.js';
export type { Checkpoint, ParkedStream } from './store/values/checkpoint.js';
export type { ConsumerOptions, FailurePolicy, ForkPolicy } from './consumer/consumer-options.js';
export type { DeadLetterPage } from './consumer/dead-letters/dead-letter-page.js';
export type { DeadLetterFilter, DeadLetterQuery } from './consumer/dead-letters/dead-letter-query.js';
export type { DeadLetter } from './consumer/dead-letters/dead-letter-store.js';
export type { StreamEventContext } from './consumer/handling/handler-attempts.js';
export type { ConsumerState, PartitionStatus } from './consumer/consumer.js';
export type { RetryOptions } from './consumer/retry-policy.js';

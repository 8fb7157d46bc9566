export { Aggregate } from './aggregate.decorator.js';
export type { AggregateOptions, SnapshotOptions } from './aggregate-definition.js';
export { AggregateRoot } from './aggregate-root.js';
export { Aggregates, type ActOf, type AggregateResult, type EventsOf, type StateOf } from './aggregates.js';
export { getAggregatesToken } from './aggregates.tokens.js';
export { aggregatesOf } from './aggregates-of.js';
export { Apply } from './apply.decorator.js';
export {
  decider,
  type Decider,
  type DeciderOptions,
  type DeciderSnapshotOptions,
  type Evolve,
  type Record,
} from './decider.js';
export type { AggregateDeclaration, DeclaredBy } from './definition-of.js';
export type { EventDraftOf, EventTypeOf, RecordArguments, RecordedEventOf, RecordOptions } from './event-map.js';
export { EventSourcingModule, type EventSourcingFeatureOptions } from './event-sourcing.module.js';
export { InjectAggregates } from './inject-aggregates.decorator.js';
export type { CreateOptions, UpdateOptions } from './update-options.js';

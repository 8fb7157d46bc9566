export { describeStorageEngine, type ConformanceOptions, type TestRunner } from './engine-conformance.js';
export { faultyEngine, InjectedFaultError, type EngineVerb, type Fault, type FaultyEngine } from './faulty-engine.js';
export { given, type Expectation, type ExpectedError, type Given } from './given.js';
export { ManualClock, type ManualClockOptions } from './manual-clock.js';
export { RecordedEvents, type NextEventOptions } from './recorded-events.js';
export type { ProviderSource } from './provided.js';
export { resetStore } from './reset-store.js';
export { whenSettled } from './when-settled.js';

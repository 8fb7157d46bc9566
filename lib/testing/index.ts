export { ManualClock, type ManualClockOptions } from './manual-clock.js';
export { RecordedEvents, type NextEventOptions } from './recorded-events.js';
export { whenSettled, type ProviderSource } from './when-settled.js';

import type { MeterProvider, TracerProvider } from '@opentelemetry/api';
import { ValidationError } from '../store/values/errors.js';
import { checkMembers } from '../store/values/known-members.js';
import { shown } from '../store/values/names.js';

export interface TracingOptions {
  /** Where the spans go. Default the provider that is registered with the API. */
  readonly tracerProvider?: TracerProvider;
  /**
   * The trace that handlers belong to: `same`, the default, is that of the append; `own` begins a trace with each attempt,
   * linked to the append. Take that for handlers that work on events of long ago.
   */
  readonly handlerTrace?: 'same' | 'own';
  /**
   * What kind of stream it is, one of few, for the names of spans; undefined when it cannot be told. Default the part of
   * the id before its first hyphen, if that part has no digit: `order` for `order-42`.
   */
  readonly streamCategory?: (streamId: string) => string | undefined;
}

export interface MetricsOptions {
  /** Where the measurements go. Default the provider that is registered with the API. */
  readonly meterProvider?: MeterProvider;
}

export interface EventStoreOpenTelemetryOptions extends TracingOptions, MetricsOptions {
  /** Whether appends and handler calls are traced. Default true. */
  readonly traces?: boolean;
  /** Whether they, and the state of stores and handlers, are measured. Default true. */
  readonly metrics?: boolean;
}

/** What names the module in errors. */
export const OPEN_TELEMETRY = 'EventStoreOpenTelemetryModule';

const KNOWN_OPTIONS = ['traces', 'metrics', 'tracerProvider', 'meterProvider', 'handlerTrace', 'streamCategory'];

/** @throws {ValidationError} that names the option */
export function checkOpenTelemetryOptions(
  options: EventStoreOpenTelemetryOptions = {},
): EventStoreOpenTelemetryOptions & { readonly traces: boolean; readonly metrics: boolean } {
  checkMembers(options, OPEN_TELEMETRY, KNOWN_OPTIONS);
  const {
    traces = true,
    metrics = true,
    tracerProvider,
    meterProvider,
    handlerTrace = 'same',
    streamCategory,
  } = options;
  refuseUnless(typeof traces === 'boolean', 'traces', traces, 'give true or false.');
  refuseUnless(typeof metrics === 'boolean', 'metrics', metrics, 'give true or false.');
  refuseUnless(['same', 'own'].includes(handlerTrace), 'handlerTrace', handlerTrace, 'give "same" or "own".');
  refuseUnless(isFunctionOrMissing(streamCategory), 'streamCategory', streamCategory, 'give a function.');
  const hasTracers = tracerProvider === undefined || typeof tracerProvider?.getTracer === 'function';
  refuseUnless(hasTracers, 'tracerProvider', tracerProvider, 'give an object with a method getTracer().');
  const hasMeters = meterProvider === undefined || typeof meterProvider?.getMeter === 'function';
  refuseUnless(hasMeters, 'meterProvider', meterProvider, 'give an object with a method getMeter().');
  return { ...options, traces, metrics };
}

function isFunctionOrMissing(value: unknown): boolean {
  return value === undefined || typeof value === 'function';
}

function refuseUnless(isAcceptable: boolean, option: string, value: unknown, remedy: string): void {
  if (!isAcceptable) throw new ValidationError(`${OPEN_TELEMETRY}.${option}`, `${shown(value)} is not one: ${remedy}`);
}

import type { JsonValue, RecordedEvent } from '../store/values/event.js';
import { START } from '../store/values/cursor.js';
import { ValidationError } from '../store/values/errors.js';
import { checkMembers } from '../store/values/known-members.js';
import { checkUserStreamId, checkName, kindOf, shown } from '../store/values/names.js';
import { checkGivenTarget, checkStart } from '../store/ports/subscription-target.js';
import type { SubscriptionStart } from '../store/ports/subscription.js';
import type { SubscriptionTarget } from '../store/values/target.js';
import { checkConsumerOptions, CONSUMER_OPTION_NAMES, type ConsumerOptions } from '../consumer/consumer-options.js';

/** What crosses between one event store and the event emitter of the application. */
export interface EventEmitterBridgeOptions {
  /** The name of the store. Default the store that the class `EventStore` means. */
  readonly store?: string;
  /** Which stored events are emitted. */
  readonly emit?: readonly EmitRule[];
  /** Which emitted events are stored. */
  readonly append?: readonly AppendRule[];
}

/**
 * Emits stored events. A listener gets the event's data, then the `RecordedEvent`, then a `StreamEventContext`.
 *
 * The other options are those of a handler: an event counts as handled when the promises of all its listeners have
 * resolved, and an attempt has failed when one of them failed.
 */
export interface EmitRule extends ConsumerOptions {
  /** A stream id, `{ stream }`, `{ streams: 'order-*' }` or `{ all: true }`, each also with `types`. */
  readonly target: SubscriptionTarget;
  /** Under which name to emit. Default the event's type. */
  readonly as?: (event: RecordedEvent) => string;
  /**
   * After which event to begin. Default for a durable rule `START`, and only used until it has a checkpoint; else what is
   * appended since the application started.
   */
  readonly from?: SubscriptionStart;
}

/** Stores emitted events, each as one event. */
export interface AppendRule {
  /** The emitter's name for the events, or several; patterns too, when the emitter was made with `wildcard: true`. */
  readonly on: string | readonly string[];
  /** The stream to append to. */
  readonly stream: string | FromPayload<string>;
  /** The type of the stored event. Default the emitter's name for the event. */
  readonly type?: string | FromPayload<string>;
  /** The data of the stored event. Default the payload: the first value that was emitted, null when there was none. */
  readonly data?: FromPayload<unknown>;
  /** The metadata of the stored event. The bridge adds `$emittedAs`, the emitter's name for the event. */
  readonly metadata?: EventMetadataValues | FromPayload<EventMetadataValues>;
}

/**
 * Takes something from what was emitted: from the first value, and the emitter's name for the event.
 *
 * Written as a method, whose parameter may be narrower than `unknown`: so a function can name the type of its payload.
 */
export type FromPayload<Value> = { take(payload: unknown, eventName: string): Value }['take'];

export type EventMetadataValues = Readonly<Record<string, JsonValue | undefined>>;

export interface CheckedAppendRule extends Omit<AppendRule, 'on'> {
  readonly on: readonly string[];
}

export interface CheckedBridgeOptions {
  readonly store: string | undefined;
  readonly emit: readonly EmitRule[];
  readonly append: readonly CheckedAppendRule[];
}

/** What names the bridge in errors. */
export const BRIDGE = 'EventEmitterBridgeModule';

const EMIT_OPTIONS = ['target', 'as', 'from', ...CONSUMER_OPTION_NAMES];
const APPEND_OPTIONS = ['on', 'stream', 'type', 'data', 'metadata'];

const FUNCTION = 'give a function.';

/** @throws {ValidationError} that names the option, as a path: `EventEmitterBridgeModule.emit[0].target` */
export function checkBridgeOptions(options: EventEmitterBridgeOptions): CheckedBridgeOptions {
  return under(BRIDGE, () => {
    checkMembers(options, 'options', ['store', 'emit', 'append']);
    const { store, emit, append } = options;
    if (store !== undefined) checkName(store, 'store');
    if (emit === undefined && append === undefined) {
      throw new ValidationError('options', 'there is nothing to do: give emit or append, or both.');
    }
    return {
      store,
      emit: checkedRules(emit, 'emit', checkEmitRule),
      append: checkedRules(append, 'append', checkAppendRule),
    };
  });
}

function checkedRules<Rule, Checked>(
  rules: readonly Rule[] | undefined,
  field: string,
  check: (rule: Rule) => Checked,
): Checked[] {
  if (rules === undefined) return [];
  if (!Array.isArray(rules)) throw new ValidationError(field, `it is ${kindOf(rules)}: give an array of rules.`);
  return rules.map((rule: Rule, index) => under(`${field}[${index}]`, () => check(rule)));
}

function checkEmitRule(rule: EmitRule): EmitRule {
  checkMembers(rule, 'options', EMIT_OPTIONS);
  const { target, as, from = START, ...options } = rule;
  checkStart(from, checkGivenTarget(target));
  checkConsumerOptions(options);
  if (as !== undefined && typeof as !== 'function') throw new ValidationError('as', `it is ${kindOf(as)}: ${FUNCTION}`);
  return rule;
}

function checkAppendRule(rule: AppendRule): CheckedAppendRule {
  checkMembers(rule, 'options', APPEND_OPTIONS);
  const { on, stream, type, data, metadata } = rule;
  const names: readonly unknown[] = Array.isArray(on) ? on : [on];
  if (names.length === 0) throw new ValidationError('on', 'it is empty: give the name of an event, or several.');
  for (const name of names) {
    if (typeof name === 'string' && name !== '') continue;
    throw new ValidationError('on', `${shown(name)} names no event: give a text such as 'order.placed', or several.`);
  }
  if (typeof stream !== 'function') checkUserStreamId(stream, 'stream');
  if (type !== undefined && typeof type !== 'function') checkName(type, 'type');
  if (data !== undefined && typeof data !== 'function')
    throw new ValidationError('data', `it is ${kindOf(data)}: ${FUNCTION}`);
  if (metadata !== undefined && typeof metadata !== 'function') checkIsObject(metadata);
  return { ...rule, on: [...new Set(names as string[])] };
}

function checkIsObject(metadata: unknown): void {
  if (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata)) {
    throw new ValidationError('metadata', `it is ${kindOf(metadata)}: give an object, or a function that gives one.`);
  }
}

/** Checks a part, and says of what is wrong in it where the part stands. */
function under<Checked>(place: string, check: () => Checked): Checked {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof ValidationError)) throw error;
    const problem = error.message.slice(`Invalid ${error.field}: `.length);
    const field = error.field === 'options' ? place : `${place}.${error.field}`;
    throw new ValidationError(field, problem, { cause: error.cause ?? error });
  }
}

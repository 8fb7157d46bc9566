import { ValidationError } from '../store/values/errors.js';
import type { RecordedEvent } from '../store/values/event.js';
import { ANY, type ExpectedRevision, NO_STREAM, STREAM_EXISTS } from '../store/values/expected-revision.js';
import { checkMembers } from '../store/values/known-members.js';
import { checkName, kindOf, shown } from '../store/values/names.js';
import { checkPosition } from '../store/values/positions.js';

export interface CreateOptions {
  /**
   * Names the command, so that it is done once for an aggregate: when it is repeated, also much later, the act is not called,
   * and the answer is that of the first time. 1 to 200 characters. Default none.
   */
  readonly commandId?: string;
  /** What all events of the call have in their metadata. */
  readonly metadata?: RecordedEvent['metadata'];
}

export interface UpdateOptions extends CreateOptions {
  /**
   * The revision that the aggregate must be at, such as that of an `If-Match`: a number, `NO_STREAM` or `STREAM_EXISTS`. Then
   * nothing is tried again. Default `ANY`.
   */
  readonly expectedRevision?: ExpectedRevision;
  /** How often the act is called in all when somebody else appends first: 1 to 1 000. Default 3. */
  readonly attempts?: number;
}

export interface CheckedUpdateOptions {
  readonly commandId: string | undefined;
  readonly metadata: RecordedEvent['metadata'] | undefined;
  readonly expectedRevision: ExpectedRevision;
  readonly attempts: number;
}

const DEFAULT_ATTEMPTS = 3;
const LONGEST_COMMAND_ID = 200;

/** @throws {ValidationError} that names the option */
export function checkUpdateOptions(options: UpdateOptions): CheckedUpdateOptions {
  checkMembers(options, 'options', ['commandId', 'metadata', 'expectedRevision', 'attempts']);
  const { commandId, metadata, expectedRevision = ANY, attempts = DEFAULT_ATTEMPTS } = options;
  checkCommon(options);
  if (expectedRevision !== ANY && expectedRevision !== NO_STREAM && expectedRevision !== STREAM_EXISTS)
    checkPosition(expectedRevision, 'expectedRevision');
  if (!Number.isInteger(attempts) || attempts < 1 || attempts > 1_000)
    throw new ValidationError('attempts', `${shown(attempts)} is not a whole number from 1 to 1 000.`);
  return { commandId, metadata, expectedRevision, attempts: expectedRevision === ANY ? attempts : 1 };
}

/** @throws {ValidationError} that names the option */
export function checkCreateOptions(options: CreateOptions): CheckedUpdateOptions {
  checkMembers(options, 'options', ['commandId', 'metadata']);
  checkCommon(options);
  const { commandId, metadata } = options;
  return { commandId, metadata, expectedRevision: NO_STREAM, attempts: 1 };
}

function checkCommon({ commandId, metadata }: CreateOptions): void {
  if (commandId !== undefined) {
    checkName(commandId, 'commandId');
    if ([...commandId].length > LONGEST_COMMAND_ID)
      throw new ValidationError('commandId', `it has more than ${LONGEST_COMMAND_ID} characters: give a shorter one.`);
  }
  if (metadata !== undefined && (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata)))
    throw new ValidationError('metadata', `it is ${kindOf(metadata)}: give an object.`);
}

import { ValidationError } from './errors.js';

/**
 * Where the version of an event's data is kept when it is not 1: a member of the metadata that readers do not see. So every
 * engine keeps it, and none has to know. The store's own members begin with `$`, as those of KurrentDB do.
 */
const MEMBER = '$schemaVersion';
const QUOTED = `"${MEMBER}"`;

/** Adds the version to the JSON text of metadata; empty text stands for an empty object. @param version undefined for 1 */
export function withSchemaVersion(metadata: string, version: number | undefined): string {
  if (version === undefined || version === 1) return metadata;
  return metadata === '' || metadata === '{}'
    ? `{${QUOTED}:${version}}`
    : `${metadata.slice(0, -1)},${QUOTED}:${version}}`;
}

/** Takes the version out of metadata that was just parsed from its text. @returns 1 when it says none */
export function takeSchemaVersion(metadata: Record<string, unknown>, text: string): number {
  if (!text.includes(QUOTED)) return 1;
  const version = metadata[MEMBER];
  if (!Number.isSafeInteger(version)) return 1;
  delete metadata[MEMBER];
  return version as number;
}

/** @throws {ValidationError} when a caller gives the member that only the store writes */
export function refuseSchemaVersion(text: string, field: string): void {
  if (!text.includes(QUOTED) || !Object.hasOwn(JSON.parse(text) as object, MEMBER)) return;
  throw new ValidationError(
    `${field}.${MEMBER}`,
    'the store writes it: describe versions with eventType() in "events".',
  );
}

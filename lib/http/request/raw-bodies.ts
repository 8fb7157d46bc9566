import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { Transform } from 'node:stream';
import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate } from 'node:zlib';
import type { AbstractHttpAdapter } from '@nestjs/core';
import type { HttpRequest } from './http-exchange.js';
import { isUnder, rawRequest } from './http-exchange.js';
import {
  charsetOf,
  CLOUD_EVENT_BATCH_MEDIA,
  CLOUD_EVENT_MEDIA,
  isUtf8Charset,
  JSON_MEDIA,
  mediaTypeOf,
  unknownCharset,
} from './media-types.js';

// The parsers of both adapters make of malformed bytes what they like, and say nothing of it. What is kept for ever has to
// be looked at as it was sent, so the bytes of a body are kept beside the parser, for the paths of the module only.

/** The bytes of a body. When they are more than may be, they are counted, and not kept. */
export interface RawBody {
  readonly bytes: Buffer;
  readonly isTooLarge: boolean;
}

const KEPT_MEDIA: readonly (string | undefined)[] = [JSON_MEDIA, CLOUD_EVENT_MEDIA, CLOUD_EVENT_BATCH_MEDIA];

/** The part of a Fastify instance that is used here. */
interface FastifyApp {
  addHook(name: 'onRoute', hook: (route: FastifyRoute) => void): unknown;
}

type PreParsing = (
  request: { readonly raw: IncomingMessage },
  reply: unknown,
  payload: Readable,
  done: (error: Error | null, payload?: Readable) => void,
) => void;

interface FastifyRoute {
  readonly url: string;
  readonly method: string | readonly string[];
  preParsing?: PreParsing | readonly PreParsing[];
}

/** Keeps the bytes of bodies that somebody else parses, until their requests are forgotten. */
export class RawBodies {
  readonly #kept = new WeakMap<IncomingMessage, KeptBytes>();

  constructor(private readonly maxBytes: number) {}

  /** What was sent, without its compression; undefined when nobody could look on while it was read. */
  async of(request: HttpRequest): Promise<RawBody | undefined> {
    const kept = this.#kept.get(rawRequest(request));
    if (!kept) return this.#ofApplication(request);
    const encoding = request.headers['content-encoding']?.trim().toLowerCase() ?? 'identity';
    if (kept.isTooLarge || encoding === 'identity') return kept;
    // JSON that is not compressed: the client says what is not so, or somebody before us has inflated it.
    return (await inflated(kept.bytes, encoding, this.maxBytes)) ?? (isJson(kept.bytes) ? kept : undefined);
  }

  /** To be called before the routes are made, as Fastify tells of each once. */
  watch(adapter: AbstractHttpAdapter, path: string): void {
    if (adapter.getType() === 'fastify') {
      adapter.getInstance<FastifyApp>().addHook('onRoute', (route) => {
        if (!route.method.includes('POST') || !isUnder(path, route.url)) return;
        route.preParsing = [this.#preParsing, ...[route.preParsing ?? []].flat()];
      });
    } else {
      // Before Express, whose parsers read the body before any route is there.
      const server = adapter.getHttpServer() as
        { prependListener?: (name: string, listener: unknown) => void } | undefined;
      server?.prependListener?.('request', (request: IncomingMessage) => {
        if (request.method === 'POST' && isUnder(path, request.url ?? '')) this.#keepPushed(request);
      });
    }
  }

  /** Where Nest keeps it, with `rawBody: true`, and so do hosts of functions that hand their requests to an application. */
  #ofApplication({ rawBody }: HttpRequest): RawBody | undefined {
    if (!Buffer.isBuffer(rawBody)) return undefined;
    return { bytes: rawBody, isTooLarge: rawBody.length > this.maxBytes };
  }

  readonly #preParsing: PreParsing = ({ raw }, _reply, payload, done) => {
    const charset = charsetOf(raw.headers['content-type']);
    if (!isUtf8Charset(charset)) return done(unknownCharset(charset));
    const kept = this.#begin(raw);
    if (!kept) return done(null, payload);
    const passing = new Transform({
      transform: (chunk: Buffer, _encoding, passOn) => {
        kept.add(chunk);
        passOn(null, chunk);
      },
    });
    payload.on('error', (error) => passing.destroy(error));
    done(null, payload.pipe(passing));
  };

  /** To listen would make the bytes flow before the parser is there to take them. */
  #keepPushed(request: IncomingMessage): void {
    const kept = this.#begin(request);
    if (!kept) return;
    const push = request.push.bind(request);
    request.push = (chunk: Buffer | null, encoding) => {
      if (chunk !== null) kept.add(chunk);
      return push(chunk, encoding);
    };
  }

  #begin(request: IncomingMessage): KeptBytes | undefined {
    if (!KEPT_MEDIA.includes(mediaTypeOf(request.headers['content-type']))) return undefined;
    const kept = new KeptBytes(this.maxBytes);
    this.#kept.set(request, kept);
    return kept;
  }
}

class KeptBytes implements RawBody {
  #chunks: Buffer[] = [];
  #length = 0;

  constructor(private readonly maxBytes: number) {}

  get isTooLarge(): boolean {
    return this.#length > this.maxBytes;
  }

  get bytes(): Buffer {
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)];
    return this.#chunks[0] ?? Buffer.alloc(0);
  }

  add(chunk: Buffer): void {
    this.#length += chunk.length;
    if (this.isTooLarge) this.#chunks = [];
    else this.#chunks.push(chunk);
  }
}

const INFLATE = { gzip: promisify(gunzip), deflate: promisify(inflate), br: promisify(brotliDecompress) };

async function inflated(bytes: Buffer, encoding: string, maxOutputLength: number): Promise<RawBody | undefined> {
  const inflate = INFLATE[encoding as keyof typeof INFLATE] as (typeof INFLATE)['gzip'] | undefined;
  if (!inflate) return undefined;
  try {
    return { bytes: await inflate(bytes, { maxOutputLength }), isTooLarge: false };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') return { bytes, isTooLarge: true };
    return undefined;
  }
}

function isJson(bytes: Buffer): boolean {
  try {
    JSON.parse(bytes.toString());
    return true;
  } catch {
    return false;
  }
}

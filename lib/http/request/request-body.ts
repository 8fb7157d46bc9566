import { isUtf8 } from 'node:buffer';
import { PayloadTooLargeException, UnsupportedMediaTypeException } from '@nestjs/common';
import { ValidationError } from '../../store/values/errors.js';
import { shown } from '../../store/values/names.js';
import { parseFaithfully } from './faithful-json.js';
import { rawRequest, type HttpRequest } from './http-exchange.js';
import { charsetOf, isUtf8Charset, JSON_MEDIA, mediaTypeOf, unknownCharset } from './media-types.js';
import type { RawBodies } from './raw-bodies.js';

/**
 * The body as JSON: read from the bytes that were sent, whatever a parser of the application has made of them. Where nobody
 * could look on while it read them, it is what the parser has made.
 *
 * @throws {ValidationError} when its bytes are no UTF-8, or no JSON, or would be read as something else: with the path to it
 * @throws {UnsupportedMediaTypeException | PayloadTooLargeException}
 */
export async function jsonBody(request: HttpRequest, rawBodies: RawBodies, maxBytes: number): Promise<unknown> {
  const { body } = request;
  if (body === undefined || isStream(body)) {
    refuseCompressed(request);
    return parsedBytes(await bytesOf(request, maxBytes));
  }
  const raw = await rawBodies.of(request);
  if (raw?.isTooLarge) refuseLength(maxBytes);
  if (raw) return parsedBytes(raw.bytes);
  if (Buffer.isBuffer(body)) return parsedBytes(body);
  const isText = typeof body === 'string' && mediaTypeOf(request.headers['content-type']) !== JSON_MEDIA;
  return isText ? parsed(body) : body;
}

/** @throws {UnsupportedMediaTypeException} when the text is in another charset than UTF-8 */
export function refuseOtherCharset({ headers }: HttpRequest): void {
  const charset = charsetOf(headers['content-type']);
  if (!isUtf8Charset(charset)) throw unknownCharset(charset);
}

export function refuseLength(maxBytes: number): never {
  throw new PayloadTooLargeException(`The body is larger than ${maxBytes} bytes: send fewer events at a time.`);
}

/** As Fastify leaves a body that nobody has parsed, such as that of a CloudEvent. */
function isStream(body: unknown): body is AsyncIterable<Buffer> {
  return typeof (body as { pipe?: unknown } | null | undefined)?.pipe === 'function';
}

async function bytesOf(request: HttpRequest, maxBytes: number): Promise<Buffer> {
  const { body } = request;
  const source = isStream(body) ? body : (rawRequest(request) as AsyncIterable<Buffer>);
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of source) {
    length += chunk.length;
    if (length > maxBytes) refuseLength(maxBytes);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function refuseCompressed({ headers }: HttpRequest): void {
  const encoding = headers['content-encoding']?.trim().toLowerCase() ?? 'identity';
  if (encoding === 'identity') return;
  throw new UnsupportedMediaTypeException(`The content encoding is ${shown(encoding)}: send it as it is.`);
}

function parsedBytes(bytes: Buffer): unknown {
  if (!isUtf8(bytes)) throw new ValidationError('body', 'its bytes are no UTF-8: send JSON text in UTF-8.');
  return parsed(new TextDecoder().decode(bytes));
}

function parsed(text: string): unknown {
  try {
    return parseFaithfully(text, '');
  } catch (error) {
    if (error instanceof ValidationError) throw error;
    throw new ValidationError('body', 'it is no JSON: send JSON text in UTF-8.');
  }
}

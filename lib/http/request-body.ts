import { isUtf8 } from 'node:buffer';
import { PayloadTooLargeException, UnsupportedMediaTypeException } from '@nestjs/common';
import { ValidationError } from '../store/errors.js';
import { shown } from '../store/names.js';
import { rawRequest, type HttpRequest } from './http-exchange.js';
import { charsetOf, isUtf8Charset, unknownCharset } from './media-types.js';
import type { RawBodies } from './raw-bodies.js';

/**
 * A JSON body that a parser of the application has read, or that is read here when there is none.
 *
 * @throws {ValidationError} when its bytes are no UTF-8, or no JSON
 * @throws {UnsupportedMediaTypeException | PayloadTooLargeException}
 */
export async function jsonBody(request: HttpRequest, rawBodies: RawBodies, maxBytes: number): Promise<unknown> {
  const raw = await rawBodies.of(request);
  if (raw?.isTooLarge) refuseLength(maxBytes);
  if (typeof request.body !== 'string' && !isParsed(request.body)) return readBody(request, maxBytes);
  if (raw) refuseMalformed(raw.bytes);
  return request.body;
}

/**
 * The body as JSON, read here unless somebody else has.
 *
 * @throws {ValidationError} when its bytes are no UTF-8, or no JSON
 * @throws {UnsupportedMediaTypeException | PayloadTooLargeException}
 */
export async function readBody(request: HttpRequest, maxBytes: number): Promise<unknown> {
  const { body } = request;
  if (isParsed(body)) return body;
  if (typeof body === 'string') return parsed(body);
  refuseCompressed(request);
  const bytes = Buffer.isBuffer(body) ? body : await bytesOf(request, maxBytes);
  refuseMalformed(bytes);
  return parsed(new TextDecoder().decode(bytes));
}

/** @throws {UnsupportedMediaTypeException} when the text is in another charset than UTF-8 */
export function refuseOtherCharset({ headers }: HttpRequest): void {
  const charset = charsetOf(headers['content-type']);
  if (!isUtf8Charset(charset)) throw unknownCharset(charset);
}

export function refuseLength(maxBytes: number): never {
  throw new PayloadTooLargeException(`The body is larger than ${maxBytes} bytes: send fewer events at a time.`);
}

/** Whether a parser has made something of the body, and not left it a stream, as that for CloudEvents does. */
function isParsed(body: unknown): boolean {
  if (body === undefined || typeof body === 'string' || Buffer.isBuffer(body)) return false;
  return !isStream(body);
}

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

function refuseMalformed(bytes: Buffer): void {
  if (!isUtf8(bytes)) throw new ValidationError('body', 'its bytes are no UTF-8: send JSON text in UTF-8.');
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new ValidationError('body', 'it is no JSON: send JSON text in UTF-8.');
  }
}

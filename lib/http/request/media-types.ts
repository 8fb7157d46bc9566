import { NotAcceptableException, UnsupportedMediaTypeException } from '@nestjs/common';
import { shown } from '../../store/values/names.js';

export const JSON_MEDIA = 'application/json';
export const NDJSON_MEDIA = 'application/x-ndjson';
export const SSE_MEDIA = 'text/event-stream';
export const CLOUD_EVENT_MEDIA = 'application/cloudevents+json';
export const CLOUD_EVENT_BATCH_MEDIA = 'application/cloudevents-batch+json';

/**
 * Which of the media types a client wants most; the first one offered when it does not mind.
 *
 * @param accept the header (RFC 9110, section 12.5.1)
 * @throws {NotAcceptableException} when it wants none of them
 */
export function negotiate<Media extends string>(accept: string | undefined, offered: readonly Media[]): Media {
  if (accept === undefined || accept === '' || accept === '*/*') return offered[0];
  const ranges = accept.split(',').map(parseRange);
  let best: Media | undefined;
  let bestQuality = 0;
  for (const media of offered) {
    const quality = qualityOf(media, ranges);
    if (quality > bestQuality) [best, bestQuality] = [media, quality];
  }
  if (best === undefined) throw new NotAcceptableException(`There is ${offered.join(', ')} here: accept one of them.`);
  return best;
}

interface MediaRange {
  readonly media: string;
  readonly quality: number;
}

function parseRange(text: string): MediaRange {
  const [media, ...parameters] = text.split(';').map((part) => part.trim().toLowerCase());
  const quality = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
  const value = quality === undefined ? 1 : Number(quality);
  return { media, quality: value >= 0 && value <= 1 ? value : 0 };
}

/** By the range that says it most exactly. */
function qualityOf(media: string, ranges: readonly MediaRange[]): number {
  const [type] = media.split('/');
  for (const candidate of [media, `${type}/*`, '*/*']) {
    const range = ranges.find((range) => range.media === candidate);
    if (range) return range.quality;
  }
  return 0;
}

/** The charset of a `Content-Type`, in lower case; undefined when it names none. */
export function charsetOf(contentType: string | undefined): string | undefined {
  return /;\s*charset\s*=\s*"?([^\s";]+)/i.exec(contentType ?? '')?.[1].toLowerCase();
}

/** Whether texts in it are UTF-8; those in none are. */
export function isUtf8Charset(charset: string | undefined): boolean {
  return charset === undefined || ['utf-8', 'utf8', 'us-ascii'].includes(charset);
}

export function unknownCharset(charset: string | undefined): UnsupportedMediaTypeException {
  return new UnsupportedMediaTypeException(`The charset is ${shown(charset)}: send UTF-8.`);
}

/** The media type of a `Content-Type`, without its parameters; undefined when there is none. */
export function mediaTypeOf(contentType: string | undefined): string | undefined {
  return contentType?.split(';', 1)[0].trim().toLowerCase();
}

import { validateHeaderName, validateHeaderValue } from 'node:http';
import { HttpException } from '@nestjs/common';
import { EventStoreError } from '../../store/values/errors.js';
import { ownStatusOf } from './problem-details.js';

/** What says how an answer is to be read or kept, or whose cookie it sets: that is for who answers. */
const OURS =
  /^(?:content-.*|transfer-encoding|connection|keep-alive|upgrade|trailer|te|date|vary|cache-control|set-cookie2?|cross-origin-.*|access-control-.*|x-content-type-options)$/;

/**
 * The headers that an error with a status of its own brings along, as those of `http-errors` do: `WWW-Authenticate`, `Allow`,
 * `Retry-After`. What is no header is left out. Names are in lower case.
 */
export function headersOf(error: unknown): Record<string, string | string[]> {
  const hasStatus =
    error instanceof HttpException || error instanceof EventStoreError || ownStatusOf(error) !== undefined;
  if (!hasStatus) return {};
  const { headers } = error as { headers?: unknown };
  // Not those of an answer that somebody else has given to a request of ours.
  if (!isPlainObject(headers)) return {};
  const named = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), textOf(value)] as const);
  return Object.fromEntries(named.filter((header): header is [string, string | string[]] => isAllowed(...header)));
}

function textOf(value: unknown): unknown {
  return typeof value === 'number' ? String(value) : value;
}

function isAllowed(name: string, value: unknown): boolean {
  if (OURS.test(name)) return false;
  const values: unknown[] = Array.isArray(value) ? value : [value];
  if (values.length === 0 || !values.every((each) => typeof each === 'string')) return false;
  try {
    validateHeaderName(name);
    for (const each of values) validateHeaderValue(name, each);
    return true;
  } catch {
    return false;
  }
}

function isPlainObject(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

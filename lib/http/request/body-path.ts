import { pathUnder } from '../../store/values/json-text.js';
import { shortened } from './query.js';

/** The path to a part of a body, for an error: `data.items[0]`, or `events[2].data` in an array; names come back short. */
export function bodyPath(path: string, key: string | number): string {
  const name = typeof key === 'string' && key !== '' ? shortened(key) : key;
  if (path !== '') return pathUnder(path, name);
  return typeof name === 'number' ? `events[${name}]` : name;
}

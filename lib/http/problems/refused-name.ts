import { bodyPath } from '../request/body-path.js';

/** An event in an array, and 128 levels of data. */
const MAX_DEPTH = 130;

/**
 * The path to a member that the parser of Fastify refuses unless it is told otherwise (`onProtoPoisoning`,
 * `onConstructorPoisoning`): one called `__proto__`, or a `constructor` that has a `prototype`. Undefined without any.
 */
export function refusedNameIn(body: unknown): string | undefined {
  for (let depth = 0, level = [{ path: '', value: body }]; depth <= MAX_DEPTH && level.length > 0; depth++) {
    const below: typeof level = [];
    for (const { path, value } of level) {
      if (typeof value !== 'object' || value === null) continue;
      for (const [name, member] of Object.entries(value as Record<string, unknown>)) {
        const here = bodyPath(path, Array.isArray(value) ? Number(name) : name);
        if (name === '__proto__' || (name === 'constructor' && hasPrototype(member))) return here;
        below.push({ path: here, value: member });
      }
    }
    level = below;
  }
  return undefined;
}

function hasPrototype(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, 'prototype');
}

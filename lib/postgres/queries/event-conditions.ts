import type { CompiledFilter, Pattern } from '../../store/event-filter.js';

/** Collects the values of a statement, and gives each its number. */
export class Parameters {
  readonly values: unknown[] = [];

  add(value: unknown): string {
    return `$${this.values.push(value)}`;
  }
}

/** What a filter demands of an event, named `e`. */
export function filterCondition(filter: CompiledFilter | undefined, parameters: Parameters): string {
  if (!filter) return 'true';
  const conditions = [typeCondition(filter.types, parameters)];
  if (filter.hidesOwnStreams) conditions.push(`NOT starts_with(e.stream_id, '$')`);
  if (filter.stream !== undefined) conditions.push(`e.stream_id = ${parameters.add(filter.stream)}`);
  if (filter.streams) conditions.push(patternCondition('e.stream_id', filter.streams, parameters));
  return conditions.join(' AND ');
}

/** What a list of types demands of an event, named `e`. */
export function typeCondition(types: readonly Pattern[] | undefined, parameters: Parameters): string {
  if (!types) return 'true';
  return `(${types.map((type) => patternCondition('e.type', type, parameters)).join(' OR ')})`;
}

function patternCondition(column: string, { source }: Pattern, parameters: Parameters): string {
  if (!source.includes('*')) return `${column} = ${parameters.add(source)}`;
  return `${column} LIKE ${parameters.add(escapeLike(source).replaceAll('*', '%'))}`;
}

/** The pattern of LIKE that matches this text only. */
export function escapeLike(text: string): string {
  return text.replaceAll(/[\\%_]/g, '\\$&');
}

import type { CompiledFilter, Pattern } from '../../store/values/event-filter.js';

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
  if (filter.streams) conditions.push(`e.stream_id LIKE ${parameters.add(likePattern(filter.streams))}`);
  return conditions.join(' AND ');
}

/** What a list of types demands of an event, named `e`. One parameter, so that the statement is the same for any list. */
export function typeCondition(types: readonly Pattern[] | undefined, parameters: Parameters): string {
  return types ? `e.type LIKE ANY (${parameters.add(types.map(likePattern))})` : 'true';
}

/** The pattern of LIKE that matches what a pattern with `*` does. */
function likePattern({ source }: Pattern): string {
  return escapeLike(source).replaceAll('*', '%');
}

/** The pattern of LIKE that matches this text only. */
export function escapeLike(text: string): string {
  return text.replaceAll(/[\\%_]/g, '\\$&');
}

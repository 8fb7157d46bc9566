import type { StorageEngine } from 'nestjs-stream-store';

/** An engine with some verbs replaced; the rest of it is as good as ever. */
export function brokenEngine(
  inner: StorageEngine,
  replace: (inner: StorageEngine) => Partial<StorageEngine>,
): StorageEngine {
  const replaced = replace(inner);
  return new Proxy(inner, {
    get(target, name) {
      const value: unknown = name in replaced ? replaced[name as keyof StorageEngine] : Reflect.get(target, name);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

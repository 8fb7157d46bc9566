import { EVENT_STORE_DESCRIPTION, type EventStoreDescription } from './event-store.tokens.js';

/** The part of Nest's module that tells what it imports, provides and hands on. */
export interface NestModuleNode {
  readonly metatype: unknown;
  readonly isGlobal: boolean;
  readonly imports: Iterable<NestModuleNode>;
  readonly exports: ReadonlySet<unknown>;
  readonly providers: ReadonlyMap<unknown, { readonly instance: unknown }>;
}

/** The stores with `isGlobal: false` that a module can inject: those it imports, and those that its imports hand on. */
export function localStoresOf(module: NestModuleNode): EventStoreDescription[] {
  const found = new Set<EventStoreDescription>();
  const seen = new Set<NestModuleNode>();
  const look = (imports: Iterable<NestModuleNode>, isOfInterest: (imported: NestModuleNode) => boolean): void => {
    for (const imported of imports) {
      if (seen.has(imported) || !isOfInterest(imported)) continue;
      seen.add(imported);
      const description = imported.providers.get(EVENT_STORE_DESCRIPTION)?.instance as
        EventStoreDescription | undefined;
      if (description?.isGlobal === false) found.add(description);
      if (!description) look(imported.imports, ({ metatype }) => imported.exports.has(metatype));
    }
  };
  look(module.imports, ({ isGlobal }) => !isGlobal);
  return [...found];
}

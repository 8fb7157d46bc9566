// A private field shows in the text of a class only. Where it was compiled away, the helpers show that TypeScript ("f" for a
// field, "m" for a method, "a" for an accessor), esbuild and Babel put in its place.
const USED_PRIVATE_NAME = /\.(#[\p{ID_Start}$_][\p{ID_Continue}$]*)/gu;
const COMPILED_FIELD =
  /__classPrivateFieldSet\(|__classPrivateFieldGet\([^()]*"f"|\b_classPrivateField(?:Get|Set)2?\(|__private(?:Get|Set)\(/;

/**
 * The way to a private field of a class, or of one that it extends: `Account.#balance`. Private methods hold nothing.
 *
 * @param base where the classes end whose fields count
 * @returns undefined when there is none
 */
export function privateFieldOf(target: object, base: object): string | undefined {
  for (
    let level: unknown = target;
    typeof level === 'function' && level !== base;
    level = Object.getPrototypeOf(level)
  ) {
    const text = Function.prototype.toString.call(level);
    const field = [...text.matchAll(USED_PRIVATE_NAME)].map(([, name]) => name).find((name) => !isMethod(name, text));
    if (field) return `${level.name}.${field}`;
    if (COMPILED_FIELD.test(text)) return `${level.name}.#private`;
  }
  return undefined;
}

/** Whether the class declares the name as a method or an accessor, and not as a field. */
function isMethod(name: string, text: string): boolean {
  return new RegExp(`(?<![.\\w$])${name.replaceAll('$', '\\$')}\\s*\\(`, 'u').test(text);
}

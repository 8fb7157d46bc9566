/**
 * What a reader gets of a value that was appended as `Type`: what its JSON text reads back as.
 *
 * A `Date` is text, as is whatever `toJSON` makes one. Nothing is null, and a member that holds nothing or a function is not
 * there. Tuples keep their places, and unions their parts.
 */
export type Jsonify<Type> = unknown extends Type
  ? Type
  : Type extends undefined
    ? null
    : Type extends { toJSON(...parameters: never[]): infer Text }
      ? Jsonify<Text>
      : Type extends string | number | boolean | null
        ? Type
        : Type extends symbol | ((...parameters: never[]) => unknown)
          ? never
          : Type extends readonly unknown[]
            ? { [Index in keyof Type]: Jsonify<Type[Index]> }
            : Type extends object
              ? JsonifyMembers<Type>
              : never;

type JsonifyMembers<Type extends object> = {
  [Name in keyof Type as KeptName<Name, Type[Name]>]: Jsonify<Exclude<Type[Name], undefined>>;
};

/** Symbols are no names in JSON, and a member that can hold nothing but a function is left out. */
type KeptName<Name, Value> = Name extends symbol
  ? never
  : [Jsonify<Exclude<Value, undefined>>] extends [never]
    ? never
    : Name;

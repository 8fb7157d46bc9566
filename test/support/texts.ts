import fc from 'fast-check';

/** Any character but half of a surrogate pair: of ASCII, of the Basic Multilingual Plane, or beyond it. */
const character = fc
  .oneof(
    fc.integer({ min: 0, max: 0x7f }),
    fc.integer({ min: 0x80, max: 0xd7ff }),
    fc.integer({ min: 0xe000, max: 0x10_ffff }),
  )
  .map((codePoint) => String.fromCodePoint(codePoint));

/** A well-formed text, with all the characters that are seldom thought of. */
export function anyText(bounds: { minLength?: number; maxLength?: number } = {}): fc.Arbitrary<string> {
  return fc.string({ ...bounds, unit: character });
}

/** What may be the name of a stream, a type or an event. */
export function anyName(maxLength = 40): fc.Arbitrary<string> {
  return anyText({ minLength: 1, maxLength }).filter((text) => !/\p{Control}/u.test(text) && !text.startsWith('$'));
}

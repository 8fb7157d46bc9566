import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

const FROM_THE_CLOCK =
  'Take the time from the Clock (lib/store/values/clock.ts): a test that cannot move it has to sleep.';
const NOT_BY_CHANCE =
  'Take chance from the Clock (lib/store/values/clock.ts), as time: a test must be able to repeat a run.';
const timers = ['setTimeout', 'setInterval'];

export default defineConfig(
  globalIgnores(['**/dist/', '**/coverage/', '**/node_modules/', 'lib/http/page/uplot/']),

  // Scripts, and bench/ with its own packages, have no types to ask.
  { files: ['**/*.{js,mjs,cjs,ts}'], extends: [tseslint.configs.recommended] },
  { files: ['**/*.cjs'], rules: { '@typescript-eslint/no-require-imports': 'off' } },

  // `consistent-type-imports` stays off: its fix turns an injected class into a type, and Nest then injects nothing.
  {
    files: ['{lib,test,sample}/**/*.ts'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      // A leading underscore says that a parameter is there for its place, not its value.
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', caughtErrorsIgnorePattern: '^_' }],
      // An engine's verbs and Nest's hooks are promises by contract, also where nothing has to be awaited.
      '@typescript-eslint/require-await': 'off',
    },
  },

  { files: ['lib/**/*.ts'], ignores: ['lib/store/ports/logger.ts'], rules: { 'no-console': 'error' } },

  {
    files: ['lib/store/**/*.ts', 'lib/subscription/**/*.ts', 'lib/consumer/**/*.ts', 'lib/memory/**/*.ts'],
    ignores: ['lib/store/values/clock.ts'],
    rules: {
      'no-restricted-globals': [
        'error',
        {
          globals: timers.map((name) => ({ name, message: FROM_THE_CLOCK })),
          checkGlobalObject: true,
        },
      ],
      'no-restricted-properties': [
        'error',
        { object: 'Date', property: 'now', message: FROM_THE_CLOCK },
        { object: 'Math', property: 'random', message: NOT_BY_CHANCE },
      ],
      'no-restricted-syntax': [
        'error',
        { selector: 'NewExpression[callee.name="Date"][arguments.length=0]', message: FROM_THE_CLOCK },
      ],
      'no-restricted-imports': [
        'error',
        { patterns: [{ regex: '^(node:)?timers(/promises)?$', message: FROM_THE_CLOCK }] },
      ],
    },
  },
);

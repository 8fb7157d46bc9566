import { availableParallelism } from 'node:os';

export default {
  testEnvironment: 'node',
  // Long enough for a busy machine; a test that waits for nothing says so by the name of what never came.
  testTimeout: 30_000,
  roots: ['<rootDir>/test', '<rootDir>/sample'],
  testMatch: ['**/*.{spec,int-spec,e2e-spec}.ts'],
  // The smoke tests bring apps of their own, with their own packages: `npm run smoke`.
  modulePathIgnorePatterns: ['<rootDir>/test/smoke/'],
  globalSetup: '<rootDir>/test/support/page-files.mjs',
  setupFiles: ['reflect-metadata'],
  maxWorkers: Math.max(2, Math.floor(availableParallelism() / 2)),
  testSequencer: '<rootDir>/test/support/longest-first.mjs',
  // Nest 12 is ESM only, and Jest on Node 20 and 22 cannot require() such a package.
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: {
    '^(\\.{1,2}/.*)\\.js$': '$1',
    '^nestjs-stream-store$': '<rootDir>/lib/index.ts',
    '^nestjs-stream-store/(.*)$': '<rootDir>/lib/$1/index.ts',
  },
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: {
          target: 'es2022',
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true },
          keepClassNames: true,
        },
        module: { type: 'es6' },
        sourceMaps: 'inline',
      },
    ],
  },
  coverageProvider: 'v8',
  collectCoverageFrom: ['lib/**/*.ts'],
};

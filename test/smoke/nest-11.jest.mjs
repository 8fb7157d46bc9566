import base from '../../jest.config.mjs';

// The specs that say most about how the package lives in an application, with Nest 11 in the place of the repository's Nest.
const SPECS = [
  ...['enhancers', 'global-enhancers', 'overrides', 'which-store', 'found-handlers', 'unusual-applications'],
  ...['failed-start', 'startup', 'log', 'two-modules', 'for-root-async', 'durable-shutdown'],
].map((name) => `nest/${name}.spec.ts`);
const E2E_SPECS = ['nest/shutdown', 'http/good-citizen', 'http/bodies', 'http/append', 'http/register'];

/** Where it is installed. */
const modules = process.env.NEST_11_MODULES;

export default {
  ...base,
  rootDir: '../..',
  testMatch: [...SPECS, ...E2E_SPECS.map((name) => `${name}.e2e-spec.ts`)].map((file) => `<rootDir>/test/${file}`),
  moduleNameMapper: {
    ...base.moduleNameMapper,
    // Nest and RxJS are each to be there once.
    [`^(@nestjs/(?:common|core|event-emitter|microservices|platform-express|platform-fastify|terminus|testing)|rxjs)(|/.*)$`]: `${modules}/$1$2`,
  },
};

// Who may import whom. A folder of lib/ is one of these five, or an integration: one subpath, at most one optional peer.
const CORE = 'store|subscription|consumer|memory|nest';
const INTEGRATION = `^lib/(?!(?:${CORE})/)([^/]+)/`;

/** Which packages an application installs for the sake of one integration only. */
const OPTIONAL_PEERS = {
  sqlite: 'sqlite|better-sqlite3|@types/better-sqlite3|@photostructure/sqlite',
  postgres: 'pg|@types/pg',
  nats: '@nats-io/[^/]+',
  http: '@nestjs/swagger',
  terminus: '@nestjs/terminus',
  prometheus: 'prom-client',
  opentelemetry: '@opentelemetry/[^/]+',
  'event-emitter': '@nestjs/event-emitter',
};

/** Matches a package by its place in node_modules, and by its bare name when it is built in or not installed. */
const packages = (names) => `(?:^|node_modules/)(?:node:)?(?:${names})(?:$|/)`;

/** A folder of the core that knows some others, and takes some packages. */
const room = (folder, { knows, takes = [] }) => [
  {
    name: `${folder}-knows-${knows.join('-and-')}-only`,
    severity: 'error',
    from: { path: `^lib/${folder}/` },
    to: { path: '^lib/', pathNot: `^lib/(?:${[...knows, folder].join('|')})/` },
  },
  {
    name: `${folder}-takes-${takes.join('-and-') || 'no-package'}${takes.length > 0 ? '-only' : ''}`,
    severity: 'error',
    from: { path: `^lib/${folder}/` },
    to: { dependencyTypesNot: ['core', 'local'], ...(takes.length > 0 && { pathNot: packages(takes.join('|')) }) },
  },
];

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    // Every arrow points at store/. It knows no framework and no driver, so that it can be read, tested and used alone.
    {
      name: 'store-knows-nothing-of-ours',
      severity: 'error',
      from: { path: '^lib/store/' },
      to: { path: '^lib/', pathNot: '^lib/store/' },
    },
    {
      name: 'store-takes-few-packages',
      severity: 'error',
      from: { path: '^lib/store/' },
      to: { dependencyTypesNot: ['core', 'local'], pathNot: packages('rxjs|ms|@types/ms') },
    },

    // Inside store/, three layers: what things are, what others implement, what a store does. The facade stands on them.
    {
      name: 'values-know-values-only',
      severity: 'error',
      from: { path: '^lib/store/values/' },
      to: { path: '^lib/', pathNot: '^lib/store/values/' },
    },
    {
      name: 'ports-know-values-only',
      severity: 'error',
      from: { path: '^lib/store/ports/' },
      to: { path: '^lib/', pathNot: '^lib/store/(?:values|ports)/' },
    },
    {
      name: 'services-do-not-know-the-facade',
      severity: 'error',
      from: { path: '^lib/store/services/' },
      to: { path: '^lib/store/event-store\\.ts$' },
    },

    // Subscriptions, handlers and the memory engine work without Nest, and engines can be swapped because neither knows the other.
    ...room('subscription', { knows: ['store'], takes: ['rxjs'] }),
    ...room('consumer', { knows: ['store', 'subscription'] }),
    ...room('memory', { knows: ['store'] }),

    // nest/ wires the core together; what it imported beyond that, every application would load.
    {
      name: 'nest-knows-the-core-only',
      severity: 'error',
      from: { path: '^lib/nest/' },
      to: { path: '^lib/', pathNot: [`^lib/(?:${CORE})/`, '^lib/open-event-store\\.ts$'] },
    },

    // An application that does not import a subpath must not pay for it, nor need its peer.
    {
      name: 'core-knows-no-integration',
      severity: 'error',
      from: { path: [`^lib/(?:${CORE})/`, '^lib/[^/]+\\.ts$'] },
      to: { path: INTEGRATION },
    },
    // Two integrations that knew each other would need two optional peers.
    {
      name: 'no-integration-knows-another',
      severity: 'error',
      // The command line opens what it is told to, and loads an engine only then. Who tests aggregates looks in /testing for
      // given-when-then, and event-sourcing needs no peer.
      from: { path: INTEGRATION, pathNot: ['^lib/cli/store-place', '^lib/testing/given'] },
      to: { path: INTEGRATION, pathNot: '^lib/$1/' },
    },
    // index.ts is the door for users. Inside the house, import the file that has the idea.
    {
      name: 'nobody-inside-uses-the-door',
      severity: 'error',
      from: { path: '^lib/' },
      to: { path: '^lib/index\\.ts$' },
    },

    // An optional peer appears in its own folder only: elsewhere its absence would break who never asked for it.
    ...Object.entries(OPTIONAL_PEERS).map(([folder, names]) => ({
      name: `optional-peer-of-${folder}`,
      severity: 'error',
      from: { path: '^lib/', pathNot: `^lib/${folder}/` },
      to: { path: packages(names) },
    })),

    // Nest promises its package roots only; deep paths moved in 12, and differ between 11 and 12.
    {
      name: 'nest-by-its-front-door',
      severity: 'error',
      from: { path: '^lib/' },
      to: { path: '(?:^|node_modules/)@nestjs/[^/]+/', pathNot: '@nestjs/[^/]+/(?:dist/)?index\\.(?:js|d\\.ts)$' },
    },

    // What lib/ imports must be there after `npm install nestjs-stream-store`: no dev dependency, nothing undeclared.
    {
      name: 'no-dev-dependency',
      severity: 'error',
      from: { path: '^lib/' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['npm', 'npm-peer', 'npm-optional'] },
    },
    {
      name: 'no-undeclared-package',
      severity: 'error',
      from: { path: '^lib/' },
      // An optional peer also stands in peerDependenciesMeta, which dependency-cruiser takes for a list it does not know.
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['npm', 'npm-peer', 'npm-optional'] },
    },
    {
      name: 'no-unresolvable',
      severity: 'error',
      from: { path: '^lib/' },
      // Node 20 has no node:sqlite yet, and better-sqlite3 would have to be compiled there.
      to: { couldNotResolve: true, pathNot: '^(node:sqlite|better-sqlite3(/package\\.json)?)$' },
    },

    // In a cycle nothing can be understood, tested or loaded first.
    { name: 'no-cycle', severity: 'error', from: { path: '^lib/' }, to: { circular: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    // An `import type` is an arrow too: the packed .d.ts carries it.
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['module-sync', 'import', 'require', 'node', 'default'],
    },
  },
};

import type { CanActivate, ModuleMetadata, Type } from '@nestjs/common';
import type { OpenMetricsContentType, PrometheusContentType, Registry } from 'prom-client';
import { ValidationError } from '../store/values/errors.js';
import { checkMembers } from '../store/values/known-members.js';
import { shown } from '../store/values/names.js';
import { promClient } from './prom-client.js';

export interface EventStorePrometheusOptions {
  /** Where the metrics are registered. Default the one of `prom-client` itself, `register`. */
  readonly registry?: Registry<PrometheusContentType> | Registry<OpenMetricsContentType>;
  /** What the names of all metrics begin with. Default `event_store_`. */
  readonly prefix?: string;
}

/** A route that answers with all metrics of the registry. */
export interface MetricsEndpoint {
  /** Default `metrics`. */
  readonly path?: string;
  /** Who may see them. Default everybody who can reach the route. */
  readonly guards?: readonly (CanActivate | Type<CanActivate>)[];
  /** Modules with what the guards inject. */
  readonly imports?: ModuleMetadata['imports'];
}

export type CheckedPrometheusOptions = Required<EventStorePrometheusOptions>;

/** The token of the options, checked and filled in. */
export const CHECKED_OPTIONS = Symbol('CHECKED_OPTIONS');

/** What names the module in errors. */
export const PROMETHEUS = 'EventStorePrometheusModule';

/** @throws {ValidationError} that names the option */
export function checkPrometheusOptions(options: EventStorePrometheusOptions = {}): CheckedPrometheusOptions {
  checkMembers(options, PROMETHEUS, ['registry', 'prefix']);
  const { registry = promClient.register, prefix = 'event_store_' } = options;
  if (typeof registry?.getSingleMetric !== 'function') {
    throw new ValidationError(`${PROMETHEUS}.registry`, `${shown(registry)} is none: give a Registry of prom-client.`);
  }
  // A metric's name may have these characters only (Prometheus, "Data model").
  if (typeof prefix !== 'string' || !/^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(prefix)) {
    throw new ValidationError(
      `${PROMETHEUS}.prefix`,
      `no metric's name can begin with ${shown(prefix)}: give letters, digits, "_" and ":", such as "event_store_".`,
    );
  }
  return { registry, prefix };
}

/** @throws {ValidationError} that names the option */
export function checkEndpoint(endpoint: MetricsEndpoint | string): Required<MetricsEndpoint> {
  const given = typeof endpoint === 'string' ? { path: endpoint } : endpoint;
  checkMembers(given, `${PROMETHEUS}.endpoint`, ['path', 'guards', 'imports']);
  const { path = 'metrics', guards = [], imports = [] } = given;
  if (typeof path !== 'string') {
    throw new ValidationError(`${PROMETHEUS}.endpoint.path`, `${shown(path)} is no path: give a text.`);
  }
  if (!Array.isArray(guards)) {
    throw new ValidationError(`${PROMETHEUS}.endpoint.guards`, `${shown(guards)} is no list: give an array of guards.`);
  }
  if (!Array.isArray(imports)) {
    throw new ValidationError(
      `${PROMETHEUS}.endpoint.imports`,
      `${shown(imports)} is no list: give an array of modules.`,
    );
  }
  return { path, guards, imports };
}

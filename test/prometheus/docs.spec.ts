import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { parser } from '@prometheus-io/lezer-promql';
import { EventStoreModule } from 'nestjs-stream-store';
import { EventStorePrometheusModule } from 'nestjs-stream-store/prometheus';
import { Registry } from 'prom-client';
import { codeBlocks, readPage, REPOSITORY } from '../docs/markdown.js';
import { closedAfterTest, startApp } from '../support/servers/nest-app.js';

/** What prom-client knows of a metric and does not say in its types. */
interface Registered {
  readonly name: string;
  readonly type: string;
  readonly labelNames: readonly string[];
}

interface Dashboard {
  readonly panels: readonly { readonly title: string; readonly targets?: readonly { readonly expr: string }[] }[];
  readonly templating: { readonly list: readonly { readonly query: string | { readonly query: string } }[] };
}

let metrics: ReadonlyMap<string, Registered>;

beforeAll(async () => {
  const registry = new Registry();
  const app = await startApp({
    imports: [EventStoreModule.forRoot(), EventStorePrometheusModule.forRoot({ registry })],
  });
  const registered = registry.getMetricsAsArray() as unknown as Registered[];
  metrics = new Map(registered.map((metric) => [metric.name, metric]));
  closedAfterTest(app);
});

describe('the tables of docs/metrics.md', () => {
  it('have every metric, with its type and its labels', () => {
    const rows = readPage('docs/metrics.md')
      .text.split('\n')
      .filter((line) => line.startsWith('| `event_store_'))
      .map((line) => line.split('|').map((cell) => cell.trim()))
      .map(([, name, type, labels]) => ({ name: wordsOf(name)[0], type, labelNames: wordsOf(labels) }));

    const real = [...metrics.values()].map(({ name, type, labelNames }) => ({
      name,
      type,
      labelNames: [...labelNames],
    }));
    expect(rows.sort(byName)).toEqual(real.sort(byName));
  });

  it('have alerts on metrics and labels that there are', () => {
    const { text } = readPage('docs/metrics.md');
    const alerts = [...text.matchAll(/^\| [^`|]+ \| `(.+?)` +\|$/gm)].map(([, expression]) => expression);

    expect(alerts.length).toBeGreaterThan(5);
    for (const expression of alerts) expect(problemsOf(expression)).toEqual([]);
    expect(codeBlocks(readPage('docs/metrics.md')).length).toBeGreaterThan(2);
  });
});

describe('the dashboard', () => {
  const { panels, templating } = JSON.parse(
    readFileSync(join(REPOSITORY, 'docs/grafana-dashboard.json'), 'utf8'),
  ) as Dashboard;
  const queries = panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => [title, expr] as const));

  it.each(queries)('asks for what there is: %s: %s', (_title, expression) => {
    expect(problemsOf(expression)).toEqual([]);
  });

  it('shows every metric', () => {
    const asked = new Set(queries.flatMap(([, expression]) => [...namesOf(expression)].map(withoutSuffix)));

    expect([...metrics.keys()].filter((name) => !asked.has(name))).toEqual([]);
  });

  it('has variables from labels that there are', () => {
    const variables = templating.list.flatMap(({ query }) => (typeof query === 'string' ? [] : [query.query]));

    expect(variables).toHaveLength(2);
    for (const variable of variables) {
      const [, selector, label] = /^label_values\((.+), (\w+)\)$/.exec(variable)!;
      expect(problemsOf(selector)).toEqual([]);
      for (const name of namesOf(selector)) expect(metrics.get(name)?.labelNames).toContain(label);
    }
  });

  it('would be caught asking for what there is not', () => {
    expect(problemsOf('rate(event_store_dropped_total[5m])')).toEqual(['event_store_dropped_total is no metric']);
    expect(problemsOf('sum by (stream) (event_store_events)')).toEqual(['stream is no label']);
    expect(problemsOf('event_store_events{stream="a"}')).toEqual(['stream is no label']);
    expect(problemsOf('sum by (store (event_store_events)')).toEqual(['it is no PromQL']);
  });
});

/** What is wrong with an expression, judged by the grammar of Prometheus itself. */
function problemsOf(expression: string): string[] {
  const names = namesOf(expression);
  const problems = [...names].filter((name) => !metrics.has(withoutSuffix(name))).map((name) => `${name} is no metric`);
  const labels = new Set(['le', 'instance', ...[...metrics.values()].flatMap(({ labelNames }) => labelNames)]);
  let isValid = true;
  walk(expression, (kind, text) => {
    if (kind === '⚠') isValid = false;
    if (kind === 'LabelName' && !labels.has(text)) problems.push(`${text} is no label`);
  });
  return isValid ? problems : ['it is no PromQL'];
}

function namesOf(expression: string): Set<string> {
  const names = new Set<string>();
  walk(expression, (kind, text, parent) => {
    if (kind === 'Identifier' && parent === 'VectorSelector') names.add(text);
  });
  return names;
}

function walk(expression: string, visit: (kind: string, text: string, parent: string | undefined) => void): void {
  // Grafana puts a duration in the place of its variable.
  const promql = expression.replaceAll('$__rate_interval', '5m');
  parser.parse(promql).iterate({
    enter: ({ name, from, to, node }) => visit(name, promql.slice(from, to), node.parent?.name),
  });
}

/** A histogram has three kinds of series. */
function withoutSuffix(name: string): string {
  const base = name.replace(/_(bucket|sum|count)$/, '');
  return metrics.get(base)?.type === 'histogram' ? base : name;
}

function wordsOf(cell: string): string[] {
  return [...cell.matchAll(/`(\w+)`/g)].map(([, word]) => word);
}

function byName(a: { name: string }, b: { name: string }): number {
  return a.name < b.name ? -1 : 1;
}

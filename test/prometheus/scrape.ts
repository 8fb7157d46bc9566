import { createRequire } from 'node:module';
import type { Registry } from 'prom-client';

/** A family of metrics, as the parser gives it. */
interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: 'COUNTER' | 'GAUGE' | 'HISTOGRAM' | 'SUMMARY' | 'UNTYPED';
  readonly metrics: readonly Sample[];
}

/** One line. */
interface Sample {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: string;
}

type Labels = Readonly<Record<string, string>>;

// A port of the parser of Prometheus's own client for Python.
const parse = createRequire(import.meta.url)('parse-prometheus-text-format') as (text: string) => Family[];

/** What a scrape says, read by somebody else's parser. */
export class Scrape {
  readonly families: readonly Family[];
  readonly #lines: readonly Family[];

  private constructor(text: string) {
    this.families = parse(text);
    // The parser takes all lines of a histogram together and leaves their labels out, unless it is not told its type.
    this.#lines = parse(text.replace(/^# TYPE .* histogram$/gm, ''));
  }

  static of(text: string): Scrape {
    return new Scrape(text);
  }

  static async from(registry: Pick<Registry, 'metrics'>): Promise<Scrape> {
    return new Scrape(await registry.metrics());
  }

  get names(): string[] {
    return this.families.map(({ name }) => name);
  }

  /** How many series there are. */
  get series(): number {
    return this.#lines.flatMap(({ metrics }) => metrics).length;
  }

  /** The lines of a name whose labels include these. */
  samples(name: string, labels: Labels = {}): readonly Sample[] {
    const lines = this.#lines.filter((family) => family.name === name).flatMap(({ metrics }) => metrics);
    return lines.filter((line) => Object.entries(labels).every(([label, value]) => line.labels?.[label] === value));
  }

  /** The value of the one line that fits. */
  value(name: string, labels: Labels = {}): number {
    const samples = this.samples(name, labels);
    if (samples.length !== 1) throw new Error(`${samples.length} lines of ${name} fit ${JSON.stringify(labels)}`);
    return Number(samples[0].value);
  }

  /** The labels of all lines of a name. */
  labels(name: string): Labels[] {
    return this.samples(name).map(({ labels = {} }) => labels);
  }
}

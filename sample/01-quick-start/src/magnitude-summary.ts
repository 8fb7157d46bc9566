import { Injectable } from '@nestjs/common';
import { OnStreamEvent, type RecordedEvent } from 'nestjs-stream-store';
import { BehaviorSubject, filter, firstValueFrom } from 'rxjs';
import type { Earthquake } from './earthquake.js';

/** How many quakes had a magnitude of at least `from` and less than `from + 1`; null for those without a magnitude. */
export interface MagnitudeBand {
  readonly from: number | null;
  readonly quakes: number;
}

/** Counts earthquakes by magnitude, as they are appended. */
@Injectable()
export class MagnitudeSummary {
  readonly #quakes = new Map<number | null, number>();
  readonly #total = new BehaviorSubject(0);
  #strongest: RecordedEvent<Earthquake> | undefined;

  @OnStreamEvent({ streams: 'earthquakes-*' })
  count(event: RecordedEvent<Earthquake>): void {
    const { magnitude } = event.data;
    const from = magnitude === null ? null : Math.floor(magnitude);
    this.#quakes.set(from, (this.#quakes.get(from) ?? 0) + 1);
    if ((magnitude ?? -Infinity) > (this.#strongest?.data.magnitude ?? -Infinity)) this.#strongest = event;
    this.#total.next(this.#total.value + 1);
  }

  get total(): number {
    return this.#total.value;
  }

  get strongest(): RecordedEvent<Earthquake> | undefined {
    return this.#strongest;
  }

  /** From the faintest to the strongest. */
  get bands(): MagnitudeBand[] {
    const bands = [...this.#quakes].map(([from, quakes]) => ({ from, quakes }));
    return bands.sort((a, b) => (a.from ?? -Infinity) - (b.from ?? -Infinity));
  }

  /** Resolves once that many quakes were counted: a handler is called after the append, at its own pace. */
  async whenCounted(quakes: number): Promise<void> {
    await firstValueFrom(this.#total.pipe(filter((total) => total >= quakes)));
  }
}

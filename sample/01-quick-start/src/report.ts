import type { RecordedEvent, Stats, StreamInfo } from 'nestjs-stream-store';
import type { Earthquake } from './earthquake.js';
import type { MagnitudeBand } from './magnitude-summary.js';

const WIDEST_BAR = 40;
const BUSIEST_REGIONS = 5;
/** Weaker quakes of the replayed day are counted, not listed. */
const LISTED_MAGNITUDE = 5;

/** `2018-02-06 15:50  6.4  22km NNE of Hualian, Taiwan` */
export function describeQuake({ timestamp, data }: RecordedEvent<Earthquake>): string {
  return `${minuteOf(timestamp)}  ${data.magnitude?.toFixed(1) ?? '?'}  ${data.place}`;
}

export function describeMagnitudes(bands: readonly MagnitudeBand[]): string {
  const rows = bands.map(({ from, quakes }) => ({
    label: from === null ? 'unknown' : `${from} to ${from + 1}`,
    count: quakes,
  }));
  const most = Math.max(...rows.map(({ count }) => count));
  return indented(
    rows.map(({ label, count }) => {
      const bar = '█'.repeat(Math.ceil((WIDEST_BAR * count) / most));
      return `${label.padStart(7)} ${bar} ${count}`;
    }),
  );
}

export function describeBusiest(streams: readonly StreamInfo[]): string {
  const busiest = streams.toSorted((a, b) => b.eventCount - a.eventCount).slice(0, BUSIEST_REGIONS);
  const width = Math.max(...busiest.map(({ streamId }) => streamId.length));
  return indented(
    busiest.map(({ streamId, eventCount, lastEvent }) => {
      const last = lastEvent ? `, the last at ${minuteOf(lastEvent)}` : '';
      return `${streamId.padEnd(width)} ${String(eventCount).padStart(5)} quakes${last}`;
    }),
  );
}

export function describeDay(quakes: readonly RecordedEvent<Earthquake>[]): string {
  const perHour = new Array<number>(24).fill(0);
  for (const { timestamp } of quakes) perHour[timestamp.getUTCHours()] += 1;
  const listed = quakes.filter(({ data }) => (data.magnitude ?? 0) >= LISTED_MAGNITUDE);
  return indented([
    `00:00 ${sparkline(perHour)} 24:00, ${Math.min(...perHour)} to ${Math.max(...perHour)} quakes an hour`,
    `of magnitude ${LISTED_MAGNITUDE} and more:`,
    ...listed.map(describeQuake),
  ]);
}

export function describeStats({ totalEvents, totalStreams, eventsRead, memoryUsageBytes }: Stats): string {
  const megabytes = (memoryUsageBytes / 1_000_000).toFixed(1);
  return (
    `The store holds ${count(totalEvents)} events in ${totalStreams} streams and takes ${megabytes} MB of memory.\n` +
    `It handed out ${count(eventsRead)} events: each quake once to the handler, those of one day again to the replay.`
  );
}

export function count(number: number): string {
  return number.toLocaleString('en');
}

/** In UTC. */
export function minuteOf(time: Date): string {
  return time.toISOString().slice(0, 16).replace('T', ' ');
}

function sparkline(counts: readonly number[]): string {
  const bars = '▁▂▃▄▅▆▇█';
  const most = Math.max(...counts, 1);
  return counts.map((number) => bars[Math.ceil((number / most) * (bars.length - 1))]).join('');
}

function indented(lines: readonly string[]): string {
  return lines.map((line) => `  ${line}`).join('\n');
}

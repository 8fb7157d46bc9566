import { SingleBar } from 'cli-progress';
import type { ReplayOptions, ReplayProgress } from 'nestjs-stream-store';

/** How long the replay of a day takes while somebody watches. */
const WATCHED_SECONDS = 3;

/** Shows on a terminal how far the replay of a day has come; elsewhere it is as fast as it can be, and shows nothing. */
export async function withProgressBar<Result>(
  day: string,
  replay: (options: ReplayOptions) => Promise<Result>,
): Promise<Result> {
  if (!process.stderr.isTTY) return replay({});
  const begin = Date.parse(`${day}T00:00:00Z`);
  const bar = new SingleBar({
    format: `Replaying ${day} {bar} {time}, {quakes} quakes`,
    hideCursor: true,
    clearOnComplete: true,
  });
  bar.start(24 * 3_600_000, 0, { time: '00:00', quakes: 0 });
  const onProgress = ({ events, timestamp }: ReplayProgress): void => {
    bar.update(timestamp.getTime() - begin, { time: timestamp.toISOString().slice(11, 16), quakes: events });
  };
  try {
    return await replay({ speed: (24 * 3_600) / WATCHED_SECONDS, onProgress });
  } finally {
    bar.stop();
  }
}

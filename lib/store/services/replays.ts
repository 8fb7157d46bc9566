import type { Clock } from '../values/clock.js';
import { ValidationError } from '../values/errors.js';
import { toFilter } from '../values/event-filter.js';
import type { RecordedEvent } from '../values/event.js';
import { checkMembers } from '../values/known-members.js';
import { isPromise } from '../values/maybe-promise.js';
import { shown } from '../values/names.js';
import { MOST_BYTES_A_PAGE } from '../values/page-bytes.js';
import type { Time } from '../values/time.js';
import type { TimePlace } from '../ports/storage-engine.js';
import { checkBatchSize, toRange } from './read-request.js';
import { Replay, type ReplayOptions } from './replay.js';
import type { Retention } from './retention.js';
import type { StoreGate } from './store-gate.js';
import type { StoreLog } from './store-log.js';

const REPLAY_OPTIONS = ['filter', 'speed', 'batchSize', 'onProgress', 'signal'];

/** Makes replays: of what is kept at that moment, up to the end that the log has then. */
export class Replays {
  /** @param countRead told how many events were handed out */
  constructor(
    private readonly clock: Clock,
    private readonly gate: StoreGate,
    private readonly log: StoreLog,
    private readonly retention: Retention,
    private readonly countRead: (events: number) => void,
  ) {}

  /** @throws {ValidationError | StoreClosedError} */
  make(from: Time | undefined, to: Time | undefined, options: ReplayOptions): Replay {
    checkMembers(options, 'options', REPLAY_OPTIONS);
    const range = toRange(from, to);
    const { speed, batchSize = 512 } = options;
    if (speed !== undefined && !(typeof speed === 'number' && Number.isFinite(speed) && speed > 0)) {
      throw new ValidationError('speed', `${shown(speed)} is no speed: give a number above 0, such as 1 or 60.`);
    }
    checkBatchSize(batchSize);
    const filter = toFilter(options.filter);
    this.gate.throwIfClosed();
    // What expires while it runs still belongs to it.
    const view = this.log.view();
    const asked = this.gate.call(() => view.head());
    // Whoever reads gets the failure; until then nobody has to.
    if (isPromise(asked)) asked.catch(() => undefined);
    let head = isPromise(asked) ? Infinity : asked;
    const page = async (after: TimePlace | undefined, limit: number) => {
      head = await asked;
      const request = { ...range, after, upTo: head, limit, maxBytes: MOST_BYTES_A_PAGE, filter };
      return this.gate.call(() => view.readTimeRange(request));
    };
    const covers = ({ timestamp, streamId, type, globalPosition }: RecordedEvent): boolean =>
      timestamp.getTime() >= range.from &&
      timestamp.getTime() <= range.to &&
      globalPosition <= head &&
      filter.matchesStream(streamId) &&
      filter.matchesType(type);
    const { clock, gate, countRead } = this;
    const replay = new Replay({ clock, gate, page, covers, countRead }, { ...options, batchSize });
    this.retention.watch(replay);
    return replay;
  }
}

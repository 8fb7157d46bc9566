import { describe, expect, it } from '@jest/globals';
import type { StreamSubscriptionStatus } from 'nestjs-stream-store';
import { HandlerWatch } from '../../lib/terminus/handler-watch.js';
import { ManualClock } from '../support/waiting/manual-clock.js';

const behind = { name: 'mail', state: 'live', position: 3, lag: 5 } as StreamSubscriptionStatus;

describe('a handler that does not come forward', () => {
  it('is stuck for as long as time has passed, however the clock was set meanwhile', () => {
    const [watch, clock] = [new HandlerWatch(), new ManualClock()];
    const since = clock.now();
    watch.look(behind, clock);
    clock.adjust(-3_600_000);
    clock.jump(20_000);

    expect(watch.look(behind, clock)).toEqual({ since, durationMs: 20_000 });
  });

  it('is not stuck any more when it has come forward', () => {
    const [watch, clock] = [new HandlerWatch(), new ManualClock()];
    watch.look(behind, clock);
    clock.jump(20_000);

    expect(watch.look({ ...behind, position: 4 }, clock)?.durationMs).toBe(0);
    expect(watch.look({ ...behind, lag: 0 }, clock)).toBeUndefined();
  });
});

import Sequencer from '@jest/test-sequencer';

/** Files that work for minutes at full scale, the longest kind first. */
const LONG = [
  /\.seeds-|under-plans|postgres-engine\.int/,
  /kill|crash|failover|heap|dead-letters-|slow-readers/,
  /model\./,
  /processes|several-instances|restarts/,
  /concurrency/,
];

/**
 * Starts the longest files first, so that none is alone on its core when all others have ended. Where Jest has no times of an
 * earlier run yet, it goes by size, and the longest are among the smallest.
 */
export default class LongestFirst extends Sequencer {
  sort(tests) {
    const rank = ({ path }) => {
      const found = LONG.findIndex((pattern) => pattern.test(path));
      return found < 0 ? LONG.length : found;
    };
    return super.sort(tests).sort((one, other) => rank(one) - rank(other));
  }
}

export { ManualClock, settled } from '../../../lib/testing/manual-clock.js';

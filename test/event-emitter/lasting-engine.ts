import { memoryEngine, type StorageEngine } from 'nestjs-stream-store';
import { aroundEngine } from '../support/engines/around-engine.js';

/** An engine that several applications use, one after the other, as they would one with a disk. */
export function lastingEngine(inner: StorageEngine = memoryEngine()): StorageEngine {
  let isOpen = false;
  return aroundEngine((verb, ask) => {
    if (verb === 'close' || (verb === 'open' && isOpen)) return undefined;
    isOpen = true;
    return ask();
  }, inner);
}

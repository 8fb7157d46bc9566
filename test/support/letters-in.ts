import { checkDeadLetterFilter } from '../../lib/consumer/dead-letters/dead-letter-query.js';
import type { DeadLetter, DeadLetterStore } from '../../lib/consumer/dead-letters/dead-letter-store.js';

/** All dead letters of one handler, or of all, with their events; the oldest first. */
export async function lettersIn(deadLetters: DeadLetterStore, subscription?: string): Promise<DeadLetter[]> {
  const entries = await deadLetters.entries(checkDeadLetterFilter({ subscription }));
  return [...(await deadLetters.load(entries)).values()].sort((a, b) => a.failedAt.getTime() - b.failedAt.getTime());
}

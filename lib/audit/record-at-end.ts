import { Observable, type MonoTypeOperatorFunction } from 'rxjs';

/** How a call ended. */
export type CallEnd =
  | { readonly outcome: 'success'; readonly answers: number }
  | { readonly outcome: 'failure'; readonly answers: number; readonly error: unknown }
  | { readonly outcome: 'aborted'; readonly answers: number };

/**
 * Records how a call ended, before whoever made it learns that.
 *
 * A single answer is held back until it was recorded, and fails with what recording it fails with. When there are several,
 * each goes out as it comes. When the reader leaves before the end, nobody waits for the record.
 */
export function recordAtEnd<T>(record: (end: CallEnd) => Promise<void>): MonoTypeOperatorFunction<T> {
  return (source) =>
    new Observable<T>((reader) => {
      let answers = 0;
      let held: { readonly answer: T } | undefined;
      let hasEnded = false;
      const letGo = (): void => {
        if (!held) return;
        const { answer } = held;
        held = undefined;
        reader.next(answer);
      };
      const finish = (end: CallEnd, then: () => void): void => {
        hasEnded = true;
        record(end).then(then, (error: unknown) => reader.error(end.outcome === 'failure' ? end.error : error));
      };
      const subscription = source.subscribe({
        next: (answer) => {
          answers++;
          letGo();
          held = { answer };
          // The end of a single answer comes right behind it.
          queueMicrotask(() => {
            if (!hasEnded) letGo();
          });
        },
        error: (error: unknown) => finish({ outcome: 'failure', answers, error }, () => reader.error(error)),
        complete: () =>
          finish({ outcome: 'success', answers }, () => {
            letGo();
            reader.complete();
          }),
      });
      return () => {
        subscription.unsubscribe();
        if (hasEnded) return;
        hasEnded = true;
        // Its failure is reported where it is met.
        record({ outcome: 'aborted', answers }).catch(() => undefined);
      };
    });
}

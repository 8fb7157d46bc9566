/** How many bytes of text a page still has room for. */
export interface PageRoom {
  /** For its next event: all there is left, or Infinity as long as the page is empty. */
  readonly first: number;
  /** For what is read of it in this turn of the event loop. */
  readonly most: number;
}

/** Of events that follow each other: how many find room, and what they take. */
export function fitting(
  sizes: readonly { readonly bytes: number }[],
  room: PageRoom,
): { count: number; bytes: number } {
  let bytes = 0;
  for (let count = 0; count < sizes.length; count++) {
    const more = bytes + sizes[count].bytes;
    if (more > (count === 0 ? Math.max(room.first, room.most) : room.most)) return { count, bytes };
    bytes = more;
  }
  return { count: sizes.length, bytes };
}

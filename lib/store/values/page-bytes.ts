/**
 * What a page takes at most, in the bytes of the JSON texts of its events, unless its first event alone takes more.
 *
 * What is parsed takes about twice as much, and a reader may hold one page while it asks for the next.
 */
export const MOST_BYTES_A_PAGE = 8 * 1_024 * 1_024;

/** Which events to subscribe to: one stream, the streams that fit a pattern, or all; each may be narrowed to some types. */
export type SubscriptionTarget =
  | string
  | { readonly stream: string; readonly types?: readonly string[] }
  /** `*` stands for any characters, also none. */
  | { readonly streams: string; readonly types?: readonly string[] }
  | { readonly all: true; readonly types?: readonly string[] };

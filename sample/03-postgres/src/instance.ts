/** What an instance tells whoever started it. */
export type InstanceMessage =
  /** Whether it runs the handler, or stands by. */
  | { readonly state: 'running' | 'standby' }
  /** The id of an order that it has taken: the append was acknowledged. */
  | { readonly taken: string }
  /** The id of an order that its handler has packed; again, if it had been packed before. */
  | { readonly packed: string; readonly isRepeat: boolean };

/** Which of the instances this process is. */
export class Instance {
  constructor(
    readonly name: string,
    readonly tell: (message: InstanceMessage) => void,
  ) {}
}

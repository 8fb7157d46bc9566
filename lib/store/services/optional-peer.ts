import { MissingPeerError } from '../values/errors.js';

/** A package that only those install who use one subpath of this package. */
export interface OptionalPeer {
  readonly name: string;
  /** The subpath that needs it. */
  readonly of: string;
  /** The versions that fit, as package.json says. */
  readonly versions: string;
}

/**
 * What to throw instead of what loading a peer failed with: when it is not there, an error that says how to install it. A
 * peer that is there, and fails by itself, is left to say so.
 */
export function peerFailure({ name, of }: OptionalPeer, failure: unknown): unknown {
  const { code, message } = failure as NodeJS.ErrnoException;
  // Node's codes are ERR_MODULE_NOT_FOUND and MODULE_NOT_FOUND; what the peer itself fails to find has another name.
  const isMissing = String(code).endsWith('MODULE_NOT_FOUND') && String(message).includes(`'${name}'`);
  return isMissing ? new MissingPeerError(of, name, undefined, { cause: failure }) : failure;
}

/** @throws {MissingPeerError} when the peer lacks what its versions that fit have */
export function checkFits({ name, of, versions }: OptionalPeer, fits: boolean): void {
  if (!fits) throw new MissingPeerError(of, name, versions);
}

import { Inject, Optional, type InjectionToken } from '@nestjs/common';
import type { ModuleRef } from '@nestjs/core';

/** What Nest injects for a token in the module of the reference; undefined when there is nothing. */
export async function storeInjectedIn(moduleRef: ModuleRef, token: InjectionToken): Promise<unknown> {
  // A provider of the module in all but name: so its imports, what they hand on, and overrides count as for any other.
  class Asking {
    constructor(readonly answer: unknown) {}
  }
  Inject(token)(Asking, undefined, 0);
  Optional()(Asking, undefined, 0);
  return (await moduleRef.create(Asking)).answer;
}

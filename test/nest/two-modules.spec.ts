import { expect, it } from '@jest/globals';
import { Inject, Injectable, Module, Scope } from '@nestjs/common';
import { EventStore, EventStoreModule, OnStreamEvent, StreamSubscriptions } from 'nestjs-stream-store';
import { startApp } from '../support/servers/nest-app.js';

it('a class of request scope that two modules provide is made by each of them, with what each injects', async () => {
  const seen: string[] = [];

  @Injectable({ scope: Scope.REQUEST })
  class Mailer {
    constructor(@Inject('country') private readonly country: string) {}

    @OnStreamEvent('orders')
    on(): void {
      seen.push(this.country);
    }
  }
  @Module({ providers: [Mailer, { provide: 'country', useValue: 'nl' }] })
  class Dutch {}
  @Module({ providers: [Mailer, { provide: 'country', useValue: 'be' }] })
  class Belgian {}
  const app = await startApp({ imports: [EventStoreModule.forRoot(), Dutch, Belgian] });

  await app.get(EventStore).append('orders', { type: 'order.placed' });
  await app.get(StreamSubscriptions).whenSettled();

  expect(seen.sort()).toEqual(['be', 'nl']);
});

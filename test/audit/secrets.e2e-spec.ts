import { describe, expect, it } from '@jest/globals';
import { BadRequestException, Body, Controller, Param, Post, Query } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { EventStore, EventStoreModule } from 'nestjs-stream-store';
import { Audited, AuditTrail, AuditTrailModule } from 'nestjs-stream-store/audit';
import { EventStorePrometheusModule } from 'nestjs-stream-store/prometheus';
import { Registry } from 'prom-client';
import { aroundEngine } from '../support/engines/around-engine.js';
import { closedAfterTest, RecordingNestLogger } from '../support/servers/nest-app.js';

@Controller('orders')
class OrdersController {
  @Post(':id')
  @Audited({ body: ['customer'], headers: ['user-agent'] })
  place(@Param('id') id: string, @Query() query: object, @Body() body: object) {
    throw new BadRequestException(`No such order: ${id} ${JSON.stringify([query, body])}`);
  }
}

const HEADERS = [
  ...['authorization', 'proxy-authorization', 'cookie', 'x-api-key', 'x-auth-token', 'x-csrf-token', 'x-session'],
  ...['x-amz-security-token', 'x-goog-iam-authorization-token', 'x-forwarded-client-cert', 'referer', 'from'],
];
const NAMES = [
  ...['password', 'newPassword', 'user_password', 'passphrase', 'passcode', 'pwd', 'secret', 'clientSecret', 'token'],
  ...['access_token', 'refreshToken', 'id-token', 'apiKey', 'api_key', 'privateKey', 'secretKey', 'accessKey', 'jwt'],
  ...['credentials', 'authorization', 'cookie', 'otp', 'pin', 'cvv', 'cvc', 'iban', 'ssn', 'cardNumber', 'card_no'],
];

/** A request that is full of secrets, each of which is another one. */
function secretRequest() {
  const secrets: string[] = [];
  const secret = (): string => {
    secrets.push(`classified-${secrets.length}.`);
    return secrets.at(-1)!;
  };
  const each = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, secret()]));
  const path = `/orders/${secret()}?${new URLSearchParams(each(NAMES)).toString()}`;
  // The list lets the customer through, and nothing else of the body.
  const customer = { id: 7, ...each(NAMES), card: { number: secret(), pin: secret() }, tokens: [secret(), secret()] };
  const body = JSON.stringify({ customer, note: secret(), ...each(NAMES) });
  const headers = { 'content-type': 'application/json', 'user-agent': 'shop/1.0', ...each(HEADERS) };
  return { path, request: { method: 'POST', headers, body }, secrets };
}

describe('of a request full of secrets', () => {
  it.each(['is kept', 'cannot be kept'])('none is in the store, the log or the metrics when it %s', async (what) => {
    const engine = aroundEngine((verb, ask) => {
      if (verb === 'append' && what === 'cannot be kept') throw new Error('disk full');
      return ask();
    });
    const registry = new Registry();
    const logger = new RecordingNestLogger();
    const testing = await Test.createTestingModule({
      imports: [
        EventStoreModule.forRoot({ engine }),
        AuditTrailModule.forRoot({ hashChain: true }),
        EventStorePrometheusModule.forRoot({ registry }),
      ],
      controllers: [OrdersController],
    })
      .setLogger(logger)
      .compile();
    const app = closedAfterTest(testing.createNestApplication());
    await app.listen(0, '127.0.0.1');
    const { path, request, secrets } = secretRequest();
    const answer = await fetch((await app.getUrl()) + path, request);

    expect([answer.status, secrets.length > 100]).toEqual([400, true]);
    const { events } = await app.get(EventStore).readAll({ limit: 0 });
    const written = JSON.stringify([events, logger.errors, logger.warnings, await registry.metrics()]);
    expect(secrets.filter((secret) => written.includes(secret))).toEqual([]);
    if (what === 'cannot be kept') expect(logger.errors).toHaveLength(1);
    else expect(await app.get(AuditTrail).query()).toMatchObject([{ status: 400, body: { customer: { id: 7 } } }]);
  });
});

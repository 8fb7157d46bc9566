import type { INestApplication } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Test } from '@nestjs/testing';
import { EventStore } from 'nestjs-stream-store';
import { AppModule } from '../src/app.module.js';

describe('the accounts over HTTP', () => {
  let app: INestApplication;
  let url: string;

  beforeEach(async () => {
    app = (await Test.createTestingModule({ imports: [AppModule] }).compile()).createNestApplication({ logger: false });
    await app.listen(0, '127.0.0.1');
    url = `${await app.getUrl()}/accounts`;
  });
  afterEach(() => app.close());

  async function send(method: string, path: string, body?: object, headers: Record<string, string> = {}) {
    const json = { 'content-type': 'application/json', ...headers };
    const answer = await fetch(`${url}/${path}`, { method, headers: json, body: body && JSON.stringify(body) });
    const text = await answer.text();
    return { status: answer.status, json: (text === '' ? undefined : JSON.parse(text)) as unknown };
  }

  it('keep events, and answer with the state', async () => {
    await send('POST', '7', { owner: 'Ada' });

    expect(await send('POST', '7/deposits', { cents: 100 })).toEqual({
      status: 201,
      json: { owner: 'Ada', cents: 100, isOpen: true, revision: 2 },
    });
    expect(await app.get(EventStore).readStream('account-7')).toHaveLength(2);
    expect((await send('GET', '7')).json).toMatchObject({ cents: 100 });
    expect((await send('GET', '7?revision=1')).json).toMatchObject({ cents: 0 });
  });

  it('answer 404 for what is not there, and 409 for what is there already', async () => {
    expect((await send('GET', '7')).status).toBe(404);
    expect((await send('POST', '7/deposits', { cents: 1 })).status).toBe(404);
    expect((await send('POST', '7', { owner: 'Ada' })).status).toBe(201);
    expect((await send('POST', '7', { owner: 'Bob' })).status).toBe(409);
  });

  it('do a command with an Idempotency-Key once', async () => {
    await send('POST', '7', { owner: 'Ada' });
    const key = { 'idempotency-key': 'k1' };
    const first = await send('POST', '7/deposits', { cents: 100 }, key);
    await send('POST', '7/deposits', { cents: 1 });

    expect(await send('POST', '7/deposits', { cents: 100 }, key)).toEqual(first);
    expect((await send('GET', '7')).json).toMatchObject({ cents: 101 });
  });

  it('refuse a command of who has seen another revision', async () => {
    await send('POST', '7', { owner: 'Ada' });

    expect((await send('POST', '7/deposits', { cents: 1 }, { 'if-match': '"1"' })).status).toBe(201);
    expect((await send('POST', '7/deposits', { cents: 1 }, { 'if-match': '"1"' })).status).toBe(412);
  });

  it('pay no more than there is, however many ask at once', async () => {
    await send('POST', '7', { owner: 'Ada' });
    await send('POST', '7/deposits', { cents: 50 });

    const answers = await Promise.all(Array.from({ length: 16 }, () => send('POST', '7/withdrawals', { cents: 10 })));

    expect(answers.filter(({ status }) => status === 201)).toHaveLength(5);
    expect(answers.filter(({ status }) => status === 422)).toHaveLength(11);
    expect((await send('DELETE', '7')).status).toBe(204);
    expect((await send('GET', '7')).json).toMatchObject({ cents: 0, isOpen: false });
  });
});

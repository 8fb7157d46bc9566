import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { defineEvents, eventType } from 'nestjs-stream-store';
import { describeEvents, type DescribeEventsOptions } from 'nestjs-stream-store/testing';
import { z } from 'zod';
import { CollectingRunner } from './collecting-runner.js';

const shipped = (upcasts: Record<number, (data: string) => unknown>) =>
  defineEvents({
    'order.shipped': eventType(z.object({ code: z.string() }), { version: 2, upcasts }),
    'order.paid': eventType<null>(),
  });
const good = shipped({ 1: (code) => ({ code }) });

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'event-samples-'))));
afterEach(() => rmSync(folder, { recursive: true }));

function collect(events: typeof good, options: DescribeEventsOptions<typeof good>): CollectingRunner {
  const runner = new CollectingRunner();
  describeEvents(events, { ...options, runner });
  return runner;
}

const samples = { 'order.shipped': { 1: ['A', 'B'], 2: [{ code: 'C' }] }, 'order.paid': { 1: [null] } };

it('makes a test of each sample of each version', async () => {
  const runner = collect(good, { samples });

  expect(runner.cases.map(({ path }) => path.split(' › ')[1])).toEqual([
    'order.shipped, version 1: sample 1 can be read',
    'order.shipped, version 1: sample 2 can be read',
    'order.shipped, version 2: sample 1 can be read',
    'order.paid, version 1: sample 1 can be read',
  ]);
  expect(await runner.firstFailure('')).toBeUndefined();
});

it('fails when an upcast throws, or gives what the schema refuses', async () => {
  const throwing = collect(
    shipped({
      1: () => {
        throw new Error('no');
      },
    }),
    { samples },
  );
  const wrong = collect(shipped({ 1: (code) => ({ kode: code }) }), { samples });
  const unchecked = collect(shipped({ 1: (code) => ({ kode: code }) }), { samples, checkSchema: false });

  expect((await throwing.firstFailure(''))?.error).toMatchObject({ code: 'UPCAST_FAILED' });
  expect((await wrong.firstFailure(''))?.error).toMatchObject({ field: 'order.shipped@1[0].code' });
  expect(await unchecked.firstFailure('')).toBeUndefined();
});

it('fails for a version without a sample, and says where to keep one', async () => {
  writeFileSync(join(folder, 'order.shipped@1.json'), '["A"]');

  const failure = await collect(good, { samples: folder }).firstFailure('order.shipped, version 2');

  expect((failure?.error as Error).message).toContain(join(folder, 'order.shipped@2.json'));
});

it('writes the missing sample of the present version when it is asked to', async () => {
  const options = { samples: folder, examples: { 'order.shipped': { code: 'X' } }, writeSamples: true };
  writeFileSync(join(folder, 'order.shipped@1.json'), '["A"]');

  expect(await collect(good, options).firstFailure('order.shipped, version 2')).toBeUndefined();

  expect(readdirSync(folder)).toEqual(['order.shipped@1.json', 'order.shipped@2.json']);
  expect(JSON.parse(readFileSync(join(folder, 'order.shipped@2.json'), 'utf8'))).toEqual([{ code: 'X' }]);
});

it('refuses options that it does not understand', () => {
  expect(() => collect(good, { samples: 1 as never })).toThrow(/samples/);
  expect(() => collect({} as never, { samples })).toThrow(/defineEvents/);
  expect(() => collect(good, { samples: { 'order.paid': { 1: [] } } })).toThrow(/at least one/);
});

import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { compiledApp, startChild } from '../support/processes/child-app.js';

const APP = join(import.meta.dirname, 'fixtures/peerless-app.ts');

/** The peer of each subpath that needs one, and what it may be. */
const PEERS = [
  ['terminus', '@nestjs/terminus', '^11.0.0 || ^12.0.0'],
  ['prometheus', 'prom-client', '^15.0.0'],
  ['opentelemetry', '@opentelemetry/api', '^1.9.0'],
  ['event-emitter', '@nestjs/event-emitter', '^3.0.0 || ^12.0.0'],
] as const;

const each = <Value>(value: Value) => Object.fromEntries(PEERS.map(([, peer]) => [peer, value]));

describe('an application that uses a subpath', () => {
  it('is told how to install the peer that is missing', async () => {
    const app = await compiledApp(APP, each(undefined));

    const told = PEERS.map(
      ([subpath, peer]) => `MISSING_PEER nestjs-stream-store/${subpath} needs ${peer}: npm install ${peer}`,
    );
    expect(await answersOf(app)).toEqual(told);
  });

  it('is told which versions of the peer fit when an older one is installed', async () => {
    const app = await compiledApp(APP, each('exports.register = {};'));

    const told = PEERS.map(
      ([subpath, peer, versions]) =>
        `MISSING_PEER nestjs-stream-store/${subpath} needs ${peer} ${versions}, and another version is installed: ` +
        `npm install "${peer}@${versions}"`,
    );
    expect(await answersOf(app)).toEqual(told);
  });
});

/** What the program says first of each subpath. */
async function answersOf(app: string): Promise<string[]> {
  const children = PEERS.map(([subpath]) => startChild(app, subpath));
  await Promise.all(children.map(({ ended }) => ended));
  return children.map(({ lines }) => lines[0]);
}

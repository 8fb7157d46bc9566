import { expect, it } from '@jest/globals';
import { MissingPeerError } from 'nestjs-stream-store';
import { checkFits, peerFailure } from '../../lib/store/services/optional-peer.js';

const PEER = { name: '@nestjs/terminus', of: 'nestjs-stream-store/terminus', versions: '^11.0.0 || ^12.0.0' };

const failure = (code: string, message: string) => Object.assign(new Error(message), { code });

it.each([
  ['an import', 'ERR_MODULE_NOT_FOUND', "Cannot find package '@nestjs/terminus' imported from /app/index.js"],
  ['a require', 'MODULE_NOT_FOUND', "Cannot find module '@nestjs/terminus'\nRequire stack:\n- /app/index.js"],
])('%s that finds no peer says how to install it, and keeps what Node said', (_what, code, message) => {
  const cause = failure(code, message);

  const error = peerFailure(PEER, cause) as MissingPeerError;

  expect(error).toBeInstanceOf(MissingPeerError);
  expect(error).toMatchObject({ code: 'MISSING_PEER', subpath: PEER.of, peer: PEER.name, cause });
  expect(error.message).toBe('nestjs-stream-store/terminus needs @nestjs/terminus: npm install @nestjs/terminus');
});

it.each([
  ['what the peer needs is missing', "Cannot find package '@nestjs/axios' imported from /@nestjs/terminus/index.js"],
  ['a part of it is missing', "Cannot find module '/node_modules/@nestjs/terminus/dist/index.js'"],
])('a peer that fails by itself is left to say so: %s', (_what, message) => {
  const cause = failure('ERR_MODULE_NOT_FOUND', message);

  expect(peerFailure(PEER, cause)).toBe(cause);
});

it('a peer that is too old is told with the versions that fit', () => {
  expect(() => checkFits(PEER, false)).toThrow(
    'nestjs-stream-store/terminus needs @nestjs/terminus ^11.0.0 || ^12.0.0, and another version is installed: ' +
      'npm install "@nestjs/terminus@^11.0.0 || ^12.0.0"',
  );
});

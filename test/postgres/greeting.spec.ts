import { createServer, type AddressInfo, type Server } from 'node:net';
import { afterEach, expect, it } from '@jest/globals';
import { openEventStore, StorageUnavailableError } from 'nestjs-stream-store';
import { postgresEngine } from 'nestjs-stream-store/postgres';
import { rejectionOf } from '../support/events.js';

const AUTHENTICATION_OK = Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 0]);
const READY_FOR_QUERY = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);
const ENDING = errorResponse('SFATAL\0C57P01\0Mterminating connection due to unexpected postmaster exit\0\0');

function errorResponse(fields: string): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(4 + fields.length);
  return Buffer.concat([Buffer.from('E'), length, Buffer.from(fields)]);
}

let server: Server | undefined;

afterEach(() => void server?.close());

it('a server that goes down in the packet in which it greets is not available, and ends no process', async () => {
  server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => socket.end(Buffer.concat([AUTHENTICATION_OK, READY_FOR_QUERY, ENDING])));
  });
  await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;

  const engine = postgresEngine({ connectionString: `postgres://postgres:postgres@127.0.0.1:${port}/postgres` });
  const error = await rejectionOf(openEventStore({ engine, startTimeoutMs: 0 }));

  expect(error).toBeInstanceOf(StorageUnavailableError);
});

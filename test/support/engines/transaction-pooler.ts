import { createServer, type Socket } from 'node:net';
import pg from 'pg';

/** Lends connections to a server for one transaction at a time, as PgBouncer does with `pool_mode = transaction`. */
export interface TransactionPooler {
  readonly url: string;
  close(): Promise<void>;
}

/** @param size how many connections to the server there are */
export async function startTransactionPooler(serverUrl: string, size = 2): Promise<TransactionPooler> {
  const servers = await Promise.all(Array.from({ length: size }, () => serverConnection(serverUrl)));
  const free = [...servers];
  const waiting: ((server: Socket) => void)[] = [];
  const release = (server: Socket): void => {
    const next = waiting.shift();
    if (next) next(server);
    else free.push(server);
  };
  const clients = new Set<Socket>();
  const listener = createServer((client) => {
    clients.add(client);
    client.on('error', () => undefined).on('close', () => clients.delete(client));
    serve(
      client,
      () => {
        // The one that was used longest ago, so that statements hardly ever meet the same connection twice.
        const server = free.shift();
        return server ? Promise.resolve(server) : new Promise((resolve) => waiting.push(resolve));
      },
      release,
    );
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const { port } = listener.address() as { port: number };
  return {
    url: `postgres://anybody:anything@127.0.0.1:${port}/postgres`,
    close: async () => {
      for (const socket of [...clients, ...servers]) socket.destroy();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
}

/** The socket of a connection that has signed in. */
async function serverConnection(url: string): Promise<Socket> {
  const client = new pg.Client(url);
  client.on('error', () => undefined);
  await client.connect();
  const { stream } = (client as unknown as { connection: { stream: Socket } }).connection;
  return stream.removeAllListeners('data');
}

function serve(client: Socket, take: () => Promise<Socket>, release: (server: Socket) => void): void {
  let hasSignedIn = false;
  let unsent = Buffer.alloc(0);
  let server: Socket | undefined;
  let isTaking = false;
  const lend = async (): Promise<void> => {
    isTaking = true;
    server = await take();
    isTaking = false;
    let answer = Buffer.alloc(0);
    server.on('data', (data: Buffer) => {
      client.write(data);
      answer = Buffer.concat([answer, data]);
      for (let message = firstMessage(answer); message; message = firstMessage(answer)) {
        answer = answer.subarray(message.length);
        // ReadyForQuery, outside of a transaction.
        if (message[0] !== 0x5a || message[5] !== 0x49) continue;
        const done = server!;
        done.removeAllListeners('data');
        server = undefined;
        release(done);
        if (unsent.length > 0) void lend();
      }
    });
    server.write(unsent);
    unsent = Buffer.alloc(0);
  };
  client.on('data', (data: Buffer) => {
    if (!hasSignedIn) {
      hasSignedIn = true;
      // AuthenticationOk, BackendKeyData, ReadyForQuery (PostgreSQL, "Message Formats").
      client.write(Buffer.from('520000000800000000' + '4b0000000c0000000100000001' + '5a0000000549', 'hex'));
      return;
    }
    // Terminate ends the loan of nobody.
    if (data[0] === 0x58) return void client.end();
    if (server) return void server.write(data);
    unsent = Buffer.concat([unsent, data]);
    if (!isTaking) void lend();
  });
}

/** A message that has come in whole: a letter, and a length that counts itself. */
function firstMessage(buffer: Buffer): Buffer | undefined {
  if (buffer.length < 5) return undefined;
  const length = 1 + buffer.readInt32BE(1);
  return buffer.length < length ? undefined : buffer.subarray(0, length);
}

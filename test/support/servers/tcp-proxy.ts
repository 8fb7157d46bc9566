import { connect, createServer, type Socket } from 'node:net';

/** Stands between a client and a server, and can fall silent, as a network does. */
export interface TcpProxy {
  readonly port: number;
  /** From now on nothing comes through, and nobody is told. */
  fallSilent(): void;
  /** Lets new connections through again; those from before stay silent. */
  recover(): void;
  close(): Promise<void>;
}

export async function startTcpProxy(serverPort: number): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  let silence = { isSilent: false };
  const server = createServer((client) => {
    const mine = silence;
    const upstream = connect(serverPort, '127.0.0.1');
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ]) {
      sockets.add(from);
      from.on('data', (data) => void (mine.isSilent || to.write(data)));
      from.on('error', () => undefined);
      from.on('close', () => {
        sockets.delete(from);
        if (!mine.isSilent) to.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as { port: number }).port,
    fallSilent: () => void (silence.isSilent = true),
    recover: () => void (silence = { isSilent: false }),
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

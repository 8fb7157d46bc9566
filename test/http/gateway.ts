import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach } from '@jest/globals';

/** A reverse proxy, as it stands before an application: while that is away, it answers 502. */
export interface Gateway {
  readonly origin: string;
  /** Passes requests on to the application at an origin; undefined while there is none. */
  to(origin: string | undefined): void;
  /** How often it had to answer 502. */
  readonly refusals: number;
}

const opened: Server[] = [];

afterEach(() => {
  for (const server of opened.splice(0)) {
    server.close();
    server.closeAllConnections();
  }
});

export async function startGateway(): Promise<Gateway> {
  let target: string | undefined;
  let refusals = 0;
  const server = createServer((incoming, outgoing) => {
    if (target === undefined) {
      refusals++;
      outgoing.writeHead(502).end();
      return;
    }
    const { method, headers, url = '/' } = incoming;
    const passedOn = request(new URL(url, target), { method, headers, agent: false }, (answer) => {
      outgoing.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(outgoing);
      answer.on('error', () => outgoing.destroy());
    });
    passedOn.on('error', () => outgoing.destroy());
    outgoing.on('close', () => passedOn.destroy());
    incoming.pipe(passedOn);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  opened.push(server);
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    to: (origin) => (target = origin),
    get refusals() {
      return refusals;
    },
  };
}

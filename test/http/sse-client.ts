import { get, type IncomingMessage } from 'node:http';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach } from '@jest/globals';
import type { RecordedEvent } from 'nestjs-stream-store';

/** What arrived between two blank lines. */
export interface SseBlock {
  readonly id: string | undefined;
  readonly event: string | undefined;
  readonly data: string | undefined;
  readonly retry: string | undefined;
  readonly isComment: boolean;
}

const opened: (() => void)[] = [];

afterEach(() => {
  for (const close of opened.splice(0)) close();
});

/** A client that reads server-sent events and does nothing by itself. */
export class SseClient {
  readonly blocks: SseBlock[] = [];
  /** The events of the store among them. */
  readonly events: RecordedEvent[] = [];
  /** Of each event, the position in its id. */
  readonly ids: number[] = [];
  status: number | undefined;
  headers: IncomingMessage['headers'] = {};
  text = '';
  hasEnded = false;
  #rest = '';
  #wake: (() => void) | undefined;
  readonly #request;
  #response: IncomingMessage | undefined;

  constructor(url: string, headers: Record<string, string> = {}) {
    this.#request = get(url, { agent: false, headers: { accept: 'text/event-stream', ...headers } }, (response) => {
      this.#response = response;
      this.status = response.statusCode;
      this.headers = response.headers;
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => this.#read(chunk));
      response.on('error', () => undefined);
      response.on('close', () => this.#end());
      this.#wake?.();
    });
    this.#request.on('error', () => this.#end());
    opened.push(() => this.close());
  }

  get lastEventId(): string | undefined {
    return this.blocks.findLast(({ id }) => id !== undefined)?.id;
  }

  /** Waits for a condition, which is looked at whenever something has arrived. */
  async until(condition: (client: this) => boolean): Promise<void> {
    while (!condition(this)) {
      if (this.hasEnded) throw new Error(`it ended with ${this.status} before that: ${this.text.slice(-500)}`);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** Waits until it was answered, and told where it is. */
  async opened(): Promise<this> {
    await this.until(({ lastEventId }) => lastEventId !== undefined);
    return this;
  }

  async received(count: number): Promise<this> {
    await this.until(({ events }) => events.length >= count);
    return this;
  }

  async ended(): Promise<void> {
    while (!this.hasEnded) await new Promise<void>((resolve) => (this.#wake = resolve));
  }

  /** Takes nothing more from the network. */
  stall(): void {
    this.#response?.pause();
  }

  resume(): void {
    this.#response?.resume();
  }

  close(): void {
    this.#request.destroy();
  }

  #read(chunk: string): void {
    this.text += chunk;
    const parts = (this.#rest + chunk).split('\n\n');
    this.#rest = parts.pop()!;
    for (const part of parts) this.#take(blockOf(part));
    this.#wake?.();
  }

  #take(block: SseBlock): void {
    this.blocks.push(block);
    if (block.event !== undefined || block.data === undefined) return;
    this.events.push(JSON.parse(block.data) as RecordedEvent);
    this.ids.push(parseInt(block.id!, 10));
  }

  #end(): void {
    this.hasEnded = true;
    this.#wake?.();
  }
}

function blockOf(text: string): SseBlock {
  const lines = text.split('\n').map((line) => [line.split(':', 1)[0], line.slice(line.indexOf(':') + 1).trimStart()]);
  const fields = Object.fromEntries(lines) as Record<string, string | undefined>;
  const { id, event, data, retry } = fields;
  return { id, event, data, retry, isComment: '' in fields };
}

/** A way to a server that can be cut. */
export interface CuttableLine {
  readonly origin: string;
  /** Ends all connections, in the middle of whatever is under way. */
  cut(): void;
  /** How many connections there have been. */
  readonly connections: number;
}

export async function cuttableLine(to: string): Promise<CuttableLine> {
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer((socket) => {
    connections++;
    const behind = connect(Number(new URL(to).port), '127.0.0.1');
    for (const [one, other] of [
      [socket, behind],
      [behind, socket],
    ]) {
      sockets.add(one);
      one.on('error', () => undefined).on('close', () => other.destroy());
      one.pipe(other);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = (): void => sockets.forEach((socket) => socket.destroy());
  opened.push(() => {
    cut();
    server.close();
  });
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut,
    get connections() {
      return connections;
    },
  };
}

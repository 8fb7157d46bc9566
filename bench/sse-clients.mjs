// The other end of suites/sse.mjs, in a process of its own: follows events with many clients, and tells now and then how
// many the slowest of them has. node sse-clients.mjs <port> <path> <clients> <events>
import { connect } from 'node:net';

const [port, path, clients, events] = process.argv
  .slice(2)
  .map((value) => (/^\d+$/.test(value) ? Number(value) : value));
const MARK = 'data: ';
const REPORT_MS = 2;

const received = new Array(clients).fill(0);
let answered = 0;
for (let client = 0; client < clients; client++) {
  const socket = connect(port, '127.0.0.1');
  socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n`);
  let tail = Buffer.alloc(0);
  socket.once('data', () => ++answered === clients && process.send('following'));
  socket.on('data', (chunk) => {
    // A mark may lie across two chunks.
    const seam = Buffer.concat([tail, chunk.subarray(0, MARK.length - 1)]);
    if (tail.length > 0 && seam.includes(MARK)) received[client]++;
    for (let at = chunk.indexOf(MARK); at >= 0; at = chunk.indexOf(MARK, at + MARK.length)) received[client]++;
    tail = chunk.subarray(Math.max(0, chunk.length - MARK.length + 1));
  });
  socket.on('close', () => process.exit(1));
}

let reported = 0;
setInterval(() => {
  const least = Math.min(...received);
  if (least > reported) process.send((reported = least));
  if (received.some((count) => count > events)) process.exit(2);
}, REPORT_MS);

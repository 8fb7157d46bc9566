// The other end of suites/http.mjs, in a process of its own: node http-load.mjs <url> <ms>
import autocannon from 'autocannon';

const [url, ms] = process.argv.slice(2);

await load(ms / 2);
process.send(await load(Number(ms)), () => process.exit());

/** What one request costs in nanoseconds. */
async function load(durationMs) {
  const {
    '2xx': answered,
    non2xx,
    errors,
    duration,
  } = await autocannon({
    url,
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ type: 'order.placed', data: { id: 4711, euros: 12.5, note: 'a short payload' } }),
    connections: 32,
    duration: Math.max(1, durationMs / 1_000),
  });
  if (non2xx > 0 || errors > 0) throw new Error(`${non2xx} answers were refusals, and ${errors} requests failed.`);
  return (duration * 1e9) / answered;
}

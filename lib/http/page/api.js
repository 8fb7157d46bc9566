/** The endpoints lie one folder above the page. */
const BASE = new URL('../', location.href);

/** The address of an endpoint. */
export function address(path, query = {}) {
  const url = new URL(path, BASE);
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== '') url.searchParams.set(name, value);
  }
  return url;
}

/** Gets JSON. @throws {Error} that says what the server said */
export async function get(url, signal) {
  return (await ask(url, { signal })).json();
}

/** Has something done. @throws {Error} that says what the server said */
export async function post(url, method = 'POST') {
  await ask(url, { method });
}

/**
 * Has something done that takes a while, and gives how far it is: objects with `isDone`, which is true in the last one.
 *
 * @throws {Error} that says what the server said, or that the connection was cut before it was done
 */
export async function* progressOf(url) {
  const answer = await ask(url, { method: 'POST' });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  let isDone = false;
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    const lines = (rest + value).split('\n');
    rest = lines.pop();
    for (const line of lines) {
      const progress = JSON.parse(line);
      isDone = progress.isDone;
      yield progress;
    }
  }
  if (!isDone) throw new Error('The connection was cut before all was done.');
}

async function ask(url, options) {
  const answer = await fetch(url, { ...options, headers: { accept: 'application/json' } });
  if (answer.ok) return answer;
  const problem = await answer.json().catch(() => undefined);
  throw new Error(problem?.detail ?? `The server answered ${answer.status} ${answer.statusText}`);
}

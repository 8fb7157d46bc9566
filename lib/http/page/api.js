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

async function ask(url, options) {
  const answer = await fetch(url, { ...options, headers: { accept: 'application/json' } });
  if (answer.ok) return answer;
  const problem = await answer.json().catch(() => undefined);
  throw new Error(problem?.detail ?? `The server answered ${answer.status} ${answer.statusText}`);
}

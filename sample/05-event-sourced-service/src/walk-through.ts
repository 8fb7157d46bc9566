/** What an account looks like to a client. */
interface Shown {
  readonly cents: number;
  readonly revision: number;
  readonly message?: string;
}

/** Does with an account what clients do, and says what they are answered. */
export async function* walkThrough(url: string): AsyncGenerator<string> {
  const account = `${url}/accounts/${crypto.randomUUID()}`;
  const send = async (path: string, body: object, headers: Record<string, string> = {}) => {
    const init = {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    };
    const answer = await fetch(account + path, init);
    return { status: answer.status, body: (await answer.json()) as Shown };
  };
  const told = ({ status, body }: Awaited<ReturnType<typeof send>>): string =>
    status < 300 ? `${status}, ${body.cents} cents, revision ${body.revision}` : `${status}: ${body.message}`;

  yield `Ada opens an account:          ${told(await send('', { owner: 'Ada' }))}`;
  yield `Somebody opens it once more:   ${(await send('', { owner: 'Bob' })).status}`;
  yield `A deposit of 100 cents:        ${told(await send('/deposits', { cents: 100 }))}`;
  yield `A withdrawal of 150:           ${told(await send('/withdrawals', { cents: 150 }))}`;

  const once = { 'idempotency-key': 'rent-in-may' };
  yield `A withdrawal of 20, with key:  ${told(await send('/withdrawals', { cents: 20 }, once))}`;
  yield `Another deposit of 5:          ${told(await send('/deposits', { cents: 5 }))}`;
  yield `That withdrawal again:         ${told(await send('/withdrawals', { cents: 20 }, once))}`;

  const stale = await send('/withdrawals', { cents: 1 }, { 'if-match': '"2"' });
  yield `By who has seen revision 2:    ${stale.status}`;

  const crowd = await Promise.all(Array.from({ length: 12 }, () => send('/withdrawals', { cents: 10 })));
  const paid = crowd.filter(({ status }) => status === 201).length;
  const refused = crowd.filter(({ status }) => status === 422).length;
  yield `12 withdrawals of 10 at once:  ${paid} paid, ${refused} refused`;

  const { cents, revision } = (await (await fetch(account)).json()) as Shown;
  yield `What is left:                  ${cents} cents, revision ${revision}`;
  const then = (await (await fetch(`${account}?revision=2`)).json()) as Shown;
  yield `As it was at revision 2:       ${then.cents} cents`;
}

/** Sends a request as somebody would; as nobody, when the name is empty. @returns whether it was accepted */
export async function sendAs(name: string, url: string, body: object): Promise<boolean> {
  const headers = { 'content-type': 'application/json', ...(name && { 'x-user': name }) };
  const answer = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
  await answer.text();
  return answer.ok;
}

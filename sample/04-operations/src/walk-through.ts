import type { INestApplication } from '@nestjs/common';
import { StreamSubscriptions } from 'nestjs-stream-store';
import { AuditTrail } from 'nestjs-stream-store/audit';
import { sendAs } from './requests.js';

/** Makes requests as clients would. @returns how many were made, and how many of them were refused */
export async function makeRequests(url: string): Promise<{ readonly made: number; readonly refused: number }> {
  const requests: [user: string, path: string, body: object][] = [
    ['ada', '/orders/1', { euros: 20, card: '4111 1111 1111 1111' }],
    ['ada', '/orders/2', { euros: 35, card: '4111 1111 1111 1111' }],
    ['bob', '/orders/3', { euros: 50, card: '4111 1111 1111 0000' }],
    ['eve', '/orders/1/refund', { euros: 20, reason: 'late' }],
    ['eve', '/orders/2/refund', { euros: 3_500, reason: 'mine' }],
    ['', '/orders/3/refund', { euros: 50, reason: 'nobody' }],
  ];
  let refused = 0;
  for (const [user, path, body] of requests) {
    if (!(await sendAs(user, url + path, body))) refused++;
  }
  return { made: requests.length, refused };
}

/** What whoever runs the application gets to see. */
export async function describeOperations(app: INestApplication, url: string): Promise<string> {
  await app.get(StreamSubscriptions).whenSettled();
  return [await describeHealth(url), await describeMetrics(url), await describeAudit(app.get(AuditTrail))].join('\n\n');
}

async function describeHealth(url: string): Promise<string> {
  const answer = await fetch(`${url}/health/ready`);
  const { status, details } = (await answer.json()) as { status: string; details: { events: { problems: string[] } } };
  return `GET /health/ready answers ${answer.status}, ${status}:\n${lines(details.events.problems)}`;
}

async function describeMetrics(url: string): Promise<string> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const shown = /^event_store_(appended_events_total|handler_(retries|given_up_events)_total|dead_letters|up)\{/;
  return `GET /metrics has, among others:\n${lines(text.split('\n').filter((line) => shown.test(line)))}`;
}

async function describeAudit(trail: AuditTrail): Promise<string> {
  const entries = await trail.query();
  const described = entries.map(({ actor, action, params, body, status }) =>
    [(actor as string).padEnd(4), action.padEnd(13), status, JSON.stringify({ ...params, ...body })].join(' '),
  );
  const { isIntact, verified } = await trail.verify();
  return `The audit trail has ${verified} records, and is ${isIntact ? 'as it was written' : 'NOT as it was written'}:\n${lines(described)}`;
}

function lines(texts: readonly string[]): string {
  return texts.map((text) => `  ${text}`).join('\n');
}

// The page at `/` with a token: it subscribes and publishes by it, resumes, and keeps it to itself.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { openPage, startServer, test } from './harness.mjs';
import { PlannedProxy, waitFor } from './lib.mjs';

const secret = 'a secret of no less than 32 bytes, for tests';

function tokenFor(rights) {
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode({ exp: Math.floor(Date.now() / 1000) + 3600, broadside: rights })}`;
  return `${text}.${crypto.createHmac('sha256', secret).update(text).digest('base64url')}`;
}

// A server that lets nobody in without a token, behind a proxy that can cut.
async function startClosedServer(tools) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'broadside-'));
  tools.cleanup(() => fs.rmSync(folder, { recursive: true }));
  fs.writeFileSync(path.join(folder, 'secret'), secret);
  const server = await startServer(tools, '--auth-key', `HS256:${path.join(folder, 'secret')}`, '--retry', '100ms');
  const proxy = await PlannedProxy.start(server.port);
  tools.cleanup(() => proxy.stop());
  return proxy;
}

async function subscribeWith(page, token) {
  await page.getByTestId('token').fill(token);
  await page.getByTestId('subscribe').click();
}

const stateOf = (page) => page.getByTestId('state').getAttribute('data-state');
const waitForState = (page, wanted) => waitFor(`the state ${wanted}`, async () => (await stateOf(page)) === wanted);
const rowsOf = (page) => page.locator('[data-testid="event-row"][data-type="message"] .data').allTextContents();

async function publishFrom(page, data) {
  await page.getByTestId('publish-data').fill(data);
  await page.getByTestId('publish').click();
}

test('the page subscribes and publishes with a token, and resumes', async (tools) => {
  const proxy = await startClosedServer(tools);
  const page = await openPage(tools, `${proxy.url}/?topic=hello`);
  await waitForState(page, 'closed');
  const token = tokenFor({ subscribe: ['hello'], publish: ['hello'] });
  await subscribeWith(page, token);
  await waitForState(page, 'open');
  await publishFrom(page, 'one\ntwo ü 漢');
  await waitFor('the first event', async () => (await rowsOf(page)).length === 1);
  assert.equal(await page.locator('[data-testid="event-row"][data-type="message"] summary').textContent(), 'one\ntwo ü 漢');
  assert.equal(proxy.cutStreams('/events'), 1);
  await waitFor('the page to come back', async () => /Connected again/.test(await page.getByTestId('notices').textContent()));
  await publishFrom(page, 'three');
  await waitFor('the second event', async () => (await rowsOf(page)).length === 2);
  const streams = proxy.requestsTo('/events').filter((request) => request.headers.authorization === `Bearer ${token}`);
  assert.match(streams.at(-1).headers['last-event-id'], /^\d+-\d+$/);
  assert.deepEqual(proxy.requests.filter((request) => request.target.includes(token)), []);
  await page.reload();
  assert.equal(await page.getByTestId('token').inputValue(), '');
});

test('the page says why a token is refused', async (tools) => {
  const proxy = await startClosedServer(tools);
  const page = await openPage(tools, `${proxy.url}/?topic=hello`);
  await subscribeWith(page, tokenFor({ subscribe: ['other'], publish: [] }));
  await waitFor('the reason', async () => /Refused with 403: .+/.test(await page.getByTestId('notices').textContent()));
  assert.equal(await stateOf(page), 'closed');
  await publishFrom(page, 'x');
  await waitFor('the answer', async () => /^403: .+/.test(await page.getByTestId('answer').textContent()));
});

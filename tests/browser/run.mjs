// Broadside in a real Chromium: what a native EventSource sees, and the page at `/`.
//
//   BROADSIDE_PROGRAM=build/release/broadside node tests/browser/run.mjs [PART OF A TEST'S NAME]
//   BROADSIDE_PROGRAM=build/release/broadside node tests/browser/run.mjs --screenshot docs/screenshot.png
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { chromium } from 'playwright-core';
import { CuttingProxy, openPage, runAll, runCommand, startOtherOrigin, test, within, startServer } from './harness.mjs';

const retry = ['--retry', '100ms'];
const chromiumFlags = ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync'];

async function startProxy({ cleanup }, server) {
  const proxy = await CuttingProxy.start(server.port);
  cleanup(() => proxy.stop());
  return proxy;
}

// A page without any connection of its own, of the same origin as the server.
const openBlankPage = (tools, url) => openPage(tools, `${url}/healthz`);

// Opens an EventSource in the page; `stream` then has what it heard, and its state.
async function openStream(page, url, { withCredentials = false, types = [] } = {}) {
  await page.evaluate(([streamUrl, isWithCredentials, moreTypes]) => {
    const source = new EventSource(streamUrl, { withCredentials: isWithCredentials });
    const stream = { source, events: [], errors: 0 };
    for (const type of ['message', 'broadside.open', 'broadside.gap', 'broadside.end', ...moreTypes]) {
      source.addEventListener(type, (event) => stream.events.push({ type, data: event.data, id: event.lastEventId }));
    }
    source.addEventListener('error', () => { ++stream.errors; });
    globalThis.stream = stream;
  }, [url, withCredentials, types]);
}

const eventsOf = (page, type) => page.evaluate((wanted) => globalThis.stream.events.filter((event) => event.type === wanted), type);
const waitForCount = (page, type, count) => page.waitForFunction(
  ([wanted, least]) => globalThis.stream.events.filter((event) => event.type === wanted).length >= least, [type, count]);
const waitForState = (page, state) => page.waitForFunction((wanted) => globalThis.stream.source.readyState === wanted, state);

test('an EventSource receives what is published, with type, id and lines of data', async (tools) => {
  const server = await startServer(tools);
  const page = await openBlankPage(tools, server.url);
  await openStream(page, '/events?topic=news&topic=sport', { types: ['goal'] });
  await waitForCount(page, 'broadside.open', 1);
  const first = await server.publish('news', 'one\ntwo ü 漢');
  const second = await server.publish('sport', '1:0', '?event=goal&id=my-own');
  assert.equal(first.subscribers, 1);
  await waitForCount(page, 'goal', 1);
  assert.deepEqual(await eventsOf(page, 'message'), [{ type: 'message', data: 'one\ntwo ü 漢', id: first.id }]);
  assert.deepEqual(await eventsOf(page, 'goal'), [{ type: 'goal', data: '1:0', id: 'my-own' }]);
  assert.equal(second.id, 'my-own');
  const [open] = await eventsOf(page, 'broadside.open');
  assert.deepEqual(JSON.parse(open.data).topics.sort(), ['news', 'sport']);
});

test('an EventSource that is cut inside events reconnects and has every event exactly once', async (tools) => {
  const server = await startServer(tools, ...retry);
  const proxy = await startProxy(tools, server);
  const page = await openBlankPage(tools, proxy.url);
  await openStream(page, '/events/cut');
  await waitForCount(page, 'broadside.open', 1);
  const expected = [];
  const publishSome = async (count) => {
    for (let index = 0; index < count; ++index) {
      expected.push(`event ${expected.length}`);
      await server.publish('cut', expected[expected.length - 1]);
    }
  };
  const cuts = [1, 17, 38, 61, 200, 333];
  for (const [index, bytes] of cuts.entries()) {
    const cut = proxy.cutStreamsAfter(bytes);
    await publishSome(12);
    await within(cut, `cut after ${bytes} bytes`);
    await publishSome(3);
    await waitForCount(page, 'broadside.open', index + 2);
  }
  await publishSome(5);
  await waitForCount(page, 'message', expected.length);
  assert.deepEqual((await eventsOf(page, 'message')).map((event) => event.data), expected);
  assert.deepEqual(await eventsOf(page, 'broadside.gap'), []);
  assert.equal(proxy.streamRequests, cuts.length + 1);
});

test('an EventSource is told of its gap after the server was restarted', async (tools) => {
  const server = await startServer(tools, ...retry);
  const page = await openBlankPage(tools, server.url);
  await openStream(page, '/events/restarted');
  await waitForCount(page, 'broadside.open', 1);
  const before = await server.publish('restarted', 'before');
  await waitForCount(page, 'message', 1);
  await server.restart();
  await waitForCount(page, 'broadside.gap', 1);
  await server.publish('restarted', 'after');
  await waitForCount(page, 'message', 2);
  const [gap] = (await eventsOf(page, 'broadside.gap')).map((event) => JSON.parse(event.data));
  assert.equal(gap.reason, 'restart');
  assert.equal(gap.from, before.id);
  assert.equal(gap.lost, null);
  assert.deepEqual((await eventsOf(page, 'message')).map((event) => event.data), ['before', 'after']);
});

test('an EventSource stops at the 204 after its topic has ended, and asks no more', async (tools) => {
  const server = await startServer(tools, ...retry);
  const proxy = await startProxy(tools, server);
  const page = await openBlankPage(tools, proxy.url);
  await openStream(page, '/events/ending');
  await waitForCount(page, 'broadside.open', 1);
  await server.publish('ending', 'last words');
  await server.end('ending');
  await waitForState(page, 2);
  assert.equal((await eventsOf(page, 'broadside.end')).length, 1);
  assert.deepEqual((await eventsOf(page, 'message')).map((event) => event.data), ['last words']);
  assert.equal(proxy.streamRequests, 2);
  // Whoever would come back does so within a few retries; a second EventSource that is cut and returns is the clock for that.
  await page.evaluate(() => {
    globalThis.opened = 0;
    new EventSource('/events/other').addEventListener('broadside.open', () => { ++globalThis.opened; });
  });
  for (let round = 1; round <= 4; ++round) {
    await page.waitForFunction((least) => globalThis.opened >= least, round);
    const cut = proxy.cutStreamsAfter(1);
    await server.publish('other', 'x');
    await within(cut, 'cut');
  }
  await page.waitForFunction(() => globalThis.opened >= 5);
  assert.equal(proxy.streamRequests, 2 + 5);
});

async function startCross(tools, originFlag) {
  const other = await startOtherOrigin();
  tools.cleanup(() => other.stop());
  const flag = originFlag(other.url);
  const server = await startServer(tools, ...retry, ...(flag ? ['--cors-origin', flag] : []));
  const proxy = await startProxy(tools, server);
  const page = await openPage(tools, other.url);
  return { server, proxy, page, streamUrl: `${proxy.url}/events/cross` };
}

async function expectEvents({ server, proxy, page }) {
  await waitForCount(page, 'broadside.open', 1);
  await server.publish('cross', 'one');
  await waitForCount(page, 'message', 1);
  const cut = proxy.cutStreamsAfter(5);
  await server.publish('cross', 'two');
  await within(cut, 'cut');
  await waitForCount(page, 'message', 2);
  assert.deepEqual((await eventsOf(page, 'message')).map((event) => event.data), ['one', 'two']);
}

test('a page of a named origin subscribes with credentials, resumes, and its cookie is sent', async (tools) => {
  const cross = await startCross(tools, (origin) => origin);
  await openStream(cross.page, cross.streamUrl, { withCredentials: true });
  await expectEvents(cross);
  assert.match(cross.proxy.lastStreamHead, /\r\ncookie: visitor=42\r\n/i);
  assert.match(cross.proxy.lastStreamHead, /\r\nlast-event-id: \d+-\d+\r\n/i);
});

test('a page of a named origin subscribes without credentials, and no cookie is sent', async (tools) => {
  const cross = await startCross(tools, (origin) => origin);
  await openStream(cross.page, cross.streamUrl);
  await expectEvents(cross);
  assert.doesNotMatch(cross.proxy.lastStreamHead, /\r\ncookie:/i);
});

test('a page of any origin subscribes without credentials under --cors-origin *', async (tools) => {
  const cross = await startCross(tools, () => '*');
  await openStream(cross.page, cross.streamUrl);
  await expectEvents(cross);
});

test('a page of any origin is refused with credentials under --cors-origin *', async (tools) => {
  const cross = await startCross(tools, () => '*');
  await openStream(cross.page, cross.streamUrl, { withCredentials: true });
  await waitForState(cross.page, 2);
  assert.equal((await eventsOf(cross.page, 'broadside.open')).length, 0);
});

test('a page of another origin is refused when none is allowed', async (tools) => {
  const cross = await startCross(tools, () => null);
  await openStream(cross.page, cross.streamUrl);
  await waitForState(cross.page, 2);
  assert.equal((await eventsOf(cross.page, 'broadside.open')).length, 0);
});

test('a page of a named origin publishes, one of another origin may not', async (tools) => {
  const named = await startCross(tools, (origin) => origin);
  const stranger = await startOtherOrigin();
  tools.cleanup(() => stranger.stop());
  const publish = (url) => fetch(url, { method: 'POST', body: 'x', headers: { 'Content-Type': 'application/json' } })
    .then((response) => response.status, () => 'refused by the browser');
  assert.equal(await named.page.evaluate(publish, `${named.server.url}/events/cross`), 200);
  const page = await openPage(tools, stranger.url);
  assert.equal(await page.evaluate(publish, `${named.server.url}/events/cross`), 'refused by the browser');
  const opaque = await page.evaluate((url) => fetch(url, { method: 'POST', mode: 'no-cors', body: 'x' }).then(() => 'sent'),
    `${named.server.url}/events/smuggled`);
  assert.equal(opaque, 'sent');
  const topics = await (await fetch(`${named.server.url}/topics`)).text();
  assert.match(topics, /cross/);
  assert.doesNotMatch(topics, /smuggled/);
});

// --- The commands, over the same kind of path.

test('broadside publish and subscribe lose and double nothing over a path that keeps breaking', async (tools) => {
  const server = await startServer(tools, ...retry, '--history-events', '100000', '--history-bytes', '64MiB');
  const proxy = await startProxy(tools, server);
  const seed = Number(process.env.SEED || Math.floor(Math.random() * 2 ** 31));
  let state = seed;
  proxy.budget = () => { state = (state * 48271 + 11) % 2147483647; return 200 + state % 40_000; };
  const count = 3000;
  const subscribed = runCommand(tools, ['subscribe', '--json', '-q', '--limit', String(count), `${proxy.url}/events/lines`]);
  await within(subscribed.firstLine, 'the first line of subscribe');
  const published = runCommand(tools, ['publish', '-q', `${proxy.url}/events/lines`]);
  const lines = Array.from({ length: count }, (_, index) => `line ${index}`);
  published.process.stdin.end(lines.join('\n'));
  assert.equal(await within(published.status, `publish, seed ${seed}`, 60_000), 0, `seed ${seed}`);
  assert.equal(await within(subscribed.status, `subscribe, seed ${seed}`, 60_000), 0, `seed ${seed}`);
  const events = subscribed.output().trimEnd().split('\n').map((line) => JSON.parse(line));
  assert.deepEqual(events.filter((event) => event.type === 'message').map((event) => event.data), lines, `seed ${seed}`);
  assert.deepEqual(events.filter((event) => event.type === 'broadside.gap'), [], `seed ${seed}`);
});

// --- The page at `/`.

const find = (page, id) => page.getByTestId(id);
const waitForText = (page, id, pattern) => page.waitForFunction(
  ([testId, source]) => new RegExp(source).test(document.querySelector(`[data-testid="${testId}"]`)?.textContent ?? ''), [id, pattern.source]);
const waitForPageState = (page, state) => page.waitForFunction(
  (wanted) => document.querySelector('[data-testid="state"]').dataset.state === wanted, state);

test('the page shows live vital signs of the machine: rows, plots and the rate', async (tools) => {
  const server = await startServer(tools, '--demo');
  const page = await openPage(tools, server.url);
  await waitForPageState(page, 'open');
  await page.waitForFunction(() => document.querySelectorAll('[data-testid="event-row"][data-type="message"]').length >= 2);
  await page.waitForFunction(() => document.querySelector('[data-testid="plot"][data-name="cpu_percent"] .stroke')?.getAttribute('d'));
  await page.waitForFunction(() => Number(document.querySelector('[data-testid="rate"]').textContent) > 0);
  const row = page.locator('[data-testid="event-row"][data-type="message"]').first();
  assert.equal(await row.locator('.topic').textContent(), 'system');
  assert.match(await row.locator('.id').textContent(), /^\d+-\d+$/);
  await row.locator('summary').click();
  assert.equal(typeof JSON.parse(await row.locator('pre').textContent()).memory_percent, 'number');
  assert.deepEqual(page.problems, []);
});

test('the page publishes, shows the answer, and the event appears as text', async (tools) => {
  const server = await startServer(tools);
  const page = await openPage(tools, `${server.url}/?topic=hello`);
  await waitForPageState(page, 'open');
  await find(page, 'publish-topic').fill('hello');
  await find(page, 'publish-type').fill('greeting');
  await find(page, 'publish-data').fill('<img src=x onerror="document.title=1"> & <b>bold</b>');
  await find(page, 'publish').click();
  await waitForText(page, 'answer', /subscribers1/);
  await page.waitForSelector('[data-testid="event-row"][data-type="greeting"]');
  const row = page.locator('[data-testid="event-row"][data-type="greeting"]');
  assert.equal(await row.locator('.data').textContent(), '<img src=x onerror="document.title=1"> & <b>bold</b>');
  assert.equal(await page.locator('[data-testid="event-rows"] img').count(), 0);
  assert.equal(await find(page, 'types').inputValue(), 'greeting');
  await find(page, 'publish-type').fill('broadside.fake');
  await find(page, 'publish').click();
  await waitForText(page, 'answer', /^400: .+/);
  assert.deepEqual(page.problems, []);
});

test('the page subscribes to several topics, and to one it has just published to', async (tools) => {
  const server = await startServer(tools);
  const page = await openPage(tools, server.url);
  await find(page, 'topics').fill('one, two');
  await find(page, 'subscribe').click();
  await waitForText(page, 'notices', /Connected to one, two/);
  await server.publish('one', 'first');
  await server.publish('two', 'second');
  await page.waitForFunction(() => document.querySelectorAll('[data-testid="event-row"][data-type="message"]').length === 2);
  await find(page, 'publish-topic').fill('three');
  await find(page, 'publish').click();
  await find(page, 'subscribe-too').click();
  await waitForText(page, 'notices', /Connected to one, two, three/);
  assert.equal((await server.publish('three', 'x')).subscribers, 1);
});

test('the page pauses, and goes on with what came meanwhile', async (tools) => {
  const server = await startServer(tools);
  const page = await openPage(tools, `${server.url}/?topic=busy`);
  await waitForPageState(page, 'open');
  await page.waitForSelector('[data-testid="event-row"]');
  await find(page, 'pause').click();
  for (let index = 0; index < 250; ++index) await server.publish('busy', `event ${index}`);
  await waitForText(page, 'shown', /paused, 250 events since/);
  assert.equal(await page.locator('[data-testid="event-row"]').count(), 1);
  await find(page, 'pause').click();
  await waitForText(page, 'shown', /newest 200/);
  assert.equal(await page.locator('[data-testid="event-row"]').count(), 200);
  assert.equal(await page.locator('[data-testid="event-row"] .data').first().textContent(), 'event 249');
  assert.equal(await find(page, 'total').textContent(), '250');
});

test('the page says that it reconnects, recovers, and shows what it missed', async (tools) => {
  const server = await startServer(tools, ...retry, '--demo');
  const page = await openPage(tools, server.url);
  await waitForPageState(page, 'open');
  await page.waitForSelector('[data-testid="event-row"][data-type="message"]');
  await server.kill();
  await waitForPageState(page, 'reconnecting');
  await waitForText(page, 'state-text', /^reconnecting, \d+ s$/);
  await server.restart();
  await waitForPageState(page, 'open');
  await page.waitForSelector('[data-testid="event-row"][data-type="broadside.gap"]');
  assert.match(await find(page, 'gap-banner').textContent(), /Missed .*“system”.* between \d+-\d+ and .*restarted/);
  await waitForText(page, 'notices', /Connected again after/);
  await waitForText(page, 'counts', /1 reconnect, 1 gap/);
  assert.deepEqual(page.problems, []);
});

test('the page says that a topic has ended', async (tools) => {
  const server = await startServer(tools, ...retry);
  const page = await openPage(tools, `${server.url}/?topic=play`);
  await waitForPageState(page, 'open');
  await server.publish('play', 'act one');
  await server.end('play');
  await waitForPageState(page, 'ended');
  await waitForText(page, 'notices', /The topic “play” has ended/);
});

test('the page fits a screen of 360 pixels and asks no other server for anything', async (tools) => {
  const server = await startServer(tools, '--demo');
  const page = await openPage(tools, 'about:blank');
  const strangers = [];
  page.on('request', (request) => { if (!/^data:/.test(request.url()) && !request.url().startsWith(server.url)) strangers.push(request.url()); });
  await page.setViewportSize({ width: 360, height: 740 });
  await page.goto(server.url);
  await page.waitForSelector('[data-testid="event-row"][data-type="message"]');
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth) <= 360);
  assert.deepEqual(strangers, []);
  assert.deepEqual(page.problems, []);
});

// A picture for the README: the demo after a while, with an event of another type.
async function takeScreenshot({ browser, cleanup, servers }, path) {
  const server = await startServer({ cleanup, servers }, '--demo');
  const context = await browser.newContext({ viewport: { width: 1200, height: 800 }, colorScheme: process.env.COLOR_SCHEME || 'light' });
  const page = await context.newPage();
  await page.goto(`${server.url}/?topic=system&type=greeting`);
  await waitForPageState(page, 'open');
  const seconds = Number(process.env.SCREENSHOT_SECONDS || 45);
  await page.waitForFunction((least) => Number(document.querySelector('[data-testid="total"]').textContent) >= least, seconds,
    { timeout: (seconds + 20) * 1000 });
  await find(page, 'publish-topic').fill('system');
  await find(page, 'publish-type').fill('greeting');
  await find(page, 'publish').click();
  await page.waitForSelector('[data-testid="event-row"][data-type="greeting"]');
  await page.waitForFunction(() => document.querySelectorAll('[data-testid="event-row"]')[1]?.dataset.type === 'greeting');
  await page.screenshot({ path });
  console.log(`the page is in ${path}`);
}

const [argument, value] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: chromiumFlags });
let isGood = true;
if (argument === '--screenshot') {
  const undo = [];
  try {
    await takeScreenshot({ browser, cleanup: (work) => undo.push(work), servers: [] }, value || 'docs/screenshot.png');
  } finally {
    for (const work of undo.reverse()) await work();
  }
} else {
  // Every other module of this folder registers its tests while it is loaded.
  for (const file of fs.readdirSync(new URL('.', import.meta.url)).sort()) {
    if (file.endsWith('.mjs') && file !== 'run.mjs') await import(new URL(file, import.meta.url));
  }
  isGood = await runAll({ browser }, argument);
}
await browser.close();
process.exit(isGood ? 0 : 1);

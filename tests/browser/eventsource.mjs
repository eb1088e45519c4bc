// What EventSource promises a page, and Broadside beyond it, under harder conditions than in run.mjs: awkward bytes, streams that are cut
// anywhere and while they resume, many topics, an end that is taken back. Registers its tests with harness.mjs; run.mjs runs them.
import assert from 'node:assert/strict';
import { openPage, startOtherOrigin, test, startServer } from './harness.mjs';
import { PlannedProxy, assertSameList, subscribe, waitFor } from './lib.mjs';

// A short `retry:` keeps reconnects quick; the history is larger than anything published here, so that a gap is never due to retention.
const kQuickFlags = ['--retry', '50ms', '--history-events', '100000', '--history-bytes', '64MiB'];
const kSeed = Number(process.env.BROADSIDE_SEED ?? Date.now() % 1_000_000);

// A small generator whose whole state is its seed (mulberry32), for runs that can be repeated.
function randomFrom(seed) {
  let state = seed;
  return (bound) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound;
  };
}

const startQuickServer = (work, ...flags) => startServer(work, ...kQuickFlags, ...flags);

async function startProxy({ cleanup }, server) {
  const proxy = await PlannedProxy.start(server.port);
  cleanup(() => proxy.stop());
  return proxy;
}

// Publishes and answers the event as a page must see it.
async function publishAndExpect(server, topic, data, { event, id } = {}) {
  const given = Object.entries({ event, id }).filter(([, value]) => value !== undefined);
  const answer = await server.publish(topic, data, given.length > 0 ? `?${new URLSearchParams(given)}` : '');
  if (id !== undefined) assert.equal(answer.id, id);
  return { type: event ?? 'message', id: answer.id, data: data.replace(/\r\n?/g, '\n') };
}

async function publishLines(server, events) {
  const body = events.map((event) => `${JSON.stringify(event)}\n`).join('');
  const response = await fetch(`${server.url}/events`, { method: 'POST', body, headers: { 'Content-Type': 'application/x-ndjson' } });
  assert.equal(response.status, 200, await response.text());
}

async function subscribeAndWait(page, url, options) {
  const subscription = await subscribe(page, url, options);
  await subscription.waitForEvents(1, 'broadside.open');
  return subscription;
}

async function assertReceived(subscription, expected, what) {
  await subscription.waitForEvents(expected.length);
  assertSameList(await subscription.published(), expected, what);
}

// The browser tells a page nothing of why it was refused; what counts is that it has given up and has shown no byte of the stream.
async function assertRefused(subscription) {
  await subscription.waitForState(2);
  const { opens, events } = await subscription.read();
  assert.deepEqual({ opens, events }, { opens: 0, events: [] });
}

test('an EventSource receives awkward data, types and ids exactly as published', async (tools) => {
  const server = await startQuickServer(tools);
  const page = await openPage(tools, `${server.url}/healthz`);
  const subscription = await subscribeAndWait(page, `${server.url}/events/exact`, { types: ['price', 'größe ✓'] });
  const cases = [
    ['plain'],
    [''],
    [' one space before, two after  '],
    ['\nempty lines around\n\n'],
    ['CR\rLF\nCRLF\r\nend'],
    ['data: like a field\nid: 7\nevent: other\n: like a comment'],
    ['\uFEFFa byte order mark, é, €, 🚢, \u2028, \u0000 and \u007f'],
    [JSON.stringify({ symbol: 'ACME', price: 12.5 }), { event: 'price' }],
    ['an id of its own', { id: 'order 7/é' }],
    ['both', { event: 'größe ✓', id: '0' }],
    ['long '.repeat(40_000)],
    ['\n'.repeat(2_000)],
  ];
  const expected = [];
  for (const [data, parameters] of cases) expected.push(await publishAndExpect(server, 'exact', data, parameters));
  await assertReceived(subscription, expected, 'one event a request');

  const lines = Array.from({ length: 2_000 }, (_, index) => ({ topic: 'exact', data: `line ${index}`, id: `line-${index}` }));
  await publishLines(server, lines);
  expected.push(...lines.map(({ data, id }) => ({ type: 'message', id, data })));
  await assertReceived(subscription, expected, 'after 2,000 lines of NDJSON');
  const { opens, errors } = await subscription.read();
  assert.deepEqual({ opens, errors }, { opens: 1, errors: [] }, 'the stream was not disturbed');
});

test('an EventSource that is cut anywhere, also while it resumes, loses, doubles and reorders nothing', async (tools) => {
  const random = randomFrom(kSeed);
  const server = await startQuickServer(tools);
  const proxy = await startProxy(tools, server);
  const page = await openPage(tools, `${proxy.url}/healthz`);
  // The first stream lives past its `broadside.open`: before that a page has no id to resume from, by the standard. Later ones are cut before
  // their first byte, inside the open event, inside a replay, inside a character, by a FIN or by a reset that destroys what was under way.
  proxy.cuts.push({ bytes: 700, how: 'fin' });
  for (const bytes of [0, 1, 30, 90]) proxy.cuts.push({ bytes, how: 'fin' });
  for (let count = 0; count < 20; ++count) {
    proxy.cuts.push({ bytes: random(count % 4 === 0 ? 20_000 : 2_000), how: count % 2 === 0 ? 'rst' : 'fin' });
  }
  const planned = proxy.cuts.length;
  const subscription = await subscribeAndWait(page, `${proxy.url}/events/cuts`, { types: ['third'] });
  const expected = [];
  // In batches, each awaited until the page has it or has been cut again: so cuts fall on live delivery and on replays, not on one replay at the end.
  for (let roundsLeft = 3; roundsLeft > 0; ) {
    const cutCountBefore = proxy.cutCount;
    for (let count = 0; count < 25; ++count) {
      const data = `${expected.length} ${'é\n€ 🚢'.repeat(random(random(8) === 0 ? 400 : 12))}.`;
      expected.push(await publishAndExpect(server, 'cuts', data, { event: expected.length % 3 === 0 ? 'third' : undefined }));
    }
    await waitFor(`a cut or ${expected.length} events, seed ${kSeed}`, async () =>
      proxy.cutCount > cutCountBefore || (await subscription.published()).length >= expected.length);
    if (proxy.cutCount === planned) --roundsLeft;
  }
  await assertReceived(subscription, expected, `events after ${planned} cuts, seed ${kSeed}`);
  assertSameList(await subscription.own('broadside.gap'), [], `gaps, seed ${kSeed}`);

  const [first, ...resumes] = proxy.requestsTo('/events/cuts');
  assert.equal(first.headers['last-event-id'], undefined);
  assert.ok(resumes.length >= planned, `${resumes.length} reconnects after ${planned} cuts`);
  assert.ok(resumes.every((request) => request.headers['last-event-id']), 'each reconnect says where to resume');
});

test('an EventSource on several topics has them in one order, with named types, and resumes all with one id', async (tools) => {
  const random = randomFrom(kSeed);
  const server = await startQuickServer(tools);
  const proxy = await startProxy(tools, server);
  const page = await openPage(tools, `${proxy.url}/healthz`);
  const topics = ['home', 'away', 'weather/north sea'];
  const query = topics.map((topic) => `topic=${encodeURIComponent(topic)}`).join('&');
  const subscription = await subscribeAndWait(page, `${proxy.url}/events?${query}`, { types: topics.map((topic) => `from ${topic}`) });
  const expected = [];
  const publishSome = async (count) => {
    for (let left = count; left > 0; --left) {
      const topic = topics[random(topics.length)];
      await server.publish('another topic', 'not asked for');
      const event = random(4) === 0 ? undefined : `from ${topic}`;
      expected.push(await publishAndExpect(server, topic, `${expected.length} in ${topic}`, { event }));
    }
  };
  await publishSome(150);
  await assertReceived(subscription, expected, `several topics, seed ${kSeed}`);
  // What comes while the page is away lies in three logs.
  assert.equal(proxy.cutStreams('/events'), 1);
  await publishSome(150);
  await assertReceived(subscription, expected, `several topics after a cut, seed ${kSeed}`);
  assertSameList(await subscription.own('broadside.gap'), [], 'gaps');
});

test('an EventSource is told of a restart once, after the open and before what there is', async (tools) => {
  const server = await startQuickServer(tools);
  const page = await openPage(tools, `${server.url}/healthz`);
  const subscription = await subscribeAndWait(page, `${server.url}/events/news`);
  const expected = [await publishAndExpect(server, 'news', 'before the restart')];
  await assertReceived(subscription, expected, 'before the restart');
  await server.restart();
  expected.push(await publishAndExpect(server, 'news', 'after the restart'));
  await subscription.waitForEvents(1, 'broadside.gap');
  expected.push(await publishAndExpect(server, 'news', 'live again'));
  await assertReceived(subscription, expected, 'over the restart');
  const { events } = await subscription.read();
  const afterwards = events.slice(events.findIndex((event) => event.id === expected[0].id && event.type === 'message') + 1);
  assertSameList(afterwards.map((event) => event.type), ['broadside.open', 'broadside.gap', 'message', 'message'], 'after the restart');
  const gap = JSON.parse(afterwards[1].data);
  assert.deepEqual([gap.topic, gap.reason, gap.from], ['news', 'restart', expected[0].id]);
});

test('an EventSource that comes to an ended topic is closed at once, and may come when it is open again', async (tools) => {
  const server = await startQuickServer(tools);
  const proxy = await startProxy(tools, server);
  const page = await openPage(tools, `${proxy.url}/healthz`);
  const early = await subscribeAndWait(page, `${proxy.url}/events/match`);
  const expected = [await publishAndExpect(server, 'match', 'the final whistle')];
  await server.end('match');
  await early.waitForState(2);
  const [end] = await early.own('broadside.end');
  assert.equal(proxy.requestsTo('/events/match').at(-1).headers['last-event-id'], end.id);

  await assertRefused(await subscribe(page, `${proxy.url}/events/match`));
  await server.publish('match', 'extra time');
  const late = await subscribeAndWait(page, `${proxy.url}/events/match`);
  const overtime = await publishAndExpect(server, 'match', 'live again');
  await assertReceived(late, [overtime], 'by who came when it was open again');
  // The first, that was told 204, has not come back: two requests and no more, while others came and went.
  await assertReceived(early, expected, 'by who had stopped');
  assert.equal(proxy.requestsTo('/events/match').length, 4);
});

test('a page whose origin is not among the named ones is refused, with and without credentials', async (tools) => {
  const other = await startOtherOrigin();
  tools.cleanup(() => other.stop());
  const page = await openPage(tools, other.url);
  const server = await startQuickServer(tools, '--cors-origin', 'https://app.example', '--cors-origin', 'http://127.0.0.1:1');
  await server.publish('secret', 'not for other origins');
  for (const withCredentials of [false, true]) {
    await assertRefused(await subscribe(page, `${server.url}/events/secret?last=1`, { withCredentials }));
  }
  const own = await subscribe(await openPage(tools, `${server.url}/healthz`), `${server.url}/events/secret?last=1`);
  await own.waitForEvents(1);
});

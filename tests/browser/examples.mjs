// The pages of examples/, each used as a person would. Registers its tests with harness.mjs; run.mjs runs them.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { openPage, startExample, test } from './harness.mjs';
import { PlannedProxy } from './lib.mjs';

const textOf = (page, selector) => page.locator(selector).textContent();
const listOf = (page, selector) => page.locator(selector).allTextContents();

// Until the text of the one element matches.
const waitForText = (page, selector, pattern) => page.waitForFunction(
  ([wanted, source]) => new RegExp(source).test(document.querySelector(wanted)?.textContent ?? ''), [selector, pattern.source]);

// Until the elements' texts are these, in this order.
const waitForList = (page, selector, texts) => page.waitForFunction(
  ([wanted, json]) => JSON.stringify([...document.querySelectorAll(wanted)].map((each) => each.textContent)) === json,
  [selector, JSON.stringify(texts)]);

async function startProxy({ cleanup }, server) {
  const proxy = await PlannedProxy.start(server.port);
  cleanup(() => proxy.stop());
  return proxy;
}

test('examples: the ticker shows all symbols at once, and leaves out prices at the pace that is asked for', async (tools) => {
  const server = await startExample(tools, 'ticker', '--trades', '5000');
  const page = await openPage(tools, server.url);
  const skipsPrices = () => page.waitForFunction(() => {
    const [received, trades] = ['received', 'trades'].map((id) => Number(document.getElementById(id).textContent));
    return received > 20 && trades > 2 * received;
  });
  await skipsPrices();
  assert.equal((await listOf(page, '#prices li')).length, 20);
  await page.selectOption('#rate', '1');
  await skipsPrices();
  assert.equal((await listOf(page, '#prices li')).length, 20);
  assert.deepEqual(page.problems, []);
});

test('examples: the chat shows who comes, what they say, and who leaves', async (tools) => {
  const server = await startExample(tools, 'chat');
  const enter = async (name) => {
    const page = await openPage(tools, server.url);
    await page.fill('#name', name);
    await page.click('#enter button');
    await page.waitForSelector('#room:not([hidden])');
    return page;
  };
  const ann = await enter('ann');
  await waitForList(ann, '#here li', ['ann']);
  const bob = await enter('bob');
  await waitForList(bob, '#here li', ['ann', 'bob']);
  await waitForList(ann, '#here li', ['ann', 'bob']);
  await bob.fill('#text', 'Hello, <b>ann</b>');
  await bob.click('#say button');
  await waitForList(ann, '#said li', ['ann is here', 'bob is here', 'bob: Hello, <b>ann</b>']);
  await bob.close();
  await waitForList(ann, '#here li', ['ann']);
  await waitForList(ann, '#said li', ['ann is here', 'bob is here', 'bob: Hello, <b>ann</b>', 'bob has left']);
  assert.deepEqual(ann.problems, []);
});

test('examples: an upload shows its progress until it is done', async (tools) => {
  const server = await startExample(tools, 'upload');
  const page = await openPage(tools, server.url);
  await page.setInputFiles('#file', { name: 'film.bin', mimeType: 'application/octet-stream', buffer: Buffer.alloc(5_000_000, 7) });
  await page.click('#form button');
  await waitForText(page, '#state', /^done: 5000000 of 5000000 bytes/);
  assert.ok(Number(await textOf(page, '#told')) > 2);
  assert.equal(await page.evaluate(() => document.getElementById('bar').value), 1);
  assert.deepEqual(page.problems, []);
});

test('examples: an answer that is cut in the middle goes on where it was', async (tools) => {
  const server = await startExample(tools, 'answer', '--step-ms', '5');
  const proxy = await startProxy(tools, server);
  const page = await openPage(tools, proxy.url);
  const ask = async () => {
    await page.evaluate(() => { document.getElementById('answer').dataset.state = 'asked'; });  // No longer that of the one before.
    await page.fill('#question', 'What is a stream?');
    await page.click('#ask button');
    await page.waitForSelector('#answer[data-state=complete]');
    return textOf(page, '#answer');
  };
  const whole = await ask();
  assert.match(whole, /^ The .*\.$/);
  proxy.cuts.push({ bytes: 600, how: 'rst' });
  assert.equal(await ask(), whole);
  assert.equal(proxy.cutCount, 1);
  assert.deepEqual(page.problems, []);
});

test('examples: the log shows each line once, also after a cut', async (tools) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'broadside-log-'));
  tools.cleanup(() => fs.rmSync(folder, { recursive: true }));
  const file = path.join(folder, 'app.log');
  const lines = [];
  const write = (count) => {
    for (; count > 0; --count) {
      lines.push(`line ${lines.length}`);
      fs.appendFileSync(file, `${lines.at(-1)}\n`);
    }
  };
  write(150);
  const server = await startExample(tools, 'log_tail', '--file', file);
  const proxy = await startProxy(tools, server);
  const page = await openPage(tools, proxy.url);
  await waitForList(page, '#log div', lines.slice(50));
  write(10);
  await waitForList(page, '#log div', lines.slice(50));
  assert.equal(proxy.cutStreams('/events/log'), 1);
  write(10);
  await waitForList(page, '#log div', lines.slice(50));
  assert.equal(await textOf(page, '#opens'), '2');
  assert.deepEqual(page.problems, []);
});

test('examples: the monitor shows how the machine is', async (tools) => {
  const server = await startExample(tools, 'monitor', '--every-ms', '50');
  const page = await openPage(tools, server.url);
  await page.waitForFunction(() => Number(document.getElementById('count').textContent) >= 5);
  for (const id of ['#cpu', '#memory', '#load']) assert.match(await textOf(page, id), /^\d+(\.\d+)?$/);
  const points = await page.locator('polyline').first().getAttribute('points');
  assert.ok(points.split(' ').length >= 5);
  assert.deepEqual(page.problems, []);
});

test('examples: the score board shows all matches to their end, and the same to who comes late', async (tools) => {
  const server = await startExample(tools, 'scores', '--minute-ms', '5');
  const page = await openPage(tools, server.url);
  await waitForText(page, '#state', /^All over/);
  assert.deepEqual(await listOf(page, '.minute'), ['final', 'final', 'final']);
  const late = await openPage(tools, server.url);
  await waitForText(late, '#state', /^All over/);
  const board = async (which) => (await listOf(which, 'section')).sort();
  assert.deepEqual(await board(late), await board(page));
  assert.deepEqual([...page.problems, ...late.problems], []);
});

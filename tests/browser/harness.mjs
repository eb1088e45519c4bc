// What the browser tests stand on: the server as a process, a TCP proxy that cuts connections, a page of another origin,
// and a list of tests with sentences as names. Nothing here sleeps: what is waited for is an event or a condition.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

export const patienceMs = 20_000;
const runMs = 540_000;

// What a failed, ended or hanging run leaves behind is killed with it. The browser has such a hook of its own.
const children = new Set();
process.on('exit', () => { for (const child of children) child.kill('SIGKILL'); });
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1));

// Rejects instead of hanging.
export function within(promise, what, ms = patienceMs) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${ms} ms`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function programPath() {
  const program = process.env.BROADSIDE_PROGRAM;
  if (!program) throw new Error('BROADSIDE_PROGRAM must name the program, like build/release/broadside');
  return program;
}

// A program that serves, on a free port or on the one it had before.
export class Server {
  static async start([program, ...words]) {
    const server = new Server();
    server.command = { program, words };
    await server.launch('127.0.0.1:0');
    return server;
  }

  async launch(listen) {
    const { program, words } = this.command;
    this.process = spawn(program, [...words, '--listen', listen], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.log = '';
    this.process.stderr.on('data', (bytes) => { this.log = (this.log + bytes).slice(-20_000); });
    this.exited = once(this.process, 'exit');
    const child = this.process;
    children.add(child);
    child.once('exit', () => children.delete(child));
    const ready = new Promise((resolve, reject) => {
      createInterface({ input: this.process.stdout }).on('line', (line) => {
        const found = /^listening on (http:\/\/\S+)$/.exec(line);
        if (found) resolve(found[1]);
      });
      this.process.once('error', reject);
      this.exited.then(([code]) => reject(new Error(`the server ended with ${code}: ${this.log}`)));
    });
    this.url = await within(ready, 'the line `listening on ...`');
    this.port = Number(new URL(this.url).port);
  }

  async kill() {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    this.process.kill('SIGKILL');
    await this.exited;
  }

  async restart() {
    await this.kill();
    await this.launch(`127.0.0.1:${this.port}`);
  }

  async publish(topic, data, query = '') {
    const response = await fetch(`${this.url}/events/${encodeURIComponent(topic)}${query}`, { method: 'POST', body: data });
    if (!response.ok) throw new Error(`publish: ${response.status} ${await response.text()}`);
    return response.json();
  }

  async end(topic) {
    const response = await fetch(`${this.url}/events/${encodeURIComponent(topic)}`, { method: 'DELETE' });
    if (!response.ok) throw new Error(`end of a topic: ${response.status} ${await response.text()}`);
  }
}

// Passes bytes on to the server, and cuts connections when told to. Counts the requests for streams it has seen.
export class CuttingProxy {
  static async start(port) {
    const proxy = new CuttingProxy();
    proxy.pairs = new Set();
    proxy.streamRequests = 0;
    proxy.budget = () => Infinity;  // How many bytes of the server's a new connection may carry.
    proxy.listener = net.createServer((near) => proxy.pass(near, port));
    proxy.listener.listen(0, '127.0.0.1');
    await once(proxy.listener, 'listening');
    proxy.url = `http://127.0.0.1:${proxy.listener.address().port}`;
    return proxy;
  }

  pass(near, port) {
    const far = net.connect(port, '127.0.0.1');
    const pair = { near, far, left: this.budget(), isStream: false };
    this.pairs.add(pair);
    const drop = () => { this.pairs.delete(pair); near.destroy(); far.destroy(); };
    near.on('data', (bytes) => {
      const head = bytes.toString('latin1');
      if (/^GET \/events/.test(head)) {
        pair.isStream = true;
        ++this.streamRequests;
        this.lastStreamHead = head;
      }
      far.write(bytes);
    });
    far.on('data', (bytes) => {
      const part = bytes.subarray(0, pair.left);
      pair.left -= part.length;
      if (pair.left > 0) { near.write(part); return; }
      // Written, then closed at once: the browser gets the begin of an event and nothing of its rest.
      this.pairs.delete(pair);
      near.end(part);
      far.destroy();
      if (pair.onCut) pair.onCut();
    });
    for (const socket of [near, far]) {
      socket.on('error', drop);
      socket.on('close', drop);
    }
  }

  // Lets each open stream have so many bytes more. Resolves when it has been cut.
  cutStreamsAfter(bytes) {
    const cuts = [];
    for (const pair of this.pairs) {
      if (!pair.isStream) continue;
      cuts.push(new Promise((resolve) => { pair.onCut = resolve; }));
      pair.left = bytes;
    }
    return Promise.all(cuts);
  }

  async stop() {
    for (const { near, far } of this.pairs) { near.destroy(); far.destroy(); }
    this.listener.close();
  }
}

// Another command of the program; `status` is its exit status, once it has ended.
export function runCommand({ cleanup }, args) {
  const child = spawn(programPath(), args, { stdio: ['pipe', 'pipe', 'inherit'] });
  let output = '';
  const firstLine = new Promise((resolve) => {
    child.stdout.on('data', (bytes) => { output += bytes; if (output.includes('\n')) resolve(); });
  });
  cleanup(() => child.kill('SIGKILL'));
  const status = once(child, 'close').then(([code, signal]) => code ?? signal);
  return { process: child, firstLine, status, output: () => output };
}

// An empty page on an origin of its own, that sets a cookie.
export async function startOtherOrigin() {
  const server = http.createServer((request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/html', 'Set-Cookie': 'visitor=42; Path=/' });
    response.end('<!doctype html><title>another origin</title>');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { url: `http://127.0.0.1:${server.address().port}`, stop: () => { server.closeAllConnections?.(); server.close(); } };
}

// Thrown by a test that cannot run here.
class Skip extends Error {}

const tests = [];
export const test = (name, run) => tests.push({ name, run });

// Runs what was registered, each with a `cleanup` that it may add to. Prints a line each and the sum.
export async function runAll(context, pattern) {
  let passed = 0, failed = 0, skipped = 0;
  setTimeout(() => {
    console.log(`not ok - the run was not over after ${runMs} ms\npassed=${passed} failed=${failed + 1} skipped=${skipped}`);
    process.exit(1);
  }, runMs).unref();
  for (const { name, run } of tests) {
    if (pattern && !name.includes(pattern)) continue;
    const undo = [];
    const servers = [];
    try {
      await within(run({ ...context, cleanup: (work) => undo.push(work), servers }), name, 90_000);
      ++passed;
      console.log(`ok - ${name}`);
    } catch (error) {
      if (error instanceof Skip) {
        ++skipped;
        console.log(`skipped - ${name}: ${error.message}`);
      } else {
        ++failed;
        console.log(`not ok - ${name}`);
        console.log(String(error.stack || error).replace(/^/gm, '    '));
        for (const server of servers) console.log(server.log.split('\n').slice(-15).join('\n').replace(/^/gm, '    server: '));
      }
    }
    for (const work of undo.reverse()) {
      await within((async () => work())(), `cleaning up after: ${name}`).catch((error) => console.log(`# ${error.message}`));
    }
  }
  console.log(`passed=${passed} failed=${failed} skipped=${skipped}`);
  return failed === 0 && passed > 0;
}

async function startCommand({ cleanup, servers }, command) {
  const server = await Server.start(command);
  servers.push(server);
  cleanup(() => server.kill());
  return server;
}

// `broadside serve`, until its test is over.
export const startServer = (tools, ...flags) => startCommand(tools, [programPath(), 'serve', ...flags]);

// A program of examples/, which is built beside it.
export function startExample(tools, name, ...flags) {
  const program = path.join(path.dirname(programPath()), 'examples', `examples_${name}`);
  if (!fs.existsSync(program)) throw new Skip(`${program} has not been built`);
  return startCommand(tools, [program, ...flags]);
}

// A page in a context of its own; `problems` are the errors that its scripts did not catch.
export async function openPage({ browser, cleanup }, url) {
  const context = await browser.newContext();
  cleanup(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(patienceMs);
  page.problems = [];
  page.on('pageerror', (error) => page.problems.push(String(error)));
  await page.goto(url);
  return page;
}

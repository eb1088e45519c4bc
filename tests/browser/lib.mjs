// What the EventSource tests need beyond harness.mjs: a proxy that cuts streams by plan, at a chosen byte, also while they are being
// resumed, and keeps the head of each request; and an EventSource in a page that records all it is told.
import net from 'node:net';
import { patienceMs } from './harness.mjs';

// Polls `condition` (which may be async) until it is truthy, and answers what it gave. Throws after `timeoutMs`, saying `what` was awaited.
export async function waitFor(what, condition, timeoutMs = patienceMs) {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`waited ${timeoutMs} ms for: ${typeof what === 'function' ? what() : what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

// Compares lists element by element and names the first difference, which says more than two long dumps.
export function assertSameList(actual, expected, what) {
  const count = Math.max(actual.length, expected.length);
  for (let index = 0; index < count; ++index) {
    const [got, wanted] = [JSON.stringify(actual[index]), JSON.stringify(expected[index])];
    if (got === wanted) continue;
    const short = (text) => (text === undefined ? 'nothing' : text.length > 300 ? `${text.slice(0, 300)}... (${text.length})` : text);
    throw new Error(
      `${what}: element ${index} is ${short(got)}, not ${short(wanted)} (${actual.length} elements, ${expected.length} expected)`,
    );
  }
}

// Stands between a browser and a server, on a port (thus an origin) of its own. Keeps each request head that passed, and cuts streams: the
// next element of `cuts`, {bytes, how}, is for the next stream, and says after how many bytes of its body it ends, by 'fin' or 'rst'.
export class PlannedProxy {
  static async start(targetPort) {
    const proxy = new PlannedProxy();
    proxy.targetPort = targetPort;
    proxy.requests = [];
    proxy.cuts = [];
    proxy.cutCount = 0;
    proxy.connections = new Set();
    proxy.server = net.createServer((socket) => new ProxiedConnection(proxy, socket));
    await new Promise((resolve, reject) => proxy.server.once('error', reject).listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get url() {
    return `http://127.0.0.1:${this.server.address().port}`;
  }

  requestsTo(path) {
    return this.requests.filter((request) => request.target.split('?')[0] === path);
  }

  // Ends the open streams to `path`, wherever they are in it; answers how many.
  cutStreams(path, how = 'rst') {
    const open = [...this.connections].filter((connection) => connection.stream?.target.split('?')[0] === path);
    for (const connection of open) connection.cut(how);
    return open.length;
  }

  async stop() {
    for (const connection of this.connections) connection.close();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

class ProxiedConnection {
  constructor(proxy, client) {
    this.proxy = proxy;
    this.client = client;
    this.server = net.connect({ host: '127.0.0.1', port: proxy.targetPort, noDelay: true });
    this.requestBytes = '';
    this.bodyBytesLeft = 0;
    this.responseHead = Buffer.alloc(0);
    proxy.connections.add(this);
    client.setNoDelay(true);
    client.on('data', (chunk) => this.#onRequest(chunk));
    this.server.on('data', (chunk) => this.#onResponse(chunk));
    client.on('end', () => this.server.end());
    this.server.on('end', () => this.client.end());
    for (const socket of [client, this.server]) {
      socket.on('error', () => this.close());
      socket.on('close', () => this.close());
    }
  }

  close() {
    this.proxy.connections.delete(this);
    // What was written to the browser before the end still reaches it: destroy() alone would drop it.
    if (this.client.writableEnded) this.client.destroySoon();
    else this.client.destroy();
    this.server.destroy();
  }

  cut(how, lastBytes = Buffer.alloc(0)) {
    if (this.isCut) return;
    this.isCut = true;
    this.proxy.cutCount += 1;
    this.proxy.connections.delete(this);
    this.server.destroy();
    if (how === 'fin') this.client.end(lastBytes);
    else this.client.write(lastBytes, () => this.client.resetAndDestroy());
  }

  // Bodies of a known length are passed over; others do not occur here.
  #onRequest(chunk) {
    this.server.write(chunk);
    this.requestBytes += chunk.toString('latin1');
    for (;;) {
      const bodyBytes = Math.min(this.bodyBytesLeft, this.requestBytes.length);
      this.requestBytes = this.requestBytes.slice(bodyBytes);
      this.bodyBytesLeft -= bodyBytes;
      const end = this.requestBytes.indexOf('\r\n\r\n');
      if (end < 0) return;
      const [first, ...lines] = this.requestBytes.slice(0, end).split('\r\n');
      this.requestBytes = this.requestBytes.slice(end + 4);
      const match = /^([A-Z]+) (\S+) HTTP\/1\.1$/.exec(first);
      if (match === null) continue;
      const headers = Object.fromEntries(lines.map((line) => [line.split(':')[0].toLowerCase(), line.replace(/^[^:]*:\s*/, '')]));
      const request = { method: match[1], target: match[2], headers };
      this.bodyBytesLeft = Number(headers['content-length'] ?? 0);
      this.proxy.requests.push(request);
      if (request.method === 'GET' && request.target.startsWith('/events')) {
        this.stream = request;
        this.planned = this.proxy.cuts.shift();
        this.bytesLeft = this.planned?.bytes;
      }
    }
  }

  #onResponse(chunk) {
    if (this.isCut) return;
    const body = this.planned === undefined ? undefined : this.#bodyOf(chunk);
    if (body === undefined || body.length < this.bytesLeft) {
      this.bytesLeft -= body?.length ?? 0;
      this.client.write(chunk);
      return;
    }
    this.cut(this.planned.how, chunk.subarray(0, chunk.length - body.length + this.bytesLeft));
  }

  // The part of `chunk` that belongs to the response's body; undefined while there is only head.
  #bodyOf(chunk) {
    if (this.isHeadOver) return chunk;
    this.responseHead = Buffer.concat([this.responseHead, chunk]);
    const end = this.responseHead.indexOf('\r\n\r\n');
    if (end < 0) return undefined;
    this.isHeadOver = true;
    return chunk.subarray(chunk.length - (this.responseHead.length - end - 4));
  }
}

// Opens an EventSource in `page` and records all it says, until the page is closed.
export async function subscribe(page, url, { types = [], withCredentials = false } = {}) {
  const name = await page.evaluate(
    ({ url, types, withCredentials }) => {
      const source = new EventSource(url, { withCredentials });
      const record = { source, events: [], opens: 0, errors: [] };
      const take = (event) => record.events.push({ type: event.type, id: event.lastEventId, data: event.data });
      for (const type of new Set(['message', 'broadside.open', 'broadside.gap', 'broadside.end', ...types])) {
        source.addEventListener(type, take);
      }
      source.onopen = () => (record.opens += 1);
      source.onerror = () => record.errors.push(source.readyState);
      window.recorded ??= [];
      return window.recorded.push(record) - 1;
    },
    { url, types, withCredentials },
  );
  return new Subscription(page, name);
}

export class Subscription {
  constructor(page, name) {
    this.page = page;
    this.name = name;
  }

  // {state, opens, errors, events}; `state` is EventSource.readyState: 0 connecting, 1 open, 2 closed.
  async read() {
    return this.page.evaluate((name) => {
      const { source, opens, errors, events } = window.recorded[name];
      return { state: source.readyState, opens, errors, events };
    }, this.name);
  }

  // The events that somebody published, without those that are Broadside's own.
  async published() {
    return (await this.read()).events.filter((event) => !event.type.startsWith('broadside.'));
  }

  async own(type) {
    return (await this.read()).events.filter((event) => event.type === type);
  }

  async close() {
    await this.page.evaluate((name) => window.recorded[name].source.close(), this.name);
  }

  async waitForState(state) {
    await this.#waitFor(`readyState ${state}`, ({ name, state }) => window.recorded[name].source.readyState === state, { state });
  }

  // `count` events of `type`; 'published' stands for all that are not Broadside's own.
  async waitForEvents(count, type = 'published') {
    await this.#waitFor(
      `${count} events (${type})`,
      ({ name, count, type }) => {
        const matches = type === 'published' ? (event) => !event.type.startsWith('broadside.') : (event) => event.type === type;
        return window.recorded[name].events.filter(matches).length >= count;
      },
      { count, type },
    );
  }

  // Polling goes on in pages that are not painted; requestAnimationFrame would not.
  async #waitFor(what, condition, argument) {
    try {
      await this.page.waitForFunction(condition, { name: this.name, ...argument }, { polling: 20, timeout: patienceMs });
    } catch (error) {
      const { state, opens, errors, events } = await this.read();
      const last = JSON.stringify(events.slice(-3)).slice(0, 600);
      throw new Error(
        `waited for ${what}; readyState ${state}, ${opens} opens, errors ${errors.slice(-20)}, ${events.length} events, last ${last}`,
      );
    }
  }
}

// A broadcast server the way it is usually written on Node's `http`: a Set of responses a topic, and res.write() to each. No
// framework, which could only cost more. GET /events/{topic} streams, POST /events/{topic} publishes the body.
// Usage: node broadcast.js [PORT]
"use strict";
const http = require("node:http");

const topics = new Map(); // Topic -> Set of open responses.
let position = 0;

function subscribe(topic, request, response) {
  response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no" });
  response.write("event: open\ndata: {}\n\n");
  let streams = topics.get(topic);
  if (streams === undefined) topics.set(topic, (streams = new Set()));
  streams.add(response);
  request.on("close", () => streams.delete(response));
}

// One Buffer for all: a string would be encoded again for each of them.
function publish(topic, data) {
  const lines = data.split("\n").map((line) => `data: ${line}\n`);
  const frame = Buffer.from(`id: ${++position}\n${lines.join("")}\n`);
  const streams = topics.get(topic);
  if (streams === undefined) return 0;
  for (const response of streams) response.write(frame);
  return streams.size;
}

const server = http.createServer((request, response) => {
  const topic = request.url.startsWith("/events/") ? request.url.slice("/events/".length) : "";
  if (topic !== "" && request.method === "GET") {
    subscribe(topic, request, response);
  } else if (topic !== "" && request.method === "POST") {
    const pieces = [];
    request.on("data", (piece) => pieces.push(piece));
    request.on("end", () => {
      const subscribers = publish(topic, Buffer.concat(pieces).toString());
      response.writeHead(200, { "Content-Type": "application/json" });
      response.end(JSON.stringify({ id: String(position), subscribers }));
    });
  } else {
    response.writeHead(request.url === "/healthz" ? 200 : 404, { "Content-Type": "text/plain" });
    response.end("ok\n");
  }
});

server.keepAliveTimeout = 600_000;
server.requestTimeout = 0;
server.listen({ host: "127.0.0.1", port: Number(process.argv[2] ?? 0), backlog: 4096 }, () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});

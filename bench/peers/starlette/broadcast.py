"""A broadcast server on sse-starlette, as its examples have it: an asyncio.Queue a subscriber, and a generator that waits on it.
GET /events/{topic} streams, POST /events/{topic} publishes the body. Needs sse-starlette and uvicorn.

Usage: python3 broadcast.py PORT
"""

import asyncio
import sys

import uvicorn
from sse_starlette.sse import EventSourceResponse
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

topics = {}  # Topic -> set of queues.


async def subscribe(request):
    queue = asyncio.Queue()
    streams = topics.setdefault(request.path_params["topic"], set())
    streams.add(queue)

    async def events():
        try:
            yield {"event": "open", "data": "{}"}
            while True:
                yield {"data": await queue.get()}
        finally:
            streams.discard(queue)

    return EventSourceResponse(events())


async def publish(request):
    data = (await request.body()).decode()
    streams = topics.get(request.path_params["topic"], ())
    for queue in streams:
        queue.put_nowait(data)
    return JSONResponse({"subscribers": len(streams)})


async def healthz(_):
    return PlainTextResponse("ok\n")


app = Starlette(routes=[
    Route("/events/{topic}", subscribe, methods=["GET"]),
    Route("/events/{topic}", publish, methods=["POST"]),
    Route("/healthz", healthz),
])

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error", backlog=4096)

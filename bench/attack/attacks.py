"""The attacks of attacker.py: what each sends, at which pace, and what it does with the answer."""

import base64
import contextlib
import dataclasses
import functools
import gzip
import json
import os
import random
import ssl

GZIP_OF_ZEROS = gzip.compress(bytes(1 << 20))


@dataclasses.dataclass
class Attack:
    """Steps at a pace: a step sends `make()` on a connection that has had its answers, or on a new one."""

    text: str
    make: object  # (options) -> bytes
    pace: int  # Steps a second; 0 = as fast as answers come.
    connections: int  # At once, at most.
    answers: int = 1  # To what make() gives: the next may follow then. 0: it ends with the server's close.
    drops: str = ""  # "sent", "answered": the connection is dropped then.
    is_sealed: bool = False  # Aimed at the address that speaks TLS.
    is_deaf: bool = False  # From the first answer on nothing is acknowledged.
    reads: bool = True


def request(options, method, target, fields="", body=b""):
    return f"{method} {target} HTTP/1.1\r\nHost: {options.address}\r\n{fields}\r\n".encode() + body


def nothing(_):
    return b""


def bad_token(options):
    """A signature of the right form, so that it has to be verified, over claims that give every right."""
    claims = json.dumps({"sub": "mallory", "exp": 4102444800, "nonce": random.getrandbits(64), "broadside": {"publish": ["*"], "admin": True}})
    parts = [json.dumps({"alg": "ES256", "typ": "JWT"}).encode(), claims.encode(), os.urandom(64)]
    token = ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
    return request(options, "POST", f"/events/{options.topic}", f"Authorization: Bearer {token}\r\nContent-Length: 1\r\n", b"x")


@functools.cache
def first_hello():
    """The same for all: the server's part of a handshake costs a key and a signature, this one nothing."""
    out = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), out, server_hostname="localhost").do_handshake()
    return out.read()


def client_hello(_):
    return first_hello()



MALFORMED = [
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/9.9\r\nHost: a\r\n\r\n",
    b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
    b"GET /events/%zz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    b"GET /events?limit=99999999999999999999 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    b"\r\n" * 100,
]


def malformed(_):
    return random.choice(MALFORMED)


def huge_head(options):
    """Just below --head-bytes, in as many fields as are taken."""
    return request(options, "GET", "/healthz", "".join(f"X-{number}: {'y' * 100}\r\n" for number in range(120)))


PIPELINED = 200


def pipelined(options):
    return request(options, "GET", "/healthz") * PIPELINED


def chunk_bomb(options):
    """One byte a chunk, each with the longest extension."""
    chunk = b"1;" + b"x" * 250 + b"\r\ny\r\n"
    return request(options, "POST", f"/events/{options.topic}-bomb", "Transfer-Encoding: chunked\r\n", chunk * 4096 + b"0\r\n\r\n")


def gzip_bomb(options):
    """A megabyte of zeros in a kilobyte, for who inflates what it is sent."""
    fields = f"Content-Encoding: gzip\r\nContent-Length: {len(GZIP_OF_ZEROS)}\r\n"
    return request(options, "POST", f"/events/{options.topic}-bomb", fields, GZIP_OF_ZEROS)


def withheld_body(options):
    """The largest body without its last byte: what is held for it, and how long."""
    size = 1 << 20
    return request(options, "POST", f"/events/{options.topic}-withheld", f"Content-Length: {size}\r\n", b"x" * (size - 1))


def many_topics(options):
    """Names that nobody has used before: what the server remembers of them is what this costs."""
    names = "&".join(f"topic={options.topic}-{random.getrandbits(128):032x}" for _ in range(128))
    return request(options, "GET", f"/events?{names}")


def subscription(options):
    return request(options, "GET", f"/events/{options.topic}", "Accept: text/event-stream\r\n")


@functools.cache
def junk_after(begin):
    return begin + bytes(256 << 10)


def junk(options):
    """What a subscriber sends behind its request, nobody reads: it stays in the kernel."""
    return junk_after(subscription(options))


def replay(options):
    """All that the history holds, for a line."""
    return request(options, "GET", f"/events/{options.topic}?since=1h", "Accept: text/event-stream\r\n")


ATTACKS = {
    "connections": Attack("connects and sends nothing", nothing, 2000, 10_000, answers=0),
    "churn": Attack("connects and drops, 100,000 a minute", nothing, 1667, 1000, drops="sent"),
    "bad-tokens": Attack("forged ES256 tokens, as fast as a connection goes", bad_token, 0, 1),
    "handshakes": Attack("begins TLS handshakes, drops them when answered", client_hello, 1000, 1000, drops="answered", is_sealed=True),
    "malformed": Attack("what is no request", malformed, 1000, 1000, answers=0),
    "huge-heads": Attack("heads of 14 KiB in 120 fields", huge_head, 500, 10),
    "pipelined": Attack("200 requests in one write", pipelined, 50, 10, answers=PIPELINED),
    "chunk-bomb": Attack("bodies in chunks of a byte", chunk_bomb, 20, 10),
    "gzip-bomb": Attack("compressed bodies", gzip_bomb, 500, 10),
    "withheld": Attack("bodies of a MiB without their last byte", withheld_body, 100, 500, answers=0),
    "many-topics": Attack("streams of 128 topics that are new", many_topics, 100, 100, drops="answered"),
    "comers": Attack("subscribes, and drops when answered", subscription, 1000, 1000, drops="answered"),
    "replays": Attack("subscribes from the begin of a MiB of history, drops when answered", replay, 500, 1000, drops="answered"),
    "stalled": Attack("subscribes and reads nothing", subscription, 500, 1000, reads=False),
    "junk": Attack("subscribes and goes on sending", junk, 200, 500, answers=0),
    "half-open": Attack("subscribes and vanishes without a word", subscription, 500, 1000, is_deaf=True),
}

# What slowhttptest is told, after connections and pace.
SLOW_ATTACKS = {
    "slow-head": ("a field of the head every 2 s", ["-H", "-x", "24", "-i", "2"], "/"),
    "slow-body": ("some bytes of a body every 2 s", ["-B", "-x", "24", "-s", "65536", "-i", "2"], "/events/{topic}-slow"),
    "slow-read": ("reads 32 bytes of an answer a second", ["-X", "-w", "512", "-y", "1024", "-n", "1", "-z", "32", "-k", "3"], "/"),
}
SLOW_DEFAULTS = Attack("", nothing, pace=500, connections=1000)


def texts():
    return {**{name: text for name, (text, *_) in SLOW_ATTACKS.items()}, **{name: attack.text for name, attack in ATTACKS.items()}}

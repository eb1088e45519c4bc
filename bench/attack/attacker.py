#!/usr/bin/env python3
"""Attacks on a Broadside server of this machine, each at a pace that is stated and reported, so that who measures beside it knows what
the server was given. One thread, one epoll set; what slowhttptest does better is left to it.

Usage: attacker.py ATTACK HOST:PORT [--seconds 10] [--pace N] [--connections N] [--topic NAME] [--await-close SECONDS]; --help lists the
attacks. Ends after its time or by SIGTERM, with a line of JSON on stdout: what was begun and answered, who closed, what is left.
"""

import argparse
import base64
import collections
import contextlib
import ctypes
import dataclasses
import errno
import functools
import gzip
import itertools
import json
import os
import random
import re
import resource
import select
import signal
import socket
import ssl
import struct
import subprocess
import time

SOURCES = 32  # 127.1.0.1 and up: each gives 28,000 ports, of which a churn of a minute leaves 50,000 in TIME_WAIT.
STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
STATUS_BYTES = 13
GZIP_OF_ZEROS = gzip.compress(bytes(1 << 20))
# A classic BPF program that keeps no byte: a socket with it is deaf, and acknowledges nothing.
DEAF_PROGRAM = struct.pack("HBBI", 6, 0, 0, 0)
SO_ATTACH_FILTER = 26
IP_BIND_ADDRESS_NO_PORT = 24


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
SLOW_PACE, SLOW_CONNECTIONS = 500, 1000


class Connection:
    """One socket of ours, and what it still has to say."""

    def __init__(self, sock):
        self.socket = sock
        self.unsent = b""
        self.tail = b""
        self.answers_left = 0


class Attacker:
    """Invariant: every open connection is in `connections` by its descriptor; those of them that may send again are in `ready`."""

    def __init__(self, attack, options):
        host, _, port = options.address.rpartition(":")
        self.attack = attack
        self.options = options
        self.address = (host, int(port))
        self.epoll = select.epoll()
        self.connections = {}
        self.ready = collections.deque()
        self.sources = itertools.cycle(f"127.1.0.{number}" for number in range(1, SOURCES + 1))
        self.counts = collections.Counter()
        self.statuses = collections.Counter()
        self.is_over = False

    def run(self):
        begin = now = time.monotonic()
        end = begin + self.options.seconds
        pace = self.options.pace
        while now < end and not self.is_over:
            # Unpaced: whoever is ready. What could not be done in time is not made up for by a burst.
            due = self.options.connections if pace == 0 else min(int((now - begin) * pace) - self.counts["due"], 256)
            self.counts["due"] += due if pace else 0
            for _ in range(due):
                if not self.step():
                    break
            wait = 0.05 if pace == 0 else max(0.0, (self.counts["due"] + 1) / pace - (time.monotonic() - begin))
            self.look(min(wait, 0.05, max(0.0, end - now)))
            now = time.monotonic()
        self.counts["seconds"] = round(now - begin, 3)

    def await_close(self):
        """Until the server has closed all that are open, or the time for it is over. Who does not read is not told."""
        may_be_told = self.attack.reads and not self.attack.is_deaf
        end = time.monotonic() + (self.options.await_close if may_be_told else 0)
        while self.connections and time.monotonic() < end:
            self.look(0.05)

    def step(self):
        if self.ready:
            connection = self.ready.popleft()
        elif len(self.connections) < self.options.connections:
            connection = self.connect()
            if connection is None:
                return False
        else:
            self.counts["full"] += 1
            return False
        self.counts["steps"] += 1
        connection.unsent = memoryview(self.attack.make(self.options))
        connection.answers_left = self.attack.answers
        self.epoll.modify(connection.socket, select.EPOLLOUT | self.interest())
        return True

    def interest(self):
        return select.EPOLLIN if self.attack.reads else select.EPOLLRDHUP

    def connect(self):
        sock = socket.socket()
        sock.setblocking(False)
        if not self.attack.reads:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        sock.bind((next(self.sources), 0))
        if sock.connect_ex(self.address) not in (0, errno.EINPROGRESS):
            self.counts["refused"] += 1
            sock.close()
            return None
        self.counts["opened"] += 1
        self.epoll.register(sock, 0)
        self.connections[sock.fileno()] = connection = Connection(sock)
        return connection

    def look(self, timeout):
        for descriptor, events in self.epoll.poll(timeout):
            connection = self.connections[descriptor]
            try:
                if events == select.EPOLLOUT:
                    self.on_writable(connection)
                else:
                    self.on_readable(connection)
            except (ConnectionError, TimeoutError):
                self.close(connection, "closed_by_server")

    def on_writable(self, connection):
        if connection.unsent:
            connection.unsent = connection.unsent[connection.socket.send(connection.unsent):]
        if connection.unsent:
            return
        self.epoll.modify(connection.socket, self.interest())
        if self.attack.drops == "sent":
            self.drop(connection)

    def on_readable(self, connection):
        if not self.attack.reads:
            return self.close(connection, "closed_by_server")
        data = connection.socket.recv(1 << 16)
        if not data:
            return self.close(connection, "closed_by_server")
        found = STATUS.findall(connection.tail + data)
        connection.tail = (connection.tail + data)[-(STATUS_BYTES - 1):]
        self.statuses.update(status.decode() for status in found)
        if self.attack.drops == "answered":
            return self.drop(connection)
        if self.attack.is_deaf:
            return self.deafen(connection)
        connection.answers_left -= len(found)
        if self.attack.answers > 0 and connection.answers_left == 0 and not connection.unsent:
            self.ready.append(connection)

    def deafen(self, connection):
        program = ctypes.create_string_buffer(DEAF_PROGRAM, len(DEAF_PROGRAM))
        connection.socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HL", 1, ctypes.addressof(program)))
        self.epoll.modify(connection.socket, 0)
        self.counts["vanished"] += 1

    def drop(self, connection):
        """Every other one by reset."""
        if self.counts["dropped"] % 2:
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close(connection, "dropped")

    def close(self, connection, why):
        self.counts[why] += 1
        if connection in self.ready:
            self.ready.remove(connection)
        del self.connections[connection.socket.fileno()]
        connection.socket.close()

    def report(self):
        seconds = self.counts["seconds"]
        return {"pace": self.options.pace, "pace_reached": round(self.counts["steps"] / max(seconds, 0.001), 1),
                **{name: self.counts[name] for name in ("seconds", "steps", "opened", "refused", "dropped", "vanished", "closed_by_server")},
                "is_full": self.counts["full"] > 0, "open": len(self.connections),
                "statuses": dict(self.statuses)}


def run_slowhttptest(options):
    """The same report, as far as it tells."""
    _, flags, target = SLOW_ATTACKS[options.attack]
    command = ["slowhttptest", *flags, "-c", options.connections, "-r", options.pace, "-l", max(1, round(options.seconds)), "-p", "3",
               "-u", f"http://{options.address}{target.format(topic=options.topic)}"]
    with subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as program:
        signal.signal(signal.SIGTERM, lambda *_: program.terminate())
        begin = time.monotonic()
        seen = {"opened": 0, "closed_by_server": 0, "service": ""}
        for line in program.stdout:
            found = re.search(r"(connected|closed|service available):\D*?(\d+|YES|NO)", line)
            if not found:
                continue
            if found[1] == "service available":
                seen["service"] = found[2]
            elif found[1] == "closed":
                seen["closed_by_server"] = int(found[2])
            else:
                seen["opened"] = max(seen["opened"], int(found[2]))
    seconds = time.monotonic() - begin
    return {"pace": options.pace, "pace_reached": options.pace, "seconds": round(seconds, 3), **seen}


def run_own(options):
    attacker = Attacker(ATTACKS[options.attack], options)

    def stop(*_):
        attacker.is_over = True
    signal.signal(signal.SIGTERM, stop)
    attacker.run()
    attacker.await_close()
    report = attacker.report()
    for connection in list(attacker.connections.values()):  # By reset: nothing of it stays in the kernel.
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return report


def texts():
    return {**{name: text for name, (text, *_) in SLOW_ATTACKS.items()}, **{name: attack.text for name, attack in ATTACKS.items()}}


def read_options():
    listed = "\n".join(f"  {name:<12} {text}" for name, text in texts().items())
    parser = argparse.ArgumentParser(description=f"{__doc__}\n{listed}", formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("attack", choices=texts(), metavar="ATTACK")
    parser.add_argument("address", metavar="HOST:PORT")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--pace", type=int, metavar="N", help="steps a second: connections, or requests where they are kept; 0 = as fast as it goes")
    parser.add_argument("--connections", type=int, metavar="N", help="open at once, at most")
    parser.add_argument("--topic", default="attack", help="what is subscribed to; what is published goes to topics that begin with it")
    parser.add_argument("--await-close", type=float, default=0, metavar="SECONDS", help="afterwards, until the server has closed all that are open")
    options = parser.parse_args()
    attack = ATTACKS.get(options.attack)
    if options.pace is None:
        options.pace = attack.pace if attack else SLOW_PACE
    if options.connections is None:
        options.connections = attack.connections if attack else SLOW_CONNECTIONS
    return options


def main():
    options = read_options()
    _, files_max = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files_max, files_max))
    run = run_slowhttptest if options.attack in SLOW_ATTACKS else run_own
    print(json.dumps(run(options)), flush=True)


if __name__ == "__main__":
    main()

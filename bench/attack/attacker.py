#!/usr/bin/env python3
"""Attacks on a Broadside server of this machine, each at a pace that is stated and reported, so that who measures beside it knows what
the server was given. One thread, one epoll set; what slowhttptest does better is left to it.

Usage: attacker.py ATTACK HOST:PORT [--seconds 10] [--pace N] [--connections N] [--topic NAME] [--await-close SECONDS]; --help lists the
attacks. Ends after its time or by SIGTERM, with a line of JSON on stdout: what was begun and answered, who closed, what is left.
"""

import argparse
import collections
import contextlib
import ctypes
import errno
import itertools
import json
import math
import os
import re
import resource
import select
import signal
import socket
import struct
import subprocess
import time

import attacks

SOURCES = 32  # 127.1.0.1 and up, of 28,000 ports each: a minute of churn leaves 50,000 in TIME_WAIT.
STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
STATUS_BYTES = 13
# A classic BPF program that keeps no byte: a socket with it is deaf, and acknowledges nothing.
DEAF_PROGRAM = struct.pack("HBBI", 6, 0, 0, 0)
SO_ATTACH_FILTER = 26
IP_BIND_ADDRESS_NO_PORT = 24


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

    def stop(self, *_):
        self.is_over = True

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
    """Again and again: it ends when all its connections have been closed. It tells little: what it holds is seen from outside."""
    _, flags, target = attacks.SLOW_ATTACKS[options.attack]
    url = f"http://{options.address}{target.format(topic=options.topic)}"
    begin = time.monotonic()
    opened = 0
    programs = []

    def stop(*_):
        options.seconds = 0
        programs[-1].terminate()
    while (left := options.seconds - (time.monotonic() - begin)) > 0:
        command = ["slowhttptest", *flags, "-c", options.connections, "-r", options.pace, "-l", math.ceil(left), "-p", "3", "-u", url]
        with subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as program:
            programs.append(program)
            signal.signal(signal.SIGTERM, stop)
            while program.poll() is None:
                opened = max(opened, sockets_of(program.pid))
                time.sleep(0.05)
    seconds = time.monotonic() - begin
    return {"pace": options.pace, "pace_reached": round(opened / min(seconds, options.connections / options.pace), 1),
            "seconds": round(seconds, 3), "opened": opened}


def sockets_of(pid):
    with contextlib.suppress(OSError):
        return sum(os.readlink(entry.path).startswith("socket:") for entry in os.scandir(f"/proc/{pid}/fd"))
    return 0


def run_own(options):
    attacker = Attacker(attacks.ATTACKS[options.attack], options)
    signal.signal(signal.SIGTERM, attacker.stop)
    attacker.run()
    attacker.await_close()
    report = attacker.report()
    for connection in list(attacker.connections.values()):  # By reset: nothing of it stays in the kernel.
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return report


def read_options():
    listed = "\n".join(f"  {name:<12} {text}" for name, text in attacks.texts().items())
    parser = argparse.ArgumentParser(description=f"{__doc__}\n{listed}", formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("attack", choices=attacks.texts(), metavar="ATTACK")
    parser.add_argument("address", metavar="HOST:PORT")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--pace", type=int, metavar="N", help="steps a second: connections, or requests where they are kept; 0 = as fast as it goes")
    parser.add_argument("--connections", type=int, metavar="N", help="open at once, at most")
    parser.add_argument("--topic", default="attack", help="what is subscribed to; what is published goes to topics that begin with it")
    parser.add_argument("--await-close", type=float, default=0, metavar="SECONDS", help="afterwards, until the server has closed all that are open")
    options = parser.parse_args()
    defaults = attacks.ATTACKS.get(options.attack, attacks.SLOW_DEFAULTS)
    options.pace = defaults.pace if options.pace is None else options.pace
    options.connections = defaults.connections if options.connections is None else options.connections
    return options


def main():
    options = read_options()
    _, files_max = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files_max, files_max))
    run = run_slowhttptest if options.attack in attacks.SLOW_ATTACKS else run_own
    print(json.dumps(run(options)), flush=True)


if __name__ == "__main__":
    main()

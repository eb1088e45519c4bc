"""What every benchmark needs: building, the facts of a machine, programs on their cores, what the kernel says about them, and
writing results. Used by the runners in bench/."""

import argparse
import datetime
import json
import os
import pathlib
import platform
import re
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "bench"
SERVER_CORE, CLIENT_CORE = 0, 1


class Failed(Exception):
    """What went wrong, in a line for the reader."""


def prepare(options):
    """Installs what is missing and builds the release programs, unless the options say otherwise. --program's neighbours are used
    as they are."""
    if options.program or options.no_build:
        return
    subprocess.run([ROOT / "tools" / "setup.sh", "bench"], cwd=ROOT, check=True, stdout=sys.stderr)
    configure = ["cmake", "--preset", "release", "-B", str(BUILD), "-DBROADSIDE_BUILD_BENCH=ON"]
    compile_all = ["cmake", "--build", str(BUILD), "--target", "broadside", "bench_floor_server"]
    for command in (configure, compile_all):
        subprocess.run(command, cwd=ROOT, check=True, stdout=sys.stderr)


def add_options(parser):
    """The options that all runners share."""
    parser.add_argument("--program", type=pathlib.Path, help="another `broadside` than the one built here (its floor stands in bench/ beside it)")
    parser.add_argument("--no-build", action="store_true", help="neither install nor build: use build/bench as it is")
    parser.add_argument("--realtime", action="store_true", help="server and client before everything else (root): for a machine that is in use")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="all figures of all rounds")
    parser.add_argument("--output", type=pathlib.Path, metavar="FILE", help="the table, also there")


def names(text):
    """A comma-separated list."""
    return [name for name in text.split(",") if name]


def counts(text):
    try:
        return [int(each.replace("_", "")) for each in names(text)]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text}: numbers with commas between, like 1000,10000")


def program(options):
    return options.program.resolve() if options.program else BUILD / "broadside"


def floor_program(options):
    return program(options).parent / "bench" / "bench_floor_server"


def commit():
    found = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    return found.stdout.strip() or "unknown"


def machine(options):
    """What the numbers stand for, by name."""
    model = re.search(r"^model name\s*:\s*(.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return {
        "date": f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d %H:%M} UTC",
        "commit": commit(),
        "machine": f"{os.cpu_count()} x {model.group(1) if model else platform.machine()}, loopback",
        "kernel": platform.release(),
        "open files": str(resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
        "load when it began": f"{os.getloadavg()[0]:.1f}" + ("; real-time priority" if options.realtime else ""),
    }


def machine_lines(options):
    return [f"{name}: {value}" for name, value in machine(options).items()]


def pinned(command, core, options):
    """The command, on one core."""
    priority = ["chrt", "--fifo", "10"] if options.realtime else []
    return [*priority, "taskset", "-c", str(core), *map(str, command)]


class Program:
    """A program and its children, stopped when the `with` ends. What it says goes to a file, of which a failure shows the end."""

    def __init__(self, command, environment=None):
        self.name = pathlib.Path(str(command[0])).name
        self.said = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            list(map(str, command)), stdin=subprocess.DEVNULL, stdout=self.said, stderr=self.said, start_new_session=True,
            env={**os.environ, **(environment or {})})
        self.pid = self.process.pid  # chrt and taskset become the program.

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.stop()

    def stop(self, grace=10):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(grace)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(self.pid, signal.SIGKILL)  # Its session: what it has started and left behind.
        except ProcessLookupError:
            pass
        self.process.wait()

    def is_running(self):
        return self.process.poll() is None

    def last_words(self):
        self.said.seek(0)
        lines = self.said.read().decode(errors="replace").strip().splitlines()
        return " / ".join(lines[-3:]) or "no word"


def memory_bytes(pid):
    """RSS and Private_Dirty."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = [re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE) for name in ("Rss", "Private_Dirty")]
    return tuple(int(each.group(1)) * 1024 for each in found)


class MemoryWatch:
    """RSS of a process, taken five times a second as long as somebody looks. One that grows beyond the bound is given up."""

    INTERVAL = 0.2  # Seconds.

    def __init__(self, bytes_max):
        self.bytes_max = bytes_max
        self.pid = None
        self.samples = []  # Seconds since follow(), bytes.

    def follow(self, pid):
        self.pid = pid
        self.begin = time.monotonic()
        self.look()

    def look(self):
        seconds = time.monotonic() - self.begin
        if self.samples and seconds < self.samples[-1][0] + self.INTERVAL:
            return
        try:
            pages = int(pathlib.Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        except FileNotFoundError:
            raise Failed(f"ended after {seconds:.1f} s") from None
        resident = pages * resource.getpagesize()
        self.samples.append((seconds, resident))
        if resident > self.bytes_max:
            raise Failed(f"stopped when it had grown beyond {self.bytes_max >> 20} MiB, after {seconds:.1f} s")

    def look_for(self, seconds):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.look()
            time.sleep(self.INTERVAL / 4)

    def newest(self):
        return self.samples[-1][1]

    def peak(self):
        return max(resident for _, resident in self.samples)


# The kernel's caches that idle connections take from. Those of file systems and processes move by themselves, and what is in
# flight (skbuff) is not theirs: nothing is.
CONNECTION_CACHES = re.compile(r"TCP|TCPv6|sock_inode_cache|filp|dentry|eventpoll_\w+|request_sock_TCP|io_kiocb|lsm_\w+|kmalloc-.*|:.*")


def kernel_memory(pid):
    """Bytes that the kernel holds for idle connections and for a process, by what for: caches of the whole machine (root sees them
    one by one, others their sum), and the page tables of `pid`."""
    page = resource.getpagesize()
    parts = {}
    try:
        for line in pathlib.Path("/proc/slabinfo").read_text().splitlines()[2:]:
            fields = line.split()
            if CONNECTION_CACHES.fullmatch(fields[0]):
                # Objects in use with their share of a slab: slabs that earlier runs have half emptied stay for a while.
                parts[fields[0]] = int(fields[1]) * int(fields[5]) * page // int(fields[4])
    except PermissionError:
        slab = re.search(r"^Slab:\s+(\d+) kB", pathlib.Path("/proc/meminfo").read_text(), re.MULTILINE)
        parts["all caches"] = int(slab.group(1)) * 1024
    tables = re.search(r"^VmPTE:\s+(\d+) kB", pathlib.Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    parts["page tables"] = int(tables.group(1)) * 1024
    return parts


def resting_sockets():
    """TCP sockets of the machine in TIME_WAIT."""
    return int(re.search(r"^TCP:.* tw (\d+)", pathlib.Path("/proc/net/sockstat").read_text(), re.MULTILINE).group(1))


def established(address):
    """Connections to HOST:PORT on this machine that are open at the server's end."""
    port = int(address.rpartition(":")[2])
    lines = pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]
    return sum(1 for _, local, _, state, *_ in map(str.split, lines) if state == "01" and int(local.split(":")[1], 16) == port)


def wait_until(holds, timeout, what):
    deadline = time.monotonic() + timeout
    while not holds():
        if time.monotonic() > deadline:
            raise Failed(f"{what}: not within {timeout:g} s")
        time.sleep(0.05)


def median(values):
    """Of those that are there; None if none is."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def spread(values):
    known = [value for value in values if value is not None]
    return [min(known), max(known)] if known else None


class Progress:
    """A line on stderr for each step, with the time that is left, as far as the steps before tell."""

    def __init__(self, seconds):
        self.begin = time.monotonic()
        self.seconds_expected = max(1.0, seconds)
        self.seconds_done = 0.0

    def step(self, text, seconds=0.0):
        """Before a step that should take so long."""
        spent = time.monotonic() - self.begin
        pace = spent / self.seconds_done if self.seconds_done > 0 else 1.0
        left = max(0.0, self.seconds_expected - self.seconds_done) * pace
        print(f"[{spent / 60:5.1f} min, {left / 60:5.1f} left] {text}", file=sys.stderr, flush=True)
        self.seconds_done += seconds


def columns(rows, left=1):
    """Rows of text as lines: the first columns to the left, numbers to the right."""
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    def line(row):
        return "  ".join(cell.ljust(width) if index < left else cell.rjust(width)
                         for index, (cell, width) in enumerate(zip(row, widths))).rstrip()
    return [line(row) for row in rows]


def plot_lines(path, texts, lines):
    """A line a name, of points (x, y), as SVG by gnuplot. The texts: title, xlabel, ylabel; y is logarithmic."""
    if not shutil.which("gnuplot"):
        print("no plot: not installed: gnuplot", file=sys.stderr)
        return
    script = [f"set terminal svg size 900,600 background rgb 'white'; set output '{path}'; set grid; set key outside",
              *(f"set {name} '{text}'" for name, text in texts.items()), "set logscale y; set xrange [0:*]",
              "plot " + ", ".join(f"'-' using 1:2 with linespoints lw 2 pt 7 ps 0.3 title '{name}'" for name in lines)]
    for points in lines.values():
        script += [*(f"{x:.3f} {y:.4f}" for x, y in points), "e"]
    drawn = subprocess.run(["gnuplot"], input="\n".join(script) + "\n", text=True, capture_output=True)
    if drawn.returncode != 0:
        raise Failed(f"gnuplot: {drawn.stderr.strip()}")
    print(f"written to {path}", file=sys.stderr)


def write_results(options, lines, results):
    """Prints the table and writes what the options ask for."""
    print("\n".join(lines), flush=True)
    for path, text in ((options.output, "\n".join(lines)), (options.json, json.dumps(results, indent=1))):
        if path:
            path.write_text(text + "\n", encoding="utf-8")
            print(f"written to {path}", file=sys.stderr)


def run_main(name, main):
    """main(), with a failure as a line instead of a trace."""
    try:
        sys.exit(main())
    except (Failed, subprocess.CalledProcessError, OSError) as error:
        sys.exit(f"{name}: {error}")
    except KeyboardInterrupt:
        sys.exit(f"{name}: stopped")

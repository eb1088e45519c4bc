"""Runs wrk on the client's core and reads what it prints."""

import pathlib
import re
import shutil
import subprocess

import measure

SCRIPTS = pathlib.Path(__file__).resolve().parent / "wrk"


def missing():
    return "" if shutil.which("wrk") else "not installed: wrk"


def run(options, url, seconds, connections=32, script=None, arguments=()):
    """Answers a second, latencies in milliseconds, and what went wrong."""
    if missing():
        raise measure.Failed(missing())
    command = ["wrk", "--threads", 1, "--connections", connections, "--duration", f"{seconds}s", "--timeout", "10s", "--latency"]
    if script:
        command += ["--script", SCRIPTS / script]
    command += [url, *(["--", *arguments] if arguments else [])]
    finished = subprocess.run(measure.pinned(command, measure.CLIENT_CORE, options), capture_output=True, text=True, timeout=seconds + 60)
    rate = re.search(r"^Requests/sec:\s+([\d.]+)", finished.stdout, re.MULTILINE)
    if finished.returncode != 0 or not rate:
        raise measure.Failed(f"wrk {url}: {(finished.stderr or finished.stdout).strip()}")
    sockets = re.search(r"Socket errors: (.*)", finished.stdout)
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", finished.stdout)
    return {
        "answers_per_second": float(rate.group(1)),
        "p50_ms": percentile(finished.stdout, 50),
        "p99_ms": percentile(finished.stdout, 99),
        "socket_errors": sum(map(int, re.findall(r"\d+", sockets.group(1)))) if sockets else 0,
        "refused": int(refused.group(1)) if refused else 0,
    }


def percentile(text, which):
    found = re.search(rf"^\s+{which}%\s+([\d.]+)(us|ms|s|m)$", text, re.MULTILINE)
    return float(found.group(1)) * {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60000.0}[found.group(2)] if found else None

"""Runs `broadside load` on the client's core, and reads its report."""

import contextlib
import json
import pathlib
import tempfile

import measure


def command(options, target, flags):
    return measure.pinned([measure.program(options), "load", *target.flags(), "--server-pid", target.pid, "--quiet", *flags],
                          measure.CLIENT_CORE, options)


def run(options, target, flags, timeout, look=lambda: None):
    """The report of a run. Loss is in it; a run that could not begin is a failure. look() is called all the while."""
    with tempfile.TemporaryDirectory(prefix="broadside-load-") as folder:
        path = pathlib.Path(folder) / "report.json"
        with measure.Program(command(options, target, [*flags, "--json", path])) as program:
            def is_over():
                look()
                return not program.is_running()
            measure.wait_until(is_over, timeout, f"broadside load against {target.name}")
            if not path.exists() or program.process.returncode not in (0, 1):
                raise measure.Failed(f"broadside load against {target.name}: {program.last_words()}")
        return json.loads(path.read_text(encoding="utf-8"))


def problem(report):
    """Why a report does not count; "" if it does."""
    return "; ".join(report["failures"])


def was_limit(report):
    return report["client"]["was_limit"]


@contextlib.contextmanager
def idle_streams(options, target, count, more=(), timeout=120):
    """So many open streams on which this client publishes nothing, until the `with` ends."""
    before = measure.established(target.address)
    # Addresses enough for two of these at once: each gives 28,000 ports.
    flags = ["--streams", count, "--publish-rate", 0, "--duration", "1h", "--sources", 2 + count // 10_000, *more]
    with measure.Program(command(options, target, flags)) as program:
        def are_open():
            if not program.is_running():
                raise measure.Failed(f"broadside load against {target.name}: {program.last_words()}")
            return measure.established(target.address) - before >= count
        measure.wait_until(are_open, timeout, f"{count} streams to {target.name}")
        yield

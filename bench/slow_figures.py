"""What subscribers that do not keep up do to a server and to the others: one function a figure, as in figures.py. Those that
stall are a load client of their own, so that the one that measures is the same with and without them."""

import contextlib

import figures
import load_client
import measure

# Nobody is closed for taking nothing: what is measured is having them.
PATIENT = ["--stall-timeout", "10m"]
PIPELINE = 64
EVENT_BYTES = 1024


@contextlib.contextmanager
def stalled_streams(options, target, count):
    """Streams that read nothing once they are open."""
    with load_client.idle_streams(options, target, count, ["--stalled", count]):
        yield


def publish_at_once(options, target, count, grace, look=lambda: None):
    """Events as fast as the server takes them, to one subscriber who must get all of them, beside whoever else is there."""
    return load_client.run(options, target, [
        "--streams", 1, "--size", EVENT_BYTES, "--publish-rate", count, "--warm-up", "0s", "--duration", "1s",
        "--grace", f"{grace}s", "--pipeline", PIPELINE], 3 * grace + 30, look)


def stalled_memory(options, kind):
    """RSS over time while events are published to subscribers of whom all but one read nothing."""
    options.serve_flags = [*PATIENT, "--history-bytes", f"{options.retention_mib}MiB", "--history-events", 1_000_000,
                           "--backlog-bytes", f"{options.backlog_mib}MiB"]
    watch = measure.MemoryWatch(options.memory_max)
    seen = {"samples": watch.samples, "problem": ""}
    try:
        with kind.running(options, options.stalled + 1) as target, stalled_streams(options, target, options.stalled):
            watch.follow(target.pid)
            watch.look_for(options.still)
            seen["before"] = watch.newest()
            report = publish_at_once(options, target, options.events, options.grace, watch.look)
            seen |= {"taken": report["published"]["answered"], "received": report["received"]["events"], "lost": report["lost"],
                     "problem": load_client.problem(report)}
            watch.look_for(options.still)
            seen |= {"end": watch.newest(), "connected": measure.established(target.address)}
    except measure.Failed as problem:
        seen["problem"] = str(problem)
    if "before" in seen:
        seen["peak"] = watch.peak()
        seen["growth"] = seen["peak"] - seen["before"]
    return seen


def stalled_memory_seconds(options):
    return 2 * options.still + options.stalled / figures.RAMP + options.grace / 4 + 5


def healthy_latency(options, kind, stalled):
    """Latency of subscribers that read everything, beside so many that are blocked before it begins."""
    options.serve_flags = PATIENT
    with kind.running(options, options.healthy + stalled) as target, contextlib.ExitStack() as beside:
        if stalled:
            beside.enter_context(stalled_streams(options, target, stalled))
        publish_at_once(options, target, options.filling_events, 10)  # More than the kernel holds for who does not read.
        report = load_client.run(options, target, [
            "--streams", options.healthy, "--ramp", figures.RAMP, "--size", 256, "--publish-rate", 20, "--warm-up", "1s",
            "--duration", f"{options.seconds}s"], options.seconds + 60)
        connected = measure.established(target.address)
    return {"p50_ms": report["latency_ms"]["p50"], "p99_ms": report["latency_ms"]["p99"], "stalled": stalled,
            "connected": connected, "client_share": report["client"]["cpu_share_max"], "problem": load_client.problem(report),
            "is_void": load_client.was_limit(report)}


def healthy_latency_seconds(options):
    return options.seconds + 6


def conflation(options, kind, offered):
    """What readers get who are slower than what is offered: how old it is, and whether they end with the newest of each key."""
    options.serve_flags = [*PATIENT, "--policy", "conflate"]
    watch = measure.MemoryWatch(options.memory_max)
    seen = {"offered": offered, "samples": watch.samples, "problem": ""}
    try:
        with kind.running(options, options.readers) as target:
            watch.follow(target.pid)
            report = load_client.run(options, target, [
                "--streams", options.readers, "--slow", options.readers, "--slow-rate", options.slow_rate, "--conflated",
                "--keys", options.keys, "--size", options.update_bytes, "--publish-rate", offered, "--warm-up", "1s",
                "--duration", f"{options.conflation_seconds}s", "--grace", f"{options.grace}s", "--pipeline", PIPELINE],
                options.conflation_seconds + 3 * options.grace + 60, watch.look)
        received, latency = report["received"], report["latency_ms"]
        seen |= {"taken": report["published"]["answered"], "received": received["events"], "superseded": received["superseded"],
                 "share": received["events"] / max(1, received["expected"]), "keys_lost": report["lost"],
                 "p50_ms": latency["p50"] if latency["count"] else None, "p99_ms": latency["p99"] if latency["count"] else None,
                 "closed": report["streams"]["closed_by_server"], "problem": load_client.problem(report),
                 "is_void": load_client.was_limit(report)}
    except measure.Failed as problem:
        seen["problem"] = str(problem)
    if watch.samples:
        seen |= {"before": watch.samples[0][1], "peak": watch.peak()}
    return seen


def conflation_seconds(options):
    return options.conflation_seconds + options.grace / 2 + 5

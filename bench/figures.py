"""One function a figure: takes a kind of server, starts it, measures, and answers what it saw. docs/PERFORMANCE.md defines each."""

import contextlib
import time

import load_client
import measure
import wrk_client

RAMP = 5000  # Streams opened a second where opening is not what is measured: every server here keeps up with it.


def event_cost(options, kind, count):
    """CPU a delivery, and its latency: single events, far apart."""
    with kind.running(options, count) as target:
        seconds = options.events * options.interval
        report = load_client.run(options, target, [
            "--streams", count, "--ramp", RAMP, "--size", options.bytes, "--publish-rate", 1 / options.interval,
            "--warm-up", f"{round(options.interval * 1000)}ms", "--duration", f"{round(seconds * 1000)}ms",
            *(["--hold", options.hold] if options.hold else [])], seconds + 120)
    costs = report["server"]["cpu_us_per_delivery_events"]
    return {
        "us": report["server"]["cpu_us_per_delivery_median"],
        "us_spread": measure.spread(costs),
        "us_whole": report["server"]["cpu_us_per_delivery"],
        "p50_ms": report["latency_ms"]["p50"],
        "p99_ms": report["latency_ms"]["p99"],
        "client_share": report["client"]["delivery_cpu_share"],
        "problem": load_client.problem(report),
        "is_void": load_client.was_limit(report),
    }


def event_cost_seconds(options, count):
    return options.events * options.interval + count / RAMP + 8


def offer(options, kind, events_per_second, seconds):
    """Whether so much is delivered: everything, and the last of it within a second after it was due."""
    with kind.running(options, options.subscribers) as target:
        report = load_client.run(options, target, [
            "--streams", options.subscribers, "--ramp", RAMP, "--size", options.bytes, "--publish-rate", f"{events_per_second:.3f}",
            "--warm-up", "1s", "--duration", f"{seconds}s", "--grace", "10s", "--pipeline", 64], seconds + 180)
    problem = load_client.problem(report)
    return {
        "events_per_second": events_per_second,
        "deliveries_per_second": round(events_per_second * options.subscribers),
        "seconds": seconds,
        "holds": not problem and report["lost"] == 0 and report["drain_ms"] <= 1000 and report["published"]["failed"] == 0,
        "drain_ms": report["drain_ms"],
        "p50_ms": report["latency_ms"]["p50"],
        "p99_ms": report["latency_ms"]["p99"],
        "server_share": report["server"]["core_share"],
        "client_share": report["client"]["cpu_share_max"],
        "client_was_limit": load_client.was_limit(report),
        "problem": problem,
    }


STEPS_MAX = 24  # 800 raised by a tenth so often is 7,900: beyond what a core can copy.


def saturation(options, kind, begin, progress):
    """The largest offer that holds, in steps of 10 %. The first is found by doubling, with shorter runs, from `begin`."""
    steps = []

    def holds(events_per_second, seconds):
        progress.step(f"saturated: {kind.name}, {events_per_second:.4g} events/s to {options.subscribers}", 0)
        steps.append(offer(options, kind, events_per_second, seconds))
        return steps[-1]["holds"]

    short = max(5, options.seconds // 3)
    rate = begin
    while len(steps) < STEPS_MAX and holds(rate, short):
        rate *= 2
    while len(steps) < STEPS_MAX and not steps[-1]["holds"] and rate > 0.5:
        rate /= 2
        if any(step["holds"] and step["events_per_second"] == rate for step in steps):
            break
        if holds(rate, short):
            break
    whole = len(steps)  # The steps from here on are long enough to count.
    while len(steps) < STEPS_MAX and rate > 0.2 and not holds(rate, options.seconds):
        rate /= 1.1
    held = steps[-1] if len(steps) > whole and steps[-1]["holds"] else None
    if len(steps) == whole + 1:  # The first held. Else the next higher one is known not to.
        while held and len(steps) < STEPS_MAX and holds(held["events_per_second"] * 1.1, options.seconds):
            held = steps[-1]
    refused = [step for step in steps if held and not step["holds"] and step["events_per_second"] > held["events_per_second"]]
    return {
        "deliveries_per_second": held["deliveries_per_second"] if held else 0,
        "held": held,
        "is_at_least": bool(refused) and min(refused, key=lambda step: step["events_per_second"])["client_was_limit"],
        "steps": steps,
    }


def settle(options):
    """Until what earlier runs have left in the kernel is gone: sockets in TIME_WAIT, and slabs that are being given back."""
    deadline = time.monotonic() + options.patience
    while time.monotonic() < deadline:
        before = sum(measure.kernel_memory("self").values())
        time.sleep(1)
        if measure.resting_sockets() < 200 and abs(sum(measure.kernel_memory("self").values()) - before) < 128 << 10:
            return


def idle_memory(options, kind, counts):
    """What subscribers cost who wait: of the process and of the kernel, from one of the counts (the first follows on 0) to the
    next. The kernel's bytes are those of both ends of the connection."""
    settle(options)
    with kind.running(options, counts[-1]) as target, contextlib.ExitStack() as streams:
        time.sleep(1)
        readings = [(0, measure.memory_bytes(target.pid), measure.kernel_memory(target.pid))]
        for count in counts:
            streams.enter_context(load_client.idle_streams(options, target, count - readings[-1][0]))
            time.sleep(3)
            readings.append((count, measure.memory_bytes(target.pid), measure.kernel_memory(target.pid)))
    return [memory_between(before, after) for before, after in zip(readings, readings[1:])]


def memory_between(before, after):
    """Bytes a subscriber."""
    more = after[0] - before[0]
    kernel = {name: (after[2][name] - before[2].get(name, 0)) / more for name in after[2]}
    return {
        "from": before[0], "to": after[0], "rss_begin": before[1][0], "rss_end": after[1][0],
        "rss": (after[1][0] - before[1][0]) / more,
        "private_dirty": (after[1][1] - before[1][1]) / more,
        "kernel_both_ends": sum(kernel.values()),
        "kernel_parts": {name: round(each, 1) for name, each in sorted(kernel.items(), key=lambda one: -one[1]) if abs(each) >= 1},
    }


def idle_memory_seconds(options, count):
    return 12 + count / 10_000 + options.patience / 2


def connects(options, kind, count):
    """Streams opened a second, as fast as it goes."""
    with kind.running(options, count) as target:
        report = load_client.run(options, target, ["--streams", count, "--ramp", 0, "--publish-rate", 0, "--duration", "1s"], 180)
    return {"per_second": report["streams"]["connects_per_second"], "problem": load_client.problem(report),
            "is_void": load_client.was_limit(report)}


def publishes(options, kind):
    """Raw events that wrk publishes a second, to a topic that nobody is subscribed to."""
    if kind.load_flags:
        raise measure.Failed("its body is not the event alone")
    with kind.running(options, 1000) as target:
        url = f"http://{target.address}{target.publish.replace('{topic}', 'wrk')}"
        seen = wrk_client.run(options, url, options.wrk_seconds, 32, "publish.lua", [str(options.bytes)])
    problem = f"{seen['refused']} refused" if seen["refused"] else ""
    return {"per_second": seen["answers_per_second"], "problem": problem, "is_void": False}

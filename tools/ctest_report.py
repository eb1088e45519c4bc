#!/usr/bin/env python3
"""Sums up a ctest run for ./test: prints each failure with its output, each skip with its reason, then the counts.

Usage: ctest_report.py JUNIT.xml [CTEST_LOG]. The last line is `passed=N failed=N skipped=N`.
"""

import re
import sys
import xml.etree.ElementTree as ElementTree

OUTPUT_LINES_MAX = 120


def skip_reason(output):
    """What GTEST_SKIP was given, or the last line that a test of exit status 77 printed."""
    found = re.search(r": Skipped\n(.*?)\n\s*\[  SKIPPED \]", output, re.DOTALL)
    if found and found.group(1).strip():
        return " ".join(found.group(1).split())
    lines = [line.strip() for line in output.splitlines() if line.strip() and not line.startswith("[")]
    return lines[-1] if lines else "no reason given"


def main(arguments):
    try:
        cases = list(ElementTree.parse(arguments[1]).getroot().iter("testcase"))
    except (OSError, ElementTree.ParseError) as error:
        print(f"ctest_report: {error}", file=sys.stderr)
        return 1
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for case in cases:
        output = case.findtext("system-out") or ""
        name = case.get("name")
        status = case.get("status")
        if status == "run":
            counts["passed"] += 1
        elif status in ("notrun", "disabled") and case.find("skipped") is not None and "NOT_AVAILABLE" not in name:
            counts["skipped"] += 1
            print(f"skipped: {name}: {skip_reason(output)}")
        else:
            counts["failed"] += 1
            print(f"FAILED: {name} ({float(case.get('time') or 0):.1f} s)")
            print("\n".join("    " + line for line in output.splitlines()[-OUTPUT_LINES_MAX:]))
    print(" ".join(f"{key}={value}" for key, value in counts.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))

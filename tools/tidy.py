#!/usr/bin/env python3
"""Checks what a compiler cannot: who includes whom, banned words and calls, file length, header comments.

Usage: tools/tidy.py [ROOT]. Prints `path:line: what is wrong` for each finding; exit status 1 when there is one.
The rules are those of docs/STYLE.md; tests/tidy_test.py shows each one broken and kept.
"""

import pathlib
import re
import sys

LINES_MAX = 800

# Layer -> the layers it may include, beside itself and the standard library. None = anything but tests and bench.
MAY_INCLUDE = {
    "include/broadside": set(),
    "base": set(),
    "proto": {"base", "include/broadside"},
    "engine/io": {"base", "include/broadside"},
    "engine": {"base", "proto", "engine/io", "include/broadside"},
    "hub": {"base", "proto", "engine", "engine/io", "include/broadside"},
    "tools": {"base", "proto", "engine", "engine/io", "hub", "include/broadside"},
    "examples": {"include/broadside"},
    "bench": None,
    "tests": None,
}
# The layers of libbroadside.a: no library but the standard one and POSIX. liburing has a rule of its own.
EMBEDDABLE = {"include/broadside", "base", "proto", "engine", "engine/io"}
THIRD_PARTY = re.compile(r"^(CLI/|curl/|simdjson|openssl/|fmt/|spdlog/|nlohmann/|toml|gtest/|gmock/|benchmark/|zlib|zstd|hiredis)")

CODE_SUFFIXES = {".h", ".cc"}
SCRIPT_SUFFIXES = {".py", ".sh", ".mjs", ".js", ".cmake"}
SKIPPED_FOLDERS = {"build", "node_modules", ".git", "__pycache__", "corpus"}
UMBRELLA_STEMS = {"util", "utils", "common", "misc", "helpers", "stuff"}

# The words are put together here, so that this file does not find itself.
LOOSE_END = re.compile(r"\b(" + "TO" + "DO" + r"(?!\(#\d+\))|FIX" + "ME|XX" + "X)\\b")
BANNED_CODE = [
    (re.compile(r"\bstd::(format|expected|source_location|views|ranges::views)\b"), "not in both g++ 12 and clang 14"),
    (re.compile(r"#\s*include\s*<(format|expected|source_location|print)>"), "not in both g++ 12 and clang 14"),
    (re.compile(r"#\s*include\s*<bits/"), "a private header of the standard library"),
]
BANNED_IN_HEADERS = [(re.compile(r"^\s*using\s+namespace\b"), "a header opens no namespace to its includers")]
BANNED_IN_EMBEDDABLE = [
    (re.compile(r"#\s*include\s*<(iostream|thread|future|cassert|assert\.h)>"), "not in the library (docs/STYLE.md, section 5)"),
]
BANNED_IN_TESTS = [
    (re.compile(r"\b(sleep_for|sleep_until|usleep|nanosleep|waitForTimeout)\b|(?<![\w.:])sleep\s*\("), "tests wait for a condition, never for time"),
    (re.compile(r"\bDISABLED_\w"), "a disabled test is deleted or repaired"),
]
SOCKET_CALL = re.compile(r"(?<![\w.>])(?P<colons>(?<!\w)::)?\b(?P<name>socket|bind|listen|setsockopt)\s*\(")
INCLUDE = re.compile(r'^\s*#\s*include\s*(?P<open>[<"])(?P<path>[^">]+)[>"]')


def layer_of(path):
    """The layer a path of the tree, or an include, belongs to; None when it is in none."""
    for layer in sorted(MAY_INCLUDE, key=len, reverse=True):
        if path.startswith(layer + "/"):
            return layer
    return "include/broadside" if path.startswith("broadside/") else None


def without_comments(text, keep_strings):
    """The code alone, line by line as before: comments, and on request the insides of strings, become blanks."""
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|R"(?P<tag>[^(\s]*)\(.*?\)(?P=tag)"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', re.DOTALL)

    def blank(match):
        found = match.group(0)
        if keep_strings and not found.startswith(("//", "/*")):
            return found
        if found.startswith("'") and len(found) > 4:  # A digit separator's neighbourhood, not a character.
            return found
        return re.sub(r"[^\n]", " ", found)

    return pattern.sub(blank, text)


def check_includes(path, lines):
    layer = layer_of(path)
    allowed = MAY_INCLUDE.get(layer)
    for number, line in lines:
        match = INCLUDE.match(line)
        if not match:
            continue
        target = match.group("path")
        if target == "liburing.h" and not path.startswith("engine/io/uring"):
            yield number, "only engine/io/uring* includes <liburing.h>"
        target_layer = layer_of(target)
        if match.group("open") == "<":
            if target_layer is not None and "/" in target and target.split("/")[0] in ("base", "proto", "engine", "hub", "broadside"):
                yield number, f'write "{target}", in quotes: it is ours'
            elif layer in EMBEDDABLE and THIRD_PARTY.match(target):
                yield number, f"{layer} stands on the standard library alone, not on <{target}>"
            continue
        if target_layer is None:
            yield number, f'"{target}": includes are written from the root; what is not ours stands in <>'
        elif target_layer in ("tests", "bench") and layer not in ("tests", "bench"):
            yield number, f"nothing includes {target_layer}"
        elif allowed is not None and target_layer != layer and target_layer not in allowed:
            yield number, f"{layer} may not include {target_layer}"


def check_own_header_first(root, path, lines):
    if not path.endswith(".cc") or layer_of(path) in (None, "tests", "bench", "examples"):
        return
    stem = path[: -len(".cc")]
    own = [stem + ".h"] if (root / (stem + ".h")).exists() else []
    public = "broadside/" + stem.rsplit("/", 1)[-1] + ".h"
    if (root / "include" / public).exists() and layer_of(path) in EMBEDDABLE:
        own.append(public)
    if not own:
        return
    for number, line in lines:
        match = INCLUDE.match(line)
        if match:
            if match.group("path") not in own:
                yield number, f'the own header comes first: "{own[0]}"'
            return


def check_sockets(path, lines):
    if layer_of(path) in (None, "tests", "bench", "tools", "examples") or path == "engine/io/socket.cc":
        return
    for number, line in lines:
        for match in SOCKET_CALL.finditer(line):
            before = line[: match.start()].rstrip()
            if re.search(r"std::$|\w::$", before) or before.endswith(("->", ".")):
                continue
            # `int listen(...)`, `T& bind(...)` declare a function of ours; `return bind(...)`, `a && bind(...)` call the kernel's.
            declares = re.search(r"(?<!\breturn)(?<!\bif)(?<!\bwhile)(?<!\bnot)(?<!\band)(?<!\bor)(?<!\belse)(?<!\bdo)$", before) and re.search(
                r"[\w>]$|[\w>]\s*(?<!&)[&*]$", before
            )
            if not match.group("colons") and declares:
                continue
            yield number, f"only engine/io/socket.cc calls {match.group('name')}()"


def check_comment(root, path, text):
    # A .cc beside its header is described there.
    if path.endswith(".cc") and (root / (path[: -len(".cc")] + ".h")).exists():
        return
    lines = text.splitlines()
    if lines and lines[0].startswith("#!"):
        lines = lines[1:]
    first = lines[0] if lines else ""
    if not first.startswith(("//", "/*", "#", '"""')) or first.startswith(("#include", "#pragma")):
        yield 1, "begins with a comment: what this file is responsible for"


def check_file(root, path):
    """All findings of one file as (line, message)."""
    text = (root / path).read_text(encoding="utf-8", errors="replace")
    pure = pathlib.PurePosixPath(path)
    layer = layer_of(path)
    is_code = pure.suffix in CODE_SUFFIXES
    raw = list(enumerate(text.splitlines(), 1))
    if len(raw) > LINES_MAX:
        yield LINES_MAX + 1, f"{len(raw)} lines; a file stops at {LINES_MAX}: one noun or one verb each"
    if pure.stem in UMBRELLA_STEMS:
        yield 1, f"{pure.name} says nothing; name the noun or the verb"
    yield from check_comment(root, path, text)
    for number, line in raw:
        if LOOSE_END.search(line):
            yield number, "a loose end needs an issue: TO" + "DO(#123)"
        if line.rstrip() != line:
            yield number, "white space at the end"
    rules = []
    if layer == "tests":
        rules += BANNED_IN_TESTS
    if is_code:
        rules += BANNED_CODE
        rules += BANNED_IN_HEADERS if pure.suffix == ".h" else []
        rules += BANNED_IN_EMBEDDABLE if layer in EMBEDDABLE else []
        bare = list(enumerate(without_comments(text, keep_strings=False).split("\n"), 1))
        includes = list(enumerate(without_comments(text, keep_strings=True).split("\n"), 1))
        if pure.suffix == ".h" and not any(re.match(r"#pragma once\b", line) for _, line in includes):
            yield 1, "a header says #pragma once"
        yield from check_includes(path, includes)
        yield from check_own_header_first(root, path, includes)
        yield from check_sockets(path, bare)
    else:
        bare = raw
    for number, line in bare:
        for pattern, why in rules:
            match = pattern.search(line)
            if match:
                yield number, f"{match.group(0).strip()}: {why}"


def sources(root):
    """Every file that the rules are for, as a path from the root."""
    folders = ["include", "base", "proto", "engine", "hub", "tools", "examples", "bench", "tests", "cmake", "packaging"]
    for folder in folders:
        for found in sorted((root / folder).rglob("*")):
            path = found.relative_to(root)
            if found.is_file() and not SKIPPED_FOLDERS.intersection(path.parts) and found.suffix in CODE_SUFFIXES | SCRIPT_SUFFIXES:
                # The self-check of these rules breaks them on purpose.
                if path.as_posix() != "tests/tidy_test.py":
                    yield path.as_posix()


def check_tree(root):
    """All findings of a tree, as lines to print."""
    root = pathlib.Path(root)
    return [f"{path}:{number}: {message}" for path in sources(root) for number, message in sorted(check_file(root, path))]


def main(arguments):
    root = pathlib.Path(arguments[1]) if len(arguments) > 1 else pathlib.Path(__file__).resolve().parent.parent
    findings = check_tree(root)
    for finding in findings:
        print(finding)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))

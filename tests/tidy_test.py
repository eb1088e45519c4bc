"""Self-check of tools/tidy.py: each rule broken once, and kept once."""

import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tools"))
import tidy  # noqa: E402

HEADER = "// A file.\n#pragma once\n"


def findings_of(files):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for path, text in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text, encoding="utf-8")
        return tidy.check_tree(root)


class TidyTest(unittest.TestCase):
    def assert_clean(self, files):
        self.assertEqual(findings_of(files), [])

    def assert_finds(self, files, where, what):
        findings = findings_of(files)
        self.assertEqual(len(findings), 1, findings)
        self.assertTrue(findings[0].startswith(where + ": "), findings)
        self.assertIn(what, findings[0])

    def test_the_wire_does_not_know_the_ring(self):
        self.assert_finds({"proto/a.cc": '// A.\n#include "engine/io/io.h"\n'}, "proto/a.cc:2", "proto may not include engine/io")
        self.assert_finds({"engine/io/a.cc": '// A.\n#include "proto/sse.h"\n'}, "engine/io/a.cc:2", "engine/io may not include proto")

    def test_layers_include_downwards(self):
        self.assert_clean({"engine/a.cc": '// A.\n#include "engine/io/io.h"\n#include "proto/b.h"\n#include "broadside/event.h"\n'})
        self.assert_clean({"hub/a.cc": '// A.\n#include <simdjson.h>\n\n#include "engine/io/io.h"\n'})
        self.assert_finds({"base/a.cc": '// A.\n#include "broadside/event.h"\n'}, "base/a.cc:2", "base may not include")
        self.assert_finds({"include/broadside/a.h": HEADER + '#include "base/units.h"\n'}, "include/broadside/a.h:3", "may not include base")
        self.assert_finds({"examples/a.cc": '// A.\n#include "hub/page.h"\n'}, "examples/a.cc:2", "examples may not include hub")
        self.assert_finds({"hub/a.cc": '// A.\n#include "tests/support/x.h"\n'}, "hub/a.cc:2", "nothing includes tests")

    def test_the_library_stands_on_the_standard_library_alone(self):
        self.assert_finds({"engine/a.cc": "// A.\n#include <simdjson.h>\n"}, "engine/a.cc:2", "standard library alone")
        self.assert_finds({"engine/a.cc": "// A.\n#include <liburing.h>\n"}, "engine/a.cc:2", "only engine/io/uring*")
        self.assert_clean({"engine/io/uring_io.cc": "// A.\n#include <liburing.h>\n"})

    def test_includes_are_written_from_the_root(self):
        self.assert_finds({"proto/a.cc": '// A.\n#include "b.h"\n'}, "proto/a.cc:2", "from the root")

    def test_an_include_in_a_comment_is_none(self):
        self.assert_clean({"proto/a.cc": '// A.\n// #include "hub/b.h"\n/*\n#include "hub/b.h"\n*/\n'})

    def test_the_own_header_comes_first(self):
        files = {"proto/a.h": HEADER, "proto/a.cc": '// A.\n#include <string>\n\n#include "proto/a.h"\n'}
        self.assert_finds(files, "proto/a.cc:2", "own header")
        files["proto/a.cc"] = '// A.\n#include "proto/a.h"\n\n#include <string>\n'
        self.assert_clean(files)
        self.assert_clean({"include/broadside/a.h": HEADER, "engine/a.cc": '// A.\n#include "broadside/a.h"\n'})

    def test_headers_are_included_once(self):
        self.assert_finds({"base/a.h": "// A.\n"}, "base/a.h:1", "#pragma once")

    def test_files_begin_with_a_comment(self):
        self.assert_finds({"base/a.h": "#pragma once\n"}, "base/a.h:1", "begins with a comment")
        self.assert_clean({"base/a.h": HEADER, "base/a.cc": '#include "base/a.h"\n'})
        self.assert_clean({"tools/a.sh": "#!/bin/sh\n# A.\n"})

    def test_files_stop_at_800_lines(self):
        self.assert_clean({"base/a.cc": "// A.\n" * 800})
        self.assert_finds({"base/a.cc": "// A.\n" * 801}, "base/a.cc:801", "801 lines")

    def test_loose_ends_name_an_issue(self):
        self.assert_finds({"base/a.cc": "// A.\n// TO" + "DO: later\n"}, "base/a.cc:2", "loose end")
        self.assert_clean({"base/a.cc": "// A.\n// TO" + "DO(#12): later\n"})

    def test_both_compilers_must_know_it(self):
        self.assert_finds({"hub/a.cc": '// A.\nauto a = std::format("x");\n'}, "hub/a.cc:2", "std::format")
        self.assert_clean({"hub/a.cc": '// A.\nauto a = "std::format";\n'})

    def test_tests_do_not_sleep(self):
        self.assert_finds({"tests/a_test.cc": "// A.\nvoid f() { usleep(1); }\n"}, "tests/a_test.cc:2", "usleep")
        self.assert_finds({"tests/browser/a.mjs": "// A.\nawait page.waitForTimeout(5);\n"}, "tests/browser/a.mjs:2", "condition")

    def test_sockets_are_made_in_one_file(self):
        for call in ("if (::bind(fd, a, b) < 0) {}", "return listen(fd, 1);", "x = a && setsockopt(fd);", "const int fd = socket(1, 2, 3);"):
            self.assert_finds({"engine/a.cc": "// A.\n" + call + "\n"}, "engine/a.cc:2", "engine/io/socket.cc")
            self.assert_clean({"engine/io/socket.cc": "// A.\n" + call + "\n"})
            self.assert_clean({"tools/a.cc": "// A.\n" + call + "\n"})
        for other in ("io.listen(a);", "Result<int> listen(int fd);", "std::bind(f);", "Socket socket(fd);", "void A::bind(int);", "T& bind(int);"):
            self.assert_clean({"engine/a.cc": "// A.\n" + other + "\n"})

    def test_names_say_something(self):
        self.assert_finds({"base/utils.h": HEADER}, "base/utils.h:1", "says nothing")


if __name__ == "__main__":
    unittest.main()

"""What others get: the installed library, the shared one, the sources as a part of another project, the service, the .debs.

Usage: package_test.py CLASS. Takes its build from the environment: BROADSIDE_BUILD_DIR, CXX. Exit status 77 if all was skipped.
"""

import functools
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parent.parent
BUILD = pathlib.Path(os.environ.get("BROADSIDE_BUILD_DIR", SOURCE / "build/dev"))
CXX = os.environ.get("CXX", "c++")
COMMAND_SECONDS_MAX = 240

ENGINE = HERE / "engine"  # Projects of one main.cc each, or of one main.c.
C_ENGINE = HERE / "c_engine"
CODEC = HERE / "codec"
C_CODEC = HERE / "c_codec"
PUBLIC_HEADERS = {f"include/broadside/{header.name}" for header in (SOURCE / "include/broadside").glob("*.h")}
VERSION = re.search(r'#define BROADSIDE_VERSION "(.*)"', (SOURCE / "include/broadside/version.h").read_text()).group(1)
CODEC_OUTPUT = f"note two\nlines\n7 {VERSION}\n"


def run(*command, **options):
    """The standard output of a command that must succeed."""
    options = {"capture_output": True, "text": True, "timeout": COMMAND_SECONDS_MAX, "stdin": subprocess.DEVNULL} | options
    done = subprocess.run([str(word) for word in command], **options)
    if done.returncode != 0:
        raise AssertionError(f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


@functools.cache
def scratch():
    """A folder that goes with the process."""
    folder = tempfile.TemporaryDirectory()
    unittest.addModuleCleanup(folder.cleanup)
    return pathlib.Path(folder.name)


@functools.cache
def installed():
    """The prefix that the library is installed into."""
    prefix = scratch() / "prefix"
    run("cmake", "--install", BUILD, "--prefix", prefix, "--component", "dev")
    return prefix


def files_below(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


def compile_program(project, name, *flags):
    program = scratch() / name
    if (project / "main.c").exists():
        run("cc", "-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror", project / "main.c", *flags, "-o", program)
    else:
        run(CXX, "-std=c++20", project / "main.cc", *flags, "-o", program)
    return program


def build_with_cmake(project, target, **variables):
    folder = scratch() / f"build-{project.name}-{target}"
    definitions = [f"-D{name}={value}" for name, value in variables.items()]
    run("cmake", "-G", "Ninja", "-S", project, "-B", folder, f"-DCMAKE_CXX_COMPILER={CXX}", *definitions)
    run("cmake", "--build", folder, "--target", target, "-j", "2")
    return folder / target


class PackageTest(unittest.TestCase):
    def assert_serves(self, program, topic="lines"):
        """The program says where it listens, and publishes a line of its input to a stream that is open when it comes."""
        with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
            self.addCleanup(server.kill)
            url = server.stdout.readline().split()[-1]
            command = ["curl", "-sSN", "--max-time", str(COMMAND_SECONDS_MAX), f"{url}/events/{topic}?limit=1"]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as client:
                self.addCleanup(client.kill)
                opening = iter(client.stdout.readline, "")
                self.assertIn("event: broadside.open\n", opening)
                server.stdin.write("hello\n")
                server.stdin.flush()
                self.assertIn("\ndata: hello\n\n", client.stdout.read())
            server.stdin.close()
            self.assertEqual(server.wait(COMMAND_SECONDS_MAX), 0)


class Tutorial(PackageTest):
    """docs/EMBEDDING.md, followed to the letter: but for the port, and that all of its files make one project."""

    def test_every_block_of_code_builds_and_every_program_serves(self):
        folder = scratch() / "tutorial"
        folder.mkdir()
        text = (SOURCE / "docs/EMBEDDING.md").read_text()
        blocks = re.findall(r"^```(?:cpp|cmake|c)\n(?://|#) (\S+)\n((?s:.*?))^```$", text, re.MULTILINE)
        self.assertEqual(len(blocks), len(re.findall("^```(?:c|cpp|cmake)$", text, re.MULTILINE)), "a block does not begin with its file's name")
        for name, code in blocks:
            (folder / name).write_text(code.replace("127.0.0.1:8080", "127.0.0.1:0").replace("htons(8080)", "0"))
        sources = sorted(file for file in folder.iterdir() if file.suffix in (".c", ".cc"))
        programs = [file.stem for file in sources if "int main(" in file.read_text()]
        with (folder / "CMakeLists.txt").open("a") as cmake:
            cmake.write("enable_language(C)\n")
            for file in sources:
                if file.stem != "news":
                    cmake.write(f"add_{'executable(' if file.stem in programs else 'library('}{file.stem} {file.name})\n")
                    cmake.write(f"target_link_libraries({file.stem} broadside::engine)\n")
        flags = "-Wall -Wextra -Werror -Wno-missing-field-initializers"
        built = build_with_cmake(folder, "all", CMAKE_PREFIX_PATH=installed(), CMAKE_CXX_FLAGS=flags, CMAKE_C_FLAGS=flags).parent
        self.assertEqual(programs, ["adopt", "c_news", "loop", "news", "page"])
        for name in programs:
            with self.subTest(name):
                self.assert_serves(built / name, topic="news")


class Installed(PackageTest):
    def test_only_public_headers_and_the_libraries_are_installed(self):
        library = {"lib/libbroadside.a", "lib/libbroadside_sse.a", "lib/pkgconfig/broadside.pc", "lib/pkgconfig/broadside_sse.pc"}
        rest = {path for path in files_below(installed()) if not re.match(r"lib/cmake/broadside/\w+(-\w+)?\.cmake$", path)}
        self.assertEqual(rest, PUBLIC_HEADERS | library | {"share/doc/libbroadside-dev/copyright"})

    def test_headers_include_the_standard_library_and_each_other_alone(self):
        for path in sorted(PUBLIC_HEADERS):
            for included in re.findall(r"^\s*#\s*include\s*(\S+)", (installed() / path).read_text(), re.MULTILINE):
                ours = f"include/{included[1:-1]}" in PUBLIC_HEADERS and included.startswith('"')
                self.assertTrue(ours or re.match(r"<(\w+|(std(int|def|bool)|string)\.h)>$", included), f"{path} includes {included}")

    def test_cmake_finds_the_engine(self):
        for project in (ENGINE, C_ENGINE):
            self.assert_serves(build_with_cmake(project, "lines", CMAKE_PREFIX_PATH=installed()))

    def test_cmake_takes_only_versions_that_do_not_break_a_caller(self):
        major, minor, _ = (int(number) for number in VERSION.split("."))
        found = []
        for wanted in (f"{major}.{minor}", f"{major}.{minor + 1}", f"{major + 1}.0"):
            project = scratch() / f"version-{wanted}"
            project.mkdir()
            (project / "CMakeLists.txt").write_text(
                "cmake_minimum_required(VERSION 3.16)\nproject(version LANGUAGES CXX)\n"
                f"find_package(broadside {wanted} QUIET)\nfile(WRITE found ${{broadside_FOUND}})\n"
            )
            run("cmake", "-G", "Ninja", "-S", project, "-B", project, f"-DCMAKE_PREFIX_PATH={installed()}")
            found.append((project / "found").read_text())
        self.assertEqual(found, ["1", "0", "0"])

    def test_pkg_config_finds_the_engine_and_the_codec(self):
        environment = os.environ | {"PKG_CONFIG_PATH": str(installed() / "lib/pkgconfig")}
        flags = {
            name: run("pkg-config", "--cflags", "--libs", name, env=environment).split() for name in ("broadside", "broadside_sse")
        }
        self.assertEqual(run("pkg-config", "--modversion", "broadside", env=environment).strip(), VERSION)
        self.assertNotIn("-luring", flags["broadside_sse"])
        for project in (ENGINE, C_ENGINE):
            self.assert_serves(compile_program(project, project.name, *flags["broadside"]))
        for project in (CODEC, C_CODEC):
            self.assertEqual(run(compile_program(project, project.name, *flags["broadside_sse"])), CODEC_OUTPUT)


class Shared(PackageTest):
    LIBRARY = BUILD / "libbroadside.so"

    def test_it_exports_what_is_marked_in_public_headers_alone(self):
        headers = "".join((SOURCE / header).read_text() for header in sorted(PUBLIC_HEADERS))
        symbols = run("nm", "--dynamic", "--demangle", "--defined-only", self.LIBRARY).splitlines()
        self.assertTrue(any("broadside::SseDecoder::feed(" in symbol for symbol in symbols))
        for symbol in symbols:
            owner = re.match(r"\S+ \w (?:broadside::|(?=broadside_))(\w+)", symbol)
            self.assertTrue(owner, symbol)
            self.assertRegex(headers, rf"BROADSIDE_API[^;{{(]*\b{owner.group(1)}\b", symbol)
        for function in re.findall(r"BROADSIDE_API[^;{(]*\b(broadside_\w+)\(", headers):
            self.assertTrue(any(symbol.endswith(f" T {function}") for symbol in symbols), f"{function} is not there")

    def test_its_name_changes_with_what_may_break_its_callers(self):
        minor = VERSION.rpartition(".")[0]
        self.assertIn(f"[libbroadside.so.{minor}]", run("readelf", "--dynamic", self.LIBRARY))

    def test_programs_run_with_it(self):
        flags = (f"-I{SOURCE}/include", self.LIBRARY, f"-Wl,-rpath,{BUILD}")
        for project in (CODEC, C_CODEC):
            self.assertEqual(run(compile_program(project, project.name, *flags)), CODEC_OUTPUT)
        for project in (ENGINE, C_ENGINE):
            self.assert_serves(compile_program(project, project.name, *flags))


class Subproject(PackageTest):
    def test_it_is_a_part_of_another_project(self):
        program = build_with_cmake(CODEC, "codec", BROADSIDE_SOURCE_DIR=SOURCE)
        self.assertEqual(run(program), CODEC_OUTPUT)


class Service(PackageTest):
    UNIT = SOURCE / "packaging/broadside.service"

    @classmethod
    def setUpClass(cls):
        if not shutil.which("systemd-analyze"):
            raise unittest.SkipTest("there is no systemd-analyze here")

    def test_it_is_exposed_to_less_than_two_of_ten(self):
        done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=20", self.UNIT],
                              capture_output=True, text=True, timeout=COMMAND_SECONDS_MAX)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)


    def test_it_lets_the_server_filter_its_own_system_calls(self):
        self.assertRegex(self.UNIT.read_text(), r"(?m)^SystemCallFilter=@system-service .*\bseccomp\b")


class Debian(PackageTest):
    @classmethod
    def setUpClass(cls):
        for command in ("cpack", "dpkg-deb", "dpkg-shlibdeps", "file"):
            if not shutil.which(command):
                raise unittest.SkipTest(f"there is no {command} here")
        folder = scratch() / "deb"
        run("cpack", "--config", BUILD / "CPackConfig.cmake", "-B", folder, "-D", "CPACK_DEBIAN_COMPRESSION_TYPE=gzip")
        cls.roots = {}
        cls.packages = {run("dpkg-deb", "-f", package, "Package").strip(): package for package in folder.glob("*.deb")}
        for name, package in cls.packages.items():
            cls.roots[name] = folder / name
            run("dpkg-deb", "--raw-extract", package, cls.roots[name])

    def contents(self, name):
        return {path for path in files_below(self.roots[name]) if not path.startswith(("DEBIAN/", "usr/share/doc/"))}

    def field(self, name, field):
        return run("dpkg-deb", "-f", self.packages[name], field).strip()

    def test_there_are_two_packages_of_this_version(self):
        self.assertEqual(set(self.packages), {"broadside", "libbroadside-dev"})
        for name in self.packages:
            self.assertEqual(self.field(name, "Version").rpartition("-")[0], VERSION)
            self.assertTrue((self.roots[name] / f"usr/share/doc/{name}/copyright").exists())

    def test_the_server_is_a_service_with_its_configuration_and_user(self):
        self.assertEqual(self.contents("broadside"), {
            "etc/broadside/broadside.toml", "lib/systemd/system/broadside.service", "usr/bin/broadside", "usr/lib/sysusers.d/broadside.conf"
        })
        control = self.roots["broadside"] / "DEBIAN"
        self.assertEqual((control / "conffiles").read_text(), "/etc/broadside/broadside.toml\n")
        for script in ("postinst", "prerm", "postrm"):
            self.assertTrue(os.access(control / script, os.X_OK), script)
            run("sh", "-n", control / script)

    def test_the_service_starts_the_program_with_flags_that_it_takes(self):
        root = self.roots["broadside"]
        unit = (root / "lib/systemd/system/broadside.service").read_text()
        command = [root / word[1:] if word.startswith("/") else word for word in re.search(r"^ExecStart=(.*)$", unit, re.MULTILINE).group(1).split()]
        self.assertIn("good", run(*command, "--check-config"))

    def test_the_server_needs_its_libraries_and_what_makes_its_user(self):
        depends = self.field("broadside", "Depends")
        for package in ("liburing2", "libseccomp2", "libc6", "libstdc++6", "systemd-standalone-sysusers"):
            self.assertRegex(depends, rf"(^|[ |]){re.escape(package)}\b")

    def test_the_library_is_headers_and_archives_and_needs_liburing_alone(self):
        found = {re.sub(r"^lib/[^/]+-linux-gnu\w*/", "lib/", path.removeprefix("usr/")) for path in self.contents("libbroadside-dev")}
        self.assertEqual(found, {path for path in files_below(installed()) if not path.startswith("share/")})
        self.assertEqual(self.field("libbroadside-dev", "Depends"), "liburing-dev")

    def test_everything_belongs_to_root_and_is_readable(self):
        for package in self.packages.values():
            for line in run("dpkg-deb", "-c", package).splitlines():
                self.assertRegex(line, r"^(drwxr-xr-x|-rw-r--r--|-rwxr-xr-x) root/root ")


def main():
    result = unittest.main(exit=False, verbosity=2).result
    if not result.wasSuccessful():
        return 1
    if result.skipped and result.testsRun <= len(result.skipped):
        print(result.skipped[-1][1])
        return 77
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""local_scan() compiled into Exim decides as outgate.so does.

Debian's own source of its Exim, built with "make static", takes the place of
Debian's binary in the organisation of world.py.  The source and what was
built stay below $BUILD/static; without network the first run fails.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parents[1]
sys.path[:0] = [str(HERE), str(TOP / "tests/lib")]

import exim_source
import tap
from verdicts import MESSAGES

BUILD = pathlib.Path(os.environ.get("BUILD", TOP / "build")).resolve()
MAKE_S = 300
WORLD_S = 120

# A make that started us has its jobs, these have theirs.
ENVIRON = {name: value for name, value in os.environ.items()
           if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}

tree = None
said = {}


def setUpModule():
    global tree
    tree = exim_source.tree(BUILD / "static")
    code, text = static(tree)
    if code != 0:
        raise RuntimeError(text)
    code, text = finish(start("make", "-s", "-C", TOP, f"BUILD={BUILD}",
                              "all"), MAKE_S)
    if code != 0:
        raise RuntimeError(text)
    module = tree / "Local/outgate/outgate.so"
    running = {"module": start(HERE / "verdicts.py"),
               "static": start(HERE / "verdicts.py", binary(), module)}
    try:
        for name, process in running.items():
            code, text = finish(process, WORLD_S)
            if code != 0:
                raise RuntimeError(text)
            said[name] = json.loads(text.splitlines()[-1])
    finally:
        for process in running.values():
            end(process)


def static(place, *words):
    """What "make static" says of an Exim source: exit code and text."""
    jobs = f"-j{os.cpu_count()}"
    return finish(start("make", "-s", "-C", TOP, jobs, f"BUILD={BUILD}",
                        "static", f"EXIM_SRC={place}", *words), MAKE_S)


def binary():
    found = list(tree.glob("build-*/exim"))
    if len(found) != 1:
        raise RuntimeError(f"no Exim was built in {tree}")
    return found[0]


def start(*words):
    return subprocess.Popen(
        [str(word) for word in words], env=ENVIRON, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, start_new_session=True)


def finish(process, seconds):
    try:
        text, _ = process.communicate(timeout=seconds)
    except BaseException:
        end(process)
        raise
    return process.returncode, text


def end(process):
    """With all it has started, if it still runs."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate()


class Sources(unittest.TestCase):
    """What is asked for source packages: Debian, in either form."""

    def written(self, name, text):
        with tempfile.TemporaryDirectory() as folder:
            etc, out = pathlib.Path(folder, "etc"), pathlib.Path(folder, "o")
            (etc / "sources.list.d").mkdir(parents=True)
            (etc / name).write_text(text)
            exim_source.write_sources(out, etc)
            return [line for path in out.glob("*")
                    for line in path.read_text().splitlines() if line]

    def test_one_line_sources(self):
        self.assertEqual(self.written("sources.list", (
            "# a comment\n"
            "deb http://mirror.example/debian bookworm main contrib\n"
            "deb [signed-by=/k arch=amd64] http://m.example/debian-security/"
            " bookworm-security main\n"
            "deb https://elsewhere.example/linux/debian bookworm stable\n"
            "deb https://elsewhere.example/apt bookworm main\n")), [
            "deb-src http://mirror.example/debian bookworm main contrib",
            "deb-src [signed-by=/k arch=amd64] "
            "http://m.example/debian-security/ bookworm-security main"])

    def test_sources_as_fields(self):
        self.assertEqual(self.written("sources.list.d/debian.sources", (
            "Types: deb\nURIs: http://mirror.example/debian\n"
            "Suites: bookworm bookworm-updates\nComponents: main\n"
            "Signed-By: /k\n\n"
            "Types: deb\nURIs: https://elsewhere.example/apt\n"
            "Suites: bookworm\nComponents: main\n")), [
            "Types: deb-src", "URIs: http://mirror.example/debian",
            "Suites: bookworm bookworm-updates", "Components: main",
            "Signed-By: /k"])

    def test_a_source_switched_off_by_its_name_is_not_asked(self):
        self.assertEqual(self.written(
            "sources.list.d/debian.list.disabled",
            "deb http://mirror.example/debian bookworm main\n"), [])


class Tree(unittest.TestCase):
    """What "make static" does with the source it is given."""

    def refused(self, text, files):
        with tempfile.TemporaryDirectory() as folder:
            for name, content in files.items():
                path = pathlib.Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(content)
            code, said = static(folder)
            self.assertNotEqual(code, 0, said)
            self.assertIn(text, said)
            left = {str(path.relative_to(folder)): path.read_text()
                    for path in pathlib.Path(folder).rglob("*")
                    if path.is_file()}
            self.assertEqual(left, files)

    def test_it_wants_to_know_which_source(self):
        code, text = static("")
        self.assertNotEqual(code, 0)
        self.assertIn("static: which Exim? make static EXIM_SRC=DIR", text)

    def test_a_directory_that_is_no_exim_source_is_left_alone(self):
        self.refused("is no Exim source", {"Local/Makefile": "\n"})

    def test_a_source_that_is_not_configured_is_left_alone(self):
        self.refused("has no Local/Makefile yet", {"src/local_scan.h": "\n"})

    def test_a_source_with_another_local_scan_is_left_alone(self):
        self.refused("has a local_scan() already", {
            "src/local_scan.h": "\n",
            "Local/Makefile": "LOCAL_SCAN_SOURCE=Local/theirs.c\n"})

    def test_a_second_time_changes_nothing_in_its_configuration(self):
        makefile = tree / "Local/Makefile"
        before = makefile.read_text(), makefile.stat().st_mtime_ns
        code, text = static(tree)
        self.assertEqual(code, 0, text)
        after = makefile.read_text(), makefile.stat().st_mtime_ns
        self.assertEqual(after, before)
        self.assertEqual(after[0].count("BEGIN outgate"), 1)

    def test_variables_for_our_make_do_not_reach_exims(self):
        # both have CFLAGS, LDFLAGS and LIBS
        code, text = static(tree, "FULLECHO=echo LEAKED")
        self.assertEqual(code, 0, text)
        self.assertNotIn("LEAKED", text)


class Binary(unittest.TestCase):
    def test_it_starts(self):
        self.assertRegex(said["static"]["exim"]["-bV"],
                         r"(?m)^Exim version \d.*\n(.*\n)*Support for: "
                         r".*Expand_dlfunc")

    def test_it_does_not_know_local_scan_path(self):
        self.assertIn("local_scan_path is not a known option",
                      said["static"]["exim"]["-bP local_scan_path"])

    def test_debians_does(self):
        """The option asked for above is spelled correctly."""
        self.assertIn("local_scan_path = /usr/lib/exim4/local_scan/",
                      said["module"]["exim"]["-bP local_scan_path"])

    def test_nothing_is_left_in_the_queue(self):
        self.assertEqual({name: what["queue"] for name, what in said.items()},
                         {"module": "", "static": ""})


@tap.tables
class Messages(unittest.TestCase):
    """The same reply, verdict, log line and way, and the expected ones."""

    @tap.rows([(sentence, sentence) for sentence in MESSAGES])
    def same(self, sentence):
        _, reply, verdict, server = MESSAGES[sentence]
        found = said["static"]["messages"][sentence]
        self.assertEqual(found["reply"][:len(reply)], reply)
        self.assertEqual(found["verdict"] and
                         found["verdict"][:len(verdict or "")], verdict)
        self.assertEqual([name for name, *_ in found.get("arrived", [])],
                         [server] if server else [])
        self.assertEqual(found, said["module"]["messages"][sentence])


if __name__ == "__main__":
    tap.main()

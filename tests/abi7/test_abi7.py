#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""outgate compiles and works as a guest of Exim's API version 7 (4.99).

No Debian 12 machine has such an Exim; include/ declares what outgate uses of
it, and host.c stands in for the program.
"""

import ctypes
import os
import pathlib
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parents[1]
sys.path.insert(0, str(TOP / "tests/lib"))

import tap
from sandbox import run

BUILD = pathlib.Path(os.environ.get("BUILD", TOP / "build")).resolve()
OURS = BUILD / "abi7"
CC = os.environ.get("CC", "cc")

# LOCAL_SCAN_..., and what functions for ${dlfunc} return.
ACCEPT, TEMPREJECT_NOLOGHDR = 0, 6
FAIL = 2

SETTINGS = """\
uri ldapi://%2Fnone
base dc=org,dc=example
org_domain org.example
"""

module = host = None


def setUpModule():
    """Our own Makefile compiles it, so with all our warnings as errors."""
    global module, host
    run("make", "-C", TOP, f"BUILD={OURS}", f"EXIM_INCLUDE={HERE}/include",
        OURS / "outgate.so")
    run(CC, "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC",
        "-I", HERE / "include", "-o", OURS / "host.so", HERE / "host.c")
    host = ctypes.CDLL(str(OURS / "host.so"), mode=ctypes.RTLD_GLOBAL)
    module = ctypes.CDLL(str(OURS / "outgate.so"))
    settings = OURS / "outgate.conf"
    settings.write_text(SETTINGS)
    settings.chmod(0o644)
    os.environ["OUTGATE_CONF"] = str(settings)


class Line(ctypes.Structure):
    pass


Line._fields_ = [("next", ctypes.POINTER(Line)), ("type", ctypes.c_int),
                 ("slen", ctypes.c_int), ("text", ctypes.c_char_p)]


class Guest(unittest.TestCase):
    def setUp(self):
        self.keep = []
        self.set("smtp_input", ctypes.c_uint(1))
        self.set("sender_host_authenticated", ctypes.c_char_p(b"PLAIN"))
        self.set("sender_address", ctypes.c_char_p(b"jo@org.example"))
        self.headers(b"From: Jo <jo@org.example>\n")

    def set(self, name, value):
        self.keep.append(value)
        type(value).in_dll(host, name).value = value.value

    def headers(self, *lines):
        first = ctypes.POINTER(Line)()
        for text in reversed(lines):
            line = Line(first, ord("F"), len(text), text)
            self.keep.append(line)
            first = ctypes.pointer(line)
        self.keep.append(first)
        ctypes.POINTER(Line).in_dll(host, "header_list").contents = first[0]

    def scan(self):
        text = ctypes.c_char_p()
        code = module.local_scan(-1, ctypes.byref(text))
        return code, (text.value or b"").decode()

    def test_it_says_that_it_is_made_for_version_7(self):
        self.assertEqual(module.local_scan_version_major(), 7)

    def test_what_nobody_submitted_is_accepted_without_a_verdict(self):
        self.set("sender_host_authenticated", ctypes.c_char_p())
        self.assertEqual(self.scan(), (ACCEPT, ""))

    def test_an_internal_from_takes_the_org_route(self):
        self.assertEqual(self.scan(),
                         (ACCEPT, "og=1 way=org why=internal-from"))

    def test_an_empty_sender_takes_the_org_route(self):
        self.set("sender_address", ctypes.c_char_p(b""))
        self.assertEqual(self.scan(), (ACCEPT, "og=1 way=org why=null-sender"))

    def test_two_addresses_while_the_directory_is_away_defer(self):
        self.headers(b"From: jo@org.example, jo@elsewhere.example\n")
        code, text = self.scan()
        self.assertEqual(code, TEMPREJECT_NOLOGHDR)
        self.assertRegex(text, "^4.4.3 ")

    def test_a_function_for_dlfunc_yields_text(self):
        text = ctypes.c_char_p()
        self.assertEqual(
            module.outgate_route(ctypes.byref(text), 0, None), FAIL)
        self.assertEqual(text.value, b"outgate_route takes two arguments")


class Binding(unittest.TestCase):
    def test_it_binds_to_the_name_behind_expand_string(self):
        """In version 7 expand_string is a macro; nothing exports it."""
        table = run("nm", "-D", "-u", OURS / "outgate.so").split()
        self.assertIn("expand_string_2", table)
        self.assertNotIn("expand_string", table)

    def test_another_version_does_not_compile(self):
        with tempfile.TemporaryDirectory(dir=OURS) as folder:
            path = pathlib.Path(folder, "local_scan.h")
            text = (HERE / "include/local_scan.h").read_text()
            path.write_text(text.replace("_MAJOR 7", "_MAJOR 8"))
            with self.assertRaisesRegex(RuntimeError, "versions 6 and 7"):
                run(CC, "-fsyntax-only", "-I", folder, "-I",
                    TOP / "local_scan", TOP / "local_scan/exim/settings.c",
                    TOP / "local_scan/exim/scan.c")


if __name__ == "__main__":
    tap.main()

#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Who may include and call whom; docs/architecture.md has the table."""

import os
import pathlib
import re
import subprocess
import sys
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/lib"))

import tap

SOURCE = TOP / "local_scan"
BUILD = pathlib.Path(os.environ.get("BUILD", TOP / "build"))

MAY_INCLUDE = {
    "core": {"core"},
    "io": {"core", "io"},
    "exim": {"core", "io", "exim"},
    "cli": {"core", "io", "cli"},
    "slapi": {"core", "io", "slapi"},
}

# The pure functions of libc, and what the compiler puts in by itself.
CORE_MAY_CALL = set("""
    memcpy memset memchr memcmp memmove strlen strcmp strncmp strchr strcspn
    strspn snprintf vsnprintf
    __memcpy_chk __memset_chk __snprintf_chk __vsnprintf_chk __strcpy_chk
    __stack_chk_fail _GLOBAL_OFFSET_TABLE_
    """.split())

# Each outside library is known to these files only.
LIBRARY = {
    r"<ldap\.h>|<lber\.h>": {"io/ldap.c"},
    r"<openssl/": {"io/seal.c", "io/proof.c", "io/pem.c", "io/pem.h",
                   "io/keydir.c", "io/keydir.h", "io/memory.c"},
    r"<local_scan\.h>": {"exim/host.h"},
    r"<jansson\.h>": {"cli/explain.c"},
    r"<slapi-plugin\.h>": {"slapi/host.h"},
}

BANNED = ("strcpy", "strcat", "sprintf", "vsprintf", "strtok", "atoi",
          "atol", "sscanf", "alloca", "abort", "exit", "popen", "system",
          "setlocale", "gets")


def sources(pattern):
    return sorted(SOURCE.glob(pattern))


def name(path):
    return str(path.relative_to(SOURCE))


class Layers(unittest.TestCase):
    def test_every_directory_includes_only_what_it_may(self):
        for path in sources("*/*.[ch]"):
            layer = path.parent.name
            for other in re.findall(r'#include "(\w+)/', path.read_text()):
                self.assertIn(other, MAY_INCLUDE[layer], name(path))

    def test_each_library_is_known_to_its_own_files_only(self):
        for pattern, allowed in LIBRARY.items():
            users = {name(path) for path in sources("*/*.[ch]")
                     if re.search(f"#include (?:{pattern})",
                                  path.read_text())}
            self.assertTrue(users, pattern)
            self.assertLessEqual(users, allowed, pattern)

    def test_core_calls_nothing_but_pure_functions(self):
        objects = sorted((BUILD / "local_scan/core").glob("*.o"))
        self.assertGreaterEqual(len(objects), len(sources("core/*.c")))
        for path in objects:
            table = subprocess.run(["nm", "-u", path], check=True, text=True,
                                   stdout=subprocess.PIPE).stdout
            called = {line.split()[-1] for line in table.splitlines()}
            called = {word for word in called if not word.startswith("og_")}
            self.assertLessEqual(called, CORE_MAY_CALL, path.name)

    def test_the_plug_in_calls_no_banned_function(self):
        plugin = subprocess.run(
            ["nm", "-D", "-u", BUILD / "outgate-seal.so"], check=True,
            text=True, stdout=subprocess.PIPE).stdout
        called = {line.split()[-1].partition("@")[0]
                  for line in plugin.splitlines()}
        self.assertFalse(called & set(BANNED))
        self.assertIn("slapi_pblock_get", called)

    def test_the_module_calls_no_banned_function(self):
        module = subprocess.run(
            ["nm", "-D", "-u", BUILD / "outgate.so"], check=True, text=True,
            stdout=subprocess.PIPE).stdout
        called = {line.split()[-1].partition("@")[0]
                  for line in module.splitlines()}
        self.assertFalse(called & set(BANNED))
        self.assertIn("log_write", called)


if __name__ == "__main__":
    tap.main()

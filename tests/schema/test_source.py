#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_source.py - outgate.toml, what is generated from it, and the C code.

No server is needed: test_openldap.py asks one.
"""

import pathlib
import re
import subprocess
import sys
import tempfile
import tomllib
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
SCHEMA = TOP / "ldap-schema"
CORE = TOP / "local_scan" / "core"
sys.path.insert(0, str(TOP / "tests" / "lib"))

import tap  # noqa: E402

# What has been published.  A line may be added here, never changed: a directory
# that holds the old meaning of a number cannot be told about a new one.
ROOT = "2.25.166964127675132833053939338105204730945"
OIDS = [
    ("outgateAllowed", "attribute", 1),
    ("outgateAllowedHost", "attribute", 2),
    ("outgateAddress", "attribute", 3),
    ("outgateHost", "attribute", 4),
    ("outgatePort", "attribute", 5),
    ("outgateTLS", "attribute", 6),
    ("outgateLogin", "attribute", 7),
    ("outgatePassword", "attribute", 8),
    ("outgateProof", "attribute", 9),
    ("outgateEnabled", "attribute", 10),
    ("outgateStatus", "attribute", 11),
    ("outgatePolicy", "class", 1),
    ("outgateAccount", "class", 2),
    ("outgateEntry", "class", 3),
]

# The size in the C code, with the NUL, of what an attribute's value goes into.
BOUNDS = [
    ("outgateAllowedHost", "host.h", "OG_HOST_SIZE", 2),  # and "*."
    ("outgateAddress", "address.h", "OG_ADDRESS_SIZE", 0),
    ("outgateHost", "host.h", "OG_HOST_SIZE", 0),
    ("outgateLogin", "record.h", "OG_VALUE_SIZE", 0),
    ("outgatePassword", "record.h", "OG_SEALED_SIZE", 0),
    ("outgateProof", "record.h", "OG_PROOF_SIZE", 0),
]

GENERATED = ("outgate.schema", "outgate.ldif", "389-schema.ldif",
             "ad-schema.ldif", "ad-access.sddl", "ad-entries.sddl",
             "ad-delegate.sddl")

# What must not get past load(): (sentence, text of outgate.toml, in its place).
BROKEN = [
    ("a number used twice is refused", "number = 11", "number = 10"),
    ("a name used twice is refused", "outgateStatus\"\nn", "outgateHost\"\nn"),
    ("a misspelt key is refused", "single = true", "signle = true"),
    ("an unknown syntax is refused", 'syntax = "integer"', 'syntax = "int"'),
    ("a secret that can be compared is refused",
     'equality = "none"', 'equality = "exact"'),
    ("an attribute that nobody is said to write is refused",
     'access = "status"', 'access = "stauts"'),
    ("a class with an undeclared attribute is refused",
     'must = ["cn"]', 'must = ["sn"]'),
]


def constant(header, name):
    """The value of a #define that is a sum of numbers."""
    text = (CORE / header).read_text()
    found = re.search(rf"^#define {name} \(?([0-9 +]+)\)?$", text, re.M)
    return sum(int(number) for number in found.group(1).split("+"))


def generate(folder, *arguments):
    return subprocess.run(
        [sys.executable, str(folder / "generate.py"), *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={"PYTHONDONTWRITEBYTECODE": "1"})


@tap.tables
class Source(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.schema = tomllib.loads((SCHEMA / "outgate.toml").read_text())

    def item(self, name):
        return next(item for item in
                    self.schema["attribute"] + self.schema["class"]
                    if item["name"] == name)

    @tap.rows([(f"{name} has its number for ever", name, arc, number)
               for name, arc, number in OIDS])
    def oid(self, name, arc, number):
        self.assertEqual(self.item(name)["number"], number)
        oid = self.schema["oid"]
        self.assertEqual((oid["root"], oid["attribute"], oid["class"]),
                         (ROOT, 1, 2))
        self.assertIn(self.item(name), self.schema[arc])

    def test_all(self):
        """no attribute and no class is missing from the list of numbers"""
        names = {item["name"] for item in
                 self.schema["attribute"] + self.schema["class"]}
        self.assertEqual(names, {name for name, *_ in OIDS})

    @tap.rows([(f"{name} is as long as the C code takes it", name, *where)
               for name, *where in BOUNDS])
    def bound(self, name, header, size, more):
        self.assertEqual(self.item(name)["max"],
                         constant(header, size) + more - 1)

    def test_same_gateway(self):
        """a gateway has the same attributes in both kinds of entry"""
        self.assertEqual(self.item("outgateAccount")["may"],
                         self.item("outgateEntry")["may"])


@tap.tables
class Generator(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="outgate-schema.")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        for name in "generate.py", "outgate.toml":
            (self.folder / name).write_text((SCHEMA / name).read_text())

    def test_committed(self):
        """the committed files are what outgate.toml generates"""
        done = generate(SCHEMA, "--check")
        self.assertEqual((done.returncode, done.stdout), (0, ""))

    def test_writes(self):
        """generating writes the committed files"""
        self.assertEqual(generate(self.folder).returncode, 0)
        for name in GENERATED:
            self.assertEqual((self.folder / name).read_text(),
                             (SCHEMA / name).read_text())

    def test_check_notices(self):
        """a file changed by hand is noticed, and left alone"""
        generate(self.folder)
        path = self.folder / "outgate.ldif"
        path.write_text(path.read_text() + "\n")
        changed = path.read_text()
        done = generate(self.folder, "--check")
        self.assertEqual(done.returncode, 1)
        self.assertIn("outgate.ldif", done.stdout)
        self.assertEqual(path.read_text(), changed)

    @tap.rows(BROKEN)
    def broken(self, old, new):
        path = self.folder / "outgate.toml"
        self.assertIn(old, path.read_text())
        path.write_text(path.read_text().replace(old, new))
        done = generate(self.folder)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, r"^outgate\.toml: ")
        self.assertFalse((self.folder / "outgate.schema").exists())


if __name__ == "__main__":
    tap.main()

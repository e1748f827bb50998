#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/agent.md, typed as it stands, on a machine of docs/install-debian.md."""

import pathlib
import re
import sys
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/lib"))

import sandbox
import tap
import world
from debian import Site, sections, type_section
from world import OUTSIDE

PAGE = TOP / "docs/agent.md"
site = None


def setUpModule():
    global site
    site = Site()
    site.__enter__()
    for title in ("What must be there", "Build and install", "Directory",
                  "Settings and keys", "Exim", "Permission"):
        code, printed = type_section(title)
        if code != 0:
            raise AssertionError(f"{title}: {printed}")


def tearDownModule():
    site.__exit__()


class Page(unittest.TestCase):
    """The tests run in this order, each on what the ones before left."""

    def type(self, title):
        code, printed = type_section(title, PAGE)
        self.assertEqual(code, 0, printed)
        for line in sections(PAGE)[title][1].splitlines():
            self.assertIn(line, printed)
        return printed

    def test_1_a_user_of_its_own(self):
        self.type("A user of its own")

    def test_2_directory(self):
        self.type("Directory")

    def test_3_key_and_settings(self):
        self.type("Key and settings")

    def test_4_trying_it(self):
        self.type("Trying it")
        mail, = world.wait(
            lambda: [message for message in
                     site.servers[OUTSIDE].received()
                     if message["To"] == "jo.doe@partner.example"], bool)
        self.assertEqual(mail["Auto-Submitted"], "auto-generated")

    def test_5_a_second_time_it_has_nothing_to_say(self):
        code, printed = type_section("Trying it", PAGE)
        self.assertEqual((code, printed), (0, ""))


if __name__ == "__main__":
    sandbox.enter()
    tap.main()

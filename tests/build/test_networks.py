#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Exim's router and the command refuse to dial the same networks."""

import ipaddress
import pathlib
import re
import sys
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/lib"))

import tap

ROUTERS = TOP / "exim-config/conf.d/router/050_outgate_routers"
TABLE = TOP / "local_scan/core/network.c"


def of_exim():
    """ignore_target_hosts of outgate_gateway, item by item."""
    router = ROUTERS.read_text().partition("\noutgate_gateway:")[2]
    lines = re.search(r"(?m)^  ignore_target_hosts = ((?:.*\\\n)*.*)$",
                      router).group(1)
    return re.split(r"\s*;\s*", lines.replace("\\\n", " ").strip("<; "))


def of_the_command():
    table = TABLE.read_text().partition("} special[] = {")[2]
    return re.findall(r'\{ "([^"]+)", "[^"]+" \}', table.partition("};")[0])


class Networks(unittest.TestCase):
    def test_the_two_lists_are_the_same(self):
        # the other items are the command's getifaddrs() and own_network
        others = ["+include_unknown", "@[]", "OUTGATE_OWN_HOSTS"]
        exim = of_exim()
        self.assertEqual([item for item in exim if "/" not in item], others)
        self.assertEqual(of_the_command(),
                         [item for item in exim if "/" in item])

    def test_every_one_is_a_network(self):
        for text in of_the_command():
            ipaddress.ip_network(text)


if __name__ == "__main__":
    tap.main()

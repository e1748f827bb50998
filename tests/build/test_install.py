#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What is built exports what it must, and installs and leaves cleanly."""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/lib"))

import sandbox
import tap

BUILD = pathlib.Path(os.environ.get("BUILD", TOP / "build")).resolve()

EXPORTS = {"local_scan", "local_scan_version_major",
           "local_scan_version_minor", "outgate_event", "outgate_logged_in", "outgate_login",
           "outgate_may_try", "outgate_password", "outgate_refused",
           "outgate_route"}

# Of Exim's names, those its manual gives to local_scan() and ${dlfunc}
# (specification, 46.3 and 46.5), and string_copy's real name.
EXIM_API = {"body_zerocount", "expand_string", "header_list",
            "host_checking", "log_write", "sender_address",
            "sender_host_authenticated", "smtp_batched_input", "smtp_input",
            "string_copy_function"}


def symbols(kind, name="outgate.so"):
    table = sandbox.run("nm", "-D", kind, BUILD / name)
    return {line.split()[-1] for line in table.splitlines()}


class Module(unittest.TestCase):
    def test_it_exports_exactly_the_names_that_exim_looks_up(self):
        self.assertEqual(symbols("--defined-only"), EXPORTS)

    def test_it_needs_of_exim_only_the_documented_names(self):
        needed = {word for word in symbols("-u") if "@" not in word}
        needed -= {"__gmon_start__", "_ITM_deregisterTMCloneTable",
                   "_ITM_registerTMCloneTable"}
        self.assertEqual(needed, EXIM_API)

    def test_exims_own_binary_has_those_names(self):
        table = sandbox.run("nm", "-D", "--defined-only", "/usr/sbin/exim4")
        exported = {line.split()[-1] for line in table.splitlines()}
        self.assertLessEqual(EXIM_API, exported)


class Plugin(unittest.TestCase):
    def test_it_exports_the_name_that_the_server_is_given_and_no_other(self):
        self.assertEqual(symbols("--defined-only", "outgate-seal.so"),
                         {"outgate_seal_init"})

    def test_the_example_names_it_and_the_place_it_is_installed_in(self):
        text = (TOP / "ldap-schema/openldap-plugin.ldif").read_text()
        self.assertIn("\nolcPlugin: preoperation "
                      "/usr/lib/ldap/outgate-seal.so outgate_seal_init\n",
                      text)


class Installation(unittest.TestCase):
    def make(self, target, *words):
        sandbox.run("make", "-s", "-C", TOP, f"BUILD={BUILD}", target, *words)

    def test_install_then_uninstall_leaves_nothing(self):
        with tempfile.TemporaryDirectory() as folder:
            self.make("install", f"DESTDIR={folder}")
            files = {str(path.relative_to(folder))
                     for path in pathlib.Path(folder).rglob("*")
                     if path.is_file()}
            for name in ("usr/bin/outgate",
                         "usr/lib/exim4/local_scan/outgate.so",
                         "usr/lib/ldap/outgate-seal.so",
                         "usr/share/outgate/outgate.conf.example",
                         "usr/share/outgate/exim-config/outgate.include",
                         "usr/share/outgate/ldap-schema/389-access.ldif",
                         "usr/share/outgate/ldap-schema/ad-access.sddl",
                         "usr/share/outgate/ldap-schema/outgate.schema",
                         "usr/share/outgate/tools/ldif/gateway.sh",
                         "usr/share/outgate/tools/phpldapadmin/settings.php"):
                self.assertIn(name, files)
            self.make("uninstall", f"DESTDIR={folder}")
            left = [path for path in pathlib.Path(folder).rglob("*")
                    if not path.is_dir()]
            self.assertEqual(left, [])

    def test_a_prefix_is_respected(self):
        with tempfile.TemporaryDirectory() as folder:
            self.make("install", f"DESTDIR={folder}", "PREFIX=/opt/outgate")
            self.assertEqual(
                [path.name for path in pathlib.Path(folder).iterdir()],
                ["opt"])


class Configuration(unittest.TestCase):
    CONF = TOP / "exim-config/conf.d"

    def test_the_two_transports_differ_in_how_tls_begins_only(self):
        text = (self.CONF / "transport/050_outgate_transports").read_text()
        first, second, _ = re.split(r"(?m)^outgate_\w+:\n", text)[1:]

        def options(part):
            return [line.strip() for line in part.splitlines()
                    if line.strip() and not line.strip().startswith("#")
                    and "debug_print" not in line]
        first, second = options(first), options(second)
        self.assertEqual(set(first) - set(second), {"protocol = smtps"})
        self.assertEqual(set(second) - set(first), {"protocol = smtp"})

    def test_no_macro_begins_with_the_name_of_another(self):
        # Exim replaces a macro's name within longer words too
        text = (BUILD / "outgate.include").read_text()
        names = set(re.findall(r"(?m)^(OUTGATE_\w+)\s*=", text))
        names |= {"OUTGATE_ROUTERS", "OUTGATE_TRANSPORTS", "OUTGATE_RETRIES",
                  "OUTGATE_AUTHENTICATORS", "OUTGATE_OTHERS_LINE",
                  "OUTGATE_OWN_DELAY_WARNING", "OUTGATE_OWN_INTERFACES"}
        for one in names:
            for other in names - {one}:
                self.assertFalse(other.startswith(one), (one, other))

    def test_every_line_that_carries_a_promise_says_so(self):
        text = "".join(path.read_text() for path in self.CONF.rglob("*_*"))
        for promise in "P1", "P3", "P4", "P5", "P6", "P8", "P10":
            self.assertRegex(text, rf"(?m)^\s*#.*\b{promise}\b")


class Debian(unittest.TestCase):
    """Our split files among Debian's own, generated by update-exim4.conf."""

    @classmethod
    def setUpClass(cls):
        sandbox.run("make", "-s", "-C", TOP, f"BUILD={BUILD}", "install")
        conf = pathlib.Path("/etc/exim4/update-exim4.conf.conf")
        text = re.sub(r"(?m)^dc_use_split_config=.*$",
                      "dc_use_split_config='true'", conf.read_text())
        text = re.sub(r"(?m)^dc_eximconfig_configtype=.*$",
                      "dc_eximconfig_configtype='internet'", text)
        conf.write_text(text)
        sandbox.run("cp", "-r", "/usr/share/outgate/exim-config/conf.d",
                    "/etc/exim4/")
        pathlib.Path(
            "/etc/exim4/conf.d/auth/30_exim4-config_examples").unlink()
        sandbox.run("update-exim4.conf")

    def names(self, kind):
        done = subprocess.run(
            ["exim4", "-bP", f"{kind}_list"], text=True, check=True,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        return done.stdout.split()

    def option(self, *words):
        done = subprocess.run(
            ["exim4", "-bP", *words], text=True, check=True,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        return done.stdout

    def test_our_routers_are_the_first(self):
        self.assertEqual(self.names("router")[:7], [
            "outgate_unscanned", "outgate_refusal", "outgate_held",
            "outgate_loop", "outgate_gateway", "outgate_nowhere",
            "outgate_guard"])

    def test_debians_own_routers_follow(self):
        self.assertIn("dnslookup", self.names("router"))

    def test_our_transports_are_there(self):
        self.assertLessEqual({"outgate_implicit", "outgate_starttls",
                              "remote_smtp"}, set(self.names("transport")))

    def test_the_module_is_named(self):
        self.assertEqual(
            self.option("local_scan_path").strip(),
            "local_scan_path = /usr/lib/exim4/local_scan/outgate.so")

    def test_other_transports_still_find_their_passwords(self):
        text = self.option("authenticator", "outgate_plain")
        self.assertIn("/etc/exim4/passwd.client", text)


if __name__ == "__main__":
    sandbox.enter()
    tap.main()

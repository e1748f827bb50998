#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""outgate doctor: a whole installation passes, and each fault is named.

Real Exim, real slapd, as an administrator has them.  Every row breaks one thing
and expects one line to fail, and no other; afterwards all is whole again.
"""

import contextlib
import os
import pathlib
import pty
import pwd
import re
import shutil
import socket
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

import sandbox
import tap
from sandbox import run
from slapd import Slapd, check
from world import JO, ORG_PASSWORDS, PARTNER_PASSWORDS, RELAY, TOP, World

OUTGATE = "/usr/bin/outgate"
EXIM = "/usr/sbin/exim4"
MODULE = pathlib.Path("/usr/lib/exim4/local_scan/outgate.so")
ETC = pathlib.Path("/etc/outgate")
CONF = ETC / "outgate.conf"
SEAL, PROOF = ETC / "seal", ETC / "proof"
SCHEMA = TOP / "ldap-schema/outgate.schema"
SECRETS = [RELAY[1], *PARTNER_PASSWORDS.values(), *ORG_PASSWORDS.values()]

world = None


def setUpModule():
    global world
    world = World()
    world.__enter__()
    world.seal_example()
    world.permit()
    run(OUTGATE, "keygen", "--group", "Debian-exim", "--proof", "--name", "p1")
    # made by the module when a gateway fails
    state = world.org.folder / "spool/outgate"
    state.mkdir(mode=0o700)
    shutil.chown(state, "Debian-exim")


def tearDownModule():
    world.__exit__()


# ---- how to break something ----

@contextlib.contextmanager
def changed(path, old, new, count=1):
    """A file with some of its text replaced."""
    text = path.read_text()
    mended = text.replace(old, new, count)
    if mended == text:
        raise AssertionError(f"{path} has no {old!r}")
    # rewritten in place: owner and mode stay
    path.write_text(mended)
    try:
        yield
    finally:
        path.write_text(text)


@contextlib.contextmanager
def mode(path, bits, owner=None, group=None):
    before = os.stat(path, follow_symlinks=False)
    if owner or group:
        shutil.chown(path, owner, group)
    os.chmod(path, bits)
    try:
        yield
    finally:
        os.chown(path, before.st_uid, before.st_gid)
        os.chmod(path, before.st_mode & 0o7777)


@contextlib.contextmanager
def instead(path, make=lambda path: None):
    """Another file, or none, in the place of one."""
    aside = path.with_name(path.name + ".aside")
    path.rename(aside)
    try:
        make(path)
        yield
    finally:
        remove(path)
        aside.rename(path)


@contextlib.contextmanager
def added(path, make):
    make(path)
    try:
        yield
    finally:
        remove(path)


def remove(path):
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def include(old, new):
    return lambda: changed(world.org.etc / "outgate.include", old, new)


def exim_conf(old, new):
    return lambda: changed(world.org.etc / "exim4.conf", old, new)


def macro(name, value):
    return exim_conf(".include", f"{name} = {value}\n.include")


def conf(old, new):
    return lambda: changed(CONF, old, new)


def settings(line):
    """outgate.conf with one more line."""
    return conf("org_domain", f"{line}\norg_domain")


def key(name="*.key"):
    return next(SEAL.glob(name))


def library(source):
    """Write a shared library made of some C."""
    def make(path):
        text = path.with_suffix(".c")
        text.write_text(source)
        run("gcc", "-shared", "-fPIC", "-o", path, text)
        text.unlink()
    return make


FUNCTIONS = ("outgate_event", "outgate_logged_in", "outgate_login",
             "outgate_may_try",
             "outgate_password", "outgate_refused", "outgate_route")
FUNCTION = """\
int {0}(unsigned char **out, int argc, unsigned char **argv)
{{
	*out = (unsigned char *)"{0} takes something";
	return argc == 0 ? 2 : 0;
}}
"""


# What the Exim here wants; the header is installed with it.
HEADER = pathlib.Path("/usr/include/exim4/local_scan.h")
MAJOR = int(re.search(r"LOCAL_SCAN_ABI_VERSION_MAJOR (\d+)",
                      HEADER.read_text()).group(1))


def stand_in(major=MAJOR, without=None):
    """A module that does nothing, and may be wrong in one way."""
    table = {name: FUNCTION.format(name) for name in FUNCTIONS}
    table["local_scan_version_major"] = (
        f"int local_scan_version_major(void) {{ return {major}; }}\n")
    table["local_scan_version_minor"] = (
        "int local_scan_version_minor(void) { return 0; }\n")
    table["local_scan"] = (
        "int local_scan(int fd, unsigned char **text) { return 0; }\n")
    table.pop(without, None)
    return library("".join(table.values()))


# ---- what is expected ----

class Doctor(unittest.TestCase):
    def examine(self, *words):
        done = world.doctor(*words)
        for secret in SECRETS:
            self.assertNotIn(secret, done.stdout + done.stderr)
        return done

    def lines(self, done, word):
        return [line for line in done.stdout.splitlines()
                if line.startswith(word)]

    def fails(self, pattern, *words, code=1, count=1):
        """
        Exactly one line fails, and it is this one; with a count there are so
        many, each like this.
        """
        done = self.examine(*words)
        failed = self.lines(done, "FAILED")
        self.assertEqual(len(failed), count, done.stdout + done.stderr)
        for line in failed:
            self.assertRegex(line, pattern)
        self.assertEqual(done.returncode, code)

    def warns(self, pattern):
        """Exactly one line warns, none fails."""
        done = self.examine()
        self.assertEqual(self.lines(done, "FAILED"), [])
        warnings = self.lines(done, "warning")
        self.assertEqual(len(warnings), 1, done.stdout)
        self.assertRegex(warnings[0], pattern)
        self.assertEqual(done.returncode, 0)

    def passes(self, *words):
        done = self.examine(*words)
        self.assertEqual([line for line in done.stdout.splitlines()
                          if not line.startswith("ok ")], [])
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done


class Whole(Doctor):
    def test_a_whole_installation_passes_and_no_line_warns(self):
        lines = self.passes().stdout.splitlines()
        areas = {line.split()[1] for line in lines}
        self.assertEqual(areas, {"settings", "seal", "proof", "state", "exim",
                                 "module", "directory"})

    def test_nothing_is_left_behind(self):
        # in an empty /tmp, but for the sandbox
        script = ("mkdir /run/aside; mount --bind $1 /run/aside; "
                  "mount -t tmpfs -o mode=1777 tmp /tmp; mkdir $1; "
                  "mount --bind /run/aside $1; $2 doctor; echo; ls /tmp")
        done = world.org.inside("sh", "-ec", script, "sh", world.folder,
                                OUTGATE)
        self.assertIn("Exim loads it and gets an answer", done.stdout)
        self.assertEqual(done.stdout.partition("\n\n")[2],
                         world.folder.name + "\n")
        self.assertEqual(world.queue(), "")

    def test_nothing_is_written_to_exims_logs_but_who_called(self):
        before, panic = world.org.log(), world.org.log("paniclog")
        self.passes()
        news = world.org.log().removeprefix(before).splitlines()
        self.assertEqual([line for line in news if " args: " not in line], [])
        self.assertEqual(world.org.log("paniclog"), panic)

    def test_colour_is_for_a_terminal_only(self):
        self.assertNotIn("\x1b", self.passes().stdout)
        ours, theirs = pty.openpty()
        subprocess.run([OUTGATE, "doctor", "--exim", "/gone"],
                       stdout=theirs, check=False)
        os.close(theirs)
        text = os.read(ours, 65536).decode()
        os.close(ours)
        self.assertIn("\x1b[32mok", text)

    def test_without_root_it_says_that_it_needs_root(self):
        done = subprocess.run(
            ["setpriv", "--reuid", "nobody", "--clear-groups", OUTGATE,
             "doctor"], stdout=subprocess.PIPE, text=True, check=False)
        self.assertRegex(done.stdout, "^FAILED  doctor     run it as root")
        self.assertEqual(done.returncode, 1)

    def test_a_wrong_command_line_is_64(self):
        for words in (["--no-such"], ["--exim"], ["word"], ["--exim", "x"]):
            done = self.examine(*words)
            self.assertEqual((done.returncode, done.stdout), (64, ""))

    def test_help_tells_the_options(self):
        self.assertIn("--exim PATH", self.examine("--help").stdout)

    def test_a_full_disk_is_a_failure(self):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([OUTGATE, "doctor", "--help"], stdout=full,
                                  stderr=subprocess.PIPE, check=False)
        self.assertEqual(done.returncode, 74)


# ---- every line of what outgate ships ----

# Lines that carry no promise, or that only say what Exim does anyway.
TASTE = {"debug_print", "multi_domain", "connect_timeout", "command_timeout",
         "data_timeout", "final_timeout", "hosts_try_fastopen"}
# These say Exim's default, so that a site's habits do not matter.  Without the
# line all is well; with another value it is not.
DEFAULTS = {
    ("outgate_starttls", "protocol"): "smtps",
    ("outgate_implicit", "tls_verify_certificates"): "/nonexistent",
    ("outgate_starttls", "tls_verify_certificates"): "/nonexistent",
    ("outgate_implicit", "tls_verify_cert_hostnames"): "",
    ("outgate_starttls", "tls_verify_cert_hostnames"): "",
    ("outgate_refusal", "retry_use_local_part"): "false",
    ("outgate_gateway", "retry_use_local_part"): "false",
}
# What Exim itself derives from an option, or an option stands for.
DERIVED = {"condition": "condition|retry_use_local_part",
           "protocol": "protocol|port", "no_more": "more",
           "no_verify": "verify_recipient|verify_sender", "no_expn": "expn"}
# Main options that another check looks at, or none.
MAIN_ELSEWHERE = {"local_scan_path", "local_scan_timeout", "delay_warning",
                  "delay_warning_condition"}


def shipped():
    """The include file as a list of (section, head, option, its text)."""
    text = run(TOP / "exim-config/include.sh")
    text = re.sub(r"(?m)^ *#.*\n", "", text)
    section, head, found = "main", None, []
    names = {".ifdef OUTGATE_AUTHENTICATORS": "authenticator",
             ".elifdef OUTGATE_RETRIES": "retry",
             ".elifdef OUTGATE_TRANSPORTS": "transport",
             ".elifdef OUTGATE_ROUTERS": "router", ".else": "main"}
    for line in re.findall(r"(?:[^\n]*\\\n)*[^\n]*\n", text):
        section = names.get(line.strip(), section)
        label = re.fullmatch(r"(\w+):\n", line)
        option = re.match(r"(?:addresslist )?([a-z]\w*)", line.strip())
        if label:
            head = label.group(1)
        elif line.startswith("+"):
            found.append((section, "", line.split("  ")[0], line))
        elif option:
            found.append((section, head, option.group(1), line))
    return found


def lines_of(*sections):
    for section, head, option, text in shipped():
        if section in sections and option not in TASTE and (
                head, option) not in DEFAULTS:
            yield (f"{head} without {text.split(chr(92))[0].strip()}",
                   head, option, text)


def in_main():
    return [(f"the main section without {option}", option, text)
            for section, _, option, text in shipped()
            if section == "main" and option not in MAIN_ELSEWHERE]


def in_retry():
    return [(f"without the retry rule {' '.join(text.split())}", text)
            for section, _, _, text in shipped() if section == "retry"]


def cut(text, head, option):
    """The include file without one line of one driver."""
    before, label, rest = text.partition(f"\n{head}:\n")
    body = re.sub(r"(?m)^ *#.*\n", "", rest)
    assert option in body
    return before + label + body.replace(option, "", 1)


@tap.tables
class Shipped(Doctor):
    @tap.rows(list(lines_of("router", "transport", "authenticator")))
    def a_line(self, head, option, text):
        path = world.org.etc / "outgate.include"
        whole = path.read_text()
        path.write_text(cut(whole, head, text))
        names = DERIVED.get(option, option)
        try:
            done = self.examine()
            failed = self.lines(done, "FAILED")
            self.assertTrue(failed, done.stdout)
            for line in failed:
                self.assertRegex(line, f" {head}: ({names}) "
                                 "|Exim refuses its configuration")
            self.assertEqual(done.returncode, 1)
        finally:
            path.write_text(whole)

    @tap.rows([(f"{head} with another {option}", head, option, value)
               for (head, option), value in DEFAULTS.items()])
    def a_default(self, head, option, value):
        path = world.org.etc / "outgate.include"
        whole = path.read_text()
        before, label, rest = whole.partition(f"\n{head}:\n")
        path.write_text(before + label + re.sub(
            f"(?m)^  {option}( = .*)?$", f"  {option} = {value}", rest,
            count=1))
        names = DERIVED.get(option, option)
        try:
            self.fails(f" {head}: ({names}) ", count=names.count("|") + 1)
        finally:
            path.write_text(whole)

    @tap.rows(in_main())
    def main_line(self, option, text):
        with include(text, "")():
            self.fails(option)

    @tap.rows(in_retry())
    def retry_rule(self, text):
        with include(text, "")():
            self.fails("retry rule . must be")

    @tap.rows([(f"without the {kind} {head}", kind, head)
               for kind, head in sorted({(section, head) for section, head, *_
                                         in shipped() if head and
                                         section in ("transport",
                                                     "authenticator")})])
    def a_driver(self, kind, head):
        path = world.org.etc / "outgate.include"
        whole = path.read_text()
        path.write_text(re.sub(rf"(?ms)^{head}:\n.*?\n(?=\n|\.)", "", whole))
        try:
            self.fails(f"the {head} {kind} is missing|"
                       "Exim refuses its configuration")
        finally:
            path.write_text(whole)


# ---- Exim ----

REDIRECT_FIRST = "aliases:\n  driver = redirect\n  data = postmaster\n"
FIRST_ROUTERS = "OUTGATE_ROUTERS = yes\n"
CLIENT = """\
elsewhere:
  driver = plaintext
  public_name = XOAUTH2
  client_send = :secret
"""


@tap.tables
class EximConfiguration(Doctor):
    @tap.rows([
        ("F87: a redirect router before outgate's",
         exim_conf(FIRST_ROUTERS, REDIRECT_FIRST + FIRST_ROUTERS),
         "router aliases stands where outgate_unscanned must"),
        ("F86: control = cutthrough_delivery in an ACL",
         exim_conf("control = submission", "control = cutthrough_delivery\n"
                   "         control = submission"),
         "cutthrough_delivery"),
        ("F86: cutthrough_delivery with options, in another ACL",
         exim_conf("begin acl\n", "begin acl\nother:\n  warn control = "
                   "cutthrough_delivery/defer=pass\n"), "cutthrough_delivery"),
        ("no control = submission",
         exim_conf("         control = submission/domain=org.example\n", ""),
         "no ACL has control = submission"),
        ("control = submission/sender_retain",
         exim_conf("submission/domain=org.example",
                   "submission/sender_retain"), "submission/sender_retain"),
        ("control = submission for hosts that need no login only",
         exim_conf("authenticated = *", "hosts = 127.0.0.1"),
         "no ACL has control = submission"),
        ("a retry rule before outgate's",
         exim_conf("begin retry\n", "begin retry\n* * F,1h,5m\n"),
         "retry rule 1 must be"),
        ("another client authenticator",
         exim_conf("OUTGATE_AUTHENTICATORS = yes\n",
                   CLIENT + "OUTGATE_AUTHENTICATORS = yes\n"),
         "authenticator elsewhere would log in at users' gateways"),
        ("DKIM on a gateway's transport",
         include("  protocol = smtps\n",
                 "  protocol = smtps\n  dkim_domain = org.example\n"),
         "outgate_implicit: dkim_domain must be empty"),
        ("a fallback host on a gateway's transport",
         include("  protocol = smtp\n",
                 "  protocol = smtp\n  fallback_hosts = mx.org.example\n"),
         "outgate_starttls: fallback_hosts must be empty"),
        ("a router of outgate's for some domains only",
         include("  driver = redirect\n",
                 "  driver = redirect\n  domains = org.example\n"),
         "outgate_refusal: domains must be empty"),
        ("a range that gateways may lead to",
         include(" 10.0.0.0/8 ;", ""),
         r"outgate_gateway: ignore_target_hosts lacks 10\.0\.0\.0/8"),
        ("an IPv6 range that gateways may lead to",
         include(" ; 8000::/1", ""),
         "outgate_gateway: ignore_target_hosts lacks 8000::/1"),
        ("local_scan_path dropped",
         include("local_scan_path = OUTGATE_MODULE\n", ""),
         "local_scan_path is not set"),
        ("local_scan_path of another module",
         include("local_scan_path = OUTGATE_MODULE",
                 "local_scan_path = /usr/lib/exim4/other.so"),
         "local_scan_path is /usr/lib/exim4/other.so"),
        ("local_scan_timeout below timeout_ms",
         include("local_scan_timeout = 20s", "local_scan_timeout = 2s"),
         "local_scan_timeout is 2s"),
        ("local_scan_timeout switched off",
         include("local_scan_timeout = 20s", "local_scan_timeout = 0s"),
         "local_scan_timeout is 0s"),
        ("a module in another place that does not exist",
         macro("OUTGATE_MODULE", "/usr/lib/exim4/gone.so"),
         "gone.so: No such file"),
        ("no authorities", macro("OUTGATE_AUTHORITIES", ""),
         "OUTGATE_AUTHORITIES"),
        ("authorities that cannot be read",
         macro("OUTGATE_AUTHORITIES", "/etc/nowhere.pem"),
         "cannot read /etc/nowhere.pem"),
        ("a text for bounces that cannot be read",
         macro("OUTGATE_BOUNCE_TEXT", "/etc/nowhere.txt"),
         "bounce_message_file: .*cannot read /etc/nowhere.txt"),
        ("a text for warnings that cannot be read",
         macro("OUTGATE_WARNING_TEXT", "/etc/nowhere.txt"),
         "warn_message_file: .*cannot read /etc/nowhere.txt"),
        ("a text for bounces that does not mark them",
         macro("OUTGATE_BOUNCE_TEXT", "/etc/hosts"),
         "bounce_message_file: /etc/hosts lacks .*Outgate-Notice"),
        ("a text for warnings that does not mark them",
         macro("OUTGATE_WARNING_TEXT", "/etc/hosts"),
         "warn_message_file: /etc/hosts lacks .*Outgate-Notice"),
        ("warnings in Exim's own words",
         include("warn_message_file = ${if match {$local_scan_data}"
                 "{^og=1 way=gateway }\\\n  {OUTGATE_WARNING_TEXT}"
                 "{OUTGATE_OTHERS_WARNING}}\n", ""),
         "warn_message_file is not as outgate ships it: P10"),
        ("other settings in Exim's environment",
         exim_conf("keep_environment =",
                   "add_environment = A=b : OUTGATE_CONF=/etc/o.conf\n"
                   "keep_environment ="),
         "the module reads /etc/o.conf"),
        ("a configuration that Exim refuses",
         exim_conf("begin acl", "nonsense\nbegin acl"),
         'Exim refuses its configuration: .*option "nonsense" unknown'),
        ("two client authenticators of one name",
         exim_conf("OUTGATE_AUTHENTICATORS = yes\n",
                   CLIENT.replace("XOAUTH2", "PLAIN") +
                   "OUTGATE_AUTHENTICATORS = yes\n"),
         "Exim refuses its configuration"),
    ])
    def a_fault(self, broken, pattern):
        with broken():
            self.fails(pattern)

    @tap.rows([
        ("more ranges that gateways may not lead to",
         include(" ; 8000::/1", " ; 8000::/1 ; 192.0.2.0/24")),
        ("the ranges as a list with colons",
         lambda: with_colons()),
        ("more headers that stay here",
         include("Sender : Resent-Sender", "Sender : Resent-Sender : X-Id")),
        ("other patience and times",
         macro("OUTGATE_PATIENCE", "86400")),
        ("another retry rule", exim_conf("F,3650d,1s\n", "F,3650d,1h\n")),
        ("an address for outgoing connections",
         include("  protocol = smtps\n",
                 "  protocol = smtps\n  interface = 192.0.2.1\n")),
        ("a client authenticator that keeps away from gateways",
         exim_conf("OUTGATE_AUTHENTICATORS = yes\n",
                   CLIENT + "  client_condition = ${if !match "
                   "{$transport_name}{^outgate_}}\n"
                   "OUTGATE_AUTHENTICATORS = yes\n")),
        ("sender_retain for hosts that need no login",
         exim_conf("  accept domains = +local_domains\n",
                   "  accept hosts = 192.0.2.7\n"
                   "         control = submission/sender_retain\n"
                   "  accept domains = +local_domains\n")),
    ])
    def a_matter_of_taste(self, different):
        with different():
            self.passes()

    def test_routers_in_another_order(self):
        path = world.org.etc / "outgate.include"
        whole = path.read_text()
        first, second = "\noutgate_refusal:\n", "\noutgate_held:\n"
        a, b = whole.index(first), whole.index(second)
        end = whole.index("\n\n", b)
        path.write_text(whole[:a] + whole[b:end] + "\n" + whole[a:b] +
                        whole[end:])
        try:
            self.fails("router outgate_held stands where outgate_refusal must")
        finally:
            path.write_text(whole)

    def test_no_outgate_in_the_configuration_at_all(self):
        path = world.org.etc / "exim4.conf"
        whole = path.read_text()
        path.write_text(re.sub(r"(?m)^\.include.*\n|^.*OUTGATE.*\n|"
                               r"^  \$\{lookup.*\n", "", whole))
        try:
            done = self.examine()
        finally:
            path.write_text(whole)
        failed = "\n".join(self.lines(done, "FAILED"))
        for text in ("local_scan_path is not set",
                     "router local stands where outgate_unscanned must",
                     "the outgate_gateway router is missing",
                     "the outgate_implicit transport is missing",
                     "the outgate_plain authenticator is missing"):
            self.assertIn(text, failed)


def with_colons():
    path = world.org.etc / "outgate.include"
    found = re.search(r"(?s)ignore_target_hosts = (<;.*?OUTGATE_OWN_HOSTS\n)",
                      path.read_text()).group(1)
    items = [item.replace(":", "::") for item in
             found.replace("\\\n", "").removeprefix("<;").split(";")]
    return changed(path, found, ":".join(items))


@tap.tables
class Module(Doctor):
    @tap.rows([
        ("F01: the module is missing", lambda: instead(MODULE),
         "outgate.so: No such file"),
        ("the module is no library",
         lambda: instead(MODULE, lambda path: path.write_text("text")),
         "Exim cannot use it: |Exim cannot call"),
        ("T51: others may write the module", lambda: mode(MODULE, 0o666),
         "must be a file of root's"),
        ("T51: the module is not root's",
         lambda: mode(MODULE, 0o644, "nobody"), "must be a file of root's"),
        ("T51: others may replace the module",
         lambda: mode(MODULE.parent, 0o777), "/local_scan: not root's alone"),
        ("Exim's user cannot read the module", lambda: mode(MODULE, 0o600),
         "cannot read it|Exim cannot use it"),
    ])
    def a_fault(self, broken, pattern):
        """Exim cannot load it, and so can call no function either."""
        with broken():
            done = self.examine()
        failed = self.lines(done, "FAILED")
        self.assertTrue(failed, done.stdout)
        for line in failed:
            self.assertRegex(line, f"module .*({pattern})")
        self.assertRegex("\n".join(failed), pattern.split("|")[0])
        self.assertEqual(done.returncode, 1)

    def test_the_stand_in_for_the_module_is_one(self):
        with instead(MODULE, stand_in()):
            self.passes()

    def test_F03_the_module_is_for_another_version_of_exims_interface(self):
        with instead(MODULE, stand_in(major=MAJOR - 1)):
            self.fails(rf"compiled for version {MAJOR - 1}\.0")

    @tap.rows([(f"a module without {name}", name) for name in FUNCTIONS])
    def a_function_is_missing(self, name):
        with instead(MODULE, stand_in(without=name)):
            # Exim asks for this one before each message
            first = name == "outgate_refused"
            self.fails(f"Exim cannot call {name}|Exim cannot use it: .*{name}",
                       count=2 if first else 1)

    @tap.rows([(f"a module without {name}", name) for name in (
        "local_scan", "local_scan_version_major", "local_scan_version_minor")])
    def a_name_is_missing(self, name):
        with instead(MODULE, stand_in(without=name)):
            self.fails(rf"doesn't contain {name}\(\)")


FAKE = """\
#!/bin/sh
# Exim, but for one thing.
said=$({0} "$@"); code=$?
printf '%s\\n' "$said" | sed '{1}'
exit $code
"""


@tap.tables
class Binary(Doctor):
    @tap.rows([
        ("an Exim of long ago", "s/^Exim version [0-9.]*/Exim version 4.92/",
         r"version 4\.92: outgate needs 4\.96"),
        ("an Exim without dlfunc", "s/Expand_dlfunc//",
         "built without EXPAND_DLFUNC"),
        ("an Exim without events", "s/ Event / /",
         "built without events"),
        ("an Exim without any local_scan()", "/^local_scan_path/d",
         "knows no local_scan_path"),
    ])
    def another(self, change, pattern):
        fake = world.folder / "exim"
        fake.write_text(FAKE.format(EXIM, change))
        fake.chmod(0o755)
        self.fails(pattern, "--exim", fake)

    def test_an_exim_with_outgate_compiled_in(self):
        fake = world.folder / "exim"
        fake.write_text(FAKE.format(EXIM, "/^local_scan_path/d") +
                        "# outgate: way=\n")
        fake.chmod(0o755)
        self.assertIn("compiled into", self.passes("--exim", fake).stdout)

    def test_no_exim_there(self):
        self.fails("/gone: No such file", "--exim", "/gone")

    def test_something_else_than_exim(self):
        self.fails("/bin/true does not say that it is Exim", "--exim",
                   "/bin/true")

    def test_the_shipped_text_is_missing(self):
        shipped_text = pathlib.Path(
            "/usr/share/outgate/exim-config/outgate.include")
        with instead(shipped_text):
            self.fails("outgate's own text cannot be compared with")


# ---- settings and files ----

def faked(days, *words):
    """A key made so many days ago."""
    run("faketime", "-f", f"-{days}d", OUTGATE, "keygen", *words)


@contextlib.contextmanager
def only_key(days):
    aside = ETC / "seal.aside"
    SEAL.rename(aside)
    try:
        faked(days, "--group", "Debian-exim", "--name", "old")
        yield
    finally:
        shutil.rmtree(SEAL)
        aside.rename(SEAL)


@contextlib.contextmanager
def mixed_pair():
    """The key of one pair with the certificate of another."""
    run(OUTGATE, "keygen", "--group", "Debian-exim", "--name", "other")
    shutil.copy(key("[0-9]*.key"), SEAL / "other.key")
    try:
        yield
    finally:
        (SEAL / "other.key").unlink()
        (SEAL / "other.crt").unlink()


def bind(bits, password="outgate-secret"):
    """A bind by name, with a password file of this mode."""
    @contextlib.contextmanager
    def change():
        path = ETC / "ldap.secret"
        path.write_text(password)
        shutil.chown(path, "root", "Debian-exim")
        path.chmod(bits)
        try:
            with settings(
                    "bind_dn cn=outgate,ou=services,dc=org,dc=example\n"
                    f"bind_password_file {path}")():
                yield
        finally:
            path.unlink()
    return change


def state(change, *words):
    return lambda: change(world.org.folder / "spool/outgate", *words)


@contextlib.contextmanager
def no_state_possible():
    spool = world.org.folder / "spool"
    with instead(spool / "outgate"), mode(spool, 0o755, "root"):
        yield


@tap.tables
class Settings(Doctor):
    @tap.rows([
        ("F78: no settings", lambda: instead(CONF), "No such file"),
        ("F78: an unknown key", settings("no_such_key 1"),
         r"outgate\.conf:\d+: unknown key 'no_such_key'"),
        ("F78: a key twice", settings("base dc=org"), "'base' is given twice"),
        ("F78: others may write the settings", lambda: mode(CONF, 0o666),
         "mode 0666"),
        ("F78: the settings are a link",
         lambda: instead(CONF, lambda path: path.symlink_to(
             path.with_name(path.name + ".aside"))), "is a link"),
    ])
    def unusable(self, broken, pattern):
        """Nothing can be said about files and directory then."""
        with broken():
            self.fails(f"settings .*{pattern}", code=78)

    def test_dash_c_names_other_settings(self):
        other = ETC / "other.conf"
        shutil.copy(CONF, other)
        try:
            done = world.org.inside(OUTGATE, "-C", other, "doctor")
        finally:
            other.unlink()
        self.assertEqual(len(self.lines(done, "FAILED")), 1, done.stdout)
        self.assertIn(f"the module reads {CONF} and not {other}", done.stdout)

    @tap.rows([
        ("F78: Exim's user cannot read the settings",
         lambda: mode(CONF, 0o600), "settings .*cannot use them: .*denied"),
        ("T40: others may replace the settings", lambda: mode(ETC, 0o777),
         "/etc/outgate: not root's alone", 3),
        ("the bind password is readable by others", bind(0o644),
         "(bind_password_file|no answer).*: .*mode 0644", 2),
        ("the bind password is not readable by Exim's user", bind(0o600),
         "(bind_password_file|no answer).*: .*denied", 2),
        ("the bind password is empty", bind(0o640, ""),
         "bind_password_file: .*empty|needs a name and a password", 2),
        ("a file of CAs that is not there",
         settings("tls_ca_file /etc/nowhere.pem"), "tls_ca_file"),
        ("F18: a key that others can read", lambda: mode(key(), 0o644),
         "seal .*mode 0644 lets others read|has no key", 2),
        ("F18: a key that a foreign group can read",
         lambda: mode(key(), 0o640, None, "games"),
         "seal .*(readable by group|Permission denied|has no key)", 3),
        ("F18: a key that only root can read", lambda: mode(key(), 0o600),
         "seal .*Permission denied|has no key", 2),
        ("F18: a key that is a link",
         lambda: instead(key(), lambda path: path.symlink_to(
             path.with_name(path.name + ".aside"))),
         "seal .*is a link|has no key", 2),
        ("F18: an empty key",
         lambda: instead(key(), made_key("")), 
         "seal .*not a private key|has no key", 2),
        ("F18: a directory of keys that is open to others",
         lambda: mode(SEAL, 0o755), "seal .*lets others in"),
        ("F18: no directory of keys", lambda: instead(SEAL),
         "seal_dir cannot be used"),
        ("F18: no certificate at all",
         lambda: instead(key("*.crt")), "seal .*has no key"),
        ("F18: a key that belongs to another certificate", mixed_pair,
         "seal .*not the key of other.crt"),
        ("no directory of proofs", lambda: instead(PROOF),
         "proof_dir cannot be used"),
        ("a directory of proofs that others may change",
         lambda: mode(PROOF, 0o777), "proof_dir cannot be used"),
        ("no key for proofs", lambda: instead(PROOF / "p1.pub"),
         "no public key"),
        ("a key for proofs that is none",
         lambda: changed(PROOF / "p1.pub", "BEGIN PUBLIC", "BEGIN PUBIC"),
         "cannot verify with p1"),
        ("T16: a key that signs proofs and that Exim's user can read",
         lambda: mode(PROOF / "p1.key", 0o640, "root", "Debian-exim"),
         "forge proofs"),
        ("a state_dir that others can read", state(mode, 0o755),
         "state .*mode 0750"),
        ("a state_dir that its group can write to", state(mode, 0o770),
         "state .*mode 0750"),
        ("a state_dir of somebody else's", state(mode, 0o700, "nobody"),
         "state .*must be a directory of user Debian-exim"),
        ("a state_dir that is a link",
         state(instead, lambda path: path.symlink_to("/tmp")),
         "state .*must be a directory"),
        ("a state_dir that cannot be made", no_state_possible,
         "state .*cannot make it"),
        ("a user that does not exist", settings("user no-such-user"),
         "no user no-such-user|the settings say user no-such-user", 2),
    ])
    def a_fault(self, broken, pattern, count=1):
        with broken():
            self.fails(pattern, count=count)

    @tap.rows([
        ("F20: an expired certificate", lambda: only_key(3660),
         "seal .*has expired"),
        ("F20: a certificate that expires soon", lambda: only_key(3640),
         "seal .*expires in"),
        ("a certificate without its key here",
         lambda: added(SEAL / "b.crt", lambda path: shutil.copy(
             key("*.crt"), path)), "seal .*has no key here"),
        ("proof none", settings("proof none"), "settings .*proof none"),
    ])
    def a_doubt(self, doubtful, pattern):
        with doubtful():
            self.warns(pattern)

    def test_five_certificates_are_too_many_to_seal_for(self):
        with contextlib.ExitStack() as stack:
            for name in "abcd":
                stack.enter_context(added(SEAL / f"{name}.crt", lambda path:
                                          shutil.copy(key("[0-9]*.crt"),
                                                      path)))
            self.fails("seal .*cannot be sealed and opened again: .*1 to 4")

    def test_a_bind_by_name_passes(self):
        with bind(0o640)():
            self.passes()

    def test_a_state_dir_that_is_not_there_yet(self):
        with state(instead)():
            self.passes()


def made_key(text):
    def make(path):
        path.write_text(text)
        shutil.chown(path, "root", "Debian-exim")
        path.chmod(0o640)
    return make


# ---- directory ----

def at(uri):
    return lambda: changed(CONF, f"uri {world.slapd.ldapi}", f"uri {uri}")


@contextlib.contextmanager
def halted():
    world.slapd.halt()
    try:
        yield
    finally:
        world.slapd.start()


def silent(order):
    """Another server that listens and says nothing."""
    @contextlib.contextmanager
    def change():
        path = world.folder / "silent"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            path.chmod(0o777)
            listener.listen()
            uri = "ldapi://" + str(path).replace("/", "%2F")
            try:
                with at(order.format(world.slapd.ldapi, uri))():
                    yield
            finally:
                path.unlink()
    return change


SERVICE = "cn=outgate,ou=services,dc=org,dc=example"
PEER = r'"gidNumber=.*\+uidNumber={},cn=peercred,cn=external,cn=auth"'
# All a mail host needs, as one rule.
READS = f"access to * by dn.exact={SERVICE} read by * none"


def elsewhere(access=READS, schema=None, known=True, database="", text=None):
    """Another directory with the example's people."""
    @contextlib.contextmanager
    def change():
        folder = world.folder / "other"
        source = world.folder / "other.schema"
        source.write_text(schema(SCHEMA.read_text()) if schema else
                          SCHEMA.read_text())
        uid = pwd.getpwnam("Debian-exim").pw_uid
        regexp = f"authz-regexp {PEER.format(uid)} {SERVICE}"
        slapd = Slapd(directory=folder, schema=[source], database=
                      f"{database}\n{access}",
                      config=regexp if known else "")
        folder.chmod(0o755)
        try:
            with slapd:
                fill(slapd, text)
                with at(slapd.ldapi)():
                    yield
        finally:
            shutil.rmtree(folder)
    return change


def fill(slapd, text):
    """The example's entries; jo's with a password."""
    example = (TOP / "ldap-schema/example.ldif").read_text()
    sealed = world.gateway(JO)["outgatepassword"][0]
    example = example.replace(
        "outgateAddress: jo.doe@partner.example\n",
        "outgateAddress: jo.doe@partner.example\n"
        f"outgatePassword: {sealed}\n")
    check(slapd.add(text(example) if text else example, slapd.root),
          "example.ldif")


def schema(pattern, by):
    """The schema with a change."""
    def change(text):
        changed_text, count = re.subn(pattern, by, text)
        if not count:
            raise AssertionError(f"the schema has no {pattern}")
        return changed_text
    return change


def without_schema(text):
    """The example's people without anything of outgate's."""
    text = re.sub(r"(?ms)^dn: cn=partner.*?\n\n", "", text)
    return re.sub(r"(?m)^(outgate|objectClass: outgate).*\n", "", text)


@tap.tables
class Directory(Doctor):
    @tap.rows([
        ("F22: the directory is down", halted, "no answer within timeout_ms"),
        ("F23: the second of two servers is silent", silent("{0} {1}"),
         "no answer .*silent: no answer in time"),
        ("F23: the first of two servers is silent", silent("{1} {0}"),
         "no answer .*silent: no answer in time"),
        ("F28: a wrong bind password", bind(0o640, "wrong"),
         "no answer .*Invalid credentials"),
        ("a base that does not exist",
         conf("base dc=org,dc=example", "base dc=nowhere,dc=example"),
         "no answer .*No such object"),
        ("the mail host is nobody in particular",
         elsewhere(known=False, access="access to * by * read"),
         "has no account for user Debian-exim"),
        ("F39: an attribute is unknown",
         elsewhere(schema=schema("outgateStatus", "outgateState")),
         "schema: outgateStatus is unknown"),
        ("F39: the schema is not loaded",
         elsewhere(schema=lambda text: "", text=without_schema),
         "schema: outgateAllowed is unknown"),
        ("a permission that may have two values",
         elsewhere(schema=schema(
             r"(?s)(NAME 'outgateAllowed'.*?)\n\tSINGLE-VALUE", r"\1")),
         "schema: outgateAllowed may have several values"),
        ("a password that can be compared",
         elsewhere(schema=schema(
             r"(?s)(NAME 'outgatePassword'.*?)\tSYNTAX",
             r"\1\tEQUALITY caseExactMatch\n\tSYNTAX")),
         "schema: outgatePassword can be compared"),
        ("T36: the mail host is shown no password",
         elsewhere("access to attrs=outgatePassword by * none\n" + READS),
         "sees no outgatePassword of any gateway"),
        ("the mail host is shown no login",
         elsewhere("access to attrs=uid by * none\n" + READS),
         "is not found by the login"),
        ("the mail host may not search by login",
         elsewhere(f"access to attrs=uid by dn.exact={SERVICE} =rd by * none\n"
                   + READS), "is not found by the login"),
        ("the mail host is shown no entryUUID",
         elsewhere("access to attrs=entryUUID by * none\n" + READS),
         "cannot be looked up: .*owner attribute"),
    ])
    def a_fault(self, broken, pattern):
        with broken():
            self.fails(f"directory .*{pattern}")

    @tap.rows([
        ("no gateway is shown",
         elsewhere("access to attrs=outgateAddress by * none\n" + READS),
         "shows no gateway"),
        ("a password that is not sealed",
         elsewhere(text=lambda text: text.replace(
             "outgateLogin: sam.roe", "outgateLogin: sam.roe\n"
             "outgatePassword: clear")), "1 gateways? .*not sealed"),
        ("everybody is shown sealed passwords",
         elsewhere("access to * by * read"), "to everybody"),
        ("the schema is hidden",
         elsewhere(database="", access=READS + "\ndatabase frontend\n"
                   "access to dn.base=\"cn=Subschema\" by * none\n"
                   "access to * by * read"), "does not show its schema"),
    ])
    def a_doubt(self, doubtful, pattern):
        with doubtful():
            self.warns(f"directory .*{pattern}")

    def test_two_servers_are_each_examined(self):
        with at(f"{world.slapd.ldapi} {world.slapd.ldapi}")():
            lines = self.passes().stdout.splitlines()
        self.assertEqual(
            len([line for line in lines if " answers in " in line]), 2)

    def test_gateways_in_entries_of_their_own_are_enough(self):
        def only_mia(text):
            text = re.sub(r"(?m)^objectClass: outgateAccount\n", "", text)
            text = re.sub(r"(?ms)(^dn: uid=\w+,.*?)(\n\n)", lambda found:
                          re.sub("(?m)^outgate.*\n?", "", found.group(1) +
                                 "\n") + "\n", text)
            sealed = world.gateway(JO)["outgatepassword"][0]
            return text.replace("outgateLogin: mia.moe", "outgateLogin: "
                                f"mia.moe\noutgatePassword: {sealed}")
        with elsewhere(text=only_mia)():
            lines = self.passes().stdout
        self.assertIn("1 gateways, 1 with a password", lines)
        self.assertIn("found by the login", lines)


class Index(Doctor):
    def test_a_directory_without_indexes_is_slow_and_that_is_said(self):
        people = 60000
        def many(text):
            return text + "\n" + "\n".join(
                f"dn: uid=u{n},ou=staff,ou=people,dc=org,dc=example\n"
                f"objectClass: account\nuid: u{n}\n" for n in range(people))
        with elsewhere(text=many)():
            done = self.examine()
        said = "\n".join(self.lines(done, "warning"))
        self.assertRegex(said, "finding a login takes .*uid lacks an index")
        self.assertRegex(said, "outgateAddress lacks an index")


if __name__ == "__main__":
    sandbox.enter()
    tap.main()

#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Each line of exim-config/ is there for something that a test notices.

Every row takes a line away, as if somebody had deleted it from what outgate
installs, and runs the one test that must fail then.  A line that no row names
is one without which Exim does not start, or stands in HARMLESS with a reason.
"""

import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

import tap
import world as fixture
from world import BUILD, EXIM, TOP

CONF = TOP / "exim-config/conf.d"
FILES = {
    "main": "main/005_outgate_main",
    "router": "router/050_outgate_routers",
    "transport": "transport/050_outgate_transports",
    "retry": "retry/050_outgate_retry",
    "auth": "auth/050_outgate_authenticators",
}
AT_ONCE = 3

# A line is named as "instance: how it begins", or how it begins where there
# are no instances; "instance:" is all of it.
#
# file, line, which test_*.py, the test that fails without it
LINES = [
    ("main", "extra_local_interfaces", "hosts",
     "T01 no address of this machine is dialled"),
    ("main", "local_scan_path", "delivery",
     "the gateway gets it with its users login there"),
    ("main", "acl_smtp_predata", "falls",
     "F01 a module that is missing accepts nothing"),
    ("main", "OUTGATE_TRACE", "promises",
     "the trace of another's gateway is no loop"),
    ("main", "OUTGATE_TAKES_IT", "delivery",
     "the gateway gets it with its users login there"),
    ("main", "addresslist outgate_messages", "promises",
     "P6: one user's failure delays nobody, whatever the site's rule"),
    ("main", "addresslist outgate_over", "isolation",
     "F50: both queued for one host and port; one login is refused"),
    ("main", "bounce_message_file", "isolation",
     "the bounce comes home and says what to mend"),
    ("main", "warn_message_file", "hostile",
     "T03: a 421 banner is not in the warning"),
    ("main", "delay_warning =", "isolation", "a delay is told after an hour"),
    ("main", "delay_warning_condition", "promises",
     "the sender of other mail is not told of hours"),
    ("main", "OUTGATE_DELIVERS", "delivery",
     "the org route names the user in sender"),

    ("retry", "+outgate_over", "isolation",
     "F50: both queued for one host and port; one login is refused"),
    ("retry", "+outgate_messages  refused", "promises",
     "a server that refuses connections is left alone, implicit"),
    ("retry", "+outgate_messages  timeout", "promises",
     "a server that does not answer is left alone, implicit"),
    ("retry", "+outgate_messages  *", "promises",
     "P6: one user's failure delays nobody, whatever the site's rule"),

    ("router", "outgate_unscanned:", "delivery",
     "a submission the module has not seen is held"),
    ("router", "outgate_unscanned: condition", "decisions",
     "row 05 an internal from takes the org route"),
    ("router", "outgate_unscanned: transport", "delivery",
     "a submission the module has not seen is held"),
    ("router", "outgate_unscanned: self", "delivery",
     "a submission the module has not seen is held"),
    ("router", "outgate_unscanned: no_verify", "promises",
     "recipients are verified"),
    ("router", "outgate_unscanned: no_expn", "promises", "a list is expanded"),

    ("router", "outgate_refusal:", "delivery",
     "F70 a permission withdrawn while it waits brings it back"),
    ("router", "outgate_refusal: condition", "decisions",
     "row 05 an internal from takes the org route"),
    ("router", "outgate_refusal: allow_fail", "delivery",
     "F70 a permission withdrawn while it waits brings it back"),

    ("router", "outgate_held:", "isolation",
     "F52: 454 to one user's AUTH; the other's mail goes in that run"),
    ("router", "outgate_held: condition = ${if OUTGATE_TAKES_IT", "promises",
     "other mail leaves nothing in the panic log"),
    ("router", "outgate_held: condition = ${if !eq", "delivery",
     "the gateway gets it with its users login there"),
    ("router", "outgate_held: transport", "isolation",
     "F52: 454 to one user's AUTH; the other's mail goes in that run"),
    ("router", "outgate_held: self", "isolation",
     "F52: 454 to one user's AUTH; the other's mail goes in that run"),

    ("router", "outgate_loop:", "hosts",
     "F100 a gateway that leads back to us is passed once"),
    ("router", "outgate_loop: condition", "delivery",
     "the gateway gets it with its users login there"),
    ("router", "outgate_loop: allow_fail", "hosts",
     "F100 a gateway that leads back to us is passed once"),

    ("router", "outgate_gateway:", "delivery",
     "the gateway gets it with its users login there"),
    ("router", "outgate_gateway: condition", "decisions",
     "row 05 an internal from takes the org route"),
    ("router", "outgate_gateway: transport", "delivery",
     "the gateway gets it with its users login there"),
    ("router", "outgate_gateway: ignore_target_hosts", "hosts",
     "T01 every address in one answer is none"),
    ("router", "outgate_gateway: self", "hosts",
     "T01 a host that the site calls local is not dialled"),
    ("router", "outgate_gateway: host_find_failed", "hosts",
     "F66 a name that does not exist comes back at last"),
    ("router", "outgate_gateway: pass_on_timeout", "hosts",
     "F66 a failing name server comes back at last"),

    ("router", "outgate_nowhere:", "hosts",
     "F66 a name that does not exist comes back at last"),
    ("router", "outgate_nowhere: condition = ${if OUTGATE_TAKES_IT",
     "promises", "P6: other mail may be older than a gateway's"),
    ("router", "outgate_nowhere: condition = ${if >", "hosts",
     "F66 a name that does not exist waits"),
    ("router", "outgate_nowhere: allow_fail", "hosts",
     "F66 a name that does not exist comes back at last"),

    ("router", "outgate_guard:", "promises",
     "P3: what waits makes no connection"),
    ("router", "outgate_guard: condition", "decisions",
     "row 05 an internal from takes the org route"),
    ("router", "outgate_guard: transport", "promises",
     "P3: what waits makes no connection"),
    ("router", "outgate_guard: self", "promises",
     "P3: what waits makes no connection"),

    ("transport", "outgate_implicit: protocol", "hostile",
     "F64: a SIZE that is a lie"),
    ("transport", "outgate_implicit: tls_verify_hosts", "hostile",
     "F44: the wrong name of a certificate, implicit"),
    ("transport", "outgate_implicit: tls_verify_certificates", "promises",
     "whom the site names may vouch for a server, implicit"),
    ("transport", "outgate_implicit: tls_require_ciphers", "hostile",
     "F44: TLS 1.1"),
    ("transport", "outgate_implicit: tls_sni", "promises",
     "the server's name is sent before TLS, implicit"),
    ("transport", "outgate_implicit: return_path", "promises",
     "the envelope sender is the From address, implicit"),
    ("transport", "outgate_implicit: authenticated_sender", "promises",
     "no login here is told at MAIL, implicit"),
    ("transport", "outgate_implicit: headers_remove", "promises",
     "nobody is told as Sender, implicit"),
    ("transport", "outgate_implicit: headers_add", "hosts",
     "F100 a gateway that leads back to us is passed once"),
    ("transport", "outgate_implicit: hosts_try_chunking", "promises",
     "no CHUNKING is tried, implicit"),
    ("transport", "outgate_implicit: utf8_downconvert", "promises",
     "no address is rewritten for a server without SMTPUTF8, implicit"),
    ("transport", "outgate_implicit: connect_timeout", "promises",
     "a server that does not answer is left alone, implicit"),
    ("transport", "outgate_implicit: command_timeout", "promises",
     "a server that stops talking is given up, implicit"),
    ("transport", "outgate_implicit: data_timeout", "hostile",
     "F41: the message is not read, implicit"),
    ("transport", "outgate_implicit: final_timeout", "hostile",
     "F41: no reply to the final dot, implicit"),
    ("transport", "outgate_implicit: event_action", "isolation",
     "F53 implicit tls to a starttls port"),

    ("transport", "outgate_starttls: hosts_require_tls", "hostile",
     "F43: a stripped STARTTLS, but AUTH is offered"),
    ("transport", "outgate_starttls: tls_verify_hosts", "hostile",
     "F44: the wrong name of a certificate, starttls"),
    ("transport", "outgate_starttls: tls_verify_certificates", "promises",
     "whom the site names may vouch for a server, starttls"),
    ("transport", "outgate_starttls: tls_require_ciphers", "hostile",
     "F44: TLS 1.0 after STARTTLS"),
    ("transport", "outgate_starttls: tls_sni", "promises",
     "the server's name is sent before TLS, starttls"),
    ("transport", "outgate_starttls: return_path", "promises",
     "the envelope sender is the From address, starttls"),
    ("transport", "outgate_starttls: authenticated_sender", "promises",
     "no login here is told at MAIL, starttls"),
    ("transport", "outgate_starttls: headers_remove", "promises",
     "nobody is told as Sender, starttls"),
    ("transport", "outgate_starttls: headers_add", "promises",
     "the trace is in what leaves, starttls"),
    ("transport", "outgate_starttls: hosts_try_chunking", "promises",
     "no CHUNKING is tried, starttls"),
    ("transport", "outgate_starttls: utf8_downconvert", "promises",
     "no address is rewritten for a server without SMTPUTF8, starttls"),
    ("transport", "outgate_starttls: hosts_try_fastopen", "promises",
     "a server that does not answer is left alone, starttls"),
    ("transport", "outgate_starttls: connect_timeout", "promises",
     "a server that does not answer is left alone, starttls"),
    ("transport", "outgate_starttls: command_timeout", "promises",
     "a server that stops talking is given up, starttls"),
    ("transport", "outgate_starttls: data_timeout", "hostile",
     "F41: the message is not read, starttls"),
    ("transport", "outgate_starttls: final_timeout", "hostile",
     "F41: no reply to the final dot, starttls"),
    ("transport", "outgate_starttls: event_action", "isolation",
     "F52: 454 to one user's AUTH; the other's mail goes in that run"),

    ("transport", "outgate_hold: event_action", "promises",
     "P3: what waits makes no connection"),

    ("auth", "outgate_cram_md5:", "hostile",
     "F47: quotes in a login, percent signs in a password, CRAM-MD5"),
    ("auth", "outgate_cram_md5: client_name", "hostile",
     "F47: quotes in a login, percent signs in a password, CRAM-MD5"),
    ("auth", "outgate_cram_md5: client_secret", "hostile",
     "F47: quotes in a login, percent signs in a password, CRAM-MD5"),
    ("auth", "outgate_plain: public_name", "hostile",
     "F47: quotes in a login, percent signs in a password, PLAIN"),
    ("auth", "outgate_plain: client_ignore_invalid_base64", "hostile",
     "F46: a prompt that is no base64 after the login"),
    ("auth", "outgate_plain: client_condition", "hostile",
     "F47: a caret at the start in a login, carets only in a password, PLAIN"),
    ("auth", "outgate_plain: client_send", "hostile",
     "F47: quotes in a login, percent signs in a password, PLAIN"),
    ("auth", "outgate_login: public_name", "hostile",
     "F47: quotes in a login, percent signs in a password, LOGIN"),
    ("auth", "outgate_login: client_condition", "hostile",
     "F50 three mechanisms are one refused login"),
    ("auth", "outgate_login: client_send", "hostile",
     "F47: quotes in a login, percent signs in a password, LOGIN"),
]

# An hour is longer than the test waits.
UP_TO_MAIL = "{${time_eval:OUTGATE_LOGIN_TIMEOUT}}", "{3600}"
FROM_MAIL_ON = "{${time_eval:OUTGATE_MESSAGE_TIMEOUT}}", "{3600}"

# Parts of lines.
#
# file, line, what is there, what is instead, test_*.py, test
PARTS = [
    ("main", "OUTGATE_DELIVERS", "match {$transport_name}{^outgate_}",
     "eq {}{}", "delivery", "the org route names the user in sender"),
    ("main", "OUTGATE_TAKES_IT", "!def:parent_domain", "eq {}{}", "promises",
     "P3: what the site's forwarding makes of it leaves by no route"),
    ("main", "addresslist outgate_over",
     "{> {$message_age}{OUTGATE_PATIENCE}}", "", "isolation",
     "a gateway that is down bounces after two days not before"),
    ("main", "addresslist outgate_over",
     "{bool{${dlfunc{OUTGATE_MODULE}{outgate_refused}{$local_scan_data}}}}",
     "", "isolation",
     "F50: both queued for one host and port; one login is refused"),
    ("router", "outgate_refusal: retry_use", "retry", "no_retry", "promises",
     "P6: a verdict that cannot be read delays no other mail there"),
    ("router", "outgate_gateway: ignore_target_hosts", " @[] ;", "", "hosts",
     "T01 no address of this machine is dialled"),
    ("router", "outgate_gateway: ignore_target_hosts", " +include_unknown ;",
     "", "hosts", "T01 a misspelt network of the organisation opens nothing"),
    ("router", "outgate_gateway: ignore_target_hosts", "OUTGATE_OWN_HOSTS",
     "192.0.0.1", "hosts", "T02 no network of the organisation is dialled"),
    ("router", "outgate_guard: condition", "system-filter", "forward",
     "promises",
     "P3: what the site's forwarding makes of it leaves by no route"),
    ("transport", "outgate_implicit: tls_verify_cert_hostnames", "= *", "=",
     "hostile", "F44: the wrong name of a certificate, implicit"),
    ("transport", "outgate_starttls: tls_verify_cert_hostnames", "= *", "=",
     "hostile", "F44: the wrong name of a certificate, starttls"),
    ("transport", "outgate_implicit: event_action", *UP_TO_MAIL, "hostile",
     "F41: a server that says nothing once TLS is on"),
    ("transport", "outgate_starttls: event_action", *UP_TO_MAIL, "hostile",
     "F41: a server that stops within a TLS record after STARTTLS"),
    ("transport", "outgate_implicit: authenticated_sender", *FROM_MAIL_ON,
     "hostile", "F41: half a TLS record after the final dot, implicit"),
    ("transport", "outgate_starttls: authenticated_sender", *FROM_MAIL_ON,
     "hostile", "F41: half a TLS record after the final dot, starttls"),
]

# Lines that stand behind others: with the others gone they are what is left.
# The test passes without the others and fails without this line too.
#
# file, line, [the others], test_*.py, test
SECOND = [
    (("transport", "outgate_implicit: connection_max_messages"),
     [("transport", "outgate_implicit: authenticated_sender")], "isolation",
     "F55 two users queued for one host and port"),
    (("transport", "outgate_starttls: connection_max_messages"),
     [("transport", "outgate_starttls: authenticated_sender")], "isolation",
     "F55 over starttls"),
    (("transport", "outgate_implicit: hosts_require_auth"),
     [("transport", "outgate_implicit: authenticated_sender")], "hostile",
     "F45: only GSSAPI is offered"),
    (("transport", "outgate_starttls: hosts_require_auth"),
     [("transport", "outgate_starttls: authenticated_sender")], "hostile",
     "F45: no AUTH is offered after STARTTLS"),
    (("transport", "outgate_starttls: tls_tempfail_tryclear"),
     [("transport", "outgate_starttls: hosts_require_tls")], "hostile",
     "F43: garbage instead of a handshake"),
    (("transport", "outgate_hold: hosts_require_auth"),
     [("transport", "outgate_hold: event_action"),
      ("transport", "outgate_hold: hosts_require_tls")], "promises",
     "P3: what waits is handed to nobody"),
    (("transport", "outgate_hold: hosts_require_tls"),
     [("transport", "outgate_hold: event_action"),
      ("transport", "outgate_hold: hosts_require_auth")], "promises",
     "P3: what waits is handed to nobody"),
]

# Whoever the server may be.
VERIFIED = "{$tls_out_certificate_verified}", "{1}"
SECOND += [
    (("auth", f"{name}: {line}", *VERIFIED),
     [("transport", "outgate_implicit: tls_verify_hosts"),
      ("auth", f"{name}: client_condition", *VERIFIED)],
     "promises", f"no AUTH to an unverified server, implicit, {mechanism}")
    for name, line, mechanism in (
        ("outgate_cram_md5", "client_secret", "CRAM-MD5"),
        ("outgate_plain", "client_send", "PLAIN"),
        ("outgate_login", "client_send", "LOGIN"))]

NO_VERDICT = ("what Exim has as $local_scan_data while an address is verified "
              "is nothing, or by chance what the message before left there")

# Lines whose deletion no test can notice, and why.
HARMLESS = [
    ("main", "local_scan_timeout",
     "timeout_ms ends ours first, and Exim's own after five minutes"),

    ("router", "outgate_unscanned: no_more",
     "a route_list that holds an address takes all it is given"),
    ("router", "outgate_held: no_more",
     "a route_list that holds an address takes all it is given"),
    ("router", "outgate_guard: no_more",
     "a route_list that holds an address takes all it is given"),
    ("router", "outgate_gateway: retry_use_local_part",
     "Exim's default for a router with a condition; what it cannot route it "
     "passes on"),
    ("router", "outgate_refusal: no_verify", NO_VERDICT),
    ("router", "outgate_refusal: no_expn", NO_VERDICT),
    ("router", "outgate_held: no_verify", NO_VERDICT),
    ("router", "outgate_held: no_expn", NO_VERDICT),
    ("router", "outgate_loop: no_verify", NO_VERDICT),
    ("router", "outgate_loop: no_expn", NO_VERDICT),
    ("router", "outgate_gateway: no_verify", NO_VERDICT),
    ("router", "outgate_gateway: no_expn", NO_VERDICT),
    ("router", "outgate_nowhere: no_verify", NO_VERDICT),
    ("router", "outgate_nowhere: no_expn", NO_VERDICT),
    ("router", "outgate_guard: no_verify", NO_VERDICT),
    ("router", "outgate_guard: no_expn", NO_VERDICT),

    ("transport", "outgate_implicit: hosts_require_tls",
     "protocol = smtps knows nothing else"),
    ("transport", "outgate_implicit: tls_tempfail_tryclear",
     "protocol = smtps knows nothing else"),
    ("transport", "outgate_implicit: hosts_try_fastopen",
     "Exim does not use it before implicit TLS"),
    ("transport", "outgate_implicit: multi_domain", "Exim's default"),
    ("transport", "outgate_implicit: hosts_try_dane",
     "of a host that was found byname Exim knows no DNSSEC"),
    ("transport", "outgate_starttls: multi_domain", "Exim's default"),
    ("transport", "outgate_starttls: hosts_try_dane",
     "of a host that was found byname Exim knows no DNSSEC"),
    ("transport", "outgate_starttls: protocol", "Exim's default"),
    ("transport", "outgate_hold: allow_localhost",
     "asked of a transport's own hosts only"),
    ("transport", "outgate_hold: connection_max_messages",
     "no connection is made"),

    ("auth", "outgate_cram_md5: client_condition",
     "the first mechanism; outgate_password() refuses alike"),
]


class Text:
    """One file of exim-config/ as logical lines that have names."""

    def __init__(self, path):
        self.text = path.read_text()
        self.spans = {}  # name: (begin, end)
        self.instance = ""
        at, macro = 0, ""
        for line in re.findall(r"(?:[^\n]*\\\n)*[^\n]*\n", self.text):
            begin, at = at, at + len(line)
            word = line.strip()
            if word.startswith(".ifndef "):
                macro = word.removeprefix(".ifndef ")
            elif re.fullmatch(r"\w+:", word):
                self.instance = word
                self.spans[word] = begin, at
            elif word and word[0] not in "#." and not (
                    # what a site may set; its value is no promise
                    macro and word.startswith(f"{macro} =")):
                self.add(word, begin, at)
        self.names = [name for name in self.spans if not name.endswith(":")]

    def add(self, word, begin, end):
        name = f"{self.instance} {word}".strip()
        if name in self.spans:
            raise RuntimeError(f"twice: {name}")
        self.spans[name] = begin, end
        if self.instance:
            self.spans[self.instance] = self.spans[self.instance][0], end

    def find(self, beginning):
        """The one line that begins so."""
        if beginning in self.spans:
            return beginning
        found = [name for name in self.names if name.startswith(beginning)]
        if len(found) != 1:
            raise RuntimeError(f"{len(found)} lines are: {beginning}")
        return found[0]

    def mutated(self, edits):
        """The text after (line,) is deleted, or (line, part, other) is it.

        Several edits must not be of the same line.
        """
        spans = []
        for line, *part in edits:
            begin, end = self.spans[self.find(line)]
            old = self.text[begin:end]
            new = old.replace(*part) if part else ""
            if new == old:
                raise RuntimeError(f"{line}: nothing is {part[0]}")
            spans.append((begin, end, new))
        text = self.text
        for begin, end, new in sorted(spans, reverse=True):
            text = text[:begin] + new + text[end:]
        return text


TEXTS = {name: Text(CONF / path) for name, path in FILES.items()}


# ---- running a test without a line ----

running = set()
lock = threading.Lock()
pool = concurrent.futures.ThreadPoolExecutor(AT_ONCE)
results = {}


def mutation(edits):
    """What World is told: edits are (file, line) or (file, line, old, new)."""
    found = {}
    for file, *edit in edits:
        found.setdefault(file, []).append(edit)
    return [[TEXTS[file].text, TEXTS[file].mutated(edits)]
            for file, edits in found.items()]


def run(script, sentence, edits, look_s):
    """What that one test says, in a sandbox of its own."""
    path = pathlib.Path(__file__).with_name(f"test_{script}.py")
    environment = {**os.environ,
                   "OUTGATE_MUTATION": json.dumps(mutation(edits)),
                   "OUTGATE_LOOK_S": str(look_s)}
    with lock:
        process = subprocess.Popen(
            [sys.executable, path, sentence], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env=environment)
        running.add(process)
    said, _ = process.communicate()
    with lock:
        running.discard(process)
    return said


def end():
    """Leave nothing running, also when interrupted."""
    pool.shutdown(wait=False, cancel_futures=True)
    with lock:
        left = list(running)
        for process in left:
            process.terminate()
    for process in left:
        process.wait()


def rows():
    """(sentence, [(script, test, edits, whether it fails then)...])"""
    for file, line, script, test in LINES:
        yield f"without {line}: {test}", [
            (script, test, [(file, line)], True)]
    for file, line, old, new, script, test in PARTS:
        yield f"{line} with '{new}' for {old}: {test}", [
            (script, test, [(file, line, old, new)], True)]
    for edit, others, script, test in SECOND:
        yield f"without {' '.join(edit[1:3])} behind others: {test}", [
            (script, test, others, False),
            (script, test, [*others, edit], True)]


def setUpModule():
    fixture.run("make", "-s", "-C", TOP, f"BUILD={BUILD}", "all")
    for sentence, runs in rows():
        for script, test, edits, fails in runs:
            key = json.dumps([script, test, edits])
            if key not in results and tap.wanted(sentence):
                results[key] = pool.submit(run, script, test, edits,
                                           4 if fails else 30)


@tap.tables
class Mutation(unittest.TestCase):
    @tap.rows([(sentence, runs) for sentence, runs in rows()])
    def noticed(self, runs):
        for script, test, edits, fails in runs:
            said = results[json.dumps([script, test, edits])].result()
            self.assertIn("\n1..1\n", said)
            # the set-up itself came up: its failure has another name
            self.assertIn(f"\n{'not ok' if fails else 'ok'} 1 - {test}\n",
                          said)


class Complete(unittest.TestCase):
    def setUp(self):
        self.named = {(file, TEXTS[file].find(line)) for file, line, *_ in
                      [*LINES, *PARTS, *(edit for edit, *_ in SECOND)]}
        self.harmless = {(file, TEXTS[file].find(line))
                         for file, line, _ in HARMLESS}

    def test_every_line_has_a_test_that_notices(self):
        """each line has a test, but for the harmless and the indispensable"""
        self.assertTrue(exim_starts([]))
        left = [(file, name) for file, text in TEXTS.items()
                for name in text.names
                if (file, name) not in self.named | self.harmless and
                not ends_with(name, "debug_print") and
                exim_starts([(file, name)])]
        self.assertEqual(left, [])

    def test_no_line_is_both_harmless_and_needed(self):
        self.assertEqual(self.named & self.harmless, set())
        for file, name in self.harmless:
            self.assertTrue(exim_starts([(file, name)]), name)

    def test_exim_starts_with_all_lines(self):
        """the check whether Exim starts says yes for what is installed"""
        self.assertTrue(exim_starts([]))


def ends_with(name, option):
    """Tells who is at work, in a debugging run only."""
    return re.search(rf"(^|: ){option} =", name)


def exim_starts(edits):
    """Does Exim take the configuration?"""
    include = (BUILD / "outgate.include").read_text()
    for old, new in mutation(edits):
        if include.count(old) != 1:
            raise RuntimeError("outgate.include is not of these files")
        include = include.replace(old, new)
    with tempfile.TemporaryDirectory(prefix="og.", dir="/tmp") as folder:
        # Exim reads the later sections as another user
        os.chmod(folder, 0o755)
        place = pathlib.Path(folder)
        (place / "outgate.include").write_text(include)
        (place / "exim4.conf").write_text(fixture.fill(
            fixture.ORG_CONFIG, authenticators="", condition="yes",
            macros="", routers="", main="", relay="",
            folder=folder).replace(
                "/etc/exim4/outgate.include", f"{folder}/outgate.include"))
        done = subprocess.run(
            # a refusal is logged; not in this machine's log
            ["unshare", "--mount", "sh", "-e", "-c",
             "mount -t tmpfs none /var/log/exim4; "
             f"exec {EXIM} -C {folder}/exim4.conf -bV"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True)
    if done.returncode and "configuration error" not in done.stdout:
        raise RuntimeError(done.stdout)
    return done.returncode == 0


if __name__ == "__main__":
    try:
        tap.main()
    finally:
        end()

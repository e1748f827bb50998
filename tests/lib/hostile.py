# SPDX-License-Identifier: GPL-2.0-or-later
"""hostile.py - a partner server that does what no partner should.

    hostile = Hostile(folder, "203.0.113.40", netns="outside")
    hostile.start()
    hostile.play("auth_454", mechanisms=["PLAIN"])
    ...
    session, = hostile.sessions()
    session.logins                      # [("jo.doe", "her password")]

One process: port 465 speaks TLS at once, 587 after STARTTLS.  What it does is
read from a file at each connection, so that a test changes it at any time:
the name of a behaviour of the table below and options:

    certificate  which of the .pem files of the folder ("good")
    mechanisms   what AUTH offers (PLAIN, LOGIN)
    passwords    by login; others are refused.  None: everybody is let in
    users        the behaviour that begins when this login has been given

It writes all it receives, decrypted, as JSON lines: which connection, when,
whether in TLS, the octets as they came and what they meant.  Octets are text
of one character each (latin-1), here and in Session.
"""

import base64
import binascii
import hashlib
import hmac
import itertools
import json
import os
import pathlib
import re
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time

IMPLICIT, STARTTLS = 465, 587
# Longer than any client of a test waits.
FOR_EVER_S = 60
NOBODY = "nobody waits so long"
NAME = b"smtp.hostile.example"
CHALLENGE = b"<1.2@hostile.example>"

# What a careless server takes for the end of a message.
FALSE_END = re.compile(rb"(?:\r\n|\n|\r)\0?\.(?:\r\n|\n|\r)")
END = re.compile(rb"(?:^|\r\n)\.\r\n")


# ---- the server ----

class Gone(Exception):
    """The connection is over."""


class Cancelled(Exception):
    """The client gave up its AUTH."""


class Connection:
    """One connection, from the first octet to the last."""

    def __init__(self, server, sock, number, port):
        self.server, self.sock = server, sock
        self.number, self.port = number, port
        self.script = server.script()
        self.actions = BEHAVIOURS[self.script["behaviour"]]
        self.buffer, self.said = b"", b""
        self.tls, self.sni = False, ""
        self.sender, self.recipients = "", []

    def run(self):
        self.note("connect", port=self.port)
        why = "closed"
        try:
            self.do("connect", b"")
            if self.port == IMPLICIT:
                self.handshake()
            self.do("greeting", b"220 " + NAME + b" ESMTP\r\n")
            while True:
                self.command(self.line())
        except TimeoutError:
            why = NOBODY
        except (Gone, OSError, ValueError) as reason:
            why = str(reason) or type(reason).__name__
        finally:
            self.note("close", why=why)
            self.sock.close()

    # ---- octets ----

    def note(self, what, **more):
        self.server.note(connection=self.number, what=what, tls=self.tls,
                         sni=self.sni, **more)

    def send(self, octets):
        self.said = octets
        self.sock.sendall(octets)

    def receive(self):
        octets = self.sock.recv(65536)
        if not octets:
            raise Gone("end of file")
        self.note("octets", octets=octets.decode("latin-1"))
        self.buffer += octets

    def line(self):
        while b"\n" not in self.buffer:
            self.receive()
        line, _, self.buffer = self.buffer.partition(b"\n")
        if "forgetful" in self.actions:
            self.buffer = b""
        return line.rstrip(b"\r")

    def answer(self):
        """A line of the other side within AUTH."""
        line = self.line()
        self.note("auth-line", line=line.decode("latin-1"))
        if line == b"*":
            raise Cancelled
        return line

    def reset(self):
        """End it with RST instead of FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             struct.pack("ii", 1, 0))
        raise Gone("reset by the script")

    # ---- what it does ----

    def do(self, point, reply):
        """What the behaviour does at this point, else the polite reply."""
        action = self.actions.get(point, reply)
        if callable(action):
            action(self)
        elif action:
            self.send(action)

    def handshake(self):
        self.do("handshake", b"")
        context = self.server.context(self.script, self.named)
        try:
            self.sock = context.wrap_socket(self.sock, server_side=True)
        except (ssl.SSLError, OSError) as why:
            self.note("no-tls", why=str(why))
            raise Gone("no TLS") from why
        self.tls = True
        self.note("tls", version=self.sock.version())

    def named(self, sock, name, context):
        self.sni = name or ""

    def command(self, line):
        verb, _, rest = line.partition(b" ")
        verb = verb.upper().decode("latin-1")
        self.note("auth-line" if verb == "AUTH" else "command",
                  line=line.decode("latin-1"))
        method = getattr(self, f"on_{verb.lower()}", None)
        if method is None:
            self.send(b"500 5.5.1 what?\r\n")
        else:
            method(rest)

    def on_ehlo(self, rest):
        words = [NAME, *self.actions.get("extensions", [b"PIPELINING"])]
        auth = b"AUTH " + " ".join(self.script["mechanisms"]).encode()
        here = "tls" if self.tls else "clear"
        if self.actions.get("auth_in", "tls") == here:
            words.append(auth)
        if not self.tls and "no_starttls" not in self.actions:
            words.append(b"STARTTLS")
        text = b"".join(b"250-" + word + b"\r\n" for word in words[:-1])
        self.do("ehlo", text + b"250 " + words[-1] + b"\r\n")

    def on_helo(self, rest):
        self.send(b"250 " + NAME + b"\r\n")

    def on_starttls(self, rest):
        self.do("starttls", b"220 2.0.0 go\r\n")
        if self.said.startswith(b"220"):
            self.handshake()

    def on_auth(self, rest):
        mechanism, _, initial = rest.partition(b" ")
        try:
            login, password, good = AUTH.get(mechanism, unknown)(self, initial)
            self.logged_in(mechanism.decode("latin-1"), rest, login, password,
                           good)
        except Cancelled:
            self.send(b"501 5.7.0 cancelled\r\n")

    def logged_in(self, mechanism, rest, login, password, good):
        self.note("auth", mechanism=mechanism, login=login, password=password,
                  good=good)
        name = self.script["users"].get(login)
        if name:
            self.actions = BEHAVIOURS[name]
        self.told = login, password, rest
        self.do("auth", b"235 2.7.0 welcome\r\n" if good
                else b"535 5.7.8 no\r\n")

    def prompt(self, text):
        """One more line of the login, decoded."""
        self.do("prompt", b"334 " + base64.b64encode(text) + b"\r\n")
        return unbase64(self.answer())

    def on_mail(self, rest):
        self.sender, self.recipients = rest.decode("latin-1"), []
        self.do("mail", b"250 2.1.0 sender\r\n")

    def on_rcpt(self, rest):
        self.recipients.append(rest.decode("latin-1"))
        self.do("rcpt", b"250 2.1.5 recipient\r\n")

    def on_data(self, rest):
        self.do("data", b"354 go\r\n")
        if not self.said.startswith(b"354"):
            return
        self.do("body", b"")
        end = FALSE_END if "careless" in self.actions else END
        while not end.search(self.buffer):
            self.receive()
        found = end.search(self.buffer)
        octets = self.buffer[:found.start()]
        self.buffer = self.buffer[found.end():]
        self.note("message", sender=self.sender, recipients=self.recipients,
                  octets=octets.decode("latin-1"))
        self.do("end", b"250 2.0.0 taken\r\n")

    def on_rset(self, rest):
        self.do("rset", b"250 2.0.0 forgotten\r\n")

    def on_quit(self, rest):
        self.do("quit", b"221 2.0.0 bye\r\n")
        raise Gone("QUIT")


def plain(connection, initial):
    token = unbase64(initial) if initial else connection.prompt(b"")
    _, login, password = (token.split("\0", 2) + ["", ""])[:3]
    return login, password, connection_knows(connection, login, password)


def login(connection, initial):
    name = unbase64(initial) if initial else connection.prompt(b"Username:")
    password = connection.prompt(b"Password:")
    return name, password, connection_knows(connection, name, password)


def cram_md5(connection, initial):
    """The password is never seen: good says whether it was the right one."""
    name, _, digest = connection.prompt(CHALLENGE).rpartition(" ")
    password = (connection.script["passwords"] or {}).get(name, "")
    wanted = hmac.new(password.encode("latin-1"), CHALLENGE, hashlib.md5)
    return name, None, hmac.compare_digest(digest, wanted.hexdigest())


def unknown(connection, initial):
    return "", None, False


AUTH = {b"PLAIN": plain, b"LOGIN": login, b"CRAM-MD5": cram_md5}


def connection_knows(connection, name, password):
    table = connection.script["passwords"]
    return table is None or table.get(name) == password


def unbase64(text):
    try:
        return base64.b64decode(text, validate=True).decode("latin-1")
    except binascii.Error:
        return text.decode("latin-1")


class Server:
    def __init__(self, address, folder):
        self.address, self.folder = address, pathlib.Path(folder)
        self.lock = threading.Lock()
        self.log = open(self.folder / "log", "a+", encoding="ascii")
        # connections are numbered on after a restart
        self.log.seek(0)
        self.count = sum('"what": "connect"' in line for line in self.log)

    def script(self):
        return json.loads((self.folder / "script").read_text())

    def note(self, **what):
        with self.lock:
            self.log.write(json.dumps({"at": time.time(), **what}) + "\n")
            self.log.flush()

    def context(self, script, named):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / f"{script['certificate']}.pem")
        context.sni_callback = named
        if "tls_version" in BEHAVIOURS[script["behaviour"]]:
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = BEHAVIOURS[script["behaviour"]][
                "tls_version"]
        return context

    def listen(self, port):
        with socket.create_server((self.address, port)) as listener:
            while True:
                sock, _ = listener.accept()
                sock.settimeout(FOR_EVER_S)
                with self.lock:
                    self.count += 1
                    number = self.count
                threading.Thread(target=Connection(
                    self, sock, number, port).run, daemon=True).start()

    def run(self):
        threading.Thread(target=self.listen, args=(IMPLICIT,),
                         daemon=True).start()
        self.listen(STARTTLS)


# ---- behaviours ----

def hang(connection):
    """Say nothing; hear until the other side has had enough."""
    end = time.monotonic() + FOR_EVER_S
    while time.monotonic() < end:
        connection.receive()
    raise Gone(NOBODY)


def close(connection):
    raise Gone("closed by the script")


def reset(connection):
    connection.reset()


def drip(octets, pause_s=1.0, whole=False):
    """One octet, or all of them, at a time, without end."""
    def action(connection):
        end = time.monotonic() + FOR_EVER_S
        for part in itertools.cycle(
                [octets] if whole else [bytes([octet]) for octet in octets]):
            if time.monotonic() > end:
                raise Gone(NOBODY)
            connection.send(part)
            time.sleep(pause_s)
    return action


def flood(octets, pause_s=0):
    """The same again and again, as fast as it is read."""
    def action(connection):
        while True:
            connection.send(octets)
            time.sleep(pause_s)
    return action


def half_record(connection):
    """The head of a TLS record whose rest never comes."""
    with socket.socket(fileno=os.dup(connection.sock.fileno())) as raw:
        raw.sendall(b"\x17\x03\x03\x00\x50")
    hang(connection)


def half_record_in_tls(connection):
    """The same, but TLS must have begun by STARTTLS."""
    if connection.tls:
        half_record(connection)
    connection.send(b"250-hello\r\n250 STARTTLS\r\n")


def stand_still(connection):
    """Read nothing more."""
    time.sleep(FOR_EVER_S)
    raise Gone("nobody waits so long")


def sip(connection):
    """Read so slowly that it never ends."""
    end = time.monotonic() + FOR_EVER_S
    while time.monotonic() < end:
        if not connection.sock.recv(1):
            raise Gone("end of file")
        time.sleep(0.1)
    raise Gone("nobody waits so long")


def after(pause_s, octets):
    def action(connection):
        time.sleep(pause_s)
        connection.send(octets)
    return action


def then_close(octets):
    def action(connection):
        connection.send(octets)
        raise Gone("closed by the script")
    return action


def last_words(octets):
    """Late, and the end of the connection in the same segment."""
    def action(connection):
        time.sleep(1.5)
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        then_close(octets)(connection)
    return action


def in_pieces(octets):
    """One reply in many segments."""
    def action(connection):
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for octet in octets:
            connection.send(bytes([octet]))
            time.sleep(0.002)
        connection.said = octets
    return action


def endless_prompts(connection):
    """One prompt more whatever is said."""
    while True:
        connection.send(b"334 UGFzc3dvcmQ6\r\n")
        connection.answer()


def echo(code, words=b""):
    """Say what has been said at AUTH, as it came and decoded."""
    def action(connection):
        name, password, rest = connection.told
        connection.send(b"%d-5.7.8 %s AUTH %s\r\n" % (code, words, rest))
        connection.send(b"%d 5.7.8 %s user %s password %s\r\n" % (
            code, words, name.encode("latin-1"),
            (password or "").encode("latin-1")))
    return action


def by_recipient(connection):
    """A recipient such as r450@... is answered with its number."""
    number = re.search(r"<\D(\d{3})", connection.recipients[-1])
    code = int(number.group(1)) if number else 250
    connection.send(b"%d %d.1.1 as you like\r\n" % (code, code // 100))


def close_mid_data(connection):
    while len(connection.buffer) < 20000:
        connection.receive()
    connection.reset()


SECRET = b"SECRET-BANNER-xyz"
INJECTED = b"250-AUTH PLAIN LOGIN\r\n250 PIPELINING\r\n"

# What is not named is done as RFC 5321 says.  A value is the octets to send
# in place of the polite reply, or what to do.
BEHAVIOURS = {
    "honest": {},

    # before TLS and the greeting
    "silent": {"connect": hang},
    "silent_after_tls": {"greeting": hang},
    "half_a_record": {"greeting": half_record},
    "half_a_record_to_ehlo": {"ehlo": half_record_in_tls},
    "reset_at_once": {"connect": reset},
    "close_at_once": {"connect": close},
    "drip_1_byte_per_s": {"greeting": drip(b"220-a\r\n")},
    "drip_in_handshake": {
        # a TLS record whose body never ends
        "connect": drip(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc" + b"\0" * 99)},
    "garbage_for_tls": {"connect": then_close(bytes(range(256)))},
    "clear_text_for_tls": {"connect": then_close(b"220 hello\r\n")},
    "banner_flood": {"greeting": flood(b"220-" + b"x" * 4000 + b"\r\n")},
    "banner_line_by_line": {
        "greeting": flood(b"220-" + b"x" * 1000 + b"\r\n", pause_s=0.002)},
    "banner_200_kb": {"greeting": b"220 " + b"x" * 200_000 + b"\r\n"},
    "banner_without_end": {"greeting": flood(b"x" * 4096)},
    "nul_in_banner": {"greeting": b"220 a\0b\r\n"},
    "binary_garbage": {"greeting": bytes(range(256)) + b"\r\n"},
    "554_banner": {"greeting": then_close(b"554 no " + SECRET + b"\r\n")},
    "421_banner": {"greeting": then_close(b"421 later " + SECRET + b"\r\n")},
    "ssh_banner": {"greeting": b"SSH-2.0-" + SECRET + b"\r\n"},

    # EHLO
    "ehlo_20000_lines": {"ehlo": b"250-x\r\n" * 20000 + b"250 x\r\n"},
    "ehlo_550": {"ehlo": b"550 5.7.1 " + SECRET + b"\r\n"},
    "ehlo_421": {"ehlo": then_close(b"421 4.3.2 " + SECRET + b"\r\n")},
    "ehlo_silent": {"ehlo": hang},

    # STARTTLS
    "strip_starttls": {"no_starttls": True},
    "strip_starttls_offer_auth": {"no_starttls": True, "auth_in": "clear"},
    "starttls_454": {"starttls": b"454 4.7.0 TLS not available " + SECRET +
                     b"\r\n"},
    "starttls_501": {"starttls": b"501 5.5.2 " + SECRET + b"\r\n"},
    "starttls_close": {"starttls": then_close(b"220 go\r\n")},
    "starttls_silent": {"starttls": hang},
    "starttls_no_handshake": {"handshake": hang},
    "starttls_injection": {"starttls": b"220 go\r\n" + INJECTED},
    "starttls_garbage": {"handshake": then_close(bytes(range(256)))},

    # TLS
    "tls10_only": {"tls_version": ssl.TLSVersion.TLSv1},
    "tls11_only": {"tls_version": ssl.TLSVersion.TLSv1_1},
    # which one is an option
    "cert_wrong_name": {},

    # AUTH
    "auth_absent": {"auth_in": "nowhere"},
    "auth_only_before_tls": {"auth_in": "clear"},
    "auth_454": {"auth": b"454 4.7.0 Too many login attempts " + SECRET +
                 b"\r\n"},
    "auth_421": {"auth": then_close(b"421 4.7.0 later\r\n")},
    "auth_535": {"auth": b"535 5.7.8 " + SECRET + b"\r\n"},
    "auth_535_echo": {"auth": echo(535, SECRET)},
    "auth_454_echo": {"auth": echo(454, SECRET)},
    "auth_334_badb64": {"prompt": b"334 !!!\r\n", "auth": b"334 !!!\r\n"},
    "auth_334_huge": {"prompt": b"334 " + b"QUJD" * 50_000 + b"\r\n",
                      "auth": b"334 " + b"QUJD" * 50_000 + b"\r\n"},
    "auth_334_endless": {"auth": endless_prompts},
    "auth_silent": {"auth": hang},
    # the mechanism, before any login
    "auth_command_504": {"prompt": then_close(b"504 5.5.4 not that\r\n")},
    "auth_half_a_record": {"auth": half_record},
    "auth_close": {"auth": close},
    "auth_reset": {"auth": reset},
    "auth_garbage": {"auth": bytes(range(256)) + b"\r\n"},
    "auth_two_replies": {"auth": b"235 2.7.0 in\r\n250 2.1.0 sender\r\n"},

    # MAIL, RCPT
    "mail_550": {"mail": b"550 5.7.1 not you\r\n"},
    "mail_450": {"mail": b"450 4.7.1 later\r\n"},
    "mail_silent": {"mail": hang},
    "mail_553": {"mail": b"553 5.7.1 not that one\r\n"},
    "rset_close": {"rset": close},
    "rset_silent": {"rset": hang},
    "rset_then_close": {"rset": last_words(b"250 2.0.0 forgotten\r\n")},
    "quit_silent": {"quit": hang},
    "mail_half_a_record": {"mail": half_record},
    "mail_drip": {"mail": drip(b"250-2.1.0 yes\r\n", whole=True)},
    "mail_close": {"mail": close},
    "mail_two_replies": {"mail": b"250 2.1.0 sender\r\n250 2.1.5 who\r\n"},
    "redirect_551": {"rcpt": b"551 5.1.6 try <eve@elsewhere.example>\r\n"},
    "by_recipient": {"rcpt": by_recipient},

    # extensions that are none
    "size_lie": {"extensions": [b"SIZE 100", b"PIPELINING"]},
    "size_552": {"extensions": [b"SIZE", b"PIPELINING"],
                 "mail": b"552 5.3.4 too big\r\n"},
    "size_552_at_end": {"end": b"552 5.3.4 too big after all\r\n"},
    "chunking_lie": {"extensions": [b"CHUNKING", b"PIPELINING"]},
    "pipelining_lie": {"mail": in_pieces(b"250 2.1.0 sender\r\n"),
                       "rcpt": in_pieces(b"250 2.1.5 recipient\r\n")},
    "pipelining_forgotten": {"forgetful": True},
    "no_smtputf8": {"extensions": [b"8BITMIME", b"PIPELINING"]},

    # DATA
    "data_354_then_close": {"data": then_close(b"354 go\r\n")},
    "data_two_replies": {"data": b"354 go\r\n250 2.0.0 taken\r\n"},
    "data_451": {"data": b"451 4.3.0 later\r\n"},
    "data_silent": {"data": hang},
    "data_half_a_record": {"data": half_record},
    "body_unread": {"body": stand_still},
    "body_sipped": {"body": sip},
    "reset_mid_data": {"body": close_mid_data},
    # taken, but the reply is lost on its way
    "lost_250": {"end": reset},
    "end_554": {"end": b"554 5.7.1 spam\r\n"},
    "end_451": {"end": b"451 4.3.0 later\r\n"},
    "slow_data_ack": {"end": after(1.5, b"250 2.0.0 at last\r\n")},
    "never_data_ack": {"end": hang},
    "end_half_a_record": {"end": half_record},
    "end_drip": {"end": drip(b"250-2.0.0 yes\r\n", whole=True)},
    "careless": {"careless": True},
}


# ---- for tests ----

def octets(text):
    """How a text appears in what Session tells."""
    return text.encode().decode("latin-1")


class Session:
    """What one connection brought."""

    def __init__(self, events):
        self.events = events
        self.number = events[0]["connection"]

    def of(self, what):
        return [event for event in self.events if event["what"] == what]

    @property
    def port(self):
        return self.events[0]["port"]

    @property
    def over(self):
        return bool(self.of("close"))

    @property
    def seconds(self):
        """From the connection to the last thing that happened."""
        return self.events[-1]["at"] - self.events[0]["at"]

    @property
    def tls(self):
        return bool(self.of("tls"))

    @property
    def sni(self):
        return self.events[-1]["sni"]

    @property
    def commands(self):
        return [event["line"] for event in self.of("command")]

    @property
    def verbs(self):
        return [line.partition(" ")[0] for line in self.commands]

    @property
    def logins(self):
        """(login, password) of each AUTH that was finished."""
        return [(event["login"], event["password"])
                for event in self.of("auth")]

    @property
    def tries(self):
        """How many AUTH commands there were, finished or not."""
        return sum(event["line"].upper().startswith("AUTH")
                   for event in self.of("auth-line"))

    @property
    def messages(self):
        return self.of("message")

    def outside_auth(self):
        """All octets that came, but for the lines of AUTH within TLS."""
        text = "".join(event["octets"] for event in self.of("octets"))
        for event in self.of("auth-line"):
            if event["tls"]:
                text = text.replace(event["line"], "", 1)
        return text


class Hostile:
    """The server as a process that ends with stop() or with its parent."""

    def __init__(self, folder, address, netns=None):
        self.folder, self.address = pathlib.Path(folder), address
        self.netns = netns
        self.process = None
        self.seen = 0
        self.size = 0
        self.known = []
        self.folder.mkdir(parents=True, exist_ok=True)
        self.play("honest")

    def start(self):
        from slapd import die_with_parent
        # Python warns of TLS 1.0, which is why it is offered here
        words = [sys.executable, "-W", "ignore", __file__, self.address,
                 str(self.folder)]
        if self.netns:
            words = ["ip", "netns", "exec", self.netns, *words]
        self.process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, preexec_fn=die_with_parent)

    def stop(self):
        process, self.process = self.process, None
        if process:
            process.terminate()
            process.wait()

    def play(self, behaviour, certificate="good", passwords=None, users=None,
             mechanisms=("PLAIN", "LOGIN")):
        """From the next connection on; what came before is forgotten."""
        if behaviour not in BEHAVIOURS:
            raise KeyError(behaviour)
        script = self.folder / "script"
        script.with_suffix(".new").write_text(json.dumps({
            "behaviour": behaviour, "certificate": certificate,
            "mechanisms": list(mechanisms), "users": users or {},
            "passwords": None if passwords is None else {
                octets(login): octets(word)
                for login, word in passwords.items()}}))
        os.replace(script.with_suffix(".new"), script)
        self.forget()

    def forget(self):
        """sessions() begins anew with the next connection."""
        self.seen = self.last()

    def last(self):
        return max((event["connection"] for event in self.events()),
                   default=0)

    def events(self):
        log = self.folder / "log"
        if log.exists():
            with open(log, "rb") as file:
                file.seek(self.size)
                # a line that is being written has no end yet
                whole = file.read().rpartition(b"\n")
            self.size += len(whole[0] + whole[1])
            self.known += map(json.loads, whole[0].splitlines())
        return self.known

    def sessions(self, since=None):
        """The connections since play() or forget(), in their order."""
        found = {}
        for event in self.events():
            if event["connection"] > (self.seen if since is None else since):
                found.setdefault(event["connection"], []).append(event)
        return [Session(events) for _, events in sorted(found.items())]


if __name__ == "__main__":
    Server(sys.argv[1], sys.argv[2]).run()

# SPDX-License-Identifier: GPL-2.0-or-later
"""slapd.py - a throwaway OpenLDAP server for tests.

    with Slapd(suffix="dc=org,dc=example", schema=[SCHEMA]) as slapd:
        slapd.add_file("example.ldif")
        found = slapd.search("(uid=jo)", "mail", bind=slapd.root)

Everything lies in one directory; the server listens on a socket there and, if
asked, on loopback ports that were free.  It ends with stop(), with the "with"
block, at the end of the test program, and when that program is killed.
"""

import atexit
import base64
import collections
import ctypes
import os
import pathlib
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse

# sbin is in nobody's PATH but root's.
SLAPD = shutil.which("slapd", path="/usr/sbin:/usr/local/libexec")
SCHEMA_DIR = "/etc/ldap/schema"
MODULE_DIR = "/usr/lib/ldap"

START_S = 10
STOP_S = 10
COMMAND_S = 120

# Who asks: a DN and its password, or one of these two.
ANONYMOUS = None
EXTERNAL = "SASL EXTERNAL"

CONFIG_DN = "cn=config"

NO_SUCH_OBJECT = 32

# An anonymous bind (RFC 4511, 4.2); any answer to it means: ready.
PROBE = bytes.fromhex("300c020101600702010304008000")

# code is the LDAP result code; entries are dictionaries from the lower-case
# name of an attribute to its values, "dn" included.
Answer = collections.namedtuple("Answer", "code text entries")


class SlapdError(Exception):
    """The server did not start, or a command that must succeed did not."""


class Client:
    """Asks a server by the ldap-utils; what Slapd and its kin have in common.

    uri      the server
    suffix   where searches begin
    root     who may do anything with the data: a DN and its password
    options  of libldap, as "-o" takes them
    """

    uri = suffix = root = None
    options = ()

    def command(self, name, *arguments, bind=ANONYMOUS, text=""):
        """Run one of the ldap-utils; its exit status is the result code."""
        words = [name, "-H", self.uri]
        for option in self.options:
            words += ["-o", option]
        if bind == EXTERNAL:
            words += ["-Q", "-Y", "EXTERNAL"]
        elif bind:
            words += ["-x", "-D", bind[0], "-w", bind[1]]
        else:
            words += ["-x"]
        done = subprocess.run(
            words + [str(word) for word in arguments], input=text.encode(),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=COMMAND_S,
            # No ldap.conf of this machine has a say.
            env={**os.environ, "LDAPNOINIT": "1", "LC_ALL": "C"})
        output = done.stdout.decode(errors="replace")
        said = done.stderr.decode(errors="replace") + output
        return Answer(done.returncode, said,
                      parse_ldif(output) if name == "ldapsearch" else [])

    def search(self, query, *attributes, base=None, scope="sub",
               bind=ANONYMOUS, options=()):
        return self.command(
            "ldapsearch", "-LLL", "-o", "ldif-wrap=no", *options,
            "-b", self.suffix if base is None else base, "-s", scope,
            query, *attributes, bind=bind)

    def modify(self, ldif, bind, options=()):
        """LDIF as ldapmodify(1) takes it; "changetype: add" adds."""
        return self.command("ldapmodify", *options, bind=bind, text=ldif)

    def add(self, ldif, bind):
        return self.command("ldapadd", bind=bind, text=ldif)

    def compare(self, dn, assertion, bind):
        """6 is TRUE, 5 is FALSE; assertion is "attribute:value"."""
        return self.command("ldapcompare", dn, assertion, bind=bind)

    def whoami(self, bind):
        """The DN the server knows who asks by, or "anonymous"."""
        answer = self.command("ldapwhoami", bind=bind)
        check(answer, "ldapwhoami")
        return answer.text.strip().removeprefix("dn:")

    def add_file(self, path):
        """A file of data, added as root; SlapdError if that fails."""
        check(self.command("ldapadd", "-f", path, bind=self.root), path)


class Slapd(Client):
    """One server with one mdb database.

    directory  made if need be; without one, a temporary one that stop()
               removes.  A socket's path has at most 107 octets: keep it short
    schema     .schema files to include after those Debian loads
    config     lines of slapd.conf(5) before the database (TLS, modules)
    database   lines within it (access, index, overlays)
    dynamic    the same configuration as cn=config, to be changed by config_dn
    ldap, ldaps  listen on 127.0.0.1 too; ldaps needs TLS lines in config
    """

    def __init__(self, directory=None, suffix="dc=org,dc=example", schema=(),
                 config="", database="", dynamic=False, ldap=False,
                 ldaps=False, debug="none"):
        self.temporary = directory is None
        self.directory = pathlib.Path(
            directory or tempfile.mkdtemp(prefix="outgate-slapd."))
        self.suffix = suffix
        self.dynamic = dynamic
        self.debug = debug
        self.process = None
        self.socket = self.directory / "ldapi"
        self.log = self.directory / "slapd.log"
        self.ldapi = socket_uri(self.socket)
        self.uri = self.ldapi
        self.ldap_port = free_port() if ldap else None
        self.ldaps_port = free_port() if ldaps else None
        # Both may do anything, the one with the data, the other with cn=config.
        self.root = f"cn=root,{suffix}", secrets.token_hex(8)
        self.config = CONFIG_DN, secrets.token_hex(8)
        atexit.register(self.stop)
        try:
            self.configure(schema, config, database)
        except BaseException:
            self.stop()
            raise

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *unused):
        self.stop()

    @property
    def uris(self):
        """Every URI it listens on, ldapi first."""
        return [self.ldapi] + [
            f"{scheme}://127.0.0.1:{port}/" for scheme, port in (
                ("ldap", self.ldap_port), ("ldaps", self.ldaps_port)) if port]

    def configure(self, schema, config, database):
        data = self.directory / "data"
        data.mkdir(parents=True, exist_ok=True)
        files = [f"{SCHEMA_DIR}/{name}.schema"
                 for name in ("core", "cosine", "nis", "inetorgperson")]
        lines = [f"include {name}" for name in [*files, *schema]]
        if any(pathlib.Path(MODULE_DIR).glob("back_mdb.*")):
            lines += [f"modulepath {MODULE_DIR}", "moduleload back_mdb"]
        lines += [
            f"pidfile {self.directory}/slapd.pid", config,
            "database config", f"rootpw {self.config[1]}",
            "database mdb", f"suffix {self.suffix}", f"directory {data}",
            f"rootdn {self.root[0]}", f"rootpw {self.root[1]}",
            "dbnosync", "maxsize 268435456", database, "",
        ]
        conf = self.directory / "slapd.conf"
        conf.write_text("\n".join(lines))
        self.arguments = ["-f", str(conf)]
        if self.dynamic:
            folder = self.directory / "slapd.d"
            folder.mkdir()
            # slapd turns the one into the other when it starts.
            self.arguments += ["-F", str(folder)]

    def start(self):
        """Start it and wait until it answers."""
        if SLAPD is None:
            raise SlapdError("there is no slapd: apt-get install slapd")
        if len(str(self.socket)) > 107:
            raise SlapdError(f"{self.socket}: too long for a socket")
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [SLAPD, "-d", self.debug, "-h", " ".join(self.uris),
                 *self.arguments],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=die_with_parent)
        end = time.monotonic() + START_S
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > end:
                log = self.log.read_text(errors="replace")
                self.stop()
                raise SlapdError(f"slapd did not start:\n{log}")
            time.sleep(0.01)
        if self.dynamic:
            # The next time, what cn=config has become counts.
            self.arguments = ["-F", str(self.directory / "slapd.d")]

    def answers(self):
        """Does it reply to an anonymous bind?"""
        try:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.settimeout(1)
                probe.connect(str(self.socket))
                probe.sendall(PROBE)
                return probe.recv(1) == b"\x30"
        except OSError:
            return False

    def halt(self):
        """End the server and keep its data; start() brings it back."""
        process, self.process = self.process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def stop(self):
        """End the server and remove its directory if it is a temporary one."""
        atexit.unregister(self.stop)
        self.halt()
        if self.temporary:
            shutil.rmtree(self.directory, ignore_errors=True)

    def configure_file(self, path, tool="ldapmodify"):
        """A file of changes to cn=config, as it is; "ldapadd" for schema."""
        check(self.command(tool, "-f", path, bind=self.config), path)

    def clear(self):
        """Remove all data."""
        # slapd 2.5.13 crashes when an empty database is to delete its suffix.
        answer = self.search("(objectClass=*)", "1.1", scope="base",
                             bind=self.root)
        if answer.code != NO_SUCH_OBJECT:
            check(self.command("ldapdelete", "-r", self.suffix,
                               bind=self.root), "ldapdelete")


def check(answer, what):
    if answer.code != 0:
        raise SlapdError(f"{what}: {answer.code}: {answer.text}")


def die_with_parent():
    """In the child: a test that is killed leaves no server behind."""
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    # ^C is for the test, which then stops the server.
    os.setpgid(0, 0)


def socket_uri(path):
    return "ldapi://" + urllib.parse.quote(str(path), safe="")


def free_port():
    """A port of 127.0.0.1 that nobody has at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def parse_ldif(text):
    """The entries of unwrapped LDIF."""
    entries, entry = [], None
    for line in text.split("\n"):
        name, colon, value = line.partition(":")
        if not colon or line.startswith("#"):
            entry = None if not line else entry
            continue
        if value.startswith(":"):
            value = base64.b64decode(value[1:]).decode(errors="replace")
        else:
            value = value.removeprefix(" ")
        if entry is None:
            entry = collections.defaultdict(list)
            entries.append(entry)
        entry[name.lower()].append(value)
    return entries

# SPDX-License-Identifier: GPL-2.0-or-later
"""ds389.py - a throwaway 389 Directory Server for tests.

    with Ds389(schema=[SCHEMA], certificate=path) as server:
        server.add_file("example.ldif")
        found = server.search("(uid=jo)", "mail", bind=server.root)

The instance is made of the package's own template, without the set-up tool,
which wants systemd.  Everything lies in one directory of a sandbox (sandbox.py),
the process is a child that ends with the test; the rest is as in slapd.py.
"""

import atexit
import base64
import hashlib
import os
import pathlib
import pwd
import secrets
import shutil
import subprocess
import tempfile
import time

import sandbox
from slapd import (
    Client, NO_SUCH_OBJECT, SlapdError, check, die_with_parent, free_port,
    socket_uri)

NS_SLAPD = shutil.which("ns-slapd", path="/usr/sbin")
TEMPLATE = pathlib.Path("/usr/share/dirsrv/data/template-dse.ldif")
STOCK = pathlib.Path("/etc/dirsrv")
USER = "dirsrv"

START_S = 60
STOP_S = 30

BACKEND = """
dn: cn=userRoot,cn=ldbm database,cn=plugins,cn=config
changetype: add
objectClass: extensibleObject
objectClass: nsBackendInstance
cn: userRoot
nsslapd-suffix: {suffix}

dn: cn="{suffix}",cn=mapping tree,cn=config
changetype: add
objectClass: extensibleObject
objectClass: nsMappingTree
cn: {suffix}
nsslapd-state: backend
nsslapd-backend: userRoot
"""

TLS = """
dn: cn=encryption,cn=config
changetype: modify
replace: nsTLS1
nsTLS1: on

dn: cn=RSA,cn=encryption,cn=config
changetype: modify
replace: nsSSLPersonalitySSL
nsSSLPersonalitySSL: server
-
replace: nsSSLActivation
nsSSLActivation: on

dn: cn=config
changetype: modify
replace: nsslapd-securePort
nsslapd-securePort: {port}
-
replace: nsslapd-security
nsslapd-security: on
"""


class Ds389(Client):
    """One instance with one database.

    schema       files for the instance's schema directory
    certificate  path.crt and path.key for ldaps on 127.0.0.1; without it there
                 is none
    host         the name that the certificate has
    """

    def __init__(self, suffix="dc=org,dc=example", schema=(),
                 certificate=None, host="localhost"):
        self.directory = pathlib.Path(tempfile.mkdtemp(
            prefix="389.", dir=sandbox.folder()))
        self.suffix = suffix
        self.host = host
        self.process = None
        self.socket = self.directory / "ldapi"
        self.log = self.directory / "log" / "errors"
        self.uri = socket_uri(self.socket)
        self.ldap_port = free_port()
        self.ldaps_port = None
        self.root = f"cn=root,{suffix}", secrets.token_hex(8)
        atexit.register(self.stop)
        try:
            self.configure(schema)
            self.start()
            self.change(BACKEND.format(suffix=suffix))
            if certificate:
                self.secure(certificate)
        except BaseException:
            self.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.stop()

    @property
    def ldaps(self):
        return f"ldaps://{self.host}:{self.ldaps_port}/"

    def configure(self, schema):
        if NS_SLAPD is None:
            raise SlapdError("there is no ns-slapd: apt-get install "
                             "389-ds-base")
        values = {
            f"{name}_dir": self.directory / name for name in
            ("schema", "lock", "tmp", "cert", "ldif", "bak", "run", "log",
             "db", "db_home")}
        for path in values.values():
            path.mkdir()
        values |= {
            "config_dir": self.directory, "inst_dir": self.directory,
            "fqdn": self.host, "ds_port": self.ldap_port, "ds_user": USER,
            "rootdn": self.root[0], "ds_passwd": hashed(self.root[1]),
            "ds_suffix": self.suffix, "db_lib": "bdb", "ldapi_enabled": "on",
            "ldapi": self.socket, "ldapi_autobind": "off"}
        text = TEMPLATE.read_text()
        for name, value in values.items():
            text = text.replace(f"%{name}%", str(value))
        (self.directory / "dse.ldif").write_text(text)
        for path in STOCK.glob("config/*.conf"):
            shutil.copy(path, self.directory)
        for path in [*STOCK.glob("schema/*"), *schema]:
            shutil.copy(path, self.directory / "schema")
        self.own()

    def own(self):
        """The server gives up root: its files are its user's."""
        user = pwd.getpwnam(USER)
        for path in [self.directory, *self.directory.rglob("*")]:
            os.chown(path, user.pw_uid, user.pw_gid)
        os.chmod(self.directory, 0o755)

    def start(self):
        """Start it and wait until it answers."""
        self.process = subprocess.Popen(
            [NS_SLAPD, "-D", self.directory, "-d", "0", "-i",
             self.directory / "run" / "pid"], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            preexec_fn=die_with_parent)
        end = time.monotonic() + START_S
        while self.search("(objectClass=*)", "1.1", base="",
                          scope="base").code != 0:
            if self.process.poll() is not None or time.monotonic() > end:
                log = self.log.read_text(errors="replace")
                self.stop()
                raise SlapdError(f"ns-slapd did not start:\n{log}")
            time.sleep(0.05)

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
        """End the server and remove its directory."""
        atexit.unregister(self.stop)
        self.halt()
        shutil.rmtree(self.directory, ignore_errors=True)

    def secure(self, certificate):
        """TLS with this certificate; the server has to start anew for it."""
        store, folder = self.directory / "server.p12", self.directory / "cert"
        for words in (
                ["openssl", "pkcs12", "-export", "-in", f"{certificate}.crt",
                 "-inkey", f"{certificate}.key", "-name", "server", "-passout",
                 "pass:", "-out", store],
                ["certutil", "-N", "-d", folder, "--empty-password"],
                ["pk12util", "-i", store, "-d", folder, "-W", "", "-K", ""]):
            subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
        self.ldaps_port = free_port()
        self.change(TLS.format(port=self.ldaps_port))
        self.halt()
        self.own()
        self.start()

    def change(self, ldif):
        """Changes to data or cn=config that must succeed."""
        check(self.modify(ldif, self.root), "ldapmodify")

    def change_file(self, path):
        check(self.command("ldapmodify", "-f", path, bind=self.root), path)

    def clear(self):
        """Remove all data."""
        answer = self.search("(objectClass=*)", "1.1", scope="base",
                             bind=self.root)
        if answer.code != NO_SUCH_OBJECT:
            check(self.command("ldapdelete", "-r", self.suffix,
                               bind=self.root), "ldapdelete")


def hashed(password):
    """The server takes no clear text in its configuration."""
    salt = secrets.token_bytes(8)
    digest = hashlib.sha512(password.encode() + salt).digest()
    return "{SSHA512}" + base64.b64encode(digest + salt).decode()

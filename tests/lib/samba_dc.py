# SPDX-License-Identifier: GPL-2.0-or-later
"""samba_dc.py - a throwaway Active Directory for tests: Samba's.

    server = SambaDc(certificate=path, authorities=ca, host="ldap.org.example")
    found = server.search("(cn=jo)", "mail", bind=server.root)

One domain controller for org.example that speaks LDAP and nothing else.  It
takes the standard ports of all addresses, so that it needs a sandbox
(sandbox.py), and lives there until stop().
"""

import os
import pathlib
import re
import secrets
import shutil
import subprocess
import tempfile
import time
import uuid

import sandbox
from sandbox import run
from slapd import Client, SlapdError, die_with_parent

SAMBA = shutil.which("samba", path="/usr/sbin")
DOMAIN = "org.example"
START_S = 60
STOP_S = 30


class SambaDc(Client):
    """A domain controller with the domain of a moment ago.

    certificate  path.crt and path.key for ldaps, with the name host
    authorities  who vouches for it: a file of certificates
    """

    def __init__(self, certificate, authorities, host):
        self.directory = pathlib.Path(tempfile.mkdtemp(
            prefix="ad.", dir=sandbox.folder()))
        self.suffix = "dc=org,dc=example"
        self.uri = "ldap://127.0.0.1"
        self.ldaps = f"ldaps://{host}"
        self.process = None
        self.log = self.directory / "samba.log"
        self.conf = self.directory / "etc" / "smb.conf"
        password = secrets.token_hex(8) + "A-a"
        self.root = f"cn=Administrator,cn=Users,{self.suffix}", password
        # Samba takes no key that others may read.
        os.chmod(f"{certificate}.key", 0o600)
        run("samba-tool", "domain", "provision", f"--realm={DOMAIN}",
            "--domain=ORG", "--server-role=dc", "--dns-backend=NONE",
            "--host-name=dc1", "--host-ip=127.0.0.1",
            f"--adminpass={password}", f"--targetdir={self.directory}",
            "--option=server services = ldap",
            "--option=dsdb:schema update allowed = true",
            f"--option=tls keyfile = {certificate}.key",
            f"--option=tls certfile = {certificate}.crt",
            f"--option=tls cafile = {authorities}")
        self.tool("domain", "passwordsettings", "set", "--complexity=off",
                  "--min-pwd-length=1", "--min-pwd-age=0",
                  "--history-length=0")
        self.start()

    def tool(self, *words):
        """samba-tool, on the domain's own files; what it printed."""
        return run("samba-tool", *words, "-s", self.conf)

    def start(self):
        """Start it and wait until it answers."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [SAMBA, "--interactive", "--model=single", "--debug-stdout",
                 # the tests' own log-ins need no TLS, the module's does
                 "--option=ldap server require strong auth = no",
                 "-s", self.conf], stdin=subprocess.PIPE, stdout=log,
                stderr=log, preexec_fn=die_with_parent)
        end = time.monotonic() + START_S
        while self.search("(objectClass=*)", "1.1", base="",
                          scope="base").code != 0:
            if self.process.poll() is not None or time.monotonic() > end:
                text = self.log.read_text(errors="replace")
                self.stop()
                raise SlapdError(f"samba did not start:\n{text}")
            time.sleep(0.05)

    def stop(self):
        """End the server; its files go with the sandbox."""
        process, self.process = self.process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def sid(self, dn):
        """What access rules call somebody."""
        return self.readable(dn, "objectSid")

    def guid(self, dn):
        """The objectGUID of an entry."""
        return uuid.UUID(self.readable(dn, "objectGUID"))

    def readable(self, dn, attribute):
        """A value as its syntax is written, where LDAP has octets."""
        text = run("ldbsearch", "-H", self.directory / "private" / "sam.ldb",
                   "-b", dn, "-s", "base", attribute)
        return re.search(rf"(?m)^{attribute}: (\S+)$", text).group(1)

    def allow(self, dn, path, **sids):
        """Add the rules of a file of SDDL to an object, as README.md tells."""
        lines = [line for line in path.read_text().split("\n")
                 if line.startswith("(")]
        # What is added last comes first, and the first that fits wins.
        for denied in False, True:
            rules = "".join(line for line in lines
                            if line.startswith("(OD;") == denied)
            for name, sid in sids.items():
                rules = rules.replace(f";{name})", f";{sid})")
            if rules:
                self.tool("dsacl", "set", f"--objectdn={dn}",
                          f"--sddl={rules}")

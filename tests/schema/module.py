# SPDX-License-Identifier: GPL-2.0-or-later
"""module.py - does the module find its way in a directory that is no OpenLDAP?

What is installed asks a real server: "outgate explain" for the decision, and
Exim itself, by the function its routers call, for the route, for which the
seal must open.  Needs a sandbox.
"""

import json
import os
import pathlib
import pwd
import subprocess

import sandbox
from intents import (
    JO, MIA, PARTNER, SAM, STAFF, SUFFIX, change, check)
from sandbox import run
from world import PARTNER as PARTNER_HOST
from world import BUILD, TOP, certificate, make_ca

HOST = "ldap.org.example"
SECRET = pathlib.Path("/etc/outgate/ldap.secret")
MODULE = "/usr/lib/exim4/local_scan/outgate.so"
# A large timeout is no part of what is asked here.
CONF = """\
uri {uri}
bind_dn {service}
bind_password_file {secret}
tls_ca_file {ca}
base {base}
org_domain org.example
proof none
timeout_ms 10000
hedge_ms 10000
{more}
"""


def prepare():
    """A name for the server, its certificate, and outgate installed.

    Returns the path of the CA's certificate and that of the server's, as
    certificate() writes it.
    """
    pathlib.Path("/etc/hosts").write_text(
        f"127.0.0.1 localhost\n127.0.0.1 {HOST}\n")
    pathlib.Path("/etc/nsswitch.conf").write_text(
        "passwd: files\ngroup: files\nhosts: files\n")
    run("make", "-s", "-C", TOP, f"BUILD={BUILD}", "install")
    ca = make_ca(sandbox.folder() / "ca")
    certificate(ca, HOST, sandbox.folder() / "server")
    return ca / "ca.crt", sandbox.folder() / "server"


class Site:
    """A mail host whose outgate.conf names this server."""

    def __init__(self, uri, ca, service, base, more=""):
        """service: DN and password; more: further lines of outgate.conf"""
        folder = SECRET.parent
        folder.mkdir(exist_ok=True)
        SECRET.write_text(service[1] + "\n")
        os.chown(SECRET, 0, pwd.getpwnam("Debian-exim").pw_gid)
        os.chmod(SECRET, 0o640)
        (folder / "outgate.conf").write_text(CONF.format(
            uri=uri, service=service[0], secret=SECRET, ca=ca, base=base,
            more=more))
        if not (folder / "seal").exists():
            run(BUILD / "outgate", "keygen", "--group", "Debian-exim")
        self.exim = sandbox.folder() / "exim.conf"
        self.exim.write_text("keep_environment =\n")

    def explain(self, login, sender):
        """What would happen to a message: the object explain prints."""
        done = subprocess.run(
            [BUILD / "outgate", "explain", "--login", login, "--json"],
            input=f"From: {sender}\n\n", text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)
        if not done.stdout.startswith("{"):
            raise RuntimeError(done.stdout)
        return json.loads(done.stdout)

    def seal(self, dn, owner, login, password="typed", **settings):
        """LDIF that stores a sealed password in a gateway."""
        words = ["--owner", owner, "--dn", dn, "--login", login]
        for name, value in settings.items():
            words += [f"--{name}", value]
        return subprocess.run(
            [BUILD / "outgate", "seal", *words], input=password, text=True,
            check=True, stdout=subprocess.PIPE).stdout

    def route(self, login, owner, sender, word):
        """What a router of Exim's is told; outgate_route() has the words."""
        verdict = (f"og=1 way=gateway why=gateway login={login} "
                   f"owner={owner} from={sender}")
        return run("exim4", "-C", self.exim, "-be",
                   f"${{dlfunc{{{MODULE}}}{{outgate_route}}"
                   f"{{{verdict}}}{{{word}}}}}").strip()


class Questions:
    """What every server must answer the same; for a Case with these:

    make_site()  a Site for the server
    owner(dn)    who a user is, as owner_attribute has it
    """

    def fill(self):
        """The passwords are sealed ones here."""
        super().fill()
        self.site = self.make_site()
        for dn, user, login, settings in (
                (JO, JO, "jo.doe", {"host": PARTNER_HOST}),
                (PARTNER, MIA, "mia.moe",
                 {"host": PARTNER_HOST, "tls": "starttls", "port": "587"})):
            self.change(self.site.seal(dn, self.owner(user), login,
                                       **settings))

    def setUp(self):
        super().setUp()
        self.site = self.make_site()

    def change(self, ldif):
        """By an administrator of the directory."""
        check(self.server.modify(ldif, self.server.root), ldif)

    def test_gateway(self):
        """the module finds a gateway in the user's entry"""
        answer = self.site.explain("jo", "jo.doe@partner.example")
        self.assertEqual(
            (answer["way"], answer["host"], answer["port"], answer["tls"]),
            ("gateway", PARTNER_HOST, 465, "implicit"), answer)

    def test_gateway_below(self):
        """the module finds a gateway below the user's entry"""
        answer = self.site.explain("mia", "team@partner.example")
        self.assertEqual(
            (answer["way"], answer["host"], answer["port"], answer["tls"]),
            ("gateway", PARTNER_HOST, 587, "starttls"), answer)

    def test_unlisted(self):
        """an address of nobody's gateway takes the org route"""
        answer = self.site.explain("jo", "team@partner.example")
        self.assertEqual((answer["way"], answer["reason"]),
                         ("org", "unlisted"))

    def test_no_entry(self):
        """a login without an entry takes the org route"""
        answer = self.site.explain("nobody", "jo.doe@partner.example")
        self.assertEqual((answer["way"], answer["reason"]),
                         ("org", "no-entry"))

    def test_permission(self):
        """the nearest permission wins, up to the base"""
        type(self).clean = False
        for dn, value, reason in (
                (STAFF, "FALSE", "forbidden"), (JO, "TRUE", "gateway"),
                (JO, None, "forbidden"), (STAFF, None, "forbidden"),
                (SUFFIX, "TRUE", "gateway"), (SUFFIX, "FALSE", "forbidden")):
            self.permit(dn, value)
            answer = self.site.explain("jo", "jo.doe@partner.example")
            self.assertEqual(answer["reason"], reason, (dn, value))

    def permit(self, dn, value):
        """outgateAllowed at this level; None leaves it to those above."""
        has = self.server.search("(objectClass=outgatePolicy)", base=dn,
                                 scope="base", bind=self.server.root).entries
        parts = [] if has else ["add objectClass", "outgatePolicy"]
        parts += ["replace outgateAllowed"] + ([value] if value else [])
        self.change(change(dn, *parts))

    def test_hosts(self):
        """the administrator's list of smarthosts counts"""
        type(self).clean = False
        self.change(change(STAFF, "add outgateAllowedHost",
                                  "*.other.example"))
        answer = self.site.explain("jo", "jo.doe@partner.example")
        self.assertEqual(answer["reason"], "host-denied", answer)

    def test_route(self):
        """Exim is given the route, and the seal opens for its owner"""
        who = "jo", self.owner(JO), "jo.doe@partner.example"
        for word, text in (("refusal", ""), ("hold", ""),
                           ("host", PARTNER_HOST), ("port", "465")):
            self.assertEqual(self.site.route(*who, word), text)

    def test_seal_of_another(self):
        """a password that was sealed for somebody else does not open"""
        type(self).clean = False
        self.change(self.site.seal(
            JO, self.owner(SAM), "jo.doe", host=PARTNER_HOST))
        self.assertIn("outgatePassword", self.site.route(
            "jo", self.owner(JO), "jo.doe@partner.example", "refusal"))

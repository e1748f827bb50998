#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""An external address both ways: what comes in there is fetched and answered.

The recipes of docs/collecting.md as they stand, with a real POP3 server; only
the password is the partner's.
"""

import email
import email.policy
import pathlib
import pwd
import re
import smtplib
import ssl
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

import sandbox
import tap
import world as fixture
from world import (ADDRESS, ORG_ADDRESS, PARTNER, PARTNER_PASSWORDS, TOP,
                   World, certificate, run, unfolded, wait, wait_for_port)

JO_AWAY = "jo.doe@partner.example"
SAM_AWAY = "sam.roe@partner.example"
POP = "pop.partner.example"
POP_ADDRESS = "203.0.113.11"
ORG = "mail.org.example"

DOVECOT_CONFIG = """\
base_dir = {folder}/run
log_path = {folder}/log
protocols = pop3
listen = {address}
ssl = required
ssl_cert = <{folder}/server.crt
ssl_key = <{folder}/server.key
mail_location = maildir:{mail}/%n
first_valid_uid = 1
service stats {{
  client_limit = 100
}}
service pop3-login {{
  inet_listener pop3 {{
    port = 0
  }}
  inet_listener pop3s {{
    port = 995
    ssl = yes
  }}
}}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {folder}/passwords
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}
}}
"""

# Jo's mail at the partner has a mailbox of its own.
MAILBOX_ROUTER = """\
begin routers
jo:
  driver = accept
  local_parts = jo.doe
  transport = mailbox
"""
MAILBOX_TRANSPORT = """\
begin transports
mailbox:
  driver = appendfile
  directory = {folder}/mail/jo.doe
  maildir_format
  create_directory
  user = Debian-exim
"""

world = pop = None


class Partner(World):
    """The partner's server stores Jo's mail where a POP3 server finds it."""

    def write_server(self, server):
        super().write_server(server)
        if server.name == PARTNER:
            (server.folder / "mail").mkdir()
            run("chown", "Debian-exim:", server.folder / "mail")
            path = server.etc / "exim4.conf"
            path.write_text(path.read_text().replace(
                "begin routers\n", MAILBOX_ROUTER).replace(
                "begin transports\n",
                MAILBOX_TRANSPORT.format(folder=server.folder)))


class Pop3:
    """Dovecot at the partner's."""

    def __enter__(self):
        self.folder = sandbox.folder() / "dovecot"
        self.folder.mkdir()
        run("ip", "netns", "exec", "outside", "ip", "address", "add",
            f"{POP_ADDRESS}/24", "dev", self.device())
        with open("/etc/hosts", "a") as hosts:
            hosts.write(f"{POP_ADDRESS} {POP}\n")
        certificate(world.ca, POP, self.folder / "server")
        (self.folder / "passwords").write_text(
            f"jo.doe:{PARTNER_PASSWORDS['jo.doe']}\n")
        user = pwd.getpwnam("Debian-exim")
        mail = world.servers[PARTNER].folder / "mail"
        config = self.folder / "dovecot.conf"
        config.write_text(DOVECOT_CONFIG.format(
            folder=self.folder, address=POP_ADDRESS, mail=mail,
            uid=user.pw_uid, gid=user.pw_gid))
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", "outside", "dovecot", "-F", "-c", config],
            stdin=subprocess.DEVNULL)
        wait_for_port("outside", POP_ADDRESS, 995)
        return self

    def __exit__(self, *unused):
        self.process.terminate()
        self.process.wait(fixture.WAIT_S)

    @staticmethod
    def device():
        """The interface of that network that has the partner's address."""
        shown = subprocess.run(
            ["ip", "netns", "exec", "outside", "ip", "-oneline", "address"],
            check=True, stdout=subprocess.PIPE, text=True).stdout
        line, = [line for line in shown.splitlines()
                 if f" {ADDRESS[PARTNER]}/" in line]
        return line.split()[1].partition("@")[0]


def setUpModule():
    global world, pop
    world = Partner(conf="proof none\n")
    world.__enter__()
    world.seal_example()
    world.permit()
    pop = Pop3()
    pop.__enter__()


def tearDownModule():
    if pop:
        pop.__exit__()
    world.__exit__()


def recipe(name):
    """The text of docs/collecting.md, with the password that is true here."""
    page = (TOP / "docs/collecting.md").read_text()
    text, = re.findall(rf"<!-- {name} -->\n```\n(.*?)```\n", page, re.S)
    if text.count("app-password") != 1:
        raise RuntimeError(f"{name}: which is the password?")
    return text.replace("app-password", PARTNER_PASSWORDS["jo.doe"])


class RoundTrip(unittest.TestCase):
    def tearDown(self):
        world.empty_queue()

    def write_to_jo(self):
        """Somebody at the partner's writes to her address there."""
        context = ssl.create_default_context(cafile=world.ca / "ca.crt")
        with smtplib.SMTP_SSL(PARTNER, 465, context=context) as smtp:
            smtp.login("sam.roe", PARTNER_PASSWORDS["sam.roe"])
            smtp.sendmail(SAM_AWAY, [JO_AWAY], "\r\n".join([
                f"From: Sam Roe <{SAM_AWAY}>", f"To: {JO_AWAY}",
                f"Subject: {self.id()}", f"Message-Id: <{self.id()}@partner>",
                "", "A question.", ""]))
        self.assertTrue(wait(self.at_the_partners, bool))

    @staticmethod
    def at_the_partners():
        folder = world.servers[PARTNER].folder / "mail/jo.doe"
        return [path for part in ("new", "cur")
                for path in (folder / part).glob("*")]

    def fetched(self):
        """It is in Jo's mailbox here, as it was, and no longer there."""
        (server, message), = world.arrived(self.id())
        self.assertEqual(server, ORG)
        self.assertEqual(message["X-Arrived-For"], "jo@org.example")
        self.assertEqual(message["From"], f"Sam Roe <{SAM_AWAY}>")
        self.assertEqual(message["To"], JO_AWAY)
        self.assertEqual(wait(self.at_the_partners, lambda found: not found),
                         [])
        return message

    def answered(self, message):
        """The reply leaves by the gateway, in the thread."""
        subject = f"Re: {self.id()}"
        reply = world.submit(
            "jo", message["To"], [SAM_AWAY], subject,
            headers=[f"In-Reply-To: {message['Message-Id']}"])
        self.assertRegex(reply, "^250 ")
        (server, answer), = world.arrived(subject)
        self.assertEqual(server, PARTNER)
        self.assertEqual(answer["X-Arrived-As"], "jo.doe")
        self.assertEqual(answer["X-Arrived-From"], f"<{JO_AWAY}>")
        self.assertEqual(answer["In-Reply-To"], f"<{self.id()}@partner>")
        self.assertIsNone(answer["Sender"])

    def no_submission(self):
        """The module gave what was fetched no gateway."""
        self.assertEqual([line for line in world.org.log().splitlines()
                          if "outgate:" in line and "way=gateway" in line and
                          SAM_AWAY in line], [])

    def test_fetchmail(self):
        """fetchmail brings it here, and the reply leaves by the gateway"""
        self.write_to_jo()
        done = self.fetchmail()
        self.assertEqual(done.returncode, 0, done.stdout)
        self.answered(self.fetched())
        self.no_submission()

    def test_fetchmail_verifies(self):
        """fetchmail gives no password to a server that is another's"""
        self.write_to_jo()
        certificate(world.ca, "pop.other.example", pop.folder / "server")
        self.reload()
        try:
            done = self.fetchmail()
        finally:
            certificate(world.ca, POP, pop.folder / "server")
            self.reload()
        self.assertNotEqual(done.returncode, 0, done.stdout)
        self.assertEqual(len(self.at_the_partners()), 1)
        self.assertEqual(self.fetchmail().returncode, 0)

    def test_what_is_fetched_takes_no_gateway(self):
        """From a gateway's own address, to its owner: it stays here"""
        context = ssl.create_default_context(cafile=world.ca / "ca.crt")
        with smtplib.SMTP_SSL(PARTNER, 465, context=context) as smtp:
            smtp.login("sam.roe", PARTNER_PASSWORDS["sam.roe"])
            smtp.sendmail(JO_AWAY, [JO_AWAY], "\r\n".join([
                f"From: {JO_AWAY}", f"To: {JO_AWAY}",
                f"Subject: {self.id()}", "", "To myself.", ""]))
        self.assertTrue(wait(self.at_the_partners, bool))
        self.assertEqual(self.fetchmail().returncode, 0)
        (server, message), = world.arrived(self.id())
        self.assertEqual((server, message["X-Arrived-For"]),
                         (ORG, "jo@org.example"))

    def test_getmail(self):
        """getmail brings it here, and the reply leaves by the gateway"""
        self.write_to_jo()
        folder = sandbox.folder() / "getmail"
        folder.mkdir()
        (folder / "getmailrc").write_text(recipe("getmailrc"))
        (folder / "getmailrc").chmod(0o600)
        done = self.as_exim(folder, "getmail", "--getmaildir", folder)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.answered(self.fetched())
        self.no_submission()

    def fetchmail(self):
        folder = sandbox.folder() / f"fetchmail.{self.id()}"
        folder.mkdir(exist_ok=True)
        path = folder / "fetchmailrc"
        path.write_text(recipe("fetchmailrc"))
        path.chmod(0o600)
        return self.as_exim(folder, "fetchmail", "--nodetach", "--daemon", "0",
                            "--fetchmailrc", path, "--pidfile",
                            folder / "pid", "--idfile", folder / "ids",
                            "--nosyslog")

    @staticmethod
    def as_exim(folder, *words):
        """Run it as a user that is not root, where sendmail is ours."""
        run("chown", "-R", "Debian-exim:", folder)
        done = world.org.inside(
            "setpriv", "--reuid", "Debian-exim", "--regid", "Debian-exim",
            "--clear-groups", "env", f"HOME={folder}", *words)
        done.stdout += done.stderr
        return done

    @staticmethod
    def reload():
        pop.__exit__()
        pop.process = subprocess.Popen(pop.process.args,
                                       stdin=subprocess.DEVNULL)
        wait_for_port("outside", POP_ADDRESS, 995)


if __name__ == "__main__":
    sandbox.enter()
    tap.main()

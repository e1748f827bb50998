#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""outgate in a real configuration: Debian's, with what a site has of its own.

Debian's split configuration after docs/install-debian.md, with a smarthost, a
hubbed domain, DKIM and a DATA ACL by Debian's own macros; then what administrators
put in front of outgate: routers, a system filter, cutthrough delivery.
"""

import pathlib
import re
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

import sandbox
import tap
import world as fixture
from debian import ETC, Site, sections, type_section
from sandbox import run
from world import OUTSIDE, PARTNER, unfolded, wait

JO_AWAY = "jo.doe@partner.example"
# remote_smtp, by hubbed_hosts, and remote_smtp_smarthost lead to one server.
HUBBED = "someone@outside.example"
SMART = "someone@elsewhere.example"

MACROS = """\
daemon_smtp_ports = 25 : 587
DKIM_DOMAIN = org.example
DKIM_SELECTOR = s1
DKIM_PRIVATE_KEY = /etc/exim4/dkim.key
CHECK_DATA_LOCAL_ACL_FILE = /etc/exim4/local_data_acl
"""

DATA_ACL = """\
  warn
    add_header = X-Site: has looked at it
  deny
    condition = ${if match{$message_body}{forbidden words}}
    message = not with these words
"""

# What an administrator may want done before anything else.
FRONT_ROUTERS = """\
site_archive:
  driver = accept
  local_parts = archived
  unseen
  transport = site_archive

site_copies:
  driver = redirect
  local_parts = copied
  data = kim@org.example
  unseen

site_aliases:
  driver = redirect
  domains = +local_domains
  data = ${lookup{$local_part}lsearch{/etc/exim4/site-aliases}}
"""
ALIASES = f"team: kim@org.example, {HUBBED}\n"

ARCHIVE = """\
site_archive:
  driver = appendfile
  file = /var/mail/archive
  user = mail
"""

SYSTEM_FILTER = """\
# Exim filter
if $h_subject: contains "journal" then
  unseen deliver kim@org.example
endif
"""

site = None


class Organisation(Site):
    # from there mail programs are none of Debian's relay_from_hosts
    submission = fixture.ORG_ADDRESS

    def configure_exim(self):
        super().configure_exim()
        conf = ETC / "update-exim4.conf.conf"
        conf.write_text(re.sub("(?m)^dc_local_interfaces=.*$",
                               "dc_local_interfaces=''", conf.read_text()))
        with open(ETC / "conf.d/main/000_localmacros", "a",
                  encoding="ascii") as macros:
            macros.write(MACROS)
        (ETC / "local_data_acl").write_text(DATA_ACL)
        (ETC / "hubbed_hosts").write_text(
            f"outside.example: {OUTSIDE} byname\n")
        run("openssl", "genrsa", "-out", ETC / "dkim.key", "2048")
        run("chgrp", "Debian-exim", ETC / "dkim.key")
        (ETC / "dkim.key").chmod(0o640)
        for name in "jo", "kim":
            run("useradd", "--create-home", "--home-dir", f"/var/{name}",
                name)


def setUpModule():
    global site
    fixture.ORG_PASSWORDS["jo"] = "jo-secret"
    site = Organisation()
    site.__enter__()
    for title in list(sections())[:7]:
        code, printed = type_section(title)
        if code != 0:
            raise RuntimeError(f"{title}: {printed}")


def tearDownModule():
    site.__exit__()


class Organised(unittest.TestCase):
    def tearDown(self):
        site.permit()
        for server in site.servers.values():
            if server.process is None:
                server.start()
                fixture.wait_for_port("outside", fixture.ADDRESS[server.name],
                                      25 if server.name == OUTSIDE else 465)
        site.empty_queue()
        for path in pathlib.Path("/var/spool/exim4/db").glob("*"):
            path.unlink()

    def send(self, sender=JO_AWAY, recipients=(HUBBED,), **options):
        """Accepted; returns Exim's name for the message."""
        reply = site.submit("jo", sender, recipients, self.subject(),
                            **options)
        self.assertRegex(reply, "^250 OK id=")
        return reply.partition("id=")[2]

    def subject(self):
        return self.id()

    def arrival(self, server, count=1):
        """So many copies, all at this server; the first one."""
        found = site.arrived(self.subject(), count)
        self.assertEqual([name for name, _ in found], [server] * count,
                         site.org.log()[-3000:])
        return found[0][1]

    def nowhere(self):
        self.assertEqual(site.arrived_now(self.subject()), [])

    def mailbox(self, login, count=1):
        """Messages with our subject in somebody's mailbox here."""
        return wait(lambda: self.mailbox_now(login),
                    lambda found: len(found) >= count)

    def mailbox_now(self, login):
        return [message for message in site.org.received(login)
                if f"Subject: {self.subject()}" in unfolded(message)]

    def logged(self, *texts):
        line = site.logged(*texts)
        self.assertIsNotNone(line, site.org.log()[-3000:])
        return line


class Ways(Organised):
    """Every message by its own way, with what belongs to that."""

    def test_the_routers_of_outgate_are_the_first(self):
        routers = site.org.command("-bP", "router_list").split()
        ours = [name for name in routers if name.startswith("outgate_")]
        self.assertIn("outgate_guard", ours)
        self.assertEqual(routers[:len(ours) + 1], [*ours, "hubbed_hosts"])

    def test_an_external_from_takes_the_gateway(self):
        self.send()
        message = self.arrival(PARTNER)
        self.assertEqual(message["X-Arrived-As"], "jo.doe")
        self.assertEqual(message["X-Arrived-From"], f"<{JO_AWAY}>")
        self.assertEqual(message["X-Arrived-Tls"], "yes")
        self.assertNotIn("Sender", message)

    def test_so_it_does_to_the_smarthosts_and_to_local_recipients(self):
        self.send(recipients=[HUBBED, SMART, "kim@org.example"])
        self.arrival(PARTNER, 3)
        self.assertEqual(self.mailbox_now("kim"), [])

    def test_an_internal_from_takes_the_smarthost_with_the_orgs_login(self):
        self.send("jo@org.example", [SMART])
        message = self.arrival(OUTSIDE)
        self.assertEqual(message["X-Arrived-As"], fixture.RELAY[0])
        self.assertEqual(message["X-Arrived-From"], "<jo@org.example>")

    def test_an_internal_from_to_a_hubbed_domain_needs_no_login(self):
        self.send("jo@org.example", [HUBBED])
        self.assertEqual(self.arrival(OUTSIDE)["X-Arrived-As"], "nobody")

    def test_an_internal_from_to_a_colleague_stays_here(self):
        self.send("jo@org.example", ["kim@org.example"])
        self.assertEqual(len(self.mailbox("kim")), 1)
        self.nowhere()

    def test_without_permission_it_takes_the_org_route_with_a_sender(self):
        site.permit("FALSE")
        self.send()
        message = self.arrival(OUTSIDE)
        self.assertEqual(message["Sender"], "jo@org.example")
        self.assertEqual(message["X-Arrived-From"], "<jo@org.example>")

    def test_nobody_names_somebody_else_in_sender(self):
        site.permit("FALSE")
        self.send(headers=["Sender: kim@org.example"])
        self.assertEqual(self.arrival(OUTSIDE).get_all("Sender"),
                         ["jo@org.example"])

    def test_mail_from_outside_comes_in_as_before(self):
        reply = site.submit("jo", "x@outside.example", ["kim@org.example"],
                            self.subject(), auth=False,
                            envelope="x@outside.example")
        self.assertRegex(reply, "^250 OK")
        self.assertEqual(len(self.mailbox("kim")), 1)

    def test_a_bounce_comes_home(self):
        self.come_home()

    def test_a_bounce_comes_home_from_who_needs_no_login_but_has_one(self):
        """A bounce comes home to who logs in from one of relay_from_hosts"""
        site.submission = "127.0.0.1"
        try:
            self.come_home()
        finally:
            del site.submission

    def come_home(self):
        """Whatever the mail program says who sends."""
        site.servers[PARTNER].stop()
        message = self.send(envelope=JO_AWAY)
        self.logged(f"{message} == ", "T=outgate_implicit")
        site.permit("FALSE")
        site.run_queue()
        bounce, = self.mailbox("jo")
        self.assertEqual(bounce["Return-path"], "<>")
        self.assertIn("outbound gateways are not enabled", unfolded(bounce))
        self.nowhere()


class Signed(Organised):
    """DKIM by Debian's macros, on remote_smtp."""

    def test_org_mail_is_signed(self):
        self.send("jo@org.example")
        signature = str(self.arrival(OUTSIDE)["DKIM-Signature"])
        self.assertRegex(signature, r"\bd=org\.example\s*; s=s1;")

    def test_org_mail_with_an_external_from_is_signed(self):
        site.permit("FALSE")
        self.send()
        self.assertIn("DKIM-Signature", self.arrival(OUTSIDE))

    def test_gateway_mail_is_not_signed_by_the_org(self):
        self.send()
        self.assertNotIn("DKIM-Signature", self.arrival(PARTNER))


class DataAcl(Organised):
    """The site's own DATA ACL counts for gateway mail too."""

    def test_its_header_is_in_gateway_mail(self):
        self.send()
        self.assertEqual(self.arrival(PARTNER)["X-Site"],
                         "has looked at it")

    def test_what_it_refuses_does_not_take_the_gateway(self):
        reply = site.submit_raw("jo", [HUBBED], (
            f"From: {JO_AWAY}\r\nTo: {HUBBED}\r\nSubject: {self.subject()}"
            "\r\n\r\nSome forbidden words.\r\n"))
        self.assertEqual(reply, "550 not with these words")
        self.assertEqual(site.queue(), "")
        self.nowhere()


class Fronted(Organised):
    """With routers before outgate's, and a system filter."""

    router = ETC / "conf.d/router/040_site"

    @classmethod
    def setUpClass(cls):
        cls.router.write_text(FRONT_ROUTERS)
        (ETC / "site-aliases").write_text(ALIASES)
        (ETC / "conf.d/transport/040_site").write_text(ARCHIVE)
        (ETC / "system-filter").write_text(SYSTEM_FILTER)
        (ETC / "conf.d/main/040_site").write_text(
            "system_filter = /etc/exim4/system-filter\n")
        site.reconfigure()

    @classmethod
    def tearDownClass(cls):
        cls.router.unlink()
        for part in "transport", "main":
            (ETC / f"conf.d/{part}/040_site").unlink()
        site.reconfigure()


class InFront(Fronted):
    """F87: what a router in front takes never takes the org route."""

    def held(self, message, count):
        """So many addresses of it wait, and the log says why."""
        self.logged(f"{message} == ", "R=outgate_guard T=outgate_hold")
        wait(lambda: self.defers(message), lambda n: n >= count)
        self.assertEqual(self.defers(message), count)
        self.assertIn(message, site.queue())

    @staticmethod
    def defers(message):
        return len(set(re.findall(rf"{message} == (\S+) .*T=outgate_hold",
                                  site.org.log())))

    def test_F87_what_an_alias_expands_to_is_held(self):
        """F87: what an alias in front expands to is held, nobody gets it"""
        self.held(self.send(recipients=["team@org.example"]), 2)
        site.run_queue()
        self.nowhere()
        self.assertEqual(self.mailbox_now("kim"), [])

    def test_F87_the_other_recipients_have_it_by_the_gateway(self):
        message = self.send(recipients=["team@org.example", SMART])
        self.assertEqual(self.arrival(PARTNER)["X-Arrived-For"], SMART)
        self.held(message, 2)

    def test_F87_it_goes_by_the_gateway_when_the_router_has_gone(self):
        self.held(self.send(recipients=["team@org.example"]), 2)
        self.router.unlink()
        try:
            site.reconfigure()
            site.run_queue()
            self.assertEqual(self.arrival(PARTNER)["X-Arrived-For"],
                             "team@org.example")
        finally:
            self.router.write_text(FRONT_ROUTERS)
            site.reconfigure()

    def test_F87_it_comes_home_after_two_days(self):
        self.held(self.send(recipients=["team@org.example"]), 2)
        subprocess.run(["faketime", "-f", "+2.1d", fixture.EXIM, "-qff"],
                       check=True)
        # Exim's message of the future waits for its time
        site.run_queue()
        bounce, = self.mailbox("jo")
        self.assertIn("failed", bounce["Subject"])
        self.assertIn("team@org.example", unfolded(bounce))
        self.nowhere()

    def test_org_mail_to_the_alias_is_expanded_as_before(self):
        self.send("jo@org.example", ["team@org.example"])
        self.assertEqual(self.arrival(OUTSIDE)["X-Arrived-For"], HUBBED)
        self.assertEqual(len(self.mailbox("kim")), 1)

    def test_F87_a_copy_by_redirection_is_held_the_message_goes(self):
        message = self.send(recipients=["copied@outside.example"])
        self.assertEqual(self.arrival(PARTNER)["X-Arrived-For"],
                         "copied@outside.example")
        self.held(message, 1)
        self.assertEqual(self.mailbox_now("kim"), [])

    def test_an_archive_by_a_transport_of_its_own_gets_its_copy(self):
        self.send(recipients=["archived@outside.example"])
        self.assertEqual(self.arrival(PARTNER)["X-Arrived-For"],
                         "archived@outside.example")
        self.assertIn(f"Subject: {self.subject()}",
                      pathlib.Path("/var/mail/archive").read_text())
        self.assertEqual(site.queue(), "")


class Filtered(Fronted):
    """A system filter that copies what has "journal" in its subject."""

    def subject(self):
        return f"journal {self.id()}"

    def test_the_copy_of_a_system_filter_is_the_sites_own(self):
        self.send()
        self.arrival(PARTNER)
        self.assertEqual(len(self.mailbox("kim")), 1)
        self.assertEqual(site.queue(), "")


class AskedFor(Organised):
    """With a line of the administrator's for recipients of submissions."""

    line = None
    acl = ETC / "conf.d/acl/30_exim4-config_check_rcpt"

    @classmethod
    def setUpClass(cls):
        cls.before = cls.acl.read_text()
        mark = "control = submission/domain=org.example\n"
        text = cls.before.replace(mark, f"{mark}    {cls.line}\n")
        assert text != cls.before
        cls.acl.write_text(text)
        site.reconfigure()

    @classmethod
    def tearDownClass(cls):
        cls.acl.write_text(cls.before)
        site.reconfigure()

    def seen_by_the_next_server(self):
        """The messages it has stored; those it has heard a part of only."""
        return site.servers[OUTSIDE].log().count(" <= ")


class CutThrough(AskedFor):
    """F86: mail is passed on while it comes in."""

    line = "control = cutthrough_delivery"
    REFUSED = ("451 4.3.5 this server passes mail on before its outbound "
               "gateway is known; ask your administrator")

    def test_F86_a_gateways_message_is_refused_and_nobody_gets_it(self):
        before = self.seen_by_the_next_server()
        for recipients in [SMART], [SMART, "other@elsewhere.example"]:
            self.assertEqual(site.submit("jo", JO_AWAY, recipients,
                                         self.subject()), self.REFUSED)
        self.nowhere()
        self.assertEqual(self.seen_by_the_next_server(), before)
        self.assertEqual(site.queue(), "")

    def test_org_mail_is_passed_on_as_the_administrator_wants(self):
        """The test above is about cutthrough delivery"""
        message = self.send("jo@org.example", [SMART])
        self.arrival(OUTSIDE)
        self.logged(f"{message} >> {SMART}")

    def test_F86_what_comes_next_in_that_session_arrives_whole_and_alone(self):
        with site.client(587) as smtp:
            smtp.login("jo", fixture.ORG_PASSWORDS["jo"])
            for sender, text in ((JO_AWAY, "First."),
                                 ("jo@org.example", "Second.")):
                smtp.mail("jo@org.example")
                smtp.rcpt(SMART)
                code, _ = smtp.data(f"From: {sender}\r\nSubject: "
                                    f"{self.subject()}\r\n\r\n{text}\r\n")
        self.assertEqual(code, 250)
        message = self.arrival(OUTSIDE)
        self.assertEqual(message["From"], "jo@org.example")
        self.assertEqual(message.get_payload().strip(), "Second.")

    def test_F86_by_bdat_exim_does_not_pass_it_on(self):
        text = (f"From: {JO_AWAY}\r\nSubject: {self.subject()}\r\n\r\n"
                "Text.\r\n").encode()
        with site.client(587) as smtp:
            smtp.login("jo", fixture.ORG_PASSWORDS["jo"])
            smtp.mail("jo@org.example")
            smtp.rcpt(SMART)
            smtp.send(b"BDAT %d LAST\r\n%s" % (len(text), text))
            self.assertEqual(smtp.getreply()[0], 250)
        self.assertEqual(self.arrival(PARTNER)["X-Arrived-For"], SMART)

    def test_F86_where_the_transport_signs_exim_does_not_pass_it_on(self):
        self.send(recipients=[HUBBED])
        self.assertEqual(self.arrival(PARTNER)["X-Arrived-For"], HUBBED)

    def test_F86_what_stays_here_is_not_passed_on(self):
        self.send(recipients=["kim@org.example"])
        self.assertEqual(self.arrival(PARTNER)["X-Arrived-For"],
                         "kim@org.example")


class CalledOut(AskedFor):
    """The next server is asked about a recipient, and no more."""

    line = "verify = recipient/callout=5s,no_cache"

    def test_a_callout_is_not_taken_for_cutthrough_delivery(self):
        before = site.servers[OUTSIDE].log().count("SMTP connection from")
        self.send(recipients=[SMART])
        self.assertEqual(self.arrival(PARTNER)["X-Arrived-For"], SMART)
        self.assertGreater(
            site.servers[OUTSIDE].log().count("SMTP connection from"), before)


if __name__ == "__main__":
    sandbox.enter()
    tap.main()

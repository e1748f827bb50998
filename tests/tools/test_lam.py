#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""LDAP Account Manager with outgate's module, used by people like Jo.

Its self-service pages are not part of the version that Debian has.  So users
log in where administrators do, and the directory sees to it that they are none.
"""

import base64
import pathlib
import sys
import unittest
import urllib.parse

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/lib"))

import sandbox
import tap

if __name__ == "__main__":
    sandbox.enter()

from selfservice import (
    JO, KIM, SAM, Browser, Case, LdapAccountManager, directory, install)
from slapd import check

OTHER = f"cn=other,{JO}"
PAGE = "Send as another address"
STOP = "Stop sending as another address"
BUTTON = "button[name=form_subpage_outgateAccount_attributes_{}]".format
SAVED = "Account was modified successfully"

# Sentence, what is typed, what the page says then.
REFUSED = [
    ("a port that is no number", {"Port": "abc"}, "outgatePort"),
    ("an address with a letter beyond ASCII",
     {"Address_0": "j\u00f6@partner.example"}, "outgateAddress"),
    ("a server that is none, and a password for it",
     {"Host": "localhost", "Password": "x"},
     "outgateHost is not a host name like smtp.partner.example"),
    ("a password that is too long", {"Password": "x" * 257},
     "the password is longer than 256 octets"),
]


def setUpModule():
    global site, slapd, keys, browser
    install()
    slapd, keys = directory()
    unittest.addModuleCleanup(keys.close)
    unittest.addModuleCleanup(slapd.stop)
    site = LdapAccountManager(slapd)
    unittest.addModuleCleanup(site.stop)
    # the list of users is worked by its icons
    browser = Browser(images=True)
    unittest.addModuleCleanup(browser.quit)


def field(name):
    return f"[name=outgate{name}]"


class Tool(Case):
    def setUp(self):
        self.renew(slapd, keys)
        browser.forget()

    def log_in(self, name):
        browser.open(site.url + "login.php")
        browser.type("#username", name)
        browser.type("#passwd", f"{name}-secret")
        browser.click("#btn_checklogin")
        browser.expect("User count")

    def account(self, name, dn):
        """An account, by the pencil in the list of users."""
        self.log_in(name)
        browser.click("a[title=Edit][href*='%s']" % urllib.parse.quote(
            dn, safe=""))

    def page(self, name, dn):
        self.account(name, dn)
        browser.button(PAGE)

    def own_page(self, name, dn):
        self.page(name, dn)
        browser.find(field("Host"))

    def fill_in(self, **values):
        for name, value in values.items():
            browser.type(field(name), value)

    def save(self):
        browser.button("Save")
        browser.expect(SAVED)


@tap.tables
class Own(Tool):
    def test_a_user_without_a_gateway_sets_one(self):
        self.page("kim", KIM)
        browser.click(BUTTON("add"))
        self.fill_in(Address_0="kim.poe@partner.example",
                     Host="smtp.partner.example", Login="kim.poe",
                     Password=" k{i}m ")
        self.save()
        self.expect_entry(KIM, objectclass=["inetOrgPerson", "outgateAccount"],
                          outgateaddress=["kim.poe@partner.example"],
                          outgatehost=["smtp.partner.example"],
                          outgatelogin=["kim.poe"],
                          outgatetls=["implicit"], outgateenabled=["TRUE"],
                          outgateport=None)
        self.expect_password(KIM, " k{i}m ")

    def test_other_classes_of_an_entry_stay(self):
        self.give_class(KIM, "posixAccount", uidNumber="1000",
                        gidNumber="1000", homeDirectory="/home/kim")
        self.page("kim", KIM)
        browser.click(BUTTON("add"))
        self.fill_in(Host="smtp.partner.example")
        self.save()
        self.expect_entry(KIM, uidnumber=["1000"], objectclass=[
            "inetOrgPerson", "posixAccount", "outgateAccount"])

    def test_a_change_keeps_the_password_that_is_not_typed_again(self):
        before = self.set_password(JO, "old")
        self.own_page("jo", JO)
        self.assertEqual(browser.value(field("Password")), "")
        self.fill_in(Address_0="jo@partner.example")
        self.save()
        self.expect_entry(JO, outgateaddress=["jo@partner.example"],
                          outgatehost=["smtp.partner.example"],
                          outgatepassword=[before])

    def test_the_password_alone_is_changed(self):
        before = self.set_password(JO, "old")
        self.own_page("jo", JO)
        self.fill_in(Password="n{e}w")
        self.save()
        self.expect_password(JO, "n{e}w", instead_of=before)
        self.expect_entry(JO, outgatehost=["smtp.partner.example"],
                          outgateaddress=["jo.doe@partner.example"],
                          outgatelogin=["jo.doe"])

    def test_settings_and_password_are_changed_together(self):
        self.set_password(JO, "old")
        self.own_page("jo", JO)
        browser.choose(field("TLS"), "STARTTLS")
        self.fill_in(Host="smtp.other.example", Password="new")
        self.save()
        self.expect_password(JO, "new")
        self.expect_entry(JO, outgatetls=["starttls"], outgatestatus=None,
                          outgatehost=["smtp.other.example"])

    def test_a_proof_is_pasted_and_the_status_is_read(self):
        proof = "eyJhbGciOiJFZERTQSJ9.e30." + "c2ln" * 40
        self.change(JO, "add", "outgateStatus", "waiting for your proof")
        self.own_page("jo", JO)
        browser.expect("waiting for your proof")
        self.fill_in(Proof_0=proof)
        self.save()
        self.expect_entry(JO, outgateproof=[proof],
                          outgatestatus=["waiting for your proof"])

    def test_the_gateway_is_removed_with_its_password(self):
        self.set_password(JO, "old")
        self.change(JO, "add", "outgateStatus", "ready")
        self.own_page("jo", JO)
        browser.click(BUTTON("remove"))
        self.save()
        self.expect_entry(JO, objectclass=["inetOrgPerson"],
                          mail=["jo@org.example"], **{
                              f"outgate{name}": None for name in (
                                  "address", "host", "login", "password",
                                  "status", "tls", "port")})

    @tap.rows([(f"refused, and the page says why: {sentence}", *row)
               for sentence, *row in REFUSED])
    def refused(self, typed, said):
        before = self.entry(JO)
        self.own_page("jo", JO)
        self.fill_in(**typed)
        browser.button("Save")
        browser.expect(said)
        self.assertEqual(self.entry(JO), before)


class TreeView(Tool):
    """Entries below the user's own, by the names of the schema."""

    def open_tree(self, dn):
        self.log_in("jo")
        browser.open(f"{site.url}tools/treeView.php?dn="
                     + base64.b64encode(dn.encode()).decode())
        browser.expect("Internal attributes")

    def create(self):
        self.open_tree(JO)
        browser.context_click("uid=jo")
        browser.link("Create a child entry")
        browser.choose("#objectClasses", "outgateEntry")
        browser.click("#btn_next")
        for name, value in (
                ("cn", "other"), ("outgateAddress", "jo@other.example"),
                ("outgateHost", "smtp.other.example"),
                ("outgateLogin", "jo"), ("outgatePassword", "there")):
            browser.type(f"#lam_attr_{name}", value)
        browser.click("#btn_save")
        browser.expect("cn=other")

    def test_one_more_gateway_is_created(self):
        self.create()
        browser.wait(lambda: self.entry(OTHER), "no entry")
        self.expect_entry(OTHER, objectclass=["outgateEntry"],
                          outgateaddress=["jo@other.example"],
                          outgatehost=["smtp.other.example"],
                          outgatelogin=["jo"])
        self.expect_password(OTHER, "there")

    def test_it_is_changed_and_keeps_its_password(self):
        check(slapd.add(
            f"dn: {OTHER}\nobjectClass: outgateEntry\ncn: other\n"
            "outgateAddress: jo@other.example\noutgateLogin: jo\n"
            "outgateHost: smtp.other.example\noutgatePassword: there\n",
            slapd.root), OTHER)
        before = self.entry(OTHER)["outgatepassword"]
        self.open_tree(OTHER)
        browser.type("#lam_attr_outgateAddress", "jo.doe@other.example")
        browser.button("Save")
        browser.wait(lambda: self.entry(OTHER)["outgateaddress"] ==
                     ["jo.doe@other.example"], "not saved")
        self.expect_entry(OTHER, outgatepassword=before)


class Others(Tool):
    def test_another_users_gateway_is_neither_seen_nor_changed(self):
        before = self.entry(SAM)
        self.page("jo", SAM)
        # as if there was none
        browser.click(BUTTON("add"))
        for name in "Address_0", "Host", "Login":
            self.assertEqual(browser.value(field(name)), "")
        self.fill_in(Password="mine", Host="smtp.other.example")
        browser.button("Save")
        browser.expect("LDAP error, server says")
        self.assertEqual(self.entry(SAM), before)

    def test_a_user_administers_nothing(self):
        before = self.entry(SAM)
        self.account("jo", SAM)
        browser.type("[name=sn_0], [name=sn]", "Doe")
        browser.button("Save")
        browser.expect("Insufficient access")
        self.assertEqual(self.entry(SAM), before)


if __name__ == "__main__":
    tap.main()

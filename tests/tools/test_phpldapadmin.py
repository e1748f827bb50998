#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""phpLDAPadmin with outgate's forms, used by people who administer nothing.

Everything happens as they do it: in a browser, by what can be read there.  The
directory then tells what has come of it.
"""

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
    JO, KIM, MIA, SAM, Browser, Case, PhpLdapAdmin, directory, install)

OTHER = f"cn=other,{JO}"
FORM = "Send as another address"
STOP = "Stop sending as another address"
UPDATE = "input[value='Update Object']"
CREATE = "input[value='Create Object']"
FIELD = "#new_values_outgate{}_0".format

GATEWAY = {"address": "kim.poe@partner.example",
           "host": "smtp.partner.example", "login": "kim.poe",
           "password": "kim-partner"}

# Sentence, what is typed, what the page says then.
REFUSED = [
    ("a port that is no number", {"port": "abc"}, "outgateport"),
    ("an address with a letter beyond ASCII",
     {"address": "j\u00f6@partner.example"}, "outgateaddress"),
    ("a server with a letter beyond ASCII",
     {"host": "smtp.p\u00e4rtner.example"}, "outgatehost"),
    ("a server that is none, and a password for it",
     {"host": "localhost", "password": "x"},
     "outgateHost is not a host name like smtp.partner.example"),
    ("a password, and no login to go with it",
     {"login": "", "password": "x"}, "outgateLogin is missing"),
    ("a password that is too long", {"password": "x" * 257},
     "the password is longer than 256 octets"),
    ("a sealed value that is none", {"password": "{CMS}secret"},
     "type the password itself"),
]


def setUpModule():
    global site, slapd, keys, browser
    install()
    slapd, keys = directory()
    unittest.addModuleCleanup(keys.close)
    unittest.addModuleCleanup(slapd.stop)
    site = PhpLdapAdmin(slapd)
    unittest.addModuleCleanup(site.stop)
    browser = Browser()
    unittest.addModuleCleanup(browser.quit)


class Tool(Case):
    def setUp(self):
        self.renew(slapd, keys)
        browser.forget()

    def log_in(self, name, password=None):
        browser.open(site.url)
        browser.link("login")
        browser.type("#login", name)
        browser.type("#password", password or f"{name}-secret")
        browser.click("input[name=submit]")
        browser.expect("Logged in as")

    def own_entry(self, name):
        self.log_in(name)
        browser.link(f"uid={name}")

    def form(self, name, title=FORM):
        self.own_entry(name)
        self.choose(title)

    def switch(self, title):
        """Another form for the entry that is shown."""
        browser.link("Switch Template")
        self.choose(title)

    def choose(self, title):
        browser.expect("Select a template")
        browser.label(title)
        browser.find(UPDATE)

    def fill_in(self, **values):
        for name, value in values.items():
            browser.type(FIELD(name), value)

    def save(self):
        browser.click(UPDATE)
        browser.expect("Your settings have been saved.")

    def go_to(self, dn):
        browser.open(f"{site.url}cmd.php?cmd=template_engine&server_id=1&dn="
                     + urllib.parse.quote(dn))


class Sessions(unittest.TestCase):
    # Every value that phpLDAPadmin makes: is it one that it can read again?
    CODE = r"""
        define('DEBUG_ENABLED', false);
        class ldap_pla {}
        chdir('/usr/share/phpldapadmin/htdocs');
        define('LIBDIR', '/usr/share/phpldapadmin/lib/');
        require LIBDIR . 'functions.php';
        require '/usr/share/phpldapadmin/hooks/classes/outgate_ldap.php';
        set_error_handler(fn() => true);
        $bad = 0;
        for ($i = 0; $i < 20000; $i++) {
            $kept = blowfish_encrypt("jo$i", str_repeat('k', 32));
            $reads = blowfish_decrypt($kept, str_repeat('k', 32)) === "jo$i";
            $bad += ! $reads;
            if ($reads !== outgate_ldap::is_whole($kept))
                die("wrong about $kept");
        }
        print $bad ? 'some' : 'none';
    """

    def test_a_session_that_could_not_be_read_again_is_recognised(self):
        self.assertEqual(sandbox.run("php", "-r", self.CODE), "some")


class Own(Tool):
    """The gateway in one's own entry."""

    def test_a_user_without_a_gateway_sets_one(self):
        self.form("kim")
        self.fill_in(**GATEWAY)
        self.save()
        self.expect_entry(KIM, objectclass=["inetOrgPerson", "outgateAccount"],
                          outgateaddress=[GATEWAY["address"]],
                          outgatehost=[GATEWAY["host"]],
                          outgatelogin=[GATEWAY["login"]],
                          outgatetls=["implicit"], outgateenabled=["TRUE"],
                          outgateport=None)
        self.expect_password(KIM, GATEWAY["password"])

    def test_other_classes_of_an_entry_stay(self):
        self.give_class(KIM, "posixAccount", uidNumber="1000",
                        gidNumber="1000", homeDirectory="/home/kim")
        self.form("kim")
        self.fill_in(**GATEWAY)
        self.save()
        self.expect_entry(KIM, objectclass=[
            "inetOrgPerson", "posixAccount", "outgateAccount"],
            uidnumber=["1000"], outgatehost=[GATEWAY["host"]])
        self.switch(STOP)
        self.save()
        self.expect_entry(KIM, objectclass=["inetOrgPerson", "posixAccount"],
                          uidnumber=["1000"], outgatehost=None)

    def test_a_change_keeps_the_password_that_is_not_typed_again(self):
        before = self.set_password(JO, "old")
        self.form("jo")
        self.assertEqual(browser.value(FIELD("password")), "")
        self.fill_in(address="jo@partner.example")
        self.save()
        self.expect_entry(JO, outgateaddress=["jo@partner.example"],
                          outgatepassword=[before])

    def test_another_server_asks_for_the_password_again(self):
        self.set_password(JO, "old")
        self.form("jo")
        self.fill_in(host="smtp.other.example")
        self.save()
        self.assertIn("retype the password", browser.value(FIELD("status")))

    def test_the_password_alone_is_changed(self):
        before = self.set_password(JO, "old")
        self.form("jo")
        self.fill_in(password="n{e}w")
        self.save()
        self.expect_password(JO, "n{e}w", instead_of=before)
        self.expect_entry(JO, outgatehost=["smtp.partner.example"],
                          outgateaddress=["jo.doe@partner.example"],
                          outgatelogin=["jo.doe"])

    def test_one_more_address_at_the_same_server(self):
        self.form("jo")
        browser.link("add value")
        browser.type("#new_values_outgateaddress_1", "info@partner.example")
        self.save()
        self.expect_entry(JO, outgateaddress=[
            "jo.doe@partner.example", "info@partner.example"])

    def test_encryption_is_chosen_in_words(self):
        self.form("jo")
        self.assertEqual(browser.options(FIELD("tls"))[:2],
                         ["TLS from the start", "STARTTLS"])
        browser.choose(FIELD("tls"), "STARTTLS")
        browser.choose(FIELD("enabled"), "no")
        self.save()
        self.expect_entry(JO, outgatetls=["starttls"],
                          outgateenabled=["FALSE"])

    def test_a_proof_is_pasted(self):
        proof = "eyJhbGciOiJFZERTQSJ9.e30." + "c2ln" * 40
        self.form("jo")
        self.fill_in(proof=proof)
        self.save()
        self.expect_entry(JO, outgateproof=[proof])

    def test_the_status_is_read_and_not_written(self):
        self.change(JO, "add", "outgateStatus", "waiting for your proof")
        self.form("jo")
        status = browser.find(FIELD("status"))
        self.assertEqual(status.get_property("value"),
                         "waiting for your proof")
        self.assertTrue(status.get_property("readOnly"))

    def test_the_gateway_is_removed_with_its_password(self):
        self.set_password(JO, "old")
        self.change(JO, "add", "outgateStatus", "ready")
        self.form("jo", STOP)
        self.save()
        self.expect_entry(JO, objectclass=["inetOrgPerson"],
                          mail=["jo@org.example"], **{
                              f"outgate{name}": None for name in (
                                  "address", "host", "login", "password",
                                  "status", "tls", "port")})

    def test_nothing_technical_is_shown(self):
        self.form("jo")
        text = browser.text()
        for words in "outgateAddress", "outgateTLS", "{CMS}", "2.25.", \
                "objectClass", "bcrypt":
            self.assertNotIn(words, text)


@tap.tables
class Refused(Tool):
    @tap.rows([(f"refused, and the page says why: {sentence}", *row)
               for sentence, *row in REFUSED])
    def refused(self, typed, said):
        before = self.entry(JO)
        self.form("jo")
        self.fill_in(**typed)
        browser.click(UPDATE)
        browser.expect("Your settings have not been saved.")
        browser.expect(said)
        self.assertEqual(self.entry(JO), before)

    def test_another_users_entry_shows_no_gateway(self):
        self.log_in("jo")
        self.go_to(SAM)
        self.choose(FORM)
        for name in "address", "host", "login":
            self.assertEqual(browser.value(FIELD(name)), "")

    def test_another_users_entry_is_not_changed(self):
        before = self.entry(SAM)
        self.log_in("jo")
        self.go_to(SAM)
        self.choose(FORM)
        self.fill_in(password="mine", host="smtp.other.example")
        browser.click(UPDATE)
        browser.expect("Insufficient access")
        self.assertEqual(self.entry(SAM), before)


class Child(Tool):
    """A gateway as an entry of its own."""

    def create(self):
        self.form("jo")
        browser.link("Create a child entry")
        browser.type("#new_values_cn_0", "other")
        self.fill_in(address="jo@other.example", host="smtp.other.example",
                     login="jo", password="jo-other")
        browser.choose(FIELD("tls"), "STARTTLS")
        browser.click(CREATE)
        browser.link("Display the new created entry")
        browser.find(UPDATE)

    def test_one_more_gateway_is_created(self):
        self.create()
        self.expect_entry(OTHER, objectclass=["outgateEntry", "top"],
                          outgateaddress=["jo@other.example"],
                          outgatehost=["smtp.other.example"],
                          outgatetls=["starttls"], outgatelogin=["jo"])
        self.expect_password(OTHER, "jo-other")

    def test_it_is_changed_and_keeps_its_password(self):
        self.create()
        before = self.entry(OTHER)["outgatepassword"]
        self.fill_in(address="jo.doe@other.example")
        self.save()
        self.expect_entry(OTHER, outgateaddress=["jo.doe@other.example"],
                          outgatepassword=before)

    def test_it_is_deleted(self):
        self.create()
        browser.link("Delete this entry")
        browser.click("input[value='Delete']")
        browser.expect("Successfully deleted")
        self.assertIsNone(self.entry(OTHER))

    def test_none_is_created_below_another_user(self):
        self.log_in("jo")
        self.go_to(MIA)
        self.choose(FORM)
        browser.link("Create a child entry")
        browser.type("#new_values_cn_0", "mine")
        self.fill_in(address="jo@other.example", host="smtp.other.example",
                     login="jo", password="jo-other")
        browser.click(CREATE)
        browser.expect("Insufficient access")
        self.assertIsNone(self.entry(f"cn=mine,{MIA}"))


if __name__ == "__main__":
    tap.main()

# SPDX-License-Identifier: GPL-2.0-or-later
"""selfservice.py - a directory, a web tool in front of it, and a browser.

Lives in a sandbox (sandbox.py).  The web tools are Debian's own packages,
unpacked there and not installed: their maintainer scripts would publish them
by the web server of the machine, if it has one.  PHP serves them by itself.
"""

import os
import pathlib
import re
import shutil
import subprocess
import unittest

from selenium import webdriver
from selenium.common.exceptions import (
    ElementNotInteractableException, StaleElementReferenceException,
    TimeoutException)
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

import sandbox
from sandbox import run
from sealing import Keys
from slapd import Slapd, check, die_with_parent, free_port

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUILD", TOP / "build")).resolve()
SCHEMA = TOP / "ldap-schema"
TOOLS = "/usr/share/outgate/tools"
WAIT_S = 30
KEY = "2026-01-02"

SUFFIX = "dc=org,dc=example"
STAFF = f"ou=staff,ou=people,{SUFFIX}"
JO, MIA, SAM = (f"uid={name},{STAFF}" for name in ("jo", "mia", "sam"))
KIM = f"uid=kim,ou=students,ou=people,{SUFFIX}"

# Debian's: users write nothing of their entry but the password.
DEBIAN_RULES = """
access to attrs=userPassword by self write by anonymous auth by * none
access to attrs=shadowLastChange by self write by * read
access to * by * read
"""


def install():
    """What an administrator installs: the tools are taken from there."""
    run("make", "-s", "-C", TOP, f"BUILD={BUILD}", "install")


def recipe(heading, number=0):
    """What docs/self-service.md tells to type: an indented block below a
    heading, without the indent."""
    page = (TOP / "docs/self-service.md").read_text()
    section = re.split(r"(?m)^#+ ", page.partition(f"# {heading}\n")[2])[0]
    found = re.findall(r"(?m)(?:^    .*\n)+", section)
    return re.sub(r"(?m)^    ", "", found[number])


def unpack(package):
    """The files of a Debian package, into the sandbox."""
    found = sorted((BUILD / "debs").glob(f"{package}_*.deb"))
    if not found:
        raise RuntimeError(f"{package} is missing: make test-packages")
    run("dpkg-deb", "-x", found[-1], "/")


def directory(**more):
    """A server with ldap-schema/ as its README tells, and the example.

    It seals what users type; returns the server and the mail host's keys.
    """
    keys = Keys(KEY)
    slapd = Slapd(directory=sandbox.folder() / "ldap", dynamic=True,
                  database=DEBIAN_RULES, **more)
    os.chmod(slapd.directory, 0o755)
    try:
        run("cp", "-r", keys.certificates, "/etc/ldap/outgate-seal")
        slapd.start()
        slapd.configure_file(SCHEMA / "outgate.ldif", "ldapadd")
        for name in "index", "access", "plugin":
            slapd.configure_file(SCHEMA / f"openldap-{name}.ldif")
        slapd.add_file(SCHEMA / "example.ldif")
    except BaseException:
        slapd.stop()
        keys.close()
        raise
    return slapd, keys


class Case(unittest.TestCase):
    """What the directory has afterwards."""

    def renew(self, slapd, keys):
        self.slapd, self.keys = slapd, keys
        slapd.clear()
        slapd.add_file(SCHEMA / "example.ldif")

    def entry(self, dn):
        """All that is stored, or None."""
        answer = self.slapd.search("(objectClass=*)", base=dn, scope="base",
                                   bind=self.slapd.root)
        return dict(answer.entries[0]) if answer.entries else None

    def expect_entry(self, dn, **attributes):
        """These values, in any order; None is none at all."""
        entry = self.entry(dn)
        self.assertIsNotNone(entry, f"{dn} is not there")
        for name, values in attributes.items():
            self.assertCountEqual(entry.get(name, []), values or [], name)

    def change(self, dn, how, attribute, value):
        """As the rootdn: what somebody else would have done before."""
        check(self.slapd.modify(
            f"dn: {dn}\nchangetype: modify\n{how}: {attribute}\n"
            f"{attribute}: {value}\n", self.slapd.root), dn)

    def give_class(self, dn, name, **attributes):
        lines = [f"dn: {dn}", "changetype: modify", "add: objectClass",
                 f"objectClass: {name}", "-"]
        for attribute, value in attributes.items():
            lines += [f"add: {attribute}", f"{attribute}: {value}", "-"]
        check(self.slapd.modify("\n".join(lines) + "\n", self.slapd.root), dn)

    def set_password(self, dn, text):
        """Store a password; returns the value that rests there."""
        self.change(dn, "replace", "outgatePassword", text)
        return self.entry(dn)["outgatepassword"][0]

    def expect_password(self, dn, typed, instead_of=None):
        """What rests there is what was typed, sealed."""
        value, = self.entry(dn).get("outgatepassword", [])
        self.assertNotEqual(value, instead_of)
        self.assertNotIn(typed, value)
        self.assertEqual(self.keys.content(value, KEY)["secret"], typed)


class PhpLdapAdmin:
    """Debian's phpLDAPadmin, set up as docs/self-service.md tells."""

    def __init__(self, slapd):
        unpack("phpldapadmin")
        here = pathlib.Path("/usr/share/phpldapadmin")
        text = (here / "config/config.php.example").read_text()
        # the package's own questions, answered
        text = text.replace("'My LDAP Server'", "'Directory'").replace(
            "?>", f"$servers->setValue('server','host','{slapd.ldapi}');\n"
            f"$servers->setValue('server','base',array('{SUFFIX}'));\n?>")
        # and what the page tells to do
        run("sh", "-ec", recipe("phpLDAPadmin"))
        server, settings = recipe("phpLDAPadmin", 1).splitlines()
        text = text.replace("$servers->newServer('ldap_pla');", server
                            ).replace("?>", f"{settings}\n?>")
        (here / "config/config.php").write_text(text)
        self.web = Web(here / "htdocs")
        self.url, self.stop = self.web.url, self.web.stop


class LdapAccountManager:
    """Debian's LDAP Account Manager, set up as docs/self-service.md tells."""

    CONFIG = """\
ServerURL: {uri}
Passwd: lam
defaultLanguage: en_GB.utf8
scriptRights: 750
cachetimeout: 5
searchLimit: 0
useTLS: no
followReferrals: false
pagedResults: false
accessLevel: 100
activeTypes: user
types: suffix_user: ou=people,{suffix}
types: attr_user: #uid;#cn;#mail
types: modules_user: inetOrgPerson,outgateAccount
loginMethod: search
loginSearchSuffix: ou=people,{suffix}
loginSearchFilter: uid=%USER%
tools: treeViewSuffix: ou=people,{suffix}
"""

    def __init__(self, slapd):
        unpack("ldap-account-manager")
        here = pathlib.Path("/usr/share/ldap-account-manager")
        state = pathlib.Path("/var/lib/ldap-account-manager")
        # what the package's script does when it is installed
        for name in "config", "sess", "tmp":
            (here / name).symlink_to(state / name)
        for name in "profiles", "pdf":
            run("cp", "-r", here / "config-samples" / name,
                state / "config/templates")
        (state / "config/lam.conf").write_text(self.CONFIG.format(
            uri=slapd.ldapi, suffix=SUFFIX))
        run("sh", "-ec", recipe("LDAP Account Manager"))
        self.web = Web(here)
        self.url, self.stop = self.web.url + "templates/", self.web.stop


class Web:
    """PHP's own web server on loopback, for one folder."""

    def __init__(self, folder, settings=()):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/"
        self.log = sandbox.folder() / "php.log"
        words = ["php"]
        for setting in settings:
            words += ["-d", setting]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [*words, "-S", f"127.0.0.1:{self.port}", "-t", str(folder)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=die_with_parent)

    def stop(self):
        self.process.terminate()
        self.process.wait(WAIT_S)


class Browser:
    """A headless Chromium that knows nobody.

    What it looks for may still be on its way: every look waits.

    images  show them; without, pages are there sooner
    """

    def __init__(self, images=False):
        home = sandbox.folder() / "home"
        home.mkdir(exist_ok=True)
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        for word in ("--headless=new", "--no-sandbox", "--disable-gpu",
                     "--disable-quic", "--no-first-run", "--disable-sync",
                     "--disable-background-networking",
                     "--disable-component-update", "--disable-dev-shm-usage",
                     "--window-size=1000,900", "--lang=en-GB",
                     f"--user-data-dir={home}/chromium"):
            options.add_argument(word)
        if not images:
            options.add_argument("--blink-settings=imagesEnabled=false")
        # Chromium and its driver write below these.
        os.environ.update(HOME=str(home), TMPDIR=str(home))
        self.driver = webdriver.Chrome(
            options=options, service=Service(shutil.which("chromedriver")))

    def quit(self):
        self.driver.quit()

    def open(self, url):
        self.driver.get(url)

    def forget(self):
        """Be somebody else from now on."""
        self.driver.delete_all_cookies()

    def wait(self, condition, what):
        try:
            # A page may be drawn anew between a look and an act.
            return WebDriverWait(self.driver, WAIT_S, 0.1, (
                StaleElementReferenceException,
                ElementNotInteractableException)).until(
                    lambda _: condition())
        except TimeoutException:
            raise AssertionError(f"{what}: {self.text()[:2000]}") from None

    def act(self, how, words, what):
        """Do something with the first such element that can be seen."""
        def attempt():
            for element in self.driver.find_elements(how, words):
                if element.is_displayed():
                    what(element)
                    return element
            return None
        return self.wait(attempt, words)

    def find(self, css):
        return self.act(By.CSS_SELECTOR, css, lambda element: None)

    def sees(self, css):
        """Is there such an element now?"""
        return any(element.is_displayed() for element in
                   self.driver.find_elements(By.CSS_SELECTOR, css))

    def click(self, css):
        self.act(By.CSS_SELECTOR, css, lambda element: element.click())

    def link(self, text):
        """Follow the link with these words."""
        self.act(By.PARTIAL_LINK_TEXT, text, lambda element: element.click())

    def context_click(self, text):
        """The other mouse button, on a node of a tree."""
        self.act(By.PARTIAL_LINK_TEXT, text, lambda element: ActionChains(
            self.driver).context_click(element).perform())

    def button(self, text):
        """Press what says this, be it a button or a word on a tab."""
        self.act(By.XPATH, f"//*[self::button or self::span or self::a]"
                 f"[contains(normalize-space(text()),'{text}')]",
                 lambda element: element.click())

    def label(self, text):
        """Click the label with exactly these words."""
        self.act(By.XPATH, f"//label[normalize-space()='{text}']",
                 lambda element: element.click())

    def type(self, css, text):
        """Type over what is there; "" empties it."""
        def write(field):
            field.clear()
            field.send_keys(text)
        self.act(By.CSS_SELECTOR, css, write)

    def choose(self, css, text):
        self.act(By.CSS_SELECTOR, css, lambda field: Select(
            field).select_by_visible_text(text))

    def options(self, css):
        """The choices of a list, as they are shown."""
        return [option.text for option in Select(self.find(css)).options]

    def value(self, css):
        """What a field holds."""
        return self.find(css).get_property("value")

    def text(self):
        """All that a person can read on the page."""
        return self.driver.find_element(By.TAG_NAME, "body").text

    def expect(self, words):
        self.wait(lambda: words in self.text(), f"expected {words!r}")

    def picture(self, path, css=None):
        target = self.find(css) if css else self.driver
        if css:
            target.screenshot(str(path))
        else:
            self.driver.save_screenshot(str(path))

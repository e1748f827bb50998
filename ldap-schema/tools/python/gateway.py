#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""gateway.py - send as another address: the settings, from a terminal.

    gateway.py --user jo show
    gateway.py --user jo set --address jo.doe@partner.example \\
            --host smtp.partner.example --login jo.doe
    gateway.py --user jo set --proof eyJ...
    gateway.py --user jo remove

An example of how a program edits outgate's attributes as the user himself, and
useful as it is.  Passwords are asked for, never given as arguments: everybody
on the machine can read those.  With --entry NAME it is about a gateway of its
own below the user's entry, else about the one in the entry.

Where the directory is stands in ldap.conf(5): URI and BASE.
"""

import argparse
import getpass
import sys
import time

import ldap
import ldap.filter

# What can be set, and how it is called here.
SETTINGS = {"address": "outgateAddress", "host": "outgateHost",
            "port": "outgatePort", "tls": "outgateTLS",
            "login": "outgateLogin", "proof": "outgateProof",
            "enabled": "outgateEnabled"}
PASSWORD, STATUS = "outgatePassword", "outgateStatus"
ALL = [*SETTINGS.values(), PASSWORD, STATUS]
A_CLASS, AN_ENTRY = "outgateAccount", "outgateEntry"
POLL_S = 2


def main():
    options = arguments()
    try:
        gateway = Gateway(connect(options), options)
        return options.what(gateway, options)
    except ldap.LDAPError as error:
        print(f"gateway.py: {explain(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def arguments():
    parser = argparse.ArgumentParser(
        description="send as another address: the settings")
    parser.add_argument("--uri", help="the directory; else of ldap.conf")
    parser.add_argument("--base", help="where users are; else of ldap.conf")
    parser.add_argument("--user", default=getpass.getuser(),
                        help="your login name")
    parser.add_argument("--entry", metavar="NAME",
                        help="a gateway of its own, by this name")
    commands = parser.add_subparsers(required=True, metavar="show|set|remove")
    commands.add_parser("show", help="what is set, and its status"
                        ).set_defaults(what=show)
    change = commands.add_parser("set", help="set what is given")
    change.set_defaults(what=change_settings)
    change.add_argument("--address", action="append",
                        help="send as this address; several times for several")
    change.add_argument("--host", help="the server that sends for it")
    change.add_argument("--port", help="465, or 587 with STARTTLS")
    change.add_argument("--tls", choices=("implicit", "starttls"),
                        help="TLS from the start, or STARTTLS")
    change.add_argument("--login", help="your user name at that server")
    change.add_argument("--proof", action="append",
                        help="the long line in the mail you got")
    change.add_argument("--enabled", choices=("TRUE", "FALSE"))
    change.add_argument("--wait", type=int, default=60, metavar="SECONDS",
                        help="for another status (60)")
    commands.add_parser("remove", help="give it up, password included"
                        ).set_defaults(what=remove)
    return parser.parse_args()


def connect(options):
    """Log in as the user; over a network only with TLS."""
    directory = ldap.initialize(options.uri or ldap.get_option(ldap.OPT_URI))
    if directory.get_option(ldap.OPT_URI).startswith("ldap:"):
        directory.start_tls_s()
    base = options.base or ldap.get_option(ldap.OPT_DEFBASE)
    found = [dn for dn, _ in directory.search_s(
        base, ldap.SCOPE_SUBTREE,
        ldap.filter.filter_format("(uid=%s)", [options.user]), ["1.1"]) if dn]
    if len(found) != 1:
        sys.exit(f"gateway.py: the directory knows no user {options.user}")
    directory.simple_bind_s(found[0], getpass.getpass(
        f"{options.user}'s password for the directory: "))
    options.dn = found[0]
    return directory


class Gateway:
    """The gateway in an entry, or an entry that is one."""

    def __init__(self, directory, options):
        self.directory = directory
        self.name = options.entry
        self.dn = options.dn
        if self.name:
            self.dn = (f"cn={ldap.dn.escape_dn_chars(self.name)},"
                       f"{options.dn}")
        self.entry = self.read()

    def read(self):
        """Its attributes as text, or None when there is no such entry."""
        try:
            (_, entry), = self.directory.search_s(
                self.dn, ldap.SCOPE_BASE, "(objectClass=*)",
                ["objectClass", *SETTINGS.values(), STATUS])
        except ldap.NO_SUCH_OBJECT:
            return None
        return {name: [value.decode() for value in values]
                for name, values in entry.items()}

    def status(self):
        return ((self.read() or {}).get(STATUS) or [""])[0]

    def write(self, values):
        """Set these attributes; the others stay as they are."""
        values = {name: [value.encode() for value in some]
                  for name, some in values.items()}
        if self.entry is None:
            self.directory.add_s(self.dn, [
                ("objectClass", [AN_ENTRY.encode()]),
                ("cn", [self.name.encode()]), *values.items()])
            return
        changes = [(ldap.MOD_REPLACE, *pair) for pair in values.items()]
        if not self.name and A_CLASS not in self.entry["objectClass"]:
            changes.insert(0, (ldap.MOD_ADD, "objectClass",
                               [A_CLASS.encode()]))
        self.directory.modify_s(self.dn, changes)

    def remove(self):
        if self.name:
            self.directory.delete_s(self.dn)
        elif A_CLASS in self.entry["objectClass"]:
            # "replace by nothing": who may not read the password does not
            # know whether there is one to delete.
            self.directory.modify_s(self.dn, [
                *((ldap.MOD_REPLACE, name, None) for name in ALL),
                (ldap.MOD_DELETE, "objectClass", [A_CLASS.encode()])])


def show(gateway, _):
    for name in [*SETTINGS.values(), STATUS]:
        for value in (gateway.entry or {}).get(name, []):
            print(f"{name}: {value}")
    return 0


def change_settings(gateway, options):
    values = {}
    for name, attribute in SETTINGS.items():
        given = getattr(options, name)
        if given:
            values[attribute] = given if isinstance(given, list) else [given]
    password = getpass.getpass(
        "Password at the other server (empty: as it is): ")
    if password:
        values[PASSWORD] = [password]
    if not values:
        sys.exit("gateway.py: nothing to set")
    before = gateway.status()
    gateway.write(values)
    print("saved; status:", flush=True)
    print(wait_for_status(gateway, before, options.wait)
          or "(none yet; look again with \"show\")")
    return 0


def wait_for_status(gateway, before, seconds):
    """The status as soon as it is another one, or as it is in the end."""
    end = time.monotonic() + seconds
    status = gateway.status()
    while status == before and time.monotonic() < end:
        time.sleep(POLL_S)
        status = gateway.status()
    return status


def remove(gateway, _):
    gateway.remove()
    print("removed")
    return 0


def explain(error):
    """What the directory said, in one line."""
    said = error.args[0] if error.args and isinstance(
        error.args[0], dict) else {}
    words = [said.get("desc"), said.get("info")]
    return ": ".join(word for word in words if word) or str(error)


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: GPL-2.0-or-later
"""sealing.py - the keys of a mail host, and what is in a sealed value.

What is opened here is opened by the openssl command, so that a test does not
take the product's word for what the product has sealed.
"""

import base64
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUILD", TOP / "build")).resolve()
OUTGATE = os.environ.get("OUTGATE", str(BUILD / "outgate"))
PREFIX = "{CMS}"


class Keys:
    """keys: what a mail host has; certificates: what a directory server has.

    Both folders lie in one temporary folder, which close() removes.
    """

    def __init__(self, *names):
        # An interrupted test runs no clean-ups; the object's own end does.
        self.held = tempfile.TemporaryDirectory(prefix="og.")
        self.folder = pathlib.Path(self.held.name)
        # the servers' users shall get at the certificates, not at the keys
        self.folder.chmod(0o755)
        self.keys = self.folder / "seal"
        self.certificates = self.folder / "certificates"
        self.certificates.mkdir(mode=0o755)
        for name in names:
            self.add(name)

    def close(self):
        self.held.cleanup()

    def add(self, name):
        subprocess.run(
            [OUTGATE, "keygen", "--dir", self.keys, "--name", name],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.publish(name)

    def publish(self, name):
        """Give the directory server this certificate."""
        shutil.copy(self.keys / f"{name}.crt", self.certificates)

    def withdraw(self, name):
        (self.certificates / f"{name}.crt").unlink()

    def content(self, value, name):
        """What a value holds for this key: a dictionary."""
        assert value.startswith(PREFIX), value
        done = subprocess.run(
            ["openssl", "cms", "-decrypt", "-inform", "DER",
             "-inkey", self.keys / f"{name}.key",
             "-recip", self.keys / f"{name}.crt"],
            input=base64.b64decode(value[len(PREFIX):], validate=True),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True)
        found = json.loads(done.stdout)
        del found["pad"]
        return found

    def opens(self, value, name):
        try:
            self.content(value, name)
            return True
        except subprocess.CalledProcessError:
            return False


def files_with(folder, text):
    """Which files below the folder hold these octets?"""
    found = []
    for path in pathlib.Path(folder).rglob("*"):
        if path.is_file() and text.encode() in path.read_bytes():
            found.append(str(path))
    return found

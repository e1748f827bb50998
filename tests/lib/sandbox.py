# SPDX-License-Identifier: GPL-2.0-or-later
"""sandbox.py - run a program where it can harm nothing and leave nothing.

    if __name__ == "__main__":
        sandbox.enter()
        ...

enter() starts the program again in network, mount and process namespaces of
its own: /etc, /usr and /var are writable copies, the network is loopback, and
when the program ends, however it ends, the kernel ends all it has started.
"""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

MARK = "OUTGATE_SANDBOX"
COPIES = "etc", "run", "usr", "var"


def enter():
    """Returns inside the sandbox only; outside, exits with its result."""
    if MARK in os.environ:
        furnish(pathlib.Path(os.environ[MARK]))
        return
    folder = tempfile.mkdtemp(prefix="og.", dir="/tmp")
    words = ["unshare", "--net", "--mount", "--pid", "--fork",
             "--kill-child", "--mount-proc", sys.executable, *sys.argv]
    # ^C is for the program, whose end then ends this one.
    child = subprocess.Popen(words, env={**os.environ, MARK: folder})
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *unused: end(child))
    try:
        code = child.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(code if code >= 0 else 128 - code)


def end(child):
    """Pass SIGTERM on to the program: unshare(1) blocks it for itself."""
    path = pathlib.Path(f"/proc/{child.pid}/task/{child.pid}/children")
    for pid in path.read_text().split():
        os.kill(int(pid), signal.SIGTERM)


def folder():
    """The sandbox's own folder, in memory, with a short name."""
    return pathlib.Path(os.environ[MARK])


def furnish(place):
    run("mount", "-t", "tmpfs", "-o", "mode=755", "outgate", place)
    for name in COPIES:
        upper, work = place / name / "upper", place / name / "work"
        upper.mkdir(parents=True)
        work.mkdir()
        run("mount", "-t", "overlay", "overlay", "-o",
            f"lowerdir=/{name},upperdir={upper},workdir={work}", f"/{name}")
    # what is there is named by process numbers, and other sandboxes' are the
    # same: faketime(1) would share a clock with theirs
    run("mount", "-t", "tmpfs", "outgate", "/dev/shm")
    run("ip", "link", "set", "lo", "up")


def add_network(name, here, there):
    """A second network, joined to this one by a cable.

    name    of the network namespace
    here    address with prefix length on this end
    there   addresses with prefix length on the other end
    """
    run("ip", "netns", "add", name)
    run("ip", "link", "add", f"to-{name}", "type", "veth", "peer", "name",
        "uplink", "netns", name)
    run("ip", "address", "add", here, "dev", f"to-{name}")
    run("ip", "link", "set", f"to-{name}", "up")
    run("ip", "-n", name, "link", "set", "lo", "up")
    for address in there:
        run("ip", "-n", name, "address", "add", address, "dev", "uplink")
    run("ip", "-n", name, "link", "set", "uplink", "up")


def run(*words, **options):
    """Run a command that must succeed; returns what it printed."""
    done = subprocess.run(
        [str(word) for word in words], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        **options)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, words))}: "
                           f"{done.returncode}: {done.stdout}")
    return done.stdout

# SPDX-License-Identifier: GPL-2.0-or-later
"""resolver.py - a DNS server that answers what the test wants it to.

    resolver = Resolver()
    resolver.start()
    resolver.answer("smtp.partner.example", "203.0.113.10", "fe80::1")
    resolver.script("smtp.partner.example", [["203.0.113.10"], ["127.0.0.1"]])
    resolver.script("smtp.partner.example", [SERVFAIL])

Speaks DNS (RFC 1035) over UDP and TCP on one address; a name without an answer
does not exist.  use() makes it the sandbox's only source of host names but for
/etc/hosts.
"""

import collections
import ipaddress
import pathlib
import socketserver
import struct
import threading

# Answers that are none.
SERVFAIL = "SERVFAIL"
NXDOMAIN = "NXDOMAIN"
SILENCE = "SILENCE"
GARBAGE = "GARBAGE"

Cname = collections.namedtuple("Cname", "target")

A, CNAME, AAAA = 1, 5, 28
RCODE = {None: 0, SERVFAIL: 2, NXDOMAIN: 3}
UDP_MAX = 512  # RFC 1035, 4.2.1; what does not fit is asked for by TCP


class Resolver:
    def __init__(self, address="127.0.0.1", port=53):
        self.at = address, port
        self.asked = []
        self.steps = {}
        self.alternate = set()
        self.servers = []

    def start(self):
        for server, handler in (
                (socketserver.ThreadingUDPServer, Datagram),
                (socketserver.ThreadingTCPServer, Stream)):
            server.allow_reuse_address = True
            server.daemon_threads = True
            running = server(self.at, handler)
            running.resolver = self
            self.servers.append(running)
            threading.Thread(target=running.serve_forever,
                             kwargs={"poll_interval": 0.05},
                             daemon=True).start()

    def stop(self):
        for server in self.servers:
            server.shutdown()
            server.server_close()
        self.servers = []

    def use(self):
        """In a sandbox only: these are the system's files."""
        conf = pathlib.Path("/etc/resolv.conf")
        conf.unlink(missing_ok=True)
        # One try of one second: silence is to be soon over.
        conf.write_text(f"nameserver {self.at[0]}\n"
                        "options timeout:1 attempts:1\n")
        switch = pathlib.Path("/etc/nsswitch.conf")
        switch.write_text("passwd: files\ngroup: files\nhosts: files dns\n")

    def answer(self, name, *records):
        """Addresses of both families or one Cname; always the same."""
        self.script(name, [list(records)])

    def script(self, name, steps, alternate=False):
        """One step for each question, counted for A and AAAA apart.

        A step is a list of records, or SERVFAIL, NXDOMAIN, SILENCE or GARBAGE,
        or a dictionary from A and AAAA to such.  The last one stays, unless
        they alternate.
        """
        self.steps[name] = list(steps)
        if alternate:
            self.alternate.add(name)
        else:
            self.alternate.discard(name)
        self.asked = [(n, kind) for n, kind in self.asked if n != name]

    def step(self, name, kind):
        """What to say this time."""
        steps = self.steps.get(name, [NXDOMAIN])
        number = self.asked.count((name, kind))
        self.asked.append((name, kind))
        if name in self.alternate:
            step = steps[number % len(steps)]
        else:
            step = steps[min(number, len(steps) - 1)]
        return step.get(kind, []) if isinstance(step, dict) else step

    def reply(self, query, size_max):
        """The reply to a query; None to keep silent."""
        name, kind, question = read_question(query)
        step = self.step(name, kind)
        if step == SILENCE:
            return None
        if step == GARBAGE:
            return query[:2] + b"\x81\x80" + b"\xff" * 40
        if isinstance(step, str):
            return message(query, RCODE[step], question, [])
        records = self.records(name, kind, step)
        whole = message(query, 0, question, records)
        if len(whole) <= size_max:
            return whole
        return message(query, 0, question, [], truncated=True)

    def records(self, name, kind, step):
        """Resource records, an alias followed to its own answer."""
        found = []
        while step and isinstance(step[0], Cname):
            target = step[0].target
            found.append(record(name, CNAME, wire_name(target)))
            name, step = target, self.step(target, kind)
            if isinstance(step, str):
                return found
        for text in step:
            address = ipaddress.ip_address(text)
            if kind == (A if address.version == 4 else AAAA):
                found.append(record(name, kind, address.packed))
        return found


class Datagram(socketserver.BaseRequestHandler):
    def handle(self):
        query, from_socket = self.request
        reply = self.server.resolver.reply(query, UDP_MAX)
        if reply is not None:
            from_socket.sendto(reply, self.client_address)


class Stream(socketserver.StreamRequestHandler):
    def handle(self):
        head = self.rfile.read(2)
        while len(head) == 2:
            query = self.rfile.read(struct.unpack("!H", head)[0])
            reply = self.server.resolver.reply(query, 65535)
            if reply is None:
                return
            self.wfile.write(struct.pack("!H", len(reply)) + reply)
            head = self.rfile.read(2)


def read_question(query):
    """(name in lower case, type, question section as it came)"""
    at, labels = 12, []
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode("latin-1"))
        at += 1 + query[at]
    kind, = struct.unpack_from("!H", query, at + 1)
    return ".".join(labels).lower(), kind, query[12:at + 5]


def message(query, rcode, question, records, truncated=False):
    flags = 0x8180 | rcode | (0x0200 if truncated else 0)
    return query[:2] + struct.pack("!5H", flags, 1, len(records), 0, 0) + \
        question + b"".join(records)


def record(name, kind, data):
    # Internet class; a time to live of nothing: ask again each time.
    return wire_name(name) + struct.pack("!HHIH", kind, 1, 0, len(data)) + data


def wire_name(name):
    return b"".join(bytes([len(label)]) + label.encode("latin-1")
                    for label in name.split(".")) + b"\0"

#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a gateway's name may lead, and where nothing is ever dialled.

Real Exim with outgate as installed, real slapd, real partner servers, and a
resolver that says what the test wants.  Whatever address it gives, there is a
way to it: the sandbox's default route leads to a network that answers for
every address there is.  So what is not dialled is not dialled because outgate
does not want to; it is counted in the packets that leave, and in Exim's log for
what the kernel itself would not send (multicast, for one).
"""

import base64
import ipaddress
import json
import pathlib
import re
import socket
import struct
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

import sandbox
import tap
from resolver import (A, AAAA, Cname, GARBAGE, NXDOMAIN, Resolver, SERVFAIL,
                      SILENCE)
from sandbox import run
from world import (ADDRESS, JO, ORG_ADDRESS, OTHER, OUTSIDE, PARTNER,
                   PARTNER_PASSWORDS, RELAY, SAM, TOP, World, passwords,
                   unfolded, wait, wait_for_port)

JO_AWAY = "jo.doe@partner.example"
TEAM = "team@partner.example"
MX = "mx.org.test"
# An own one by its name, as an administrator tells Exim.
LOCAL = "front.org.test"

# One test's failure is not to hold the next one's message.
CONF = "proof none\nhold_s 0\n"

# Documentation addresses stand for public ones here: RFC 5737, RFC 3849.
PUBLIC = ADDRESS[PARTNER]
PUBLIC_6 = "2001:db8:1::10"
# The organisation's own networks, as its administrator names them.
OWN_HOSTS = "198.51.100.128/25 ; 2001:db8:ffff::/48"
OWN, OWN_6 = "198.51.100.200", "2001:db8:ffff::5"
# Another address of this machine: on the default route's cable.
UPLINK, UPLINK_6 = "198.51.100.1", "2001:db8:2::1"

UNREACHABLE = (f"{JO_AWAY}: outgateHost: this name leads to no server on the "
               "Internet")
NO_NAME = f"{JO_AWAY}: outgateHost: is not a host name like {PARTNER}"
UNFIT = (f"{JO_AWAY}: outgateHost: has several values, is too long or holds "
         "control characters")
NO_PORT = f"{JO_AWAY}: outgatePort: is not a number from 1 to 65535"
OTHER_PORT = (f"{JO_AWAY}: outgatePort: this port is not allowed for outbound "
              "gateways")
LOOP = ("jo@other.example: this message has been through your outbound "
        "gateway already; its server sends mail back to this one")

# What a gateway's name must not lead to, and addresses of it: the first, the
# last and one that matters.
NOWHERE = [
    ("this network", "0.0.0.0", "0.0.0.1", "0.255.255.255"),
    ("private (10/8)", "10.0.0.0", "10.0.0.1", "10.255.255.255"),
    ("shared behind a provider's NAT", "100.64.0.0", "100.100.100.200",
     "100.127.255.255"),
    ("loopback", "127.0.0.1", "127.0.0.2", "127.255.255.254"),
    ("link-local", "169.254.0.1", "169.254.255.254"),
    ("a cloud's metadata", "169.254.169.254"),
    ("private (172.16/12)", "172.16.0.0", "172.17.0.1", "172.31.255.255"),
    ("reserved for protocols", "192.0.0.0", "192.0.0.192", "192.0.0.255"),
    ("6to4 relays", "192.88.99.1", "192.88.99.255"),
    ("private (192.168/16)", "192.168.0.0", "192.168.0.1",
     "192.168.255.255"),
    ("benchmarks", "198.18.0.0", "198.19.255.255"),
    ("multicast", "224.0.0.1", "239.255.255.255"),
    ("reserved", "240.0.0.1", "255.255.255.254"),
    ("broadcast", "255.255.255.255"),
    ("nothing (::)", "::"),
    ("loopback (::1)", "::1"),
    ("IPv4 within IPv6", "::127.0.0.1", "::10.0.0.1", "::203.0.113.10"),
    # These are IPv4 addresses to Exim, and judged as such.
    ("IPv4 mapped into IPv6", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
     "::ffff:169.254.169.254", f"::ffff:{OWN}"),
    ("IPv4 translated", "::ffff:0:127.0.0.1", "::ffff:0:10.0.0.1"),
    ("IPv4 by NAT64", "64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1",
     "64:ff9b::203.0.113.10"),
    ("IPv4 by the site's NAT64", "64:ff9b:1::1", "64:ff9b:1::7f00:1"),
    ("discard", "100::1", "100::ffff:ffff:ffff:ffff"),
    ("Teredo", "2001::1", "2001:0:53aa:64c:0:fbff:80ff:fffe"),
    ("IPv6 benchmarks", "2001:2::1"),
    ("ORCHID", "2001:10::1", "2001:20::1"),
    ("6to4", "2002:7f00:1::1", "2002:a00:1::1", "2002:cb00:710a::1"),
    ("segment routing", "5f00::1"),
    ("nobody's yet", "4000::1", "8000::1", "e000::1"),
    ("unique local", "fc00::1", "fd00:ec2::254", "fdff::1"),
    ("link-local (fe80)", "fe80::1", "febf::1"),
    ("site-local", "fec0::1", "feff::1"),
    ("IPv6 multicast", "ff02::1", "ff0e::1"),
]

world = None
resolver = None
wire = None


class HostsWorld(World):
    """Everything has IPv6 too, and every address leads somewhere."""

    def network(self):
        super().network()
        sandbox.add_network("everywhere", f"{UPLINK}/28", ["198.51.100.2/28"])
        for netns, address, device in (
                (None, "2001:db8:1::1/64", "to-outside"),
                ("outside", f"{PUBLIC_6}/64", "uplink"),
                (None, f"{UPLINK_6}/64", "to-everywhere"),
                ("everywhere", "2001:db8:2::2/64", "uplink")):
            ip(netns, "address", "add", address, "dev", device, "nodad")
        ip(None, "route", "add", "default", "via", "198.51.100.2")
        ip(None, "route", "add", "default", "via", "2001:db8:2::2")
        # A host at every address: it refuses what nobody listens for.
        for family in "-4", "-6":
            ip("everywhere", family, "route", "add", "local", "default",
               "dev", "lo", "table", "main")
        hosts = pathlib.Path("/etc/hosts")
        hosts.write_text(hosts.read_text().replace(f"{PUBLIC} {PARTNER}\n",
                                                   ""))
        resolver.start()
        resolver.use()

    def write_server(self, server):
        super().write_server(server)
        if server.name == PARTNER:
            text = (server.etc / "exim4.conf").read_text()
            server.write("exim4.conf", text.replace(
                f"local_interfaces = {PUBLIC}",
                f"local_interfaces = <; {PUBLIC} ; {PUBLIC_6}"))


class Wire:
    """Who is sent the first packet of a connection, on any interface."""

    ETH_P_ALL = 3
    STATISTICS = 263, 6  # SOL_PACKET, PACKET_STATISTICS

    def __init__(self):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM,
                                    socket.htons(self.ETH_P_ALL))
        self.socket.setsockopt(socket.SOL_SOCKET, 33, 1 << 25)  # RCVBUFFORCE
        self.socket.setblocking(False)

    def dialled(self):
        """Whoever was since the last call; one may be there twice."""
        found = []
        while True:
            try:
                packet, (_, _, kind, _, _) = self.socket.recvfrom(128)
            except BlockingIOError:
                break
            if kind == socket.PACKET_OUTGOING:
                found += opening(packet)
        _, drops = struct.unpack("II", self.socket.getsockopt(
            *self.STATISTICS, 8))
        if drops:
            raise RuntimeError(f"{drops} packets were not looked at")
        # Not the test's own: submissions and questions to the resolver.
        return [to for to in found if to not in (
            ("127.0.0.1", 587), ("127.0.0.1", 25), ("127.0.0.1", 53))]


def opening(packet):
    """[(address, port)] if it opens a TCP connection."""
    TCP, SYN, ACK = 6, 0x02, 0x10
    version = packet[0] >> 4
    if version == 4 and packet[9] == TCP:
        to, tcp = packet[16:20], packet[4 * (packet[0] & 15):]
    elif version == 6 and packet[6] == TCP:
        to, tcp = packet[24:40], packet[40:]
    else:
        return []
    if tcp[13] & (SYN | ACK) != SYN:
        return []
    return [(str(ipaddress.ip_address(to)), int.from_bytes(tcp[2:4]))]


def ip(netns, *words):
    where = ["-n", netns] if netns else []
    family = ["-6"] if any(":" in word for word in words) else []
    run("ip", *where, *family, *words)


def ranges():
    """The networks that the configuration names: each CIDR in its text."""
    lines = [line for path in sorted(
        (TOP / "exim-config/conf.d").glob("*/*"))
        for line in path.read_text().split("\n")
        if not line.lstrip().startswith("#")]
    return re.findall(r"(?<=[ ;])[0-9a-f:.]+/\d+(?=[ ;])", " ".join(lines))


def setUpModule():
    global world, resolver, wire
    resolver = Resolver()
    world = HostsWorld(conf=CONF,
                       macros=f"OUTGATE_OWN_HOSTS = {OWN_HOSTS}",
                       main=f"hosts_treat_as_local = {LOCAL}")
    world.__enter__()
    world.seal_example()
    world.permit()
    wire = Wire()


def tearDownModule():
    world.__exit__()
    resolver.stop()


class Hosts(unittest.TestCase):
    """Starts from: Jo's gateway is the partner's server, on port 465."""

    number = nobodies = 0

    def setUp(self):
        world.outgate_conf()
        self.saved = {dn: world.gateway(dn) for dn in (JO, SAM)}
        resolver.answer(PARTNER, PUBLIC)
        wire.dialled()
        self.sent = []

    def tearDown(self):
        for dn, entry in self.saved.items():
            if world.gateway(dn) != entry:
                for name in ("outgateHost", "outgatePort", "outgateTLS",
                             "outgatePassword", "outgateAddress"):
                    world.replace(dn, name, *entry.get(name.lower(), []))
        waiting = world.queue()
        for message in self.sent:
            if message in waiting:
                world.org.command("-Mrm", message)
        spool = world.org.folder / "spool/input"
        self.assertEqual(wait(lambda: list(spool.rglob("*-[DHJ]")),
                              lambda left: not left), [])
        for password in PARTNER_PASSWORDS.values():
            self.assertNotIn(password, world.org.log())

    def recipient(self):
        """One that no earlier message's retry times are kept for."""
        Hosts.number += 1
        return f"r{Hosts.number}@outside.example"

    def nobody(self):
        """Another public address, at which nobody listens."""
        Hosts.nobodies += 1
        return str(ipaddress.ip_address("192.0.2.0") + Hosts.nobodies)

    def send(self, login="jo", sender=JO_AWAY, recipient=None):
        reply = world.submit(login, sender, [recipient or self.recipient()],
                             self.id())
        self.assertRegex(reply, "^250 OK id=")
        self.sent.append(reply.partition("id=")[2])
        return self.sent[-1]

    def gateway_at(self, host):
        world.replace(JO, "outgateHost", host)
        world.seal(JO, PARTNER_PASSWORDS["jo.doe"])

    def waits(self, message, *texts):
        """It is in the queue after an attempt, for this reason."""
        self.assertIsNotNone(world.logged(f"{message} == ", " defer ", *texts),
                             world.org.log()[-2000:])
        self.assertIn(message, world.queue())

    def arrival(self, count=1):
        found = world.arrived(self.id(), count)
        self.assertEqual(len(found), count, world.org.log()[-2000:])
        return found[0]

    def tried(self, message):
        """The addresses at which Exim says that it tried the gateway."""
        return {str(ipaddress.ip_address(address))
                for line in world.org.log().split("\n")
                if message in line and " <= " not in line
                for address in re.findall(
                    r" H=(?!127\.0\.0\.1 )\S+ \[([\da-fA-F:.]+)\]", line)}

    def leads_nowhere(self, message, before=()):
        """It waits, and nobody has been dialled, but for some before."""
        self.waits(message)
        self.assertEqual(wire.dialled(), [])
        self.assertLessEqual(self.tried(message), set(before))
        # Not for that: an earlier failure would prove nothing here.
        self.assertNotRegex(world.org.log(), f"{message} .* R=outgate_held ")

    def nothing_is_dialled(self, *addresses):
        resolver.answer(PARTNER, *addresses)
        message = self.send()
        self.leads_nowhere(message)
        self.assertEqual(world.arrived_now(self.id()), [])


@tap.tables
class Nowhere(Hosts):
    @tap.rows([(f"T01 T05: nothing is dialled that is {what}: "
                f"{' '.join(addresses)}", *addresses)
               for what, *addresses in NOWHERE])
    def nowhere(self, *addresses):
        self.nothing_is_dialled(*addresses)

    def test_T01_every_address_in_one_answer_is_none(self):
        self.nothing_is_dialled(*(address for _, *addresses in NOWHERE
                                  for address in addresses[:1]))

    def test_T01_no_address_of_this_machine_is_dialled(self):
        own = re.findall(r"inet6? ([^/ ]+)", run("ip", "-o", "address"))
        self.assertLessEqual({ORG_ADDRESS, UPLINK, UPLINK_6, "::1"}, set(own))
        for address in own:
            self.nothing_is_dialled(address)

    def test_T02_no_network_of_the_organisation_is_dialled(self):
        self.nothing_is_dialled(OWN, OWN_6)

    def test_T01_the_organisations_own_mx_is_not_dialled(self):
        resolver.answer(MX, OWN)
        self.gateway_at(MX)
        message = self.send()
        self.leads_nowhere(message)

    def test_T01_a_host_that_the_site_calls_local_is_not_dialled(self):
        resolver.answer(LOCAL, PUBLIC)
        self.gateway_at(LOCAL)
        message = self.send()
        self.assertIsNotNone(
            world.logged(f"{message} ** ", "address is the local host"),
            world.org.log()[-2000:])
        self.assertEqual(wire.dialled(), [])
        self.assertEqual(len(world.bounces(self.id())), 1)

    def test_T01_a_misspelt_network_of_the_organisation_opens_nothing(self):
        conf = world.org.etc / "exim4.conf"
        whole = conf.read_text()
        self.assertIn(OWN_HOSTS, whole)
        conf.write_text(whole.replace(OWN_HOSTS, f"10.0.0/8 ; {OWN_HOSTS}"))
        try:
            self.nothing_is_dialled(OWN, "10.0.0.1", "127.0.0.1", PUBLIC)
        finally:
            conf.write_text(whole)


@tap.tables
class Needed(Hosts):
    """Each network of the list keeps something from being dialled."""

    @tap.rows([(f"T05: without {network} its addresses are dialled", network)
               for network in ranges()])
    def needed(self, network):
        probes = [address for _, *addresses in NOWHERE
                  for address in addresses
                  if inside(address, network) and address not in
                  ("0.0.0.0", "127.0.0.1", "::", "::1") and
                  not address.startswith("::ffff:")][:4]
        others = [address for _, *addresses in NOWHERE
                  for address in addresses[:1] if not inside(address, network)]
        include = world.org.etc / "outgate.include"
        whole = include.read_text()
        pattern = rf"(?<=[ ;]){re.escape(network)} *;?(?=[ \\\n])"
        self.assertEqual(len(re.findall(pattern, whole)), 1)
        include.write_text(re.sub(pattern, "", whole))
        try:
            resolver.answer(PARTNER, *probes, *others)
            message = self.send()
            self.waits(message)
        finally:
            include.write_text(whole)
        self.assertEqual(self.tried(message),
                         {str(ipaddress.ip_address(p)) for p in probes})
        self.assertEqual(
            {address for address, _ in wire.dialled()},
            {on_the_wire(p) for p in probes if on_the_wire(p)})


def inside(address, network):
    address = ipaddress.ip_address(address)
    network = ipaddress.ip_network(network)
    return address.version == network.version and address in network


def on_the_wire(text):
    """The address as a packet has it; None if the kernel would send none."""
    address = ipaddress.ip_address(text)
    if address.is_multicast or text == "255.255.255.255" or \
            address.version == 6 and address.is_link_local:
        return None
    return str(address)


class Mixed(Hosts):
    """A name with several addresses, or with another one each time."""

    def test_F68_of_a_public_and_a_link_local_one_the_public_is_dialled(self):
        resolver.answer(PARTNER, "fe80::1", PUBLIC)
        message = self.send()
        self.assertEqual(self.arrival()[0], PARTNER)
        self.assertEqual(wire.dialled(), [(PUBLIC, 465)])
        # It has arrived before Exim says so.
        self.assertIsNotNone(world.logged(message, "Completed"))
        self.assertEqual(self.tried(message), {PUBLIC})

    def test_T04_of_public_and_private_ones_the_public_is_dialled(self):
        resolver.answer(PARTNER, "127.0.0.1", "10.0.0.1", PUBLIC,
                        "169.254.169.254", "::1", "fc00::1",
                        "::ffff:127.0.0.1", "64:ff9b::a00:1", OWN, UPLINK)
        self.send()
        self.assertEqual(self.arrival()[0], PARTNER)
        self.assertEqual(wire.dialled(), [(PUBLIC, 465)])

    def test_T04_of_public_and_private_ones_the_public_ipv6_is_dialled(self):
        resolver.answer(PARTNER, "::1", "fc00::1", PUBLIC_6, "127.0.0.1")
        self.send()
        self.assertEqual(self.arrival()[0], PARTNER)
        self.assertEqual(wire.dialled(), [(PUBLIC_6, 465)])

    def test_T04_one_attempt_asks_once_and_dials_what_it_was_told(self):
        resolver.script(PARTNER, [[PUBLIC], ["127.0.0.1"]])
        self.send()
        self.assertEqual(self.arrival()[0], PARTNER)
        self.assertEqual(wire.dialled(), [(PUBLIC, 465)])
        self.assertEqual(resolver.asked.count((PARTNER, A)), 1)

    def test_F67_a_name_that_turns_private_while_queued_is_not_dialled(self):
        first = self.queue_while_away()
        resolver.answer(PARTNER, "10.0.0.1", "::1")
        world.run_queue()
        self.leads_nowhere(self.sent[0], [first])
        resolver.answer(PARTNER, PUBLIC)
        world.run_queue()
        self.assertEqual(self.arrival()[0], PARTNER)

    def test_T04_of_alternating_answers_only_the_public_one_is_dialled(self):
        first, second = self.queue_while_away(), self.nobody()
        resolver.script(PARTNER, [["127.0.0.1"], [second],
                                  ["fe80::1", "10.0.0.1"], [PUBLIC]])
        for _ in range(4):
            world.run_queue()
        self.assertEqual(self.arrival()[0], PARTNER)
        self.assertEqual(wire.dialled(), [(second, 465), (PUBLIC, 465)])
        self.assertEqual(self.tried(self.sent[0]), {first, second, PUBLIC})

    def queue_while_away(self):
        """Returns where it was tried."""
        address = self.nobody()
        resolver.answer(PARTNER, address)
        self.waits(self.send(), "Connection refused")
        self.assertEqual(wire.dialled(), [(address, 465)])
        return address

    def test_T05_a_public_ipv4_address_mapped_into_ipv6_is_that_one(self):
        resolver.answer(PARTNER, f"::ffff:{PUBLIC}", "::ffff:10.0.0.1")
        self.send()
        self.assertEqual(self.arrival()[0], PARTNER)
        self.assertEqual(wire.dialled(), [(PUBLIC, 465)])

    def test_F69_of_a_hundred_addresses_five_are_dialled(self):
        resolver.answer(PARTNER, *(self.nobody() for _ in range(100)))
        self.waits(self.send(), "Connection refused")
        self.assertEqual(len(wire.dialled()), 5)

    def test_F69_a_public_address_among_private_ones_is_found(self):
        resolver.answer(PARTNER, *(f"10.0.0.{n}" for n in range(1, 41)),
                        PUBLIC)
        self.send()
        self.assertEqual(self.arrival()[0], PARTNER)
        self.assertEqual(wire.dialled(), [(PUBLIC, 465)])

    def test_a_server_behind_an_alias_is_dialled_and_gets_the_login(self):
        resolver.answer(PARTNER, Cname("farm.partner.example"))
        resolver.answer("farm.partner.example", PUBLIC)
        self.send()
        message = self.arrival()[1]
        self.assertEqual(message["X-Arrived-As"], "jo.doe")
        self.assertEqual(message["X-Arrived-Sni"], PARTNER)

    def test_T04_an_alias_of_a_private_host_is_not_dialled(self):
        resolver.answer("files.org.test", "10.0.0.1", "::1")
        self.nothing_is_dialled(Cname("files.org.test"))

    def test_an_alias_of_another_server_does_not_get_the_login(self):
        """An alias of another server, good certificate and all: no login."""
        # Sam's, for what fails holds that user's gateway.
        resolver.answer(PARTNER, Cname(OTHER))
        resolver.answer(OTHER, ADDRESS[OTHER])
        before = world.servers[OTHER].log()
        message = self.send("sam", TEAM)
        self.waits(message, "T=outgate_implicit")
        self.assertEqual(wire.dialled(), [(ADDRESS[OTHER], 465)])
        self.assertNotIn("AUTH", world.servers[OTHER].log()[len(before):])
        self.assertEqual(world.arrived_now(self.id()), [])


class Unresolved(Hosts):
    """F66: the name leads nowhere at the moment."""

    def waits_and_others_do_not(self, script):
        """The message waits; others' mail, to the same recipient, flows."""
        recipient = self.recipient()
        resolver.script(PARTNER, script)
        self.leads_nowhere(self.send(recipient=recipient))
        self.others(recipient)
        resolver.answer(PARTNER, PUBLIC)
        world.run_queue()
        self.assertEqual(
            [server for server, message in world.arrived(self.id(), 3)
             if message["X-Arrived-As"] == "jo.doe"], [PARTNER])

    def others(self, recipient):
        world.replace(SAM, "outgateHost", OTHER)
        world.seal(SAM, PARTNER_PASSWORDS["sam.roe"])
        self.send("sam", TEAM, recipient)
        self.send("kim", "kim@org.example", recipient)
        arrived = world.arrived(self.id(), 2)
        self.assertEqual(sorted(
            (server, str(message["X-Arrived-As"]))
            for server, message in arrived),
            [(OUTSIDE, RELAY[0]), (OTHER, "sam.roe")])

    def test_F66_a_name_that_does_not_exist_waits(self):
        self.waits_and_others_do_not([NXDOMAIN])

    def test_F66_a_name_without_an_address_waits(self):
        self.waits_and_others_do_not([[]])

    def test_F66_a_failing_name_server_waits(self):
        self.waits_and_others_do_not([SERVFAIL])

    def test_F66_a_silent_name_server_waits(self):
        self.waits_and_others_do_not([SILENCE])

    def test_F66_a_name_server_that_talks_nonsense_waits(self):
        self.waits_and_others_do_not([GARBAGE])

    def test_F66_half_an_answer_is_enough(self):
        resolver.script(PARTNER, [{A: [PUBLIC], AAAA: SERVFAIL}])
        self.send()
        self.assertEqual(self.arrival()[0], PARTNER)

    def test_F66_half_an_answer_without_a_public_address_waits(self):
        resolver.script(PARTNER, [{A: SERVFAIL, AAAA: ["fe80::1", "::1"]}])
        self.leads_nowhere(self.send())

    def returned(self, script):
        """It is old: the next failure brings it home with the reason."""
        resolver.script(PARTNER, script)
        message = self.send()
        self.waits(message)
        age(message, days=3)
        world.run_queue()
        bounce = world.bounces(self.id())
        self.assertEqual(len(bounce), 1, world.org.log()[-2000:])
        self.assertEqual(bounce[0]["X-Arrived-For"], "jo@org.example")
        self.assertIn(UNREACHABLE, unfolded(bounce[0]))
        self.assertNotIn(message, world.queue())
        self.assertEqual(wire.dialled(), [])
        return unfolded(bounce[0])

    def test_F66_a_name_that_does_not_exist_comes_back_at_last(self):
        self.returned([NXDOMAIN])

    def test_F66_a_failing_name_server_comes_back_at_last(self):
        self.returned([SERVFAIL])

    def test_T03_a_private_address_is_not_told(self):
        text = self.returned([["10.11.12.13", "::1"]])
        self.assertNotIn("10.11.12.13", text)
        self.assertNotIn("::1", text)


def age(message, days):
    """Make a queued message older than it is: the third line of its -H."""
    header, = (world.org.folder / "spool/input").rglob(f"{message}-H")
    lines = header.read_bytes().split(b"\n")
    received, warnings = lines[3].split()
    lines[3] = b"%d %s" % (int(received) - days * 86400, warnings)
    header.write_bytes(b"\n".join(lines))


def vectors():
    """The rows of host.json that are to be refused."""
    rows = json.loads((TOP / "tests/data/host.json").read_text())
    return [row for row in rows if row["expect"] == "refuse"]


# More of what Exim, or a resolver, takes for a host.
NOTATIONS = [
    "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.0.0.1.", "[::1]",
    "::1", "::ffff:127.0.0.1", "[fe80::1%lo]", "fe80::1%lo", "localhost",
    "localhost.", "127.0.0.1:25", "smtp.partner.example:25",
    "smtp.partner.example::25", "smtp.partner.example/MX",
    "partner.example/mx", "smtp.partner.example:127.0.0.1",
    "smtp.partner.example : ::1", "smtp.partner.example bydns",
    "smtp.partner.example outgate_starttls", "smtp.partner.example:+:[::1]",
    "${lookup{x}lsearch{/etc/passwd}}", "${readfile{/etc/passwd}}",
    "$local_scan_data", "\\N127.0.0.1\\N", "<", ">", "!", "+", "/",
    "smtp.partner.example\r\nX: y", "smtp.partner.example\0",
    "smtp.partner.example\t", " smtp.partner.example",
    "smtp..partner.example", "\uff53mtp.partner.example",
    "smtp.partner\u3002example", "127\u30020\u30020\u30021",
    "\u2460\u2461\u2466.\u24ea.\u24ea.\u2460"]


def expected(row):
    """What the client is told of such a row."""
    port = str(row["port"])
    if row["host"] == PARTNER:
        good = re.fullmatch("[1-9][0-9]{0,4}", port)
        return OTHER_PORT if good else NO_PORT
    if len(row["host"]) > 253 or re.search("[\0-\x1f\x7f]", row["host"]):
        return UNFIT
    return NO_NAME


@tap.tables
class Written(Hosts):
    """T01 T06 T08: what stands in the entry is no such name or port."""

    # Not by its text but by its address: Nowhere has it.
    ROWS = [row for row in vectors() if row["host"] != MX] + [
        {"host": host, "port": 465, "why": "no name"} for host in NOTATIONS]

    @tap.rows([(f"T01 T06 T08: the host {row['host']!a} with port "
                f"{row['port']!a} is refused ({row['why']})", row)
               for row in ROWS])
    def written(self, row):
        for name, value in (("outgateHost", row["host"]),
                            ("outgatePort", row["port"])):
            if not store(JO, name, value):
                # That is no host name in ASCII, or no number.
                return
        reply = world.submit("jo", JO_AWAY, [self.recipient()], self.id())
        self.assertEqual(reply, f"550 5.7.1 {expected(row)}")
        self.assertEqual(wire.dialled(), [])
        self.assertNotIn("jo@org.example", world.queue())


def store(dn, name, value):
    """Can it be stored?  If not, the directory says that the syntax is bad."""
    INVALID_SYNTAX = 21
    octets = str(value).encode()
    answer = world.slapd.modify(
        f"dn: {dn}\nchangetype: modify\nreplace: {name}\n"
        f"{name}:{': ' if octets else ''}"
        f"{base64.b64encode(octets).decode()}\n", world.slapd.root)
    ascii_host = name == "outgateHost" and octets.isascii() and octets
    number = name == "outgatePort" and re.fullmatch(rb"-?[1-9]\d*", octets)
    if answer.code == INVALID_SYNTAX and not ascii_host and not number:
        return False
    if answer.code != 0:
        raise RuntimeError(f"{name} {value!a}: {answer.code} {answer.text}")
    return True


class Shared(Hosts):
    """F54: the gateway is a server that the organisation's mail goes to."""

    def gateway_on_port_25(self, password=PARTNER_PASSWORDS["jo.doe"]):
        world.replace(JO, "outgateHost", OUTSIDE)
        world.replace(JO, "outgatePort", "25")
        world.replace(JO, "outgateTLS", "starttls")
        world.seal(JO, password)
        server = world.servers[OUTSIDE]
        server.write("passwords", passwords(
            {RELAY[0]: RELAY[1], "jo.doe": PARTNER_PASSWORDS["jo.doe"]}))
        self.addCleanup(world.write_server_passwords, server)

    def both_arrive(self):
        self.arrival(2)
        self.assertEqual(sorted(
            (server, str(message["X-Arrived-As"]))
            for server, message in world.arrived(self.id(), 2)),
            [(OUTSIDE, "jo.doe"), (OUTSIDE, RELAY[0])])

    def test_F54_port_25_is_refused(self):
        self.gateway_on_port_25()
        self.assertEqual(
            world.submit("jo", JO_AWAY, [self.recipient()], self.id()),
            f"550 5.7.1 {OTHER_PORT}")
        self.assertEqual(wire.dialled(), [])

    def test_F54_where_port_25_is_allowed_both_mails_arrive(self):
        world.outgate_conf(CONF + "port 465 587 25\n")
        self.gateway_on_port_25()
        recipient = self.recipient()
        self.send(recipient=recipient)
        self.send("kim", "kim@org.example", recipient)
        self.both_arrive()

    def test_F54_what_waited_for_the_same_server_leaves_in_two_sessions(self):
        world.outgate_conf(CONF + "port 465 587 25\n")
        self.gateway_on_port_25()
        recipient = self.recipient()
        server = world.servers[OUTSIDE]
        server.stop()
        try:
            for message in (self.send(recipient=recipient),
                            self.send("kim", "kim@org.example", recipient)):
                self.waits(message)
        finally:
            server.start()
            wait_for_port("outside", ADDRESS[OUTSIDE], 25)
        wire.dialled()
        world.run_queue()
        self.both_arrive()
        self.assertEqual(wire.dialled().count((ADDRESS[OUTSIDE], 25)), 2)

    def test_F54_a_gateway_that_fails_there_delays_no_other_mail(self):
        world.outgate_conf(CONF + "port 465 587 25\n")
        self.gateway_on_port_25()
        # Its name is good for TLS, but nobody answers there.
        hosts = pathlib.Path("/etc/hosts")
        whole = hosts.read_text()
        hosts.write_text(whole.replace(ADDRESS[OUTSIDE], self.nobody()))
        try:
            self.waits(self.send(), "Connection refused")
        finally:
            hosts.write_text(whole)
        self.send("kim", "kim@org.example")
        self.assertEqual(self.arrival()[1]["X-Arrived-As"], RELAY[0])


class Loop(Hosts):
    """F100 T07: the gateway's server brings the mail back to us."""

    def setUp(self):
        super().setUp()
        # Its users forward, with the login that they have here.
        server = world.servers[OTHER]
        server.stop()
        conf = server.etc / "exim4.conf"
        whole = conf.read_text()
        server.write("exim4.conf", forwarding(whole))
        server.start()
        world.wait_for(OTHER)
        # There is a way from there to here.
        conf_here = world.org.etc / "exim4.conf"
        whole_here = conf_here.read_text()
        conf_here.write_text(whole_here.replace(
            "local_interfaces = <; 127.0.0.1",
            f"local_interfaces = <; 127.0.0.1 ; {ORG_ADDRESS}"))
        world.restart_org()
        self.addCleanup(self.restore, conf, whole, conf_here, whole_here)
        self.addCleanup(resolver.answer, OTHER, ADDRESS[OTHER])

    def restore(self, conf, whole, conf_here, whole_here):
        conf.write_text(whole)
        conf_here.write_text(whole_here)
        world.servers[OTHER].stop()
        world.servers[OTHER].start()
        world.wait_for(OTHER)
        world.restart_org()

    def test_F100_a_gateway_that_leads_back_to_us_is_passed_once(self):
        world.replace(JO, "outgateAddress", "jo@other.example")
        self.gateway_at(OTHER)
        first = self.send(sender="jo@other.example")
        self.assertIsNotNone(world.logged(" ** ", LOOP),
                             world.org.log()[-2000:])
        bounce = world.bounces(self.id())
        self.assertEqual([str(b["X-Arrived-For"]) for b in bounce],
                         ["jo@org.example"])
        self.assertIn(LOOP, unfolded(bounce[0]))
        self.assertIsNotNone(world.logged(first, "Completed"))
        self.assertEqual(wire.dialled().count((ADDRESS[OTHER], 465)), 1)
        self.assertEqual(
            world.servers[OTHER].log().count(f'T="{self.id()}"'), 1)
        self.assertEqual(world.arrived_now(self.id()), [])


def forwarding(text):
    """The partner's configuration: everything goes back to us."""
    text = text.replace(
        "all:\n  driver = accept\n  transport = store\n",
        "all:\n  driver = manualroute\n"
        f"  route_list = * {ORG_ADDRESS}::587\n  transport = back\n")
    text = text.replace(
        "begin transports\n",
        "begin transports\nback:\n  driver = smtp\n"
        "  hosts_require_auth = *\n")
    return text.replace(
        "begin authenticators\n",
        "begin authenticators\nback:\n  driver = plaintext\n"
        "  public_name = PLAIN\n  client_send = ^jo^jo-org\n")


if __name__ == "__main__":
    sandbox.enter()
    tap.main()

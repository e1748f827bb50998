#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What outgate agent does at gateways: each login once, and no oftener.

A partner that behaves as it is told and writes down who came counts the tries.
"""

import base64
import pathlib
import socket
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

import sandbox
import tap
from agent import (JO_AWAY, AgentWorld, Case, children, memory, proof_in,
                   today)
from hostile import IMPLICIT, STARTTLS, Hostile
from sandbox import run
from world import (JO, MIA_GATEWAY, PARTNER, PARTNER_PASSWORDS, STAFF,
                   WAIT_S, certificate, make_ca, wait, wait_for_port)

HOST = "smtp.hostile.example"
HOST_ADDRESS = "203.0.113.40"
LOGIN, PASSWORD = "jo.h", "the password itself"

world = hostile = None


class HostileWorld(AgentWorld):
    def network(self):
        super().network()
        run("ip", "-n", "outside", "address", "add", f"{HOST_ADDRESS}/24",
            "dev", "uplink")
        with open("/etc/hosts", "a") as hosts:
            hosts.write(f"{HOST_ADDRESS} {HOST}\n"
                        "10.1.2.3 smtp.private.example\n")


def setUpModule():
    global world, hostile
    world = Case.world = HostileWorld(conf="proof none\nagent_poll_s 1\n")
    world.__enter__()
    hostile = Hostile(world.folder / "hostile", HOST_ADDRESS, netns="outside")
    make_ca(hostile.folder / "other")
    for name, ca in ("good", world.ca), ("other_ca", hostile.folder / "other"):
        certificate(ca, HOST, hostile.folder / name)
        (hostile.folder / f"{name}.pem").write_bytes(b"".join(
            (hostile.folder / f"{name}.{part}").read_bytes()
            for part in ("key", "crt")))
    hostile.start()
    for port in IMPLICIT, STARTTLS:
        wait_for_port("outside", HOST_ADDRESS, port)


def tearDownModule():
    hostile.stop()
    world.__exit__()


class Probe(Case):
    """Jo's gateway is the hostile server."""

    def setUp(self):
        super().setUp()
        self.gateway()
        hostile.play("honest")

    def gateway(self, password=PASSWORD, host=HOST, login=LOGIN):
        self.replace("outgateHost", host)
        self.replace("outgateLogin", login)
        world.seal(JO, password)

    def tries(self):
        wait(hostile.sessions, lambda all: all and all[-1].over)
        return sum(session.tries for session in hostile.sessions())


class Once(Probe):
    def test_a_gateway_that_works_is_tried_once(self):
        world.once()
        self.assertEqual(world.status(JO), "ready")
        for shift in None, "+2h", "+2d":
            world.once(faketime=shift)
        self.assertEqual(self.tries(), 1)
        session, = hostile.sessions()
        self.assertEqual(session.logins, [(LOGIN, PASSWORD)])
        self.assertEqual(session.messages, [])

    def test_a_real_partner_finds_it_ready(self):
        self.gateway(PARTNER_PASSWORDS["jo.doe"], PARTNER, "jo.doe")
        before = len(world.servers[PARTNER].received())
        world.once()
        self.assertEqual(world.status(JO), "ready")
        self.assertEqual(len(world.servers[PARTNER].received()), before)

    def test_a_refused_login_is_never_tried_again(self):
        hostile.play("auth_535")
        world.once()
        self.assertEqual(world.status(JO),
                         f"{HOST} refused the login on {today()}")
        for shift in None, "+2h", "+2d", "+60d":
            world.once(faketime=shift)
        self.assertEqual(self.tries(), 1)
        self.assertEqual(world.status(JO),
                         f"{HOST} refused the login on {today()}")

    def test_the_same_password_sealed_anew_is_not_tried_either(self):
        hostile.play("auth_535")
        world.once()
        world.seal(JO, PASSWORD)
        world.once()
        self.assertEqual(self.tries(), 1)
        self.has(f"^{HOST} refused the login on ")

    def test_another_password_is_tried_at_once(self):
        hostile.play("honest", passwords={LOGIN: "right"})
        world.once()
        self.has("refused the login")
        world.seal(JO, "right")
        world.once()
        self.assertEqual(world.status(JO), "ready")
        self.assertEqual(self.tries(), 2)

    def test_a_login_that_a_delivery_found_refused_is_not_tried(self):
        hostile.play("auth_535")
        world.submit("jo", JO_AWAY, ["x@outside.example"], "refused before")
        world.bounces("refused before")
        self.assertEqual(self.tries(), 1)
        world.once()
        self.assertEqual(world.status(JO),
                         f"{HOST} refused the login on {today()}")
        world.seal(JO, PASSWORD)
        world.once()
        self.has("refused the login")
        self.assertEqual(self.tries(), 1)

    def test_twenty_logins_a_user_and_hour_whatever_he_changes(self):
        addresses = [f"a{n}@partner.example" for n in range(22)]
        self.replace("outgateAddress", *addresses)
        world.once()
        self.assertEqual(self.tries(), 20)
        self.has(f"^too many logins were tried: {HOST} will be tried again "
                 "at [0-2][0-9]:[0-5][0-9] UTC$")
        # neither another login nor another password is another user's
        self.replace("outgateAddress", JO_AWAY)
        for guess in "one", "two":
            self.gateway(guess, login=f"jo.{guess}")
            world.once()
            world.once(faketime="+50m")
        self.assertEqual(self.tries(), 20)
        self.has("^too many logins were tried: ")
        self.reset(MIA_GATEWAY)
        world.once()
        self.assertEqual(world.status(MIA_GATEWAY), "ready")
        world.once(faketime="+61m")
        self.assertEqual(world.status(JO), "ready")
        self.assertEqual(self.tries(), 21)

    def test_four_agents_at_once_log_in_once(self):
        hostile.play("auth_535")
        agents = [subprocess.Popen(
            world.command("/usr/bin/outgate", "agent", "--once"),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL) for _ in range(4)]
        for agent in agents:
            self.assertEqual(agent.wait(120), 0)
        world.once()
        self.assertEqual(self.tries(), 1)
        self.has("refused the login")

    def test_one_that_is_killed_while_it_probes_does_not_try_again(self):
        hostile.play("auth_silent")
        agent = world.start_agent()
        wait(lambda: sum(s.tries for s in hostile.sessions()), bool)
        agent.kill()
        agent.wait()
        # for all it knows another agent is still at it
        world.once()
        self.assertIsNone(world.status(JO))
        world.once(faketime="+2m")
        self.assertEqual(self.tries(), 1)
        self.has(f"^{HOST} did not answer on {today()}$")
        hostile.play("honest")
        world.once(faketime="+70m")
        self.assertEqual(world.status(JO), "ready")

    def test_nothing_of_the_password_or_the_server_is_told(self):
        for behaviour in "auth_535_echo", "auth_454_echo", "554_banner":
            world.forget()
            self.replace("outgateStatus")
            hostile.play(behaviour)
            said = world.once()
            for secret in PASSWORD, "SECRET-BANNER", LOGIN:
                self.assertNotIn(secret, said + world.status(JO))


class Taker:
    """A mail server on this machine that says nothing to its second message;
    while it does not, whoever has sent it can be looked at."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.second, self.over = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self.serve)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()

    def serve(self):
        try:
            self.take(lambda: None)
            self.take(lambda: (self.second.set(), self.over.wait()))
        except OSError:
            pass

    def take(self, before_reply):
        client, _ = self.listener.accept()
        with client, client.makefile("rb") as lines:
            client.sendall(b"220 here\r\n")
            for line in lines:
                word = line[:4].upper()
                client.sendall(b"354 go on\r\n" if word == b"DATA"
                               else b"250 yes\r\n")
                if word == b"DATA":
                    while lines.readline() not in (b".\r\n", b""):
                        pass
                    before_reply()
                    client.sendall(b"250 taken\r\n")
                if word == b"QUIT":
                    return


class Memory(Probe):
    def test_no_password_is_left_behind_in_memory(self):
        # what is freed loses its beginning to the allocator: long, by its end
        password = "the first part is overwritten " + 3 * "the end of it "
        plain = base64.b64encode(f"\0{LOGIN}\0{password}".encode())
        self.gateway(password)
        # a mail, a probe, a mail, by one process
        self.replace("outgateAddress", "a1@partner.example", JO_AWAY,
                     "a2@partner.example")
        self.pasted(world.proof(JO, JO_AWAY, gw=f"{HOST}:{IMPLICIT}"))
        with Taker() as taker:
            world.outgate_conf(
                f"proof_key p1\nagent_smtp 127.0.0.1:{taker.port}\n")
            with world.agent() as agent:
                self.assertTrue(taker.second.wait(WAIT_S))
                self.assertEqual(self.tries(), 1)
                held = {pid: b"\0".join(memory(pid))
                        for pid in children(agent.pid)}
        # what it is looked for in is the memory of who knew it
        self.assertTrue([pid for pid in held
                         if b"a2@partner.example" in held[pid]])
        for secret in password.encode()[-20:], plain[-20:]:
            self.assertEqual(
                [pid for pid in held if secret in held[pid]], [])


@tap.tables
class Failures(Probe):
    @tap.rows([
        ("a server that asks to come back", "auth_454", {},
         "cannot be used at the moment"),
        ("a server that does not take the address", "mail_550", {},
         "took the login, but refuses mail from this address"),
        ("a server without logins", "auth_absent", {},
         "offers no way to log in"),
        ("a certificate of an unknown authority", "honest",
         {"certificate": "other_ca"},
         "offers no TLS with a valid certificate of its name"),
        ("a server that hangs up", "close_at_once", {}, "^" + HOST),
        ("a server that is none", "ssh_banner", {},
         "does not answer as a mail server does"),
    ])
    def failure(self, behaviour, options, sentence):
        hostile.play(behaviour, **options)
        world.once()
        self.has(sentence)
        self.has(rf"\(tried on {today()}\)$")
        before = len(hostile.sessions())
        self.assertEqual(before, 1)
        world.once()
        world.once(faketime="+50m")
        self.assertEqual(len(hostile.sessions()), 1)
        hostile.play("honest")
        world.once(faketime="+70m")
        self.assertEqual(world.status(JO), "ready")

    def test_the_pauses_grow_from_an_hour_to_a_day(self):
        hostile.play("auth_454")
        tried = []
        for minute in range(0, 4 * 24 * 60, 70):
            before = len(hostile.sessions())
            world.once(faketime=f"+{minute}m")
            if len(wait(hostile.sessions, bool)) > before:
                tried.append(minute)
        pauses = [b - a for a, b in zip(tried, tried[1:])]
        self.assertEqual(pauses[0], 70)
        self.assertEqual(pauses, sorted(pauses))
        self.assertGreaterEqual(pauses[-1], 24 * 60)
        self.assertLess(pauses[-1], 26 * 60)

    def test_what_the_module_refuses_is_not_dialled(self):
        for attribute, value, dn in (
                ("outgateAllowed", "FALSE", STAFF),
                ("outgateAllowedHost", "*.other.example", STAFF),
                ("outgatePort", "2525", JO),
                ("outgateEnabled", "FALSE", JO)):
            self.replace(attribute, value, dn=dn)
            world.once()
            self.assertEqual(hostile.sessions(), [])
            self.setUp()

    def test_without_a_proof_nothing_is_dialled(self):
        world.outgate_conf("proof_key p1\n")
        world.once()
        self.has("^waiting for your proof")
        self.assertEqual(hostile.sessions(), [])
        self.pasted(proof_in(world.mails()[0]))
        world.once()
        self.assertEqual(world.status(JO), "ready")
        self.assertEqual(self.tries(), 1)

    def test_a_private_address_is_not_dialled(self):
        self.gateway(host="smtp.private.example")
        world.once()
        self.has("^smtp.private.example leads to no server on the Internet")

    def test_a_network_of_the_organisations_is_not_dialled(self):
        world.outgate_conf("proof none\nown_network 203.0.113.40/32\n")
        world.once()
        self.has("leads to no server on the Internet")
        self.assertEqual(hostile.sessions(), [])

    def test_once_is_once_however_long_it_takes(self):
        hostile.play("auth_silent")
        world.once()
        self.has(f"^{HOST} cannot be reached")
        hostile.play("auth_silent")
        world.seal(JO, "another password")
        before = world.operations()
        world.once()
        # a list each second would be dozens
        self.assertLess(world.operations() - before, 20)

    def test_who_waits_at_a_silent_server_holds_up_nobody(self):
        hostile.play("auth_silent")
        more = [f"cn=silent{n},{JO}" for n in range(10)]
        for n, dn in enumerate(more):
            world.modify(
                f"dn: {dn}\nchangetype: add\nobjectClass: outgateEntry\n"
                f"cn: silent{n}\noutgateAddress: s{n}@partner.example\n"
                f"outgateHost: {HOST}\noutgateLogin: {LOGIN}\n")
            world.seal(dn, PASSWORD)
        try:
            with world.agent():
                wait(lambda: sum(s.tries for s in hostile.sessions()), bool)
                self.reset(MIA_GATEWAY)
                self.assertEqual(world.wait_status(MIA_GATEWAY, "ready"),
                                 "ready")
                # and it was so while the first of Jo's was being tried
                self.assertEqual(len(hostile.sessions()), 1)
                self.assertIsNone(world.status(JO))
        finally:
            for dn in more:
                world.modify(f"dn: {dn}\nchangetype: delete\n")


if __name__ == "__main__":
    sandbox.enter()
    tap.main()

# SPDX-License-Identifier: GPL-2.0-or-later
"""world.py - an organisation, its partners and the rest, for whole messages.

    mail.org.example        the organisation's Exim with outgate as installed,
                            submission on 127.0.0.1:587
    ldapi                   its directory: slapd with ldap-schema/ as it is
    smtp.partner.example    partner servers with TLS and AUTH, each another
    smtp.other.example      Exim in a network of their own: 465, 587
    mx.outside.example      where the org route leads: port 25

Lives in a sandbox (sandbox.py).  Who arrived where is read from the messages
the servers stored, not from anybody's promise.
"""

import base64
import email
import email.message
import email.policy
import json
import os
import pathlib
import pwd
import re
import shutil
import smtplib
import socket
import subprocess
import time

import sandbox
from sandbox import run
from slapd import Slapd, check, die_with_parent

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUILD", TOP / "build")).resolve()
EXIM = "/usr/sbin/exim4"
WAIT_S = 30
# How long to look for what test_mutations.py expects not to come.
LOOK_S = float(os.environ.get("OUTGATE_LOOK_S", WAIT_S))

ORG_ADDRESS = "203.0.113.1"
PARTNER = "smtp.partner.example"
OTHER = "smtp.other.example"
OUTSIDE = "mx.outside.example"
ADDRESS = {PARTNER: "203.0.113.10", OTHER: "203.0.113.20",
           OUTSIDE: "203.0.113.30"}

# Who has which password where.
ORG_PASSWORDS = {"jo": "jo-org", "mia": "mia-org", "sam": "sam-org",
                 "kim": "kim-org", "nobody": "nobody-org"}
PARTNER_PASSWORDS = {"jo.doe": "jo-partner", "mia.moe": "mia-partner",
                     "sam.roe": "sam-partner"}
# The organisation's own login where the org route leads.
RELAY = "org-relay", "re^lay:x"

STAFF = "ou=staff,ou=people,dc=org,dc=example"
JO = f"uid=jo,{STAFF}"
SAM = f"uid=sam,{STAFF}"
MIA_GATEWAY = f"cn=partner,uid=mia,{STAFF}"

OUTGATE_CONF = """\
uri {uri}
base dc=org,dc=example
org_domain org.example
timeout_ms 2000
"""

# What a server writes into a message that it stores: who brought it, and how.
ARRIVED = """\
  headers_add = X-Arrived-At: $primary_hostname port $received_port\\n\\
    X-Arrived-As: ${if def:authenticated_id{$authenticated_id}{nobody}}\\n\\
    X-Arrived-Tls: ${if def:tls_in_cipher{yes}{no}}\\n\\
    X-Arrived-Sni: $tls_in_sni\\n\\
    X-Arrived-For: $local_part@$domain\\n\\
    X-Arrived-From: <$sender_address>
"""

ORG_CONFIG = """\
primary_hostname = mail.org.example
qualify_domain = org.example
OUTGATE_RETRY_RULE = F,3650d,1s
@macros@
.include /etc/exim4/outgate.include
@main@
queue_only_file = @folder@/queue-only
domainlist local_domains = org.example
local_interfaces = <; 127.0.0.1
daemon_smtp_ports = 587 : 25
acl_smtp_rcpt = acl_rcpt
keep_environment =
tls_advertise_hosts =
log_selector = +all -address_rewrite
begin acl
acl_rcpt:
  accept authenticated = *
         control = submission/domain=org.example
  accept domains = +local_domains
@relay@
  deny message = relay not permitted
begin routers
OUTGATE_ROUTERS = yes
@routers@
.include /etc/exim4/outgate.include
local:
  driver = accept
  domains = +local_domains
  transport = mailbox
everybody_else:
  driver = manualroute
  route_list = * mx.outside.example byname
  transport = org_route
begin transports
OUTGATE_TRANSPORTS = yes
.include /etc/exim4/outgate.include
mailbox:
  driver = appendfile
  directory = @folder@/inbox
  maildir_format
  create_directory
  user = Debian-exim
""" + ARRIVED + """\
org_route:
  driver = smtp
  hosts_try_auth = *
OUTGATE_RETRIES = yes
begin retry
.include /etc/exim4/outgate.include
* * F,2d,1s
begin authenticators
OUTGATE_AUTHENTICATORS = yes
OUTGATE_OTHERS_LINE = \
  ${lookup{$host}nwildlsearch{/etc/exim4/passwd.client}{$value}fail}
.include /etc/exim4/outgate.include
@authenticators@
"""

SERVER_AUTHENTICATORS = """\
server_plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${if eq{$auth3}\
{${lookup{$auth2}lsearch{/etc/exim4/passwords}}}}
  server_set_id = $auth2
  server_advertise_condition = @condition@
server_login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = "Username:: : Password::"
  server_condition = ${if eq{$auth2}\
{${lookup{$auth1}lsearch{/etc/exim4/passwords}}}}
  server_set_id = $auth1
  server_advertise_condition = @condition@
"""

PARTNER_CONFIG = """\
primary_hostname = @name@
pid_file_path = @folder@/exim.pid
local_interfaces = @address@
daemon_smtp_ports = 465 : 587
tls_on_connect_ports = 465
tls_advertise_hosts = *
tls_certificate = /etc/exim4/server.crt
tls_privatekey = /etc/exim4/server.key
acl_smtp_rcpt = acl_rcpt
acl_smtp_mail = acl_mail
keep_environment =
log_selector = +all
begin acl
acl_mail:
  accept
acl_rcpt:
  accept authenticated = *
  deny message = authentication required
begin routers
all:
  driver = accept
  transport = store
begin transports
store:
  driver = appendfile
  directory = @folder@/inbox
  maildir_format
  create_directory
  user = Debian-exim
  return_path_add
""" + ARRIVED + """\
begin retry
begin authenticators
@authenticators@
"""

OUTSIDE_CONFIG = PARTNER_CONFIG.replace(
    "daemon_smtp_ports = 465 : 587\ntls_on_connect_ports = 465\n",
    "daemon_smtp_ports = 25\n").replace(
    "  accept authenticated = *\n  deny message = authentication required",
    "  accept")


class Exim:
    """One Exim with its own configuration, spool, log and stored mail."""

    def __init__(self, name, netns=None):
        self.name = name
        self.netns = netns
        self.folder = sandbox.folder() / name
        self.etc = self.folder / "etc"
        self.process = None
        exim = pwd.getpwnam("Debian-exim")
        for part in "etc", "spool", "log", "inbox":
            (self.folder / part).mkdir(parents=True)
            os.chown(self.folder / part, exim.pw_uid, exim.pw_gid)
        os.chown(self.etc, 0, 0)
        os.chmod(self.folder, 0o755)

    def write(self, name, text, mode=0o640):
        path = self.etc / name
        path.write_text(text)
        os.chmod(path, mode)
        os.chown(path, 0, pwd.getpwnam("Debian-exim").pw_gid)
        return path

    def binds(self):
        return [(self.etc, "/etc/exim4"), (self.folder / "spool",
                "/var/spool/exim4"), (self.folder / "log", "/var/log/exim4")]

    def start(self):
        """Run it in the foreground of its own mounts until stop()."""
        mounts = "; ".join(f"mount --rbind {a} {b}" for a, b in self.binds())
        words = ["unshare", "--mount", "sh", "-e", "-c",
                 f"{mounts}; exec {EXIM} -bdf"]
        if self.netns:
            words = ["ip", "netns", "exec", self.netns, *words]
        with open(self.folder / "daemon.log", "ab") as log:
            self.process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=die_with_parent)

    def stop(self):
        process, self.process = self.process, None
        if process:
            process.terminate()
            process.wait(WAIT_S)

    def command(self, *words, text="", faketime=None):
        """Run exim4 with these arguments as this host's root would.

        faketime  what faketime(1) takes: "+2d"
        """
        mounts = "; ".join(f"mount --rbind {a} {b}" for a, b in self.binds())
        # root's LD_PRELOAD lasts: Exim is set-uid root, which is no change
        shift = f"faketime -f {faketime} " if faketime else ""
        return subprocess.run(
            ["unshare", "--mount", "sh", "-e", "-c",
             f'{mounts}; exec {shift}{EXIM} "$@"', "sh", *words],
            input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, timeout=300).stdout

    def inside(self, *words):
        """Run a program as root where this host's files are its own."""
        mounts = "; ".join(f"mount --rbind {a} {b}" for a, b in self.binds())
        return subprocess.run(
            ["unshare", "--mount", "sh", "-e", "-c",
             f'{mounts}; exec "$@"', "sh", *map(str, words)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, timeout=120)

    def log(self, name="mainlog"):
        path = self.folder / "log" / name
        return path.read_text(errors="replace") if path.exists() else ""

    def received(self):
        """The messages it has stored, oldest first."""
        found = sorted((self.folder / "inbox").glob("new/*"),
                       key=lambda path: path.stat().st_mtime_ns)
        return [email.message_from_bytes(
            path.read_bytes(), policy=email.policy.default)
            for path in found]


class World:
    # where the organisation's Exim is reached
    submission = "127.0.0.1"

    def __init__(self, conf="", macros="", routers="", main="", access=True,
                 relay=False):
        self.folder = sandbox.folder()
        self.conf = conf
        self.macros, self.routers, self.main = macros, routers, main
        self.access = access
        # whether programs on this host may send without logging in, as on
        # Debian
        self.relay = "  accept hosts = 127.0.0.1" if relay else ""
        self.servers = {}

    def __enter__(self):
        self.install()
        self.network()
        self.certify()
        self.start_directory()
        self.start_servers()
        self.start_org()
        return self

    def __exit__(self, *unused):
        for server in self.servers.values():
            server.stop()
        self.slapd.stop()

    def install(self):
        """What an administrator installs, where he installs it."""
        run("make", "-s", "-C", TOP, f"BUILD={BUILD}", "install")

    def network(self):
        sandbox.add_network("outside", f"{ORG_ADDRESS}/24",
                            [f"{a}/24" for a in ADDRESS.values()])
        lines = ["127.0.0.1 localhost mail.org.example"]
        lines += [f"{address} {name}" for name, address in ADDRESS.items()]
        pathlib.Path("/etc/hosts").write_text("\n".join(lines) + "\n")
        pathlib.Path("/etc/nsswitch.conf").write_text(
            "passwd: files\ngroup: files\nhosts: files\n")

    def certify(self):
        """A CA of our own becomes the system's only one."""
        self.ca = make_ca(self.folder / "ca")
        shutil.copy(self.ca / "ca.crt", "/etc/ssl/certs/ca-certificates.crt")

    def start_directory(self):
        schema = TOP / "ldap-schema"
        self.slapd = Slapd(directory=self.folder / "ldap", dynamic=True,
                           schema=[schema / "outgate.schema"],
                           database="access to * by self write by * read",
                           config="database monitor\naccess to * by * read")
        os.chmod(self.slapd.directory, 0o755)
        self.slapd.start()
        uid = str(pwd.getpwnam("Debian-exim").pw_uid)
        authz = (schema / "openldap-authz.ldif").read_text()
        check(self.slapd.modify(authz.replace("EXIM_UID", uid),
                                self.slapd.config), "openldap-authz.ldif")
        for name in "openldap-index.ldif", "openldap-access.ldif":
            text = (schema / name).read_text()
            check(self.slapd.modify(
                text.replace("{1}mdb", self.database()), self.slapd.config),
                name)
        self.slapd.add_file(schema / "example.ldif")

    def database(self):
        found = self.slapd.search(
            "(olcSuffix=dc=org,dc=example)", "olcDatabase", base="cn=config",
            bind=self.slapd.config)
        return found.entries[0]["olcdatabase"][0]

    def start_servers(self):
        for name in PARTNER, OTHER, OUTSIDE:
            server = self.servers[name] = Exim(name, netns="outside")
            self.write_server(server)
            server.start()
        for name in PARTNER, OTHER:
            wait_for_port(server.netns, ADDRESS[name], 465)
        wait_for_port(server.netns, ADDRESS[OUTSIDE], 25)

    def write_server(self, server):
        text = OUTSIDE_CONFIG if server.name == OUTSIDE else PARTNER_CONFIG
        server.write("exim4.conf", fill(
            text, authenticators=SERVER_AUTHENTICATORS,
            condition="${if def:tls_in_cipher}", name=server.name,
            address=ADDRESS[server.name], folder=server.folder))
        self.write_server_passwords(server)
        certificate(self.ca, server.name, server.etc / "server")

    def write_server_passwords(self, server):
        server.write("passwords", passwords(
            dict([RELAY]) if server.name == OUTSIDE else PARTNER_PASSWORDS))

    def wait_for(self, name):
        wait_for_port("outside", ADDRESS[name], 465)

    def impostor(self, name):
        """Somebody who has the address, but not the certificate."""
        self.servers[name].stop()
        folder = self.folder / "impostor"
        if not folder.exists():
            make_ca(folder)
        certificate(folder, name, self.servers[name].etc / "server")
        self.servers[name].start()
        self.wait_for(name)

    def restore(self, name):
        self.servers[name].stop()
        certificate(self.ca, name, self.servers[name].etc / "server")
        self.servers[name].start()
        self.wait_for(name)

    def start_org(self):
        self.org = self.servers["mail.org.example"] = Exim("org")
        self.outgate_conf()
        self.org.write("outgate.include", mutated(pathlib.Path(
            "/usr/share/outgate/exim-config/outgate.include").read_text()))
        self.org.write("passwords", passwords(ORG_PASSWORDS))
        self.org.write("passwd.client", f"{OUTSIDE}:{RELAY[0]}:{RELAY[1]}\n")
        self.org.write("exim4.conf", fill(
            ORG_CONFIG, authenticators=SERVER_AUTHENTICATORS,
            condition="yes", macros=self.macros, routers=self.routers,
            main=self.main, relay=self.relay, folder=self.org.folder))
        run(BUILD / "outgate", "keygen", "--group", "Debian-exim")
        self.org.start()
        try:
            wait_for_port(None, "127.0.0.1", 587)
        except RuntimeError as error:
            said = (self.org.folder / "daemon.log").read_text()
            raise RuntimeError(f"{error}:\n{said}")

    def restart_org(self):
        self.org.stop()
        self.org.start()
        wait_for_port(None, "127.0.0.1", 587)

    def outgate_conf(self, more=None):
        """Write outgate.conf; "more" replaces the lines of this world."""
        folder = pathlib.Path("/etc/outgate")
        folder.mkdir(exist_ok=True)
        text = OUTGATE_CONF.format(uri=self.slapd.ldapi)
        (folder / "outgate.conf").write_text(
            text + (self.conf if more is None else more))

    # ---- what people do ----

    def modify(self, ldif, bind=None):
        check(self.slapd.modify(ldif, bind or self.slapd.root), ldif)

    def replace(self, dn, attribute, *values):
        lines = [f"dn: {dn}", "changetype: modify", f"replace: {attribute}"]
        lines += [f"{attribute}: {value}" for value in values]
        self.modify("\n".join(lines) + "\n")

    def permit(self, value="TRUE"):
        """What the administrator does with permit.ldif and its reverse."""
        if value == "TRUE" and not self.slapd.search(
                "(objectClass=outgatePolicy)", base=STAFF, scope="base",
                bind=self.slapd.root).entries:
            self.modify((TOP / "ldap-schema/permit.ldif").read_text())
        else:
            self.replace(STAFF, "outgateAllowed", value)

    def owner(self, dn):
        user = dn[dn.index("uid="):]
        return self.slapd.search("(objectClass=*)", "entryUUID", base=user,
                                 scope="base", bind=self.slapd.root
                                 ).entries[0]["entryuuid"][0]

    def gateway(self, dn):
        return self.slapd.search("(objectClass=*)", base=dn, scope="base",
                                 bind=self.slapd.root).entries[0]

    def seal(self, dn, password, **changed):
        """Seal a password for a gateway as it is and store it."""
        entry = self.gateway(dn)
        words = [BUILD / "outgate", "seal", "--owner", self.owner(dn),
                 "--dn", dn]
        for option, name in (("--host", "outgatehost"),
                             ("--port", "outgateport"),
                             ("--tls", "outgatetls"),
                             ("--login", "outgatelogin")):
            value = changed.get(option[2:], entry.get(name, [None])[0])
            if value:
                words += [option, value]
        done = subprocess.run([str(word) for word in words],
                              input=password, text=True, check=True,
                              stdout=subprocess.PIPE)
        self.modify(done.stdout)

    def proof(self, dn, address, life_s=3600, **changed):
        """Sign a proof as the agent would, by openssl's hand."""
        claims = {"iss": "org.example", "sub": self.owner(dn),
                  "email": address, "gw": f"{PARTNER}:465",
                  "iat": int(time.time()) - 60,
                  "exp": int(time.time()) + life_s, **changed}
        text = ".".join(
            base64url(json.dumps(part, separators=(",", ":")).encode())
            for part in ({"alg": "EdDSA", "kid": "p1"}, claims))
        signed = self.folder / "signed"
        signed.write_text(text)
        signature = subprocess.run(
            ["openssl", "pkeyutl", "-sign", "-rawin", "-in", signed,
             "-inkey", "/etc/outgate/proof/p1.key"],
            check=True, stdout=subprocess.PIPE).stdout
        return f"{text}.{base64url(signature)}"

    def proof_key(self):
        """The key that proof() signs with."""
        run(BUILD / "outgate", "keygen", "--proof", "--name", "p1",
            "--group", "Debian-exim")

    def seal_example(self):
        self.seal(JO, PARTNER_PASSWORDS["jo.doe"])
        self.seal(MIA_GATEWAY, PARTNER_PASSWORDS["mia.moe"])
        self.seal(SAM, PARTNER_PASSWORDS["sam.roe"])

    def submit(self, login, sender, recipients, subject, headers=(),
               envelope=None, auth=True):
        """Submit a message; returns the reply to its final dot."""
        lines = [*headers, f"To: {recipients[0]}", f"Subject: {subject}",
                 "", "Text."]
        if sender is not None:
            lines.insert(0, f"From: {sender}")
        return self.submit_raw(login, recipients, "\r\n".join(lines) + "\r\n",
                               envelope=envelope, auth=auth)

    def client(self, port):
        """A connection to the organisation's Exim, up to EHLO."""
        smtp = Client(self.submission, port, timeout=WAIT_S)
        smtp.ehlo("client.org.example")
        return smtp

    def submit_raw(self, login, recipients, data, envelope=None, auth=True):
        with self.client(587 if auth else 25) as smtp:
            if auth:
                token = f"\0{login}\0{ORG_PASSWORDS[login]}".encode()
                reply = smtp.docmd(
                    "AUTH PLAIN", base64.b64encode(token).decode())
                if reply[0] != 235:
                    raise RuntimeError(f"AUTH: {reply}")
            smtp.mail(f"{login}@org.example" if envelope is None else envelope)
            for recipient in recipients:
                smtp.rcpt(recipient)
            if isinstance(data, str):
                data = data.encode()
            code, text = smtp.data(data)
            return f"{code} {text.decode()}"

    def arrived(self, subject, count=1):
        """Wait for messages with this subject; (server, message) each."""
        return wait(lambda: self.arrived_now(subject),
                    lambda found: len(found) >= count)

    def arrived_now(self, subject):
        return [(name, message) for name, message in self.everything()
                if str(message["Subject"]) == subject]

    def bounces(self, subject):
        """Wait for bounces of a message with this subject."""
        return wait(lambda: [
            message for _, message in self.everything()
            if message["X-Arrived-From"] == "<>" and
            "failed" in str(message["Subject"]) and
            f"Subject: {subject}" in unfolded(message)], bool)

    def everything(self):
        return [(name, message) for name, server in self.servers.items()
                for message in server.received()]

    def logged(self, *texts):
        """Wait for a line of the org's log with these texts; None if none."""
        lines = wait(lambda: [
            line for line in self.org.log().split("\n")
            if all(text in line for text in texts)], bool)
        return lines[-1] if lines else None

    def warnings(self, subject):
        """Wait for warnings that a message with this subject is delayed."""
        return wait(lambda: self.warnings_now(subject), bool)

    def warnings_now(self, subject):
        return [message for _, message in self.everything()
                if "delayed" in str(message["Subject"]) and
                f"Subject: {subject}" in unfolded(message)]

    def run_queue(self, how="-qff"):
        """-qff tries all and ignores retry times; -q heeds them."""
        return self.org.command(how)

    def queue_only(self, only):
        """Whether what is accepted waits for a queue run."""
        path = self.org.folder / "queue-only"
        path.touch() if only else path.unlink(missing_ok=True)

    def deliver_bounces(self):
        """Exim's own messages, those with an empty sender."""
        for message in re.findall(r"(\w{6}-\w{6}-\w{2}) <>", self.queue()):
            self.org.command("-M", message)

    def empty_queue(self):
        for message in re.findall(r"\w{6}-\w{6}-\w{2}", self.queue()):
            self.org.command("-Mrm", message)

    def forget(self):
        """No failure of the past counts any more."""
        spool = self.org.folder / "spool"
        shutil.rmtree(spool / "outgate", ignore_errors=True)
        for path in (spool / "db").glob("*"):
            path.unlink()

    def doctor(self, *words):
        """What the installed "outgate doctor" says of the organisation."""
        return self.org.inside("/usr/bin/outgate", "doctor", *words)

    def queue(self):
        return self.org.command("-bp")

    def operations(self):
        """How many searches the directory has been asked for, but this one."""
        found = self.slapd.search(
            "(objectClass=*)", "monitorOpInitiated",
            base="cn=Search,cn=Operations,cn=Monitor", scope="base",
            bind=self.slapd.root)
        return int(found.entries[0]["monitoropinitiated"][0])


class Client(smtplib.SMTP):
    """Says QUIT, but does not wait: Exim keeps the reply for 200 ms."""

    def __exit__(self, *unused):
        try:
            self.putcmd("QUIT")
        except smtplib.SMTPServerDisconnected:
            pass
        self.close()


def base64url(octets):
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")


def mutated(text):
    """The text as test_mutations.py wants it changed.

    OUTGATE_MUTATION holds JSON: [[old, new], ...]; each old text must be
    there, once, or the mutation would be none.
    """
    for old, new in json.loads(os.environ.get("OUTGATE_MUTATION", "[]")):
        if text.count(old) != 1:
            raise RuntimeError(f"to mutate: {text.count(old)} times: {old}")
        text = text.replace(old, new)
    return text


def unfolded(message):
    return re.sub(r"\s+", " ", message.as_string())


def wait(look, enough):
    """Look until it is enough or LOOK_S are over; what was seen last."""
    end = time.monotonic() + LOOK_S
    while True:
        seen = look()
        if enough(seen) or time.monotonic() > end:
            return seen
        time.sleep(0.05)


def fill(template, **values):
    """Replace each @name@; Exim's own braces stay as they are."""
    for name, value in values.items():
        template = template.replace(f"@{name}@", str(value))
    return template


def passwords(table):
    return "".join(f"{name}: {word}\n" for name, word in table.items())


def wait_for_port(netns, address, port):
    code = ("import socket, sys\n"
            "socket.create_connection((sys.argv[1], int(sys.argv[2])), 1)\n")
    words = ["ip", "netns", "exec", netns] if netns else []
    end = time.monotonic() + WAIT_S
    while subprocess.run([*words, "python3", "-c", code, address, str(port)],
                         stderr=subprocess.DEVNULL).returncode != 0:
        if time.monotonic() > end:
            raise RuntimeError(f"nobody listens at {address}:{port}")
        time.sleep(0.05)


def make_ca(folder, name="Test CA"):
    folder.mkdir()
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
        "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj",
        f"/CN={name}", "-keyout", folder / "ca.key", "-out",
        folder / "ca.crt")
    return folder


def certificate(ca, name, path, days=30):
    """path.key and path.crt for a host name, issued by the CA."""
    run("openssl", "req", "-newkey", "ec", "-pkeyopt",
        "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
        "-keyout", f"{path}.key", "-out", f"{path}.csr")
    extension = pathlib.Path(f"{path}.ext")
    extension.write_text(f"subjectAltName=DNS:{name}\n")
    run("openssl", "x509", "-req", "-in", f"{path}.csr", "-CA",
        ca / "ca.crt", "-CAkey", ca / "ca.key", "-CAcreateserial",
        "-days", days, "-extfile", extension, "-out", f"{path}.crt")
    for ending in "crt", "key":
        os.chmod(f"{path}.{ending}", 0o644)

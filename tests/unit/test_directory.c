/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_directory.c - what a real slapd, and servers that are none, make of it.
 *
 * Every look-up is followed by a look at this process: no child and no
 * descriptor may be left.
 */
#include "rows.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ldap.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "io/directory.h"
#include "slapd.h"

/* Where an answer is expected: long enough for a busy machine. */
#define PATIENT_MS 20000
/* Where none is. */
#define HASTY_MS 300
/* How much later than the deadline a busy machine may be. */
#define LATE 10

#define ORG "dc=example,dc=org"
#define PEOPLE "ou=people," ORG
#define GRANTED "ou=granted," ORG
#define DEEP 15 /* units below each other in PEOPLE */

static struct slapd good;  /* with TLS */
static struct slapd other; /* with a certificate for another name */
static struct slapd plain; /* without TLS */
static struct slapd loose; /* with a schema that permits anything */

/* The data. */

#define PERSON(name, dn)                                                       \
	"dn: " dn "\nobjectClass: inetOrgPerson\n"                             \
	"objectClass: outgateAccount\nobjectClass: outgatePolicy\n"            \
	"cn: " name "\nsn: " name "\n"
#define USER(name, above) PERSON(name, "uid=" name "," above) "uid: " name "\n"
#define UNIT(name, above)                                                      \
	"dn: ou=" name "," above "\nobjectClass: organizationalUnit\n"         \
	"objectClass: outgatePolicy\nou: " name "\n"
#define CHILD(name, above)                                                     \
	"dn: cn=" name "," above "\nobjectClass: outgateEntry\ncn: " name "\n"
#define SERVES(name)                                                           \
	"outgateAddress: " name "@partner.example\n"                           \
	"outgateHost: smtp." name ".example\n"
#define HEAD                                                                   \
	"dn: " ORG "\nobjectClass: organization\nobjectClass: dcObject\n"      \
	"objectClass: outgatePolicy\no: org\ndc: example\n"                    \
	"outgateAllowed: TRUE\n\n"                                             \
	"dn: " SLAPD_SERVICE "\nobjectClass: organizationalRole\n"             \
	"objectClass: simpleSecurityObject\ncn: outgate\n"                     \
	"userPassword: correct horse\n\n" UNIT("people", ORG) "\n"

/* clang-format off */
/* The permission is TRUE above the base, where nobody must look for it. */
static const char people[] = HEAD
	USER("jo", PEOPLE) "outgateAddress: jo.doe@partner.example\n"
	SERVES("jo")
	"outgatePort: 465\n"
	"outgateTLS: implicit\n"
	"outgateLogin: jo@partner.example\n"
	"outgatePassword: {CMS}c2VjcmV0\n"
	"outgateProof: a.b.c\n"
	"outgateProof: d.e.f\n"
	"audio:: AAEC/wN/gIGCg4SFhoeIiQ==\n"
	"mail: jo@example.org\n"
	"mail: jo2@example.org\n"
	"employeeNumber: 4711\n"
	"street: 0123456789012345678901234567890123456789012345678901234567890123\n"
	"description: 01234567890123456789012345678901234567890123456789012345678901234\n\n"
	USER("max", PEOPLE) "\n"
	CHILD("partner", "uid=max," PEOPLE) SERVES("max") "\n"
	USER("nina", PEOPLE) "\n"
	USER("off", PEOPLE) SERVES("off") "outgateEnabled: FALSE\n\n"
	USER("on", PEOPLE) SERVES("on") "outgateEnabled: TRUE\n\n"
	USER("two", PEOPLE) SERVES("two") "\n"
	CHILD("second", "uid=two," PEOPLE) SERVES("two") "\n"
	USER("spare", PEOPLE) SERVES("spare") "outgateEnabled: FALSE\n\n"
	CHILD("in use", "uid=spare," PEOPLE)
	"outgateAddress: spare@partner.example\n"
	"outgateHost: smtp.in-use.example\n\n"
	UNIT("a", PEOPLE) "\n"
	UNIT("b", PEOPLE) "\n"
	USER("twin", "ou=a," PEOPLE) SERVES("twin") "\n"
	USER("twin", "ou=b," PEOPLE) SERVES("twin") "\n"
	USER("triple", PEOPLE) "\n"
	USER("triple", "ou=a," PEOPLE) "\n"
	USER("triple", "ou=b," PEOPLE) "\n"
	PERSON("odd", "cn=odd," PEOPLE) SERVES("odd")
	"uid: o*d)(uid=*\\5c\\\n\n"
	/* uid: jürgen */
	PERSON("juergen", "cn=juergen," PEOPLE) SERVES("juergen")
	"uid:: asO8cmdlbg==\n\n"
	/* ou=Büro, and uid=umlaut below it */
	"dn:: b3U9QsO8cm8sb3U9cGVvcGxlLGRjPWV4YW1wbGUsZGM9b3Jn\n"
	"objectClass: organizationalUnit\nobjectClass: outgatePolicy\n"
	"outgateAllowed: TRUE\n\n"
	"dn:: dWlkPXVtbGF1dCxvdT1Cw7xybyxvdT1wZW9wbGUsZGM9ZXhhbXBsZSxkYz1vcmc=\n"
	"objectClass: inetOrgPerson\nobjectClass: outgateAccount\n"
	"cn: umlaut\nsn: umlaut\nuid: umlaut\n" SERVES("umlaut") "\n"
	PERSON("comma", "cn=a\\2Cb \\22c\\22+uid=comma," PEOPLE) SERVES("comma")
	"cn: a,b \"c\"\nuid: comma\n\n"
	/* "smtp." NUL ".x" and "jo" NUL "max"; "smtp." SOH ".x" */
	USER("nul", PEOPLE) "outgateAddress: nul@partner.example\n"
	"outgateHost:: c210cC4ALng=\noutgateLogin:: am8AbWF4\n"
	"outgatePassword:: am8AbWF4\n\n"
	USER("soh", PEOPLE) "outgateAddress: soh@partner.example\n"
	"outgateHost:: c210cC4BLng=\n\n"
	USER("broken", PEOPLE) "outgateAddress: not an address\n"
	"outgateAddress: good@partner.example\n\n"
	UNIT("granted", ORG) "outgateAllowed: TRUE\n"
	"outgateAllowedHost: smtp.base.example\n\n"
	"dn: cn=alias," PEOPLE "\nobjectClass: alias\n"
	"objectClass: extensibleObject\ncn: alias\n"
	"aliasedObjectName: uid=inherits," GRANTED "\n\n"
	UNIT("denied", GRANTED) "outgateAllowed: FALSE\n"
	"outgateAllowedHost: smtp.unit.example\n\n"
	UNIT("silent", GRANTED) "\n"
	UNIT("hidden", GRANTED) "outgateAllowed: FALSE\n\n"
	UNIT("allowed", PEOPLE) "outgateAllowed: TRUE\n\n"
	USER("inherits", GRANTED) SERVES("inherits") "\n"
	USER("refused", GRANTED) SERVES("refused") "outgateAllowed: FALSE\n\n"
	USER("below", "ou=denied," GRANTED) SERVES("below") "\n"
	USER("own", "ou=denied," GRANTED) SERVES("own")
	"outgateAllowed: TRUE\noutgateAllowedHost: smtp.own.example\n\n"
	USER("through", "ou=silent," GRANTED) SERVES("through") "\n"
	USER("veiled", "ou=hidden," GRANTED) SERVES("veiled") "\n"
	USER("unit", "ou=allowed," PEOPLE) SERVES("unit") "\n";

static const char loose_people[] = HEAD
	USER("maybe", PEOPLE) SERVES("maybe") "outgateEnabled: maybe\n\n"
	USER("true", PEOPLE) SERVES("true") "outgateEnabled: true\n\n"
	USER("doubt", PEOPLE) SERVES("doubt")
	"outgateEnabled: TRUE\noutgateEnabled: FALSE\n\n"
	USER("yes", PEOPLE) SERVES("yes") "outgateAllowed: yes\n\n"
	/* U+212A "im@partner.example", which matches kim@partner.example */
	USER("kelvin", PEOPLE) "outgateAddress:: 4oSqaW1AcGFydG5lci5leGFtcGxl\n\n"
	USER("lists", PEOPLE) SERVES("lists") "outgateHost: second.example\n"
	"outgatePassword: one\noutgatePassword: two\n\n"
	UNIT("granted", ORG) "outgateAllowed: TRUE\n\n"
	USER("both", GRANTED) SERVES("both")
	"outgateAllowed: TRUE\noutgateAllowed: FALSE\n\n"
	USER("vague", GRANTED) SERVES("vague") "outgateAllowed: true\n\n";

#define LOOSE(n, name) \
	"attributeType ( 2.25.1." n " NAME '" name "' " \
	"EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )\n"
static const char loose_schema[] =
	LOOSE("1", "outgateAllowed") LOOSE("2", "outgateAllowedHost")
	LOOSE("3", "outgateAddress") LOOSE("4", "outgateHost")
	LOOSE("5", "outgatePort") LOOSE("6", "outgateTLS")
	LOOSE("7", "outgateLogin") LOOSE("8", "outgatePassword")
	LOOSE("9", "outgateProof") LOOSE("10", "outgateEnabled")
	"objectClass ( 2.25.2.1 NAME 'outgatePolicy' SUP top AUXILIARY\n"
	"	MAY ( outgateAllowed $ outgateAllowedHost ) )\n"
	"objectClass ( 2.25.2.2 NAME 'outgateAccount' SUP top AUXILIARY\n"
	"	MAY ( outgateAddress $ outgateHost $ outgatePassword $\n"
	"		outgateEnabled ) )\n";
/* clang-format on */

/* slapd says of ou=hidden that there is no such object. */
static const char access_rules[] =
    "access to dn.base=\"ou=hidden," GRANTED "\" by * none\n";

/* n lines "attribute: v<i>after" */
static void
put_values(FILE *file, const char *attribute, int n, const char *after)
{
	int i;

	for (i = 0; i < n; i++)
		(void)fprintf(file, "%s: v%d%s\n", attribute, i, after);
}

static void
put_run(FILE *file, const char *attribute, int n)
{
	(void)fprintf(file, "%s: ", attribute);
	for (; n > 0; n--)
		(void)putc('x', file);
	(void)putc('\n', file);
}

static void
put_deep_name(FILE *file, int depth)
{
	for (; depth > 0; depth--)
		(void)fprintf(file, "ou=%d,", depth);
	(void)fputs(PEOPLE "\n", file);
}

/* Units below each other, and users that stand on the edge of too deep. */
static void
put_deep_users(FILE *file)
{
	int i;

	for (i = 1; i <= DEEP; i++) {
		(void)fputs("dn: ", file);
		put_deep_name(file, i);
		(void)fprintf(file,
		    "objectClass: organizationalUnit\nou: %d\n\n"
		    "dn: uid=deep%d,",
		    i, i);
		put_deep_name(file, i);
		(void)fprintf(file,
		    "objectClass: inetOrgPerson\ncn: d\nsn: d\n"
		    "uid: deep%d\n\n",
		    i);
	}
}

/* Users that have a great many of something. */
static void
put_rich_users(FILE *file)
{
	int i;

	(void)fputs("\n" USER("many", PEOPLE) "\n", file);
	for (i = 0; i < 9; i++)
		(void)fprintf(file,
		    "dn: cn=%d,uid=many," PEOPLE "\nobjectClass: outgateEntry\n"
		    "cn: %d\noutgateAddress: many@partner.example\n\n",
		    i, i);
	(void)fputs(USER("crowd", PEOPLE) "\n", file);
	for (i = 0; i < 501; i++)
		(void)fprintf(file,
		    "dn: cn=%d,uid=crowd," PEOPLE
		    "\nobjectClass: outgateEntry\n"
		    "cn: %d\noutgateAddress: c%d@partner.example\n\n",
		    i, i, i);
	(void)fputs(USER("thousand", PEOPLE), file);
	put_values(file, "outgateAddress", 1000, "@partner.example");
	(void)fputs("\n" USER("hoard", PEOPLE), file);
	put_values(file, "outgateAddress", 1001, "@partner.example");
	(void)fputs("\n" USER("hosts64", PEOPLE), file);
	put_values(file, "outgateAllowedHost", 64, ".example");
	(void)fputs("\n" USER("hosts65", PEOPLE), file);
	put_values(file, "outgateAllowedHost", 65, ".example");
	(void)fputs("\n" USER("proofs", PEOPLE) SERVES("proofs"), file);
	put_run(file, "outgateProof", 1024);
	put_run(file, "outgateProof", 1023);
	put_values(file, "outgateProof", 101, ".b.c");
	(void)fputs(
	    "\n" USER("long", PEOPLE) "outgateAddress: long@partner.example\n",
	    file);
	put_run(file, "outgateHost", 257);
	put_run(file, "outgateLogin", 256);
	put_run(file, "outgatePassword", 5470);
	(void)fputs("\n" USER("fits", PEOPLE) SERVES("fits"), file);
	put_run(file, "outgatePassword", 5469);
	(void)fputs("\n" USER("huge", PEOPLE) SERVES("huge"), file);
	put_run(file, "outgatePassword", 1100 * 1000);
	(void)putc('\n', file);
}

/* To be freed. */
static char *
make_people(void)
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	if (file == NULL)
		return NULL;
	(void)fputs(people, file);
	put_rich_users(file);
	put_deep_users(file);
	(void)fclose(file);
	return text;
}

/* This process, before and after. */

/* How many children, the dead ones included?  *newest takes the last one. */
static size_t
n_children(pid_t pid, pid_t *newest)
{
	char path[64];
	FILE *file;
	size_t n = 0;

	(void)snprintf(
	    path, sizeof path, "/proc/%d/task/%d/children", (int)pid, (int)pid);
	file = fopen(path, "r");
	if (file == NULL)
		return 0;
	while (fscanf(file, "%d", newest) == 1)
		n++;
	(void)fclose(file);
	return n;
}

/* Does a process run?  One that has ended may still be listed. */
static bool
runs(pid_t pid)
{
	char path[64];
	char line[256] = "";
	FILE *file;

	(void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	file = fopen(path, "r");
	if (file == NULL)
		return false;
	if (fgets(line, sizeof line, file) == NULL)
		line[0] = '\0';
	(void)fclose(file);
	return line[0] != '\0' && strstr(line, ") Z ") == NULL;
}

static size_t
n_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		n++;
	(void)closedir(dir);
	return n;
}

static long
now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Questions. */

static struct og_directory
settings(const char *uri, const char *second)
{
	struct og_directory d = {
		.n_uris = second == NULL ? 1 : 2,
		.base = PEOPLE,
		.bind = OG_BIND_EXTERNAL,
		.login_attribute = "uid",
		.owner_attribute = "entryUUID",
		.timeout_ms = PATIENT_MS,
		.hedge_ms = PATIENT_MS,
	};

	(void)snprintf(d.uri[0], sizeof d.uri[0], "%s", uri);
	if (second != NULL)
		(void)snprintf(d.uri[1], sizeof d.uri[1], "%s", second);
	return d;
}

/* As the service, with its password, and over TLS if this is no socket. */
static struct og_directory
service_settings(const char *uri, const char *ca)
{
	struct og_directory d = settings(uri, NULL);

	d.bind = OG_BIND_SIMPLE;
	(void)snprintf(d.bind_dn, sizeof d.bind_dn, SLAPD_SERVICE);
	(void)snprintf(d.bind_password_file, sizeof d.bind_password_file,
	    "%s/password", good.dir);
	(void)snprintf(d.tls_ca_file, sizeof d.tls_ca_file, "%s", ca);
	return d;
}

static struct og_error why;

static struct og_records
ask(const struct og_directory *d, const struct og_question *question)
{
	struct og_records records = { .proof = OG_FOUND };
	pid_t newest;
	size_t children = n_children(getpid(), &newest);
	size_t descriptors = n_descriptors();
	long began_ms = now_ms();

	(void)snprintf(why.text, sizeof why.text, "left over");
	og_directory_read(d, question, &records, &why);
	assert_true(now_ms() - began_ms < (long)d->timeout_ms * LATE);
	/* the servers are children, too */
	assert_true(children > 0);
	assert_int_equal(n_children(getpid(), &newest), children);
	assert_int_equal(n_descriptors(), descriptors);
	assert_int_equal(records.proof, OG_FOUND);
	assert_int_equal(why.text[0] != '\0', records.user == OG_UNAVAILABLE);
	assert_null(strstr(why.text, "uid="));
	assert_null(strstr(why.text, "correct horse"));
	return records;
}

static struct og_records
ask_for(const struct og_directory *d, const char *login, const char *address)
{
	const struct og_question question = {
		.login = login,
		.address = address,
	};

	return ask(d, &question);
}

/* The same in another process, where no assertion may be. */
static enum og_lookup
plain_ask(const struct og_directory *d)
{
	const struct og_question question = {
		.login = "jo",
		.address = "jo@partner.example",
	};
	struct og_records records = { 0 };

	og_directory_read(d, &question, &records, &why);
	return records.user;
}

/* Look jo up: the question whose answer every good server has. */
static void
assert_answer(const struct og_directory *d, enum og_lookup expected)
{
	long began_ms = now_ms();
	const struct og_records records =
	    ask_for(d, "jo", "jo@partner.example");

	if (records.user != expected)
		print_message("%s\n", why.text);
	assert_int_equal(records.user, expected);
	if (expected == OG_FOUND) {
		assert_int_equal(records.gateway, OG_FOUND);
		assert_string_equal(records.entry.host.text, "smtp.jo.example");
		/* and did not wait for a server that has none */
		assert_true(now_ms() - began_ms < PATIENT_MS / 2);
	}
}

/* Servers that are none. */

enum manner {
	M_SILENT,   /* the kernel accepts, nobody ever answers */
	M_REFUSING, /* the port is taken and nobody listens */
	M_CLOSING,
	M_TALKING,   /* another protocol */
	M_BOASTING,  /* announces a message of 2 GB */
	M_RESETTING, /* half an answer, then a reset */
	/* the real server ... */
	M_CUTTING, /* ... cut off a little later each time */
	M_SLOW,	   /* ... after SLOW_MS */
	M_LYING,   /* ... with some octets of its answers replaced */
};

#define SLOW_MS 400
/* One step of M_CUTTING, in octets. */
#define CUT_STEP 7

static struct fake {
	int fd;
	pid_t pid;
	char path[96]; /* of a Unix socket */
	char uri[192];
	/* M_LYING: len octets each */
	const char *truth;
	const char *lie;
	size_t len;
} fake = { .fd = -1 };

/* An answer of these tests comes in one piece. */
static void
tell_lies(char *octets, size_t n)
{
	char *at = octets;

	if (fake.len == 0)
		return;
	while ((at = memmem(at, n - (size_t)(at - octets), fake.truth,
		    fake.len)) != NULL)
		memcpy(at, fake.lie, fake.len);
}

static void
pass_on(int client, size_t limit)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int server = socket(AF_UNIX, SOCK_STREAM, 0);
	struct pollfd fds[2] = {
		{ .fd = client, .events = POLLIN },
		{ .fd = server, .events = POLLIN },
	};
	char octets[4096];
	ssize_t n;

	(void)snprintf(
	    address.sun_path, sizeof address.sun_path, "%s", good.socket);
	if (connect(server, (struct sockaddr *)&address, sizeof address) != 0)
		return;
	while (poll(fds, 2, -1) > 0) {
		if (fds[0].revents != 0) {
			n = read(client, octets, sizeof octets);
			if (n <= 0 || write(server, octets, (size_t)n) != n)
				break;
		}
		if (fds[1].revents != 0) {
			n = read(server, octets,
			    limit < sizeof octets ? limit : sizeof octets);
			if (n > 0)
				tell_lies(octets, (size_t)n);
			if (n <= 0 || write(client, octets, (size_t)n) != n)
				break;
			limit -= (size_t)n;
		}
	}
	(void)close(server);
}

static void
misbehave(int fd, enum manner manner, size_t n_before)
{
	static const char http[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
	static const char boast[] = "\x30\x84\x7f\xff\xff\xff\x02\x01\x01";
	static const char half[] = "\x30\x0c\x02\x01\x01";
	const struct linger reset = { .l_onoff = 1 };
	char octets[4096];
	ssize_t n = 0;

	if (manner == M_CUTTING)
		pass_on(fd, n_before * CUT_STEP);
	if (manner == M_SLOW)
		(void)usleep(SLOW_MS * 1000);
	if (manner == M_SLOW || manner == M_LYING)
		pass_on(fd, SIZE_MAX);
	if (manner == M_TALKING || manner == M_BOASTING ||
	    manner == M_RESETTING)
		n = read(fd, octets, sizeof octets);
	if (manner == M_TALKING && n > 0)
		n = write(fd, http, sizeof http - 1);
	if (manner == M_BOASTING && n > 0)
		n = write(fd, boast, sizeof boast - 1);
	if (manner == M_RESETTING && n > 0)
		n = write(fd, half, sizeof half - 1);
	while ((manner == M_TALKING || manner == M_BOASTING) && n > 0)
		n = read(fd, octets, sizeof octets);
	if (manner == M_RESETTING)
		(void)setsockopt(
		    fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
	(void)close(fd);
}

/* A process of its own for the manners that need one. */
static void
fake_serve(enum manner manner)
{
	size_t n;

	fake.pid = fork();
	assert_true(fake.pid >= 0);
	if (fake.pid > 0)
		return;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)signal(SIGPIPE, SIG_IGN);
	for (n = 0;; n++) {
		int fd = accept(fake.fd, NULL, NULL);

		if (fd < 0)
			_exit(1);
		misbehave(fd, manner, n);
	}
}

static void
fake_bind_socket(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	(void)snprintf(fake.path, sizeof fake.path, "%s/fake", good.dir);
	(void)snprintf(
	    address.sun_path, sizeof address.sun_path, "%s", fake.path);
	fake.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(
	    bind(fake.fd, (struct sockaddr *)&address, sizeof address), 0);
	slapd_ldapi_uri(fake.path, fake.uri, sizeof fake.uri);
}

static void
fake_bind_port(const char *scheme)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t size = sizeof address;

	fake.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fake.fd, (struct sockaddr *)&address, size), 0);
	assert_int_equal(
	    getsockname(fake.fd, (struct sockaddr *)&address, &size), 0);
	(void)snprintf(fake.uri, sizeof fake.uri, "%s://127.0.0.1:%u", scheme,
	    (unsigned)ntohs(address.sin_port));
}

static void
fake_start(const char *scheme, enum manner manner)
{
	if (strcmp(scheme, "ldapi") == 0)
		fake_bind_socket();
	else
		fake_bind_port(scheme);
	if (manner == M_REFUSING)
		return;
	assert_int_equal(listen(fake.fd, 64), 0);
	if (manner != M_SILENT)
		fake_serve(manner);
}

static void
wait_for(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		continue;
}

static void
fake_stop(void)
{
	if (fake.pid > 0) {
		(void)kill(fake.pid, SIGKILL);
		wait_for(fake.pid);
	}
	if (fake.fd >= 0)
		(void)close(fake.fd);
	if (fake.path[0] != '\0')
		(void)unlink(fake.path);
	fake = (struct fake){ .fd = -1 };
}

/* After every test, also one that failed. */
static char start_folder[4096];

static int
clean_up(void **state)
{
	const struct itimerval never = { 0 };

	(void)state;
	fake_stop();
	(void)setitimer(ITIMER_REAL, &never, NULL);
	(void)signal(SIGALRM, SIG_DFL);
	(void)signal(SIGCHLD, SIG_DFL);
	(void)unsetenv("LDAPTLS_REQCERT");
	(void)unsetenv("LDAPRC");
	(void)unsetenv("LDAPSOCKET_BIND_ADDRESSES");
	(void)unsetenv("SSLKEYLOGFILE");
	return chdir(start_folder);
}

/* What an entry says. */

struct person {
	const char *name;
	const char *login;
	const char *address;
	enum og_lookup user;
	enum og_lookup gateway;
	bool several;
	const char *host; /* NULL: not asked */
};

/* clang-format off */
static const struct person persons[] = {
	{ "a gateway in the user's own entry is found", "jo", "jo@partner.example", OG_FOUND, OG_FOUND, false, "smtp.jo.example" },
	{ "a second address of the gateway finds it as well", "jo", "jo.doe@partner.example", OG_FOUND, OG_FOUND, false, "smtp.jo.example" },
	{ "a gateway in an entry below the user is found", "max", "max@partner.example", OG_FOUND, OG_FOUND, false, "smtp.max.example" },
	{ "case does not matter in an address", "jo", "JO@Partner.Example", OG_FOUND, OG_FOUND, false, "smtp.jo.example" },
	{ "case and blanks do not matter in a login", " JO", "jo@partner.example", OG_FOUND, OG_FOUND, false, "smtp.jo.example" },
	{ "a login without an entry is absent", "nobody", "jo@partner.example", OG_ABSENT, OG_UNASKED, false, NULL },
	{ "a user without a gateway has none", "nina", "jo@partner.example", OG_FOUND, OG_ABSENT, false, NULL },
	{ "another user's address is not served", "max", "jo@partner.example", OG_FOUND, OG_ABSENT, false, NULL },
	{ "a disabled gateway does not count", "off", "off@partner.example", OG_FOUND, OG_ABSENT, false, NULL },
	{ "an enabled gateway counts", "on", "on@partner.example", OG_FOUND, OG_FOUND, false, "smtp.on.example" },
	{ "two gateways for one address are several", "two", "two@partner.example", OG_FOUND, OG_FOUND, true, "" },
	{ "a disabled gateway beside an enabled one does not count", "spare", "spare@partner.example", OG_FOUND, OG_FOUND, false, "smtp.in-use.example" },
	{ "nine gateways for one address are unavailable", "many", "many@partner.example", OG_UNAVAILABLE, OG_UNASKED, false, NULL },
	{ "two entries for one login are unavailable", "twin", "twin@partner.example", OG_UNAVAILABLE, OG_UNASKED, false, NULL },
	{ "three entries for one login are unavailable", "triple", "jo@partner.example", OG_UNAVAILABLE, OG_UNASKED, false, NULL },
	{ "an alias leads nowhere", "inherits", "jo@partner.example", OG_ABSENT, OG_UNASKED, false, NULL },
	{ "the login * is nobody's", "*", "jo@partner.example", OG_ABSENT, OG_UNASKED, false, NULL },
	{ "the login j* is nobody's", "j*", "jo@partner.example", OG_ABSENT, OG_UNASKED, false, NULL },
	{ "a login with a filter inside is nobody's", "a)(uid=*", "jo@partner.example", OG_ABSENT, OG_UNASKED, false, NULL },
	{ "a login with an escape inside is nobody's", "j\\6f", "jo@partner.example", OG_ABSENT, OG_UNASKED, false, NULL },
	{ "a login of filter characters can be somebody's", "o*d)(uid=*\\5c\\", "odd@partner.example", OG_FOUND, OG_FOUND, false, "smtp.odd.example" },
	{ "a login in UTF-8 can be somebody's", "j\303\274rgen", "juergen@partner.example", OG_FOUND, OG_FOUND, false, "smtp.juergen.example" },
	{ "a name in UTF-8 above the user is no obstacle", "umlaut", "umlaut@partner.example", OG_FOUND, OG_FOUND, false, "smtp.umlaut.example" },
	{ "a comma and quotes in the user's name are no obstacle", "comma", "comma@partner.example", OG_FOUND, OG_FOUND, false, "smtp.comma.example" },
	{ "an empty login is unavailable", "", "jo@partner.example", OG_UNAVAILABLE, OG_UNASKED, false, NULL },
	{ "sixteen levels are read", "deep14", "jo@partner.example", OG_FOUND, OG_ABSENT, false, NULL },
	{ "seventeen levels are unavailable", "deep15", "jo@partner.example", OG_UNAVAILABLE, OG_UNASKED, false, NULL },
	{ "an entry of more than a megabyte is unavailable", "huge", "huge@partner.example", OG_UNAVAILABLE, OG_UNASKED, false, NULL },
	{ "64 allowed hosts on one entry are read", "hosts64", "jo@partner.example", OG_FOUND, OG_ABSENT, false, NULL },
	{ "65 allowed hosts on one entry are unavailable", "hosts65", "jo@partner.example", OG_UNAVAILABLE, OG_UNASKED, false, NULL },
};

static const struct person loose_persons[] = {
	{ "a switch that says \"maybe\" is off", "maybe", "maybe@partner.example", OG_FOUND, OG_ABSENT, false, NULL },
	{ "a switch that says \"true\" is off", "true", "true@partner.example", OG_FOUND, OG_ABSENT, false, NULL },
	{ "a switch that says both is off", "doubt", "doubt@partner.example", OG_FOUND, OG_ABSENT, false, NULL },
	{ "an address that only the server finds equal is not served", "kelvin", "kim@partner.example", OG_FOUND, OG_ABSENT, false, NULL },
};
/* clang-format on */

static void
check_person_at(const struct slapd *slapd, const struct person *row)
{
	const struct og_directory d = settings(slapd->ldapi, NULL);
	const struct og_records records = ask_for(&d, row->login, row->address);

	if (records.user != row->user)
		print_message("%s\n", why.text);
	assert_int_equal(records.user, row->user);
	assert_int_equal(records.gateway, row->gateway);
	assert_int_equal(records.several_gateways, row->several);
	assert_int_equal(records.mention, OG_UNASKED);
	if (row->user != OG_FOUND)
		return;
	assert_int_equal(strlen(records.owner), 36);
	assert_int_equal(records.permission, OG_FOUND);
	if (row->host != NULL)
		assert_string_equal(records.entry.host.text, row->host);
}

static void
check_person(void **state)
{
	check_person_at(&good, *state);
}

static void
check_loose_person(void **state)
{
	check_person_at(&loose, *state);
}

static void
every_setting_of_the_gateway_is_read(void **state)
{
	const struct og_directory d = settings(good.ldapi, NULL);
	const struct og_records records =
	    ask_for(&d, "jo", "jo@partner.example");
	const struct og_gateway_record *entry = &records.entry;

	(void)state;
	assert_int_equal(records.user, OG_FOUND);
	assert_string_equal(entry->host.text, "smtp.jo.example");
	assert_string_equal(entry->port.text, "465");
	assert_string_equal(entry->tls.text, "implicit");
	assert_string_equal(entry->login.text, "jo@partner.example");
	assert_true(entry->password_present);
	assert_string_equal(entry->password, "{CMS}c2VjcmV0");
	assert_int_equal(entry->n_proofs, 2);
	assert_string_equal(entry->proof[0], "a.b.c");
	assert_string_equal(entry->proof[1], "d.e.f");
}

static void
a_login_of_129_octets_is_unavailable(void **state)
{
	const struct og_directory d = settings(good.ldapi, NULL);
	char login[OG_LOGIN_SIZE + 1];

	(void)state;
	memset(login, 'x', OG_LOGIN_SIZE);
	login[OG_LOGIN_SIZE] = '\0';
	assert_int_equal(
	    ask_for(&d, login, "jo@partner.example").user, OG_UNAVAILABLE);
	login[OG_LOGIN_SIZE - 1] = '\0';
	assert_int_equal(
	    ask_for(&d, login, "jo@partner.example").user, OG_ABSENT);
}

static void
values_with_nul_or_control_characters_are_unfit(void **state)
{
	const struct og_directory d = settings(good.ldapi, NULL);
	struct og_records records = ask_for(&d, "nul", "nul@partner.example");

	(void)state;
	assert_int_equal(records.gateway, OG_FOUND);
	assert_int_equal(records.entry.host.state, OG_VALUE_UNFIT);
	assert_int_equal(records.entry.login.state, OG_VALUE_UNFIT);
	assert_true(records.entry.password_present);
	assert_string_equal(records.entry.password, "");
	records = ask_for(&d, "soh", "soh@partner.example");
	assert_int_equal(records.gateway, OG_FOUND);
	assert_int_equal(records.entry.host.state, OG_VALUE_UNFIT);
}

static void
values_that_are_too_long_are_unfit(void **state)
{
	const struct og_directory d = settings(good.ldapi, NULL);
	struct og_records records = ask_for(&d, "long", "long@partner.example");

	(void)state;
	assert_int_equal(records.gateway, OG_FOUND);
	assert_int_equal(records.entry.host.state, OG_VALUE_UNFIT);
	assert_int_equal(records.entry.login.state, OG_VALUE_TEXT);
	assert_true(records.entry.password_present);
	assert_string_equal(records.entry.password, "");
	records = ask_for(&d, "fits", "fits@partner.example");
	assert_int_equal(strlen(records.entry.password), OG_SEALED_SIZE - 1);
}

static void
several_values_of_a_single_attribute_are_unfit(void **state)
{
	const struct og_directory d = settings(loose.ldapi, NULL);
	const struct og_records records =
	    ask_for(&d, "lists", "lists@partner.example");

	(void)state;
	assert_int_equal(records.gateway, OG_FOUND);
	assert_int_equal(records.entry.host.state, OG_VALUE_UNFIT);
	assert_true(records.entry.password_present);
	assert_string_equal(records.entry.password, "");
}

static void
a_hundred_proofs_are_taken_and_long_ones_skipped(void **state)
{
	const struct og_directory d = settings(good.ldapi, NULL);
	const struct og_records records =
	    ask_for(&d, "proofs", "proofs@partner.example");
	size_t n_longest = 0;
	size_t i;

	(void)state;
	assert_int_equal(records.entry.n_proofs, OG_PROOFS_MAX);
	for (i = 0; i < OG_PROOFS_MAX; i++) {
		assert_true(records.entry.proof[i][0] != '\0');
		n_longest += strlen(records.entry.proof[i]) == 1023;
	}
	assert_int_equal(n_longest, 1);
}

/* Who the user is. */

struct owner {
	const char *name;
	const char *attribute;
	const char *owner; /* NULL: unavailable */
};

/* clang-format off */
static const struct owner owners[] = {
	{ "an owner attribute of text is taken as it is", "employeeNumber", "4711" },
	{ "an owner attribute of octets is written in hexadecimal", "audio", "000102ff037f80818283848586878889" },
	{ "an owner of 64 octets is taken", "street", "0123456789012345678901234567890123456789012345678901234567890123" },
	{ "an owner of 65 octets is unavailable", "description", NULL },
	{ "an entry without the owner attribute is unavailable", "title", NULL },
	{ "two values of the owner attribute are unavailable", "mail", NULL },
};
/* clang-format on */

static void
check_owner(void **state)
{
	const struct owner *row = *state;
	struct og_directory d = settings(good.ldapi, NULL);
	struct og_records records;

	(void)snprintf(
	    d.owner_attribute, sizeof d.owner_attribute, "%s", row->attribute);
	records = ask_for(&d, "jo", "jo@partner.example");
	assert_int_equal(
	    records.user, row->owner == NULL ? OG_UNAVAILABLE : OG_FOUND);
	if (row->owner != NULL)
		assert_string_equal(records.owner, row->owner);
}

/* The permission. */

struct level {
	const char *name;
	const struct slapd *slapd;
	const char *base;
	const char *login;
	bool allowed;
	const char *host; /* the one allowed; NULL: any */
};

/* clang-format off */
static const struct level levels[] = {
	{ "a permission that is absent up to the base is none", &good, PEOPLE, "jo", false, NULL },
	{ "a permission above the base does not count", &good, "uid=jo," PEOPLE, "jo", false, NULL },
	{ "TRUE at the base permits", &good, GRANTED, "inherits", true, "smtp.base.example" },
	{ "TRUE at the unit permits", &good, PEOPLE, "unit", true, NULL },
	{ "TRUE at a unit with a name in UTF-8 permits", &good, PEOPLE, "umlaut", true, NULL },
	{ "TRUE at the base reaches through a silent unit", &good, GRANTED, "through", true, "smtp.base.example" },
	{ "TRUE at the base reaches through a unit that is hidden", &good, GRANTED, "veiled", true, "smtp.base.example" },
	{ "FALSE at the user wins over TRUE at the base", &good, GRANTED, "refused", false, "smtp.base.example" },
	{ "FALSE at the unit wins over TRUE at the base", &good, GRANTED, "below", false, "smtp.unit.example" },
	{ "TRUE at the user wins over FALSE at the unit", &good, GRANTED, "own", true, "smtp.own.example" },
	{ "the user's own entry can be the base", &good, "uid=own,ou=denied," GRANTED, "own", true, "smtp.own.example" },
	{ "case and blanks do not matter in the base", &good, "OU = Granted , DC=Example,dc=ORG", "inherits", true, "smtp.base.example" },
	{ "a value that is no Boolean permits nothing", &loose, GRANTED, "vague", false, NULL },
	{ "TRUE and FALSE on one entry permit nothing", &loose, GRANTED, "both", false, NULL },
};
/* clang-format on */

static void
check_level(void **state)
{
	const struct level *row = *state;
	struct og_directory d = settings(row->slapd->ldapi, NULL);
	struct og_records records;

	(void)snprintf(d.base, sizeof d.base, "%s", row->base);
	records = ask_for(&d, row->login, "jo@partner.example");
	assert_int_equal(records.user, OG_FOUND);
	assert_int_equal(records.permission, OG_FOUND);
	assert_int_equal(records.chain.allowed, row->allowed);
	assert_int_equal(records.chain.hosts_decided, row->host != NULL);
	assert_int_equal(records.chain.n_hosts, row->host != NULL);
	if (row->host != NULL)
		assert_string_equal(records.chain.host[0], row->host);
}

/* A From that cannot be read. */

struct mention {
	const char *name;
	const char *login;
	const char *from;
	enum og_lookup user;
	enum og_lookup mention;
};

/* clang-format off */
static const struct mention mentions[] = {
	{ "an unreadable From with the user's address mentions it", "jo", "From: <jo@partner.example>, <x@y.example>\n", OG_FOUND, OG_FOUND },
	{ "the second address of a gateway is mentioned as well", "jo", "From: <Jo.Doe@partner.example>, <x@y.example>\n", OG_FOUND, OG_FOUND },
	{ "an address of an entry below the user is mentioned", "max", "From: max@partner.example, <x@y.example>\n", OG_FOUND, OG_FOUND },
	{ "an address of a disabled gateway is mentioned", "off", "From: off@partner.example, <x@y.example>\n", OG_FOUND, OG_FOUND },
	{ "another user's address is not a mention", "max", "From: <jo@partner.example>, <x@y.example>\n", OG_FOUND, OG_ABSENT },
	{ "a user without addresses is not mentioned", "nina", "From: <jo@partner.example>, <x@y.example>\n", OG_FOUND, OG_ABSENT },
	{ "a stored text that is no address is not looked for", "broken", "From: not an address, <x@y.example>\n", OG_FOUND, OG_ABSENT },
	{ "an address beside such a text is looked for", "broken", "From: good@partner.example, <x@y.example>\n", OG_FOUND, OG_FOUND },
	{ "a login without an entry has no mention", "nobody", "From: <jo@partner.example>, <x@y.example>\n", OG_ABSENT, OG_UNASKED },
	{ "a thousand addresses are looked for", "thousand", "From: v999@partner.example, <x@y.example>\n", OG_FOUND, OG_FOUND },
	{ "more than a thousand addresses are unavailable", "hoard", "From: v0@partner.example, <x@y.example>\n", OG_UNAVAILABLE, OG_UNASKED },
	{ "more entries than the server gives are unavailable", "crowd", "From: c0@partner.example, <x@y.example>\n", OG_UNAVAILABLE, OG_UNASKED },
};
/* clang-format on */

static void
check_mention(void **state)
{
	const struct mention *row = *state;
	const struct og_directory d = settings(good.ldapi, NULL);
	struct og_from from = { 0 };
	const struct og_question question = {
		.login = row->login,
		.from = &from,
	};
	struct og_records records;

	og_from_line(&from, row->from, strlen(row->from));
	og_from_finish(&from);
	assert_int_equal(from.state, OG_FROM_UNREADABLE);
	records = ask(&d, &question);
	assert_int_equal(records.user, row->user);
	assert_int_equal(records.mention, row->mention);
	assert_int_equal(records.gateway, OG_UNASKED);
	assert_int_equal(records.permission, OG_UNASKED);
}

/* Servers. */

struct server {
	const char *name;
	const char *scheme;
	enum manner manner;
};

/* clang-format off */
static const struct server servers[] = {
	{ "a socket that accepts and stays silent", "ldapi", M_SILENT },
	{ "an ldaps server that accepts and stays silent", "ldaps", M_SILENT },
	{ "an ldap server that accepts and stays silent", "ldap", M_SILENT },
	{ "a socket that nobody listens on", "ldapi", M_REFUSING },
	{ "an ldaps server that refuses connections", "ldaps", M_REFUSING },
	{ "an ldap server that refuses connections", "ldap", M_REFUSING },
	{ "a socket that closes at once", "ldapi", M_CLOSING },
	{ "an ldaps server that closes at once", "ldaps", M_CLOSING },
	{ "a socket that speaks another protocol", "ldapi", M_TALKING },
	{ "an ldaps server that speaks another protocol", "ldaps", M_TALKING },
	{ "an ldap server that speaks another protocol", "ldap", M_TALKING },
	{ "a socket that announces two gigabytes", "ldapi", M_BOASTING },
	{ "an ldap server that announces two gigabytes", "ldap", M_BOASTING },
	{ "a socket that closes in the middle", "ldapi", M_RESETTING },
	{ "an ldap server that resets in the middle", "ldap", M_RESETTING },
};
/* clang-format on */

/* Alone it is unavailable; in front of a good one it is no harm. */
static void
check_server(void **state)
{
	const struct server *row = *state;
	struct og_directory d;

	fake_start(row->scheme, row->manner);
	d = service_settings(fake.uri, good.ca);
	d.timeout_ms = HASTY_MS;
	assert_answer(&d, OG_UNAVAILABLE);
	d.timeout_ms = PATIENT_MS;
	d.hedge_ms = 50;
	d.n_uris = 2;
	(void)snprintf(d.uri[1], sizeof d.uri[1], "%s", good.ldapi);
	assert_answer(&d, OG_FOUND);
}

static void
the_next_server_is_asked_at_once_when_one_failed(void **state)
{
	struct og_directory d;

	(void)state;
	fake_start("ldapi", M_REFUSING);
	d = settings(fake.uri, good.ldapi);
	assert_answer(&d, OG_FOUND);
}

static void
a_second_server_is_left_alone_while_the_first_may_answer(void **state)
{
	const struct og_directory d = settings(good.ldapi, other.ldapi);
	size_t from = slapd_log_size(&other);

	(void)state;
	assert_answer(&d, OG_FOUND);
	assert_int_equal(slapd_log_count(&other, from, " ACCEPT "), 0);
}

static void
eight_servers_of_no_use_are_unavailable(void **state)
{
	struct og_directory d;
	size_t i;

	(void)state;
	fake_start("ldaps", M_SILENT);
	d = service_settings(fake.uri, good.ca);
	d.timeout_ms = HASTY_MS;
	d.hedge_ms = 10;
	d.n_uris = OG_URIS_MAX;
	for (i = 1; i < OG_URIS_MAX; i++)
		(void)snprintf(d.uri[i], sizeof d.uri[i], "%s", fake.uri);
	assert_answer(&d, OG_UNAVAILABLE);
}

static void
no_server_at_all_is_unavailable(void **state)
{
	struct og_directory d = settings(good.ldapi, NULL);

	(void)state;
	d.n_uris = 0;
	assert_answer(&d, OG_UNAVAILABLE);
}

static long
children_used_ms(void)
{
	struct rusage used;

	(void)getrusage(RUSAGE_CHILDREN, &used);
	return (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000 +
	       (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1000;
}

/*
 * libldap 2.5 spins when a handshake has a time limit of its own; and the
 * child's own alarm would come a second after the deadline.
 */
static void
a_silent_handshake_ends_in_time_and_costs_no_processor_time(void **state)
{
	struct og_directory d;
	bool in_time = false;
	int tries;

	(void)state;
	fake_start("ldaps", M_SILENT);
	d = service_settings(fake.uri, good.ca);
	d.timeout_ms = 1000;
	/* a busy machine gets three tries */
	for (tries = 0; tries < 3 && !in_time; tries++) {
		long used_ms = children_used_ms();
		long began_ms = now_ms();

		assert_answer(&d, OG_UNAVAILABLE);
		in_time = now_ms() - began_ms < 1800;
		assert_true(children_used_ms() - used_ms < 500);
	}
	assert_true(in_time);
}

/* At every few octets of its answers; the last cut is behind them all. */
static void
half_an_answer_is_no_answer(void **state)
{
	struct og_directory d;
	bool complete = false;
	int n_failed = 0;

	(void)state;
	fake_start("ldapi", M_CUTTING);
	d = settings(fake.uri, NULL);
	(void)snprintf(d.base, sizeof d.base, GRANTED);
	while (!complete && n_failed < 1000) {
		const struct og_records records =
		    ask_for(&d, "refused", "refused@partner.example");

		complete = records.user != OG_UNAVAILABLE;
		n_failed += !complete;
		if (!complete)
			continue;
		assert_int_equal(records.user, OG_FOUND);
		assert_int_equal(records.gateway, OG_FOUND);
		assert_true(records.chain.decided);
		assert_false(records.chain.allowed);
		assert_true(records.chain.hosts_decided);
	}
	assert_true(complete);
	assert_true(n_failed > 20);
}

static void
a_child_that_is_killed_is_a_server_that_failed(void **state)
{
	struct og_directory d;
	size_t children;
	pid_t newest = 0;

	(void)state;
	fake_start("ldapi", M_SILENT);
	d = settings(fake.uri, good.ldapi);
	children = n_children(getpid(), &newest);
	fake.pid = fork();
	assert_true(fake.pid >= 0);
	if (fake.pid == 0) {
		/* this process is one more; the look-up's is the next */
		while (n_children(getppid(), &newest) < children + 2)
			(void)usleep(1000);
		(void)kill(newest, SIGKILL);
		_exit(0);
	}
	assert_answer(&d, OG_FOUND);
}

/* Returns the look-up's process once its host stands still; 0: too late. */
static pid_t
stop_host(pid_t host, long began_ms)
{
	pid_t newest = 0;
	int status;

	while (n_children(host, &newest) == 0)
		(void)usleep(1000);
	(void)kill(host, SIGSTOP);
	if (waitpid(host, &status, WUNTRACED) != host)
		return 0;
	if (WIFSTOPPED(status) && now_ms() - began_ms < SLOW_MS)
		return newest;
	(void)kill(host, SIGKILL);
	if (WIFSTOPPED(status))
		wait_for(host);
	(void)kill(newest, SIGKILL);
	wait_for(newest);
	return 0;
}

/*
 * The pipe holds less than an answer.  While the host stands still the child
 * fills it and waits; then it dies.
 */
static void
an_answer_that_breaks_off_in_the_pipe_is_none(void **state)
{
	struct og_directory d;
	pid_t child = 0;
	pid_t host = 0;
	int status = 0;

	(void)state;
	fake_start("ldapi", M_SLOW);
	d = settings(fake.uri, NULL);
	while (child == 0) {
		long began_ms = now_ms();

		host = fork();
		assert_true(host >= 0);
		if (host == 0)
			_exit((int)plain_ask(&d));
		child = stop_host(host, began_ms);
	}
	(void)usleep(2 * SLOW_MS * 1000);
	(void)kill(child, SIGKILL);
	/* a write under way would go on as soon as there is room */
	while (runs(child))
		(void)usleep(1000);
	(void)kill(host, SIGCONT);
	assert_int_equal(waitpid(host, &status, 0), host);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), OG_UNAVAILABLE);
}

/* A server that lies, or is broken. */

static void
lie(const char *truth, const char *instead, size_t len)
{
	fake.truth = truth;
	fake.lie = instead;
	fake.len = len;
	fake_start("ldapi", M_LYING);
}

static void
an_entry_that_is_not_below_the_user_is_no_gateway(void **state)
{
	struct og_directory d;
	struct og_records records;

	(void)state;
	lie("cn=partner,uid=max", "cn=partner,uid=mex", 18);
	d = settings(fake.uri, NULL);
	records = ask_for(&d, "max", "max@partner.example");
	assert_int_equal(records.user, OG_FOUND);
	assert_int_equal(records.gateway, OG_ABSENT);
}

/* The user's FALSE must not be overlooked: TRUE stands above it. */
static void
a_malformed_entry_is_unavailable(void **state)
{
	struct og_directory d;

	(void)state;
	lie("\x04\x0eoutgateAllowed", "\x04\x7foutgateAllowed", 16);
	d = settings(fake.uri, NULL);
	(void)snprintf(d.base, sizeof d.base, GRANTED);
	assert_int_equal(ask_for(&d, "refused", "refused@partner.example").user,
	    OG_UNAVAILABLE);
	assert_non_null(strstr(why.text, "malformed"));
}

/* TLS and passwords. */

struct channel {
	const char *name;
	const char *uri; /* of good, other and plain */
	const char *ca;
	enum og_lookup expected;
};

/* clang-format off */
static const struct channel channels[] = {
	{ "ldaps with the right CA is used", good.ldaps, good.ca, OG_FOUND },
	{ "StartTLS with the right CA is used", good.ldap, good.ca, OG_FOUND },
	{ "ldaps with another CA is refused", good.ldaps, other.ca, OG_UNAVAILABLE },
	{ "StartTLS with another CA is refused", good.ldap, other.ca, OG_UNAVAILABLE },
	{ "ldaps with another host name is refused", other.ldaps, other.ca, OG_UNAVAILABLE },
	{ "StartTLS with another host name is refused", other.ldap, other.ca, OG_UNAVAILABLE },
	{ "the system's CAs do not vouch for ldaps", good.ldaps, "", OG_UNAVAILABLE },
	{ "the system's CAs do not vouch for StartTLS", good.ldap, "", OG_UNAVAILABLE },
	{ "ldaps with a CA file that is missing is refused", good.ldaps, "/nonexistent", OG_UNAVAILABLE },
	{ "ldap without StartTLS on the server is refused", plain.ldap, good.ca, OG_UNAVAILABLE },
	{ "a password over ldapi needs no TLS", plain.ldapi, good.ca, OG_FOUND },
};
/* clang-format on */

static const struct slapd *
slapd_of(const char *uri)
{
	if (uri == plain.ldap || uri == plain.ldapi)
		return &plain;
	return uri == other.ldap || uri == other.ldaps ? &other : &good;
}

/* What is refused has seen neither password nor question. */
static void
check_channel(void **state)
{
	const struct channel *row = *state;
	const struct slapd *slapd = slapd_of(row->uri);
	const struct og_directory d = service_settings(row->uri, row->ca);
	size_t from = slapd_log_size(slapd);
	bool found = row->expected == OG_FOUND;

	assert_answer(&d, row->expected);
	assert_int_equal(slapd_log_count(slapd, from, " method=128"), found);
	assert_int_equal(slapd_log_count(slapd, from, " SRCH ") > 0, found);
}

static void
a_scheme_in_capitals_is_not_used_without_tls(void **state)
{
	struct og_directory d;
	size_t from = slapd_log_size(&plain);

	(void)state;
	d = service_settings(plain.ldap, good.ca);
	memcpy(d.uri[0], "LDAP", 4);
	assert_answer(&d, OG_UNAVAILABLE);
	assert_int_equal(slapd_log_count(&plain, from, " EXT "), 1);
	assert_int_equal(slapd_log_count(&plain, from, " BIND "), 0);
}

/* libldap would take the second for a spare, and use it as the first. */
static void
two_uris_in_one_are_refused(void **state)
{
	struct og_directory d = service_settings(plain.ldap, good.ca);
	size_t from = slapd_log_size(&plain);

	(void)state;
	(void)snprintf(
	    d.uri[0], sizeof d.uri[0], "ldapi://%%2Fnowhere %s", plain.ldap);
	assert_answer(&d, OG_UNAVAILABLE);
	assert_int_equal(slapd_log_count(&plain, from, " BIND "), 0);
}

static void
external_is_refused_but_over_ldapi(void **state)
{
	struct og_directory d = service_settings(good.ldaps, good.ca);
	size_t from = slapd_log_size(&good);

	(void)state;
	d.bind = OG_BIND_EXTERNAL;
	assert_answer(&d, OG_UNAVAILABLE);
	assert_int_equal(slapd_log_count(&good, from, " BIND "), 0);
}

/* Write a password file of this content and mode. */
static void
put_password(struct og_directory *d, const char *text, mode_t mode)
{
	FILE *file;

	(void)snprintf(d->bind_password_file, sizeof d->bind_password_file,
	    "%s/password2", good.dir);
	(void)unlink(d->bind_password_file);
	file = fopen(d->bind_password_file, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(d->bind_password_file, mode), 0);
}

struct password {
	const char *name;
	const char *text;
	mode_t mode;
	enum og_lookup expected;
};

/* clang-format off */
static const struct password passwords[] = {
	{ "a password without a newline is used", "correct horse", 0600, OG_FOUND },
	{ "a password that the group may read is used", "correct horse\n", 0640, OG_FOUND },
	{ "a wrong password is refused", "wrong horse\n", 0600, OG_UNAVAILABLE },
	{ "only one newline is taken off a password", "correct horse\n\n", 0600, OG_UNAVAILABLE },
	{ "a password that others may read is not used", "correct horse\n", 0644, OG_UNAVAILABLE },
	{ "a password that the group may write is not used", "correct horse\n", 0660, OG_UNAVAILABLE },
};
/* clang-format on */

static void
check_password(void **state)
{
	const struct password *row = *state;
	struct og_directory d = service_settings(good.ldapi, good.ca);
	size_t from;

	put_password(&d, row->text, row->mode);
	from = slapd_log_size(&good);
	assert_answer(&d, row->expected);
	assert_int_equal(slapd_log_count(&good, from, " SRCH ") > 0,
	    row->expected == OG_FOUND);
}

/* It would be an anonymous bind, which every server accepts. */
static void
an_empty_password_is_never_sent(void **state)
{
	struct og_directory d = service_settings(good.ldapi, good.ca);
	size_t from = slapd_log_size(&good);

	(void)state;
	put_password(&d, "\n", 0600);
	assert_answer(&d, OG_UNAVAILABLE);
	assert_int_equal(slapd_log_count(&good, from, " BIND "), 0);
}

static void
a_name_outside_the_base_is_unavailable(void **state)
{
	struct og_directory d = settings(good.ldapi, NULL);

	(void)state;
	/* the same entry to slapd, which answers with "dc=" */
	(void)snprintf(
	    d.base, sizeof d.base, "ou=people,domainComponent=example,dc=org");
	assert_answer(&d, OG_UNAVAILABLE);
	assert_non_null(strstr(why.text, "outside the base"));
}

static void
a_base_that_is_none_is_unavailable(void **state)
{
	struct og_directory d = settings(good.ldapi, NULL);

	(void)state;
	d.base[0] = '\0';
	assert_answer(&d, OG_UNAVAILABLE);
	assert_non_null(strstr(why.text, "no base is set"));
	(void)snprintf(d.base, sizeof d.base, "people");
	assert_answer(&d, OG_UNAVAILABLE);
	(void)snprintf(d.base, sizeof d.base, "ou=nowhere," ORG);
	assert_answer(&d, OG_UNAVAILABLE);
}

/* What it costs. */

static void
a_look_up_is_one_bind_and_a_search_a_level(void **state)
{
	const struct og_directory d = settings(good.ldapi, NULL);
	size_t from = slapd_log_size(&good);

	(void)state;
	assert_int_equal(
	    ask_for(&d, "deep14", "jo@partner.example").user, OG_FOUND);
	assert_int_equal(slapd_log_count(&good, from, " method="), 1);
	assert_int_equal(slapd_log_count(&good, from, " SRCH base="), 1 + 16);
	from = slapd_log_size(&good);
	assert_int_equal(
	    ask_for(&d, "nobody", "jo@partner.example").user, OG_ABSENT);
	assert_int_equal(slapd_log_count(&good, from, " SRCH base="), 1);
}

/* The host's process. */

/* Options of libldap, read from a folder of anybody's and the environment. */
static void
plant(void)
{
	char path[96];
	FILE *file;

	(void)snprintf(path, sizeof path, "%s/ldaprc", other.dir);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs("TLS_REQCERT never\nSIZELIMIT 1\nDEREF always\n"
			  "SOCKET_BIND_ADDRESSES 192.0.2.1\n",
			file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chdir(other.dir), 0);
	assert_int_equal(setenv("LDAPTLS_REQCERT", "never", 1), 0);
	assert_int_equal(setenv("LDAPRC", path, 1), 0);
	(void)snprintf(path, sizeof path, "%s/keys", other.dir);
	assert_int_equal(setenv("SSLKEYLOGFILE", path, 1), 0);
}

static void
a_planted_ldaprc_and_environment_change_nothing(void **state)
{
	struct og_directory d = service_settings(good.ldaps, other.ca);
	char path[96];

	(void)state;
	plant();
	assert_answer(&d, OG_UNAVAILABLE);
	d = service_settings(good.ldap, other.ca);
	assert_answer(&d, OG_UNAVAILABLE);
	d = service_settings(good.ldaps, good.ca);
	assert_answer(&d, OG_FOUND);
	d = service_settings(good.ldap, good.ca);
	assert_answer(&d, OG_FOUND);
	/* nor are the connection's keys written out */
	(void)snprintf(path, sizeof path, "%s/keys", other.dir);
	assert_int_equal(access(path, F_OK), -1);
}

/* Ask in a process of its own, for what would change this one. */
static enum og_lookup
ask_in_fork(const struct og_directory *d, void (*before)(void))
{
	enum og_lookup answer;
	pid_t pid = fork();
	int status = 0;

	assert_true(pid >= 0);
	if (pid > 0) {
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		return (enum og_lookup)WEXITSTATUS(status);
	}
	before();
	answer = plain_ask(d);
	/* 99: a child is left */
	if (waitpid(-1, NULL, 0) != -1 || errno != ECHILD)
		_exit(99);
	_exit((int)answer);
}

/* As Exim's own look-ups may have done before us. */
static void
spoil_libldap(void)
{
	int never = LDAP_OPT_X_TLS_NEVER;
	int for_server = 0;

	(void)setenv("LDAPTLS_REQCERT", "never", 1);
	(void)ldap_set_option(NULL, LDAP_OPT_X_TLS_REQUIRE_CERT, &never);
	(void)ldap_set_option(NULL, LDAP_OPT_X_TLS_NEWCTX, &for_server);
}

static void
options_of_the_whole_process_change_nothing(void **state)
{
	struct og_directory d = service_settings(good.ldaps, other.ca);

	(void)state;
	assert_int_equal(ask_in_fork(&d, spoil_libldap), OG_UNAVAILABLE);
	d = service_settings(good.ldap, other.ca);
	assert_int_equal(ask_in_fork(&d, spoil_libldap), OG_UNAVAILABLE);
	d = service_settings(good.ldap, good.ca);
	assert_int_equal(ask_in_fork(&d, spoil_libldap), OG_FOUND);
}

static void
nothing(void)
{
}

static void
no_child_is_left(void **state)
{
	struct og_directory d;

	(void)state;
	fake_start("ldapi", M_SILENT);
	d = settings(fake.uri, good.ldapi);
	d.hedge_ms = 20;
	assert_int_equal(ask_in_fork(&d, nothing), OG_FOUND);
	d = settings(fake.uri, fake.uri);
	d.hedge_ms = 20;
	d.timeout_ms = HASTY_MS;
	assert_int_equal(ask_in_fork(&d, nothing), OG_UNAVAILABLE);
}

static void
close_standard_descriptors(void)
{
	(void)close(0);
	(void)close(1);
	(void)close(2);
}

static void
closed_standard_descriptors_do_no_harm(void **state)
{
	const struct og_directory d = settings(good.ldapi, NULL);

	(void)state;
	assert_int_equal(ask_in_fork(&d, close_standard_descriptors), OG_FOUND);
}

static void
a_host_that_ignores_sigchld_is_no_obstacle(void **state)
{
	struct og_directory d;

	(void)state;
	fake_start("ldapi", M_SILENT);
	d = settings(fake.uri, good.ldapi);
	d.hedge_ms = 20;
	(void)signal(SIGCHLD, SIG_IGN);
	assert_answer(&d, OG_FOUND);
}

/* The socket's folder is closed to everybody but whoever runs the test. */
static void
root_asks_as_the_user_that_is_set(void **state)
{
	enum og_lookup expected = geteuid() == 0 ? OG_UNAVAILABLE : OG_FOUND;
	struct og_directory d = settings(good.ldapi, NULL);

	(void)state;
	(void)snprintf(d.user, sizeof d.user, "nobody");
	assert_answer(&d, expected);
	(void)snprintf(d.user, sizeof d.user, "no-such-user");
	assert_answer(&d, expected);
}

static volatile sig_atomic_t n_alarms;
static pid_t alarmed;

static void
on_alarm(int signo)
{
	(void)signo;
	n_alarms++;
	/* in a child, the host's handler would be at work there */
	if (getpid() != alarmed)
		_exit(98);
}

static void
the_hosts_signals_do_not_disturb(void **state)
{
	const struct itimerval often = {
		.it_interval = { .tv_usec = 500 },
		.it_value = { .tv_usec = 500 },
	};
	const struct sigaction action = { .sa_handler = on_alarm };
	struct og_directory d;

	(void)state;
	fake_start("ldapi", M_SILENT);
	d = settings(fake.uri, good.ldapi);
	d.hedge_ms = 100;
	alarmed = getpid();
	assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
	assert_answer(&d, OG_FOUND);
	assert_true(n_alarms > 10);
}

static bool
may_dump_core(pid_t pid)
{
	char path[64];
	char line[256];
	FILE *file;
	char *end;
	bool found = false;

	(void)snprintf(path, sizeof path, "/proc/%d/limits", (int)pid);
	file = fopen(path, "r");
	assert_non_null(file);
	while (!found && fgets(line, sizeof line, file) != NULL)
		found = strncmp(line, "Max core file size ", 19) == 0;
	(void)fclose(file);
	assert_true(found);
	/* the soft limit; "unlimited" is no number */
	return strtol(line + 19, &end, 10) != 0 || end == line + 19;
}

/* Ask, be killed, and leave the look-up's process alone; returns its id. */
static pid_t
orphan_a_child(const struct og_directory *d, int open_fd)
{
	const struct rlimit cores = { 4096, 4096 };
	sigset_t all;
	pid_t newest = 0;
	pid_t host = fork();

	assert_true(host >= 0);
	if (host == 0) {
		(void)signal(SIGALRM, SIG_IGN);
		(void)sigfillset(&all);
		(void)sigprocmask(SIG_SETMASK, &all, NULL);
		/* on 0 and elsewhere, as Exim has the sender's connection */
		(void)dup2(open_fd, 0);
		(void)setrlimit(RLIMIT_CORE, &cores);
		(void)plain_ask(d);
		_exit(0);
	}
	while (n_children(host, &newest) == 0)
		(void)usleep(1000);
	/* time to settle */
	(void)usleep(200 * 1000);
	(void)kill(host, SIGKILL);
	wait_for(host);
	return newest;
}

static void
a_child_keeps_nothing_of_the_hosts_and_ends_without_it(void **state)
{
	struct og_directory d;
	long began_ms = now_ms();
	int ends[2];
	char octet;
	pid_t child;

	(void)state;
	fake_start("ldaps", M_SILENT);
	d = service_settings(fake.uri, good.ca);
	d.timeout_ms = 1000;
	assert_int_equal(pipe(ends), 0);
	child = orphan_a_child(&d, ends[1]);
	(void)close(ends[1]);
	assert_true(runs(child));
	assert_false(may_dump_core(child));
	assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(read(ends[0], &octet, 1), 0);
	(void)close(ends[0]);
	while (runs(child) && now_ms() - began_ms < PATIENT_MS)
		(void)usleep(10 * 1000);
	assert_false(runs(child));
	wait_for(child);
}

static int
group_tear_down(void **state)
{
	(void)state;
	slapd_stop(&good);
	slapd_stop(&other);
	slapd_stop(&plain);
	slapd_stop(&loose);
	return 0;
}

static bool
start_servers(const char *text)
{
	const struct slapd_setup with_tls = {
		.ldif = text,
		.tls = SLAPD_TLS,
		.extra = access_rules,
	};
	const struct slapd_setup with_other_name = {
		.ldif = people,
		.tls = SLAPD_TLS_OTHER_NAME,
	};
	const struct slapd_setup without_tls = { .ldif = people };
	const struct slapd_setup with_loose_schema = {
		.ldif = loose_people,
		.schema = loose_schema,
	};

	return slapd_start(&good, &with_tls) &&
	       slapd_start(&other, &with_other_name) &&
	       slapd_start(&plain, &without_tls) &&
	       slapd_start(&loose, &with_loose_schema);
}

static int
group_set_up(void **state)
{
	struct og_directory d = { 0 };
	char *text = make_people();
	bool ok;

	(void)state;
	/* a child that is left behind comes to us and is counted */
	ok = prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0 && text != NULL &&
	     start_servers(text) &&
	     getcwd(start_folder, sizeof start_folder) != NULL;
	free(text);
	if (ok) {
		char path[96];

		put_password(&d, "correct horse\n", 0600);
		(void)snprintf(path, sizeof path, "%s/password", good.dir);
		ok = rename(d.bind_password_file, path) == 0;
	}
	if (!ok)
		(void)group_tear_down(NULL);
	return ok ? 0 : -1;
}

static const struct CMUnitTest singles[] = {
	cmocka_unit_test(every_setting_of_the_gateway_is_read),
	cmocka_unit_test(a_login_of_129_octets_is_unavailable),
	cmocka_unit_test(values_with_nul_or_control_characters_are_unfit),
	cmocka_unit_test(values_that_are_too_long_are_unfit),
	cmocka_unit_test(several_values_of_a_single_attribute_are_unfit),
	cmocka_unit_test(a_hundred_proofs_are_taken_and_long_ones_skipped),
	cmocka_unit_test(the_next_server_is_asked_at_once_when_one_failed),
	cmocka_unit_test(
	    a_second_server_is_left_alone_while_the_first_may_answer),
	cmocka_unit_test(eight_servers_of_no_use_are_unavailable),
	cmocka_unit_test(no_server_at_all_is_unavailable),
	cmocka_unit_test(
	    a_silent_handshake_ends_in_time_and_costs_no_processor_time),
	cmocka_unit_test(half_an_answer_is_no_answer),
	cmocka_unit_test(a_child_that_is_killed_is_a_server_that_failed),
	cmocka_unit_test(an_answer_that_breaks_off_in_the_pipe_is_none),
	cmocka_unit_test(an_entry_that_is_not_below_the_user_is_no_gateway),
	cmocka_unit_test(a_malformed_entry_is_unavailable),
	cmocka_unit_test(a_scheme_in_capitals_is_not_used_without_tls),
	cmocka_unit_test(two_uris_in_one_are_refused),
	cmocka_unit_test(external_is_refused_but_over_ldapi),
	cmocka_unit_test(an_empty_password_is_never_sent),
	cmocka_unit_test(a_name_outside_the_base_is_unavailable),
	cmocka_unit_test(a_base_that_is_none_is_unavailable),
	cmocka_unit_test(a_look_up_is_one_bind_and_a_search_a_level),
	cmocka_unit_test(a_planted_ldaprc_and_environment_change_nothing),
	cmocka_unit_test(options_of_the_whole_process_change_nothing),
	cmocka_unit_test(no_child_is_left),
	cmocka_unit_test(closed_standard_descriptors_do_no_harm),
	cmocka_unit_test(a_host_that_ignores_sigchld_is_no_obstacle),
	cmocka_unit_test(root_asks_as_the_user_that_is_set),
	cmocka_unit_test(the_hosts_signals_do_not_disturb),
	cmocka_unit_test(
	    a_child_keeps_nothing_of_the_hosts_and_ends_without_it),
};

int
main(void)
{
	struct CMUnitTest tests[160];
	struct CMUnitTest *end = tests;
	size_t i;

	end = ROWS_ADD(end, persons, check_person);
	end = ROWS_ADD(end, loose_persons, check_loose_person);
	end = ROWS_ADD(end, owners, check_owner);
	end = ROWS_ADD(end, levels, check_level);
	end = ROWS_ADD(end, mentions, check_mention);
	end = ROWS_ADD(end, servers, check_server);
	end = ROWS_ADD(end, channels, check_channel);
	end = ROWS_ADD(end, passwords, check_password);
	for (i = 0; i < N_ROWS(singles); i++)
		*end++ = singles[i];
	for (i = 0; tests + i < end; i++)
		tests[i].teardown_func = clean_up;
	return _cmocka_run_group_tests("directory", tests,
	    (size_t)(end - tests), group_set_up, group_tear_down);
}

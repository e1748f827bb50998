/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_module.c - outgate.so as it ships, in a host that is not Exim.
 *
 * The real module, a real slapd and real seals; only Exim is played
 * (fake_exim.c), so that the sanitizers see every message.
 */
#include "rows.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/gateway.h"
#include "core/verdict.h"
#include "fake_exim.h"
#include "io/config.h"
#include "io/seal.h"
#include "slapd.h"

/* local_scan.h's, which tests do not include: it renames half of libc. */
enum { ACCEPT = 0, REJECT = 4, TEMPREJECT = 6 };
enum { CALL_OK = 0, CALL_FAIL = 2, CALL_FAIL_FORCED = 4 };

#define JO "jo.doe@partner.example"
#define JO_DN "uid=jo,dc=example,dc=org"

static struct slapd slapd;
static char folder[] = "/tmp/og-module.XXXXXX";
static char conf[64];
static char seal_dir[64];

static const char data[] =
    "dn: dc=example,dc=org\n"
    "objectClass: organization\n"
    "objectClass: dcObject\n"
    "objectClass: outgatePolicy\n"
    "dc: example\n"
    "o: example\n"
    "outgateAllowed: TRUE\n"
    "\n"
    "dn: " JO_DN "\n"
    "objectClass: inetOrgPerson\n"
    "objectClass: outgateAccount\n"
    "uid: jo\n"
    "cn: Jo\n"
    "sn: Doe\n"
    "entryUUID: 8d9bd5ba-0000-4000-8000-3d64a6d63d94\n"
    "outgateAddress: " JO "\n"
    "outgateHost: smtp.partner.example\n"
    "outgateLogin: jo^doe\n"
    "outgatePassword: %s\n";

#define VERDICT                                                     \
	"og=1 way=gateway why=gateway login=jo "                     \
	"owner=8d9bd5ba-0000-4000-8000-3d64a6d63d94 from=" JO

static void
write_conf(const char *uri, const char *more)
{
	FILE *file = fopen(conf, "w");

	assert_non_null(file);
	fprintf(file,
	    "uri %s\nuser root\nbase dc=example,dc=org\norg_domain org.example\n"
	    "proof none\nseal_dir %s\n%s",
	    uri, seal_dir, more);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(conf, 0644), 0);
}

static struct og_gateway
gateway(void)
{
	struct og_gateway g = { .port = 465, .tls = OG_TLS_IMPLICIT };

	strcpy(g.host, "smtp.partner.example");
	strcpy(g.login, "jo^doe");
	return g;
}

static int
start(void **state)
{
	static char ldif[sizeof data + OG_SEALED_SIZE];
	char sealed[OG_SEALED_SIZE];
	const struct slapd_setup setup = { .ldif = ldif };
	struct og_gateway g = gateway();
	struct og_secret secret;
	struct og_error err;
	const char *build = getenv("BUILD");
	char module[256];

	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	(void)snprintf(conf, sizeof conf, "%s/conf", folder);
	(void)snprintf(seal_dir, sizeof seal_dir, "%s/seal", folder);
	(void)mkdir(seal_dir, 0750);
	assert_int_equal(og_seal_keygen(seal_dir, "k1", -1, &err), OG_OK);
	assert_int_equal(og_secret_set(&secret, "se^cret", 7, &err), OG_OK);
	assert_int_equal(og_seal_close(seal_dir,
			     "8d9bd5ba-0000-4000-8000-3d64a6d63d94", &g,
			     &secret, sealed, &err),
	    OG_OK);
	(void)snprintf(ldif, sizeof ldif, data, sealed);
	if (!slapd_start(&slapd, &setup))
		return -1;
	(void)snprintf(module, sizeof module, "%s/outgate.so",
	    build != NULL ? build : "build");
	(void)setenv("OUTGATE_CONF", conf, 1);
	fake_exim_load(module);
	return 0;
}

static int
stop(void **state)
{
	char command[128];

	(void)state;
	slapd_stop(&slapd);
	(void)snprintf(command, sizeof command, "rm -rf %s", folder);
	return system(command);
}

/* ---- before the settings are right: the process has none yet ---- */

static void
without_settings_a_submission_waits(void **state)
{
	struct fake_message message = { .login = "jo",
		.sender = "jo@org.example", .header = { "From: jo@org.example" } };
	struct fake_answer answer;

	(void)state;
	write_conf("ldapi:///", "nonsense yes\n");
	answer = fake_exim_scan(&message);
	assert_int_equal(answer.code, TEMPREJECT);
	assert_string_equal(answer.text,
	    "4.3.5 this server's settings for outbound gateways cannot be "
	    "read; try again later");
	assert_non_null(strstr(answer.log, "conf:7: unknown key 'nonsense'"));
}

static void
without_settings_other_mail_flows(void **state)
{
	struct fake_message message = { .sender = "x@outside.example",
		.header = { "From: " JO } };

	(void)state;
	assert_int_equal(fake_exim_scan(&message).code, ACCEPT);
}

static void
without_settings_a_delivery_waits(void **state)
{
	const char *hold[] = { VERDICT ".other", "hold", NULL };
	int code;

	(void)state;
	assert_string_equal(fake_exim_call("outgate_route", &code, hold),
	    "settings for outbound gateways cannot be read");
}

/* ---- messages ---- */

struct scan {
	const char *name;
	struct fake_message message;
	int code;
	const char *text;
	const char *log; /* within it; NULL: nothing is logged */
};

#define FROM(...) .header = { __VA_ARGS__ }
#define JO_ORG .login = "jo", .sender = "jo@org.example"

/* clang-format off */
static const struct scan scans[] = {
	{ "a message without AUTH gets no verdict and no log line", { .sender = "x@y.example", FROM("From: " JO) }, ACCEPT, "", NULL },
	{ "a batch gets no verdict", { JO_ORG, .batched = true, FROM("From: " JO) }, ACCEPT, "", NULL },
	{ "a host check gets no verdict", { JO_ORG, .checking = true, FROM("From: " JO) }, ACCEPT, "", NULL },
	{ "an internal From gets the org verdict", { JO_ORG, FROM("From: Jo <jo@org.example>") }, ACCEPT,
		"og=1 way=org why=internal-from", "outgate: way=org why=internal-from login=jo from=jo@org.example\n" },
	{ "a null sender gets the org verdict", { .login = "jo", .sender = "", FROM("From: " JO) }, ACCEPT,
		"og=1 way=org why=null-sender", "outgate: way=org why=null-sender login=jo from=" JO "\n" },
	{ "no From gets the org verdict", { JO_ORG, FROM("Subject: x") }, ACCEPT,
		"og=1 way=org why=unreadable-from", "outgate: way=org why=unreadable-from login=jo\n" },
	{ "a permitted gateway gets the gateway verdict", { JO_ORG, FROM("To: x@y.example", "From: Jo <" JO ">") }, ACCEPT,
		VERDICT, "outgate: way=gateway why=gateway login=jo from=" JO " host=smtp.partner.example port=465 tls=implicit\n" },
	{ "a NUL octet on the gateway's way is refused", { JO_ORG, .nuls = 1, FROM("From: " JO) }, REJECT,
		"5.6.0 " JO ": this message contains NUL octets, which your outbound gateway's server may misread; send it without them", "outgate: way=refuse why=nul-octets login=jo from=" JO "\n" },
	{ "a NUL octet elsewhere is not outgate's affair", { JO_ORG, .nuls = 1, FROM("From: jo@org.example") }, ACCEPT,
		"og=1 way=org why=internal-from", "why=internal-from" },
	{ "a deleted header line does not count", { JO_ORG, FROM("*From: " JO, "From: jo@org.example") }, ACCEPT,
		"og=1 way=org why=internal-from", "why=internal-from" },
	{ "two From lines are ambiguous", { JO_ORG, FROM("From: jo@org.example", "From: " JO) }, REJECT,
		"5.6.0 the From header is ambiguous; send with exactly one plain address there", "outgate: way=refuse why=ambiguous-from login=jo\n" },
	{ "the newest Resent-From counts", { JO_ORG, FROM("Resent-From: jo@org.example", "From: " JO) }, ACCEPT,
		"og=1 way=org why=internal-from", "why=internal-from" },
	{ "an unlisted address takes the org route", { JO_ORG, FROM("From: x@y.example") }, ACCEPT,
		"og=1 way=org why=unlisted", "why=unlisted" },
	{ "an unknown login takes the org route", { .login = "eve", .sender = "eve@org.example", FROM("From: " JO) }, ACCEPT,
		"og=1 way=org why=no-entry", "why=no-entry login=eve" },
	{ "a login with blanks and percent stays one word in the log", { .login = "a %\n", .sender = "a@org.example", FROM("From: a@org.example") }, ACCEPT,
		"og=1 way=org why=internal-from", "login=a%20%25%0A from=" },
	{ "a login that is empty cannot be looked up", { .login = "", .sender = "x@org.example", FROM("From: " JO) }, TEMPREJECT,
		"4.4.3 your account's settings cannot be read at the moment; try again later", "why=directory" },
	{ "a login of 129 octets cannot be looked up", { .login =
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", .sender = "x@org.example", FROM("From: " JO) }, TEMPREJECT,
		"4.4.3 your account's settings cannot be read at the moment; try again later", "why=directory" },
};
/* clang-format on */

static void
check_scan(void **state)
{
	const struct scan *row = *state;
	struct fake_answer answer;

	write_conf(slapd.ldapi, "");
	answer = fake_exim_scan(&row->message);
	assert_string_equal(answer.text, row->text);
	assert_int_equal(answer.code, row->code);
	if (row->log == NULL)
		assert_string_equal(answer.log, "");
	else
		assert_non_null(strstr(answer.log, row->log));
}

static void
no_message_and_no_header_crashes_it(void **state)
{
	static const char bits[] = "From: Resent-<>@\"\\(),;:\t =?.aAzZ0\r\x80";
	static char line[3][400];
	struct fake_message message = { JO_ORG };
	unsigned seed = 1;
	int i, j, k;

	(void)state;
	for (i = 0; i < 3000; i++) {
		for (j = 0; j < 3; j++) {
			int len;

			seed = seed * 1103515245 + 12345;
			len = (int)(seed >> 16) % 60;
			strcpy(line[j], i % 3 == j ? "From: " : "");
			for (k = (int)strlen(line[j]); k < len; k++) {
				seed = seed * 1103515245 + 12345;
				line[j][k] =
				    bits[(seed >> 16) % (sizeof bits - 1)];
			}
			line[j][k] = '\0';
			message.header[j] = line[j];
		}
		/* not submitted, so that no look-up slows it: see the reader */
		message.sender = i % 2 == 0 ? "" : "jo@org.example";
		message.login = "jo";
		if (message.sender[0] != '\0' && i % 50 != 1)
			continue;
		(void)fake_exim_scan(&message);
	}
}

/* ---- delivery ---- */

struct call {
	const char *name;
	const char *function;
	const char *argument[6];
	int code;
	const char *yield;
};

#define MISFIT "jo.doe@partner.example: the account that sent this message is gone"

/* clang-format off */
static const struct call calls[] = {
	{ "a gateway verdict goes ahead", "outgate_route", { VERDICT, "refusal" }, CALL_OK, "" },
	{ "a notice names no server before there is one", "outgate_route", { VERDICT, "server" }, CALL_OK, "" },
	{ "a gateway verdict need not wait", "outgate_route", { VERDICT, "hold" }, CALL_OK, "" },
	{ "the route has a host", "outgate_route", { VERDICT, "host" }, CALL_OK, "smtp.partner.example" },
	{ "nobody gets the password before a router has been told the server", "outgate_password", { VERDICT, "plain", "465", "1" }, CALL_FAIL_FORCED, "" },
	{ "the route has a port", "outgate_route", { VERDICT, "port" }, CALL_OK, "465" },
	{ "the route has a TLS mode", "outgate_route", { VERDICT, "tls" }, CALL_OK, "implicit" },
	{ "the route has an envelope sender", "outgate_route", { VERDICT, "from" }, CALL_OK, JO },
	{ "an unknown word fails", "outgate_route", { VERDICT, "password" }, CALL_FAIL, "outgate_route knows no such word" },
	{ "a missing argument fails", "outgate_route", { VERDICT }, CALL_FAIL, "outgate_route takes two arguments" },
	{ "an org verdict has no route", "outgate_route", { "og=1 way=org why=internal-from", "host" }, CALL_FAIL, "not a gateway verdict of this outgate" },
	{ "an empty verdict has no route", "outgate_route", { "", "refusal" }, CALL_FAIL, "not a gateway verdict of this outgate" },
	{ "another entry with the same login is not the sender", "outgate_route",
		{ "og=1 way=gateway why=gateway login=jo owner=00000000-0000-4000-8000-000000000000 from=" JO, "refusal" }, CALL_OK, ":fail: " MISFIT },
	{ "a refused route has no host", "outgate_route",
		{ "og=1 way=gateway why=gateway login=jo owner=00000000-0000-4000-8000-000000000000 from=" JO, "host" }, CALL_FAIL, "this message has no route" },
	{ "an address the user has not is bounced, whatever the administrator lets pass", "outgate_route",
		{ "og=1 way=gateway why=gateway login=jo owner=8d9bd5ba-0000-4000-8000-3d64a6d63d94 from=x@y.example", "refusal" }, CALL_OK,
		":fail: x@y.example: none of your outbound gateways serves this address; add it to one or send as another address" },
	{ "a login that is gone is bounced", "outgate_route",
		{ "og=1 way=gateway why=gateway login=eve owner=8d9bd5ba-0000-4000-8000-3d64a6d63d94 from=" JO, "refusal" }, CALL_OK, ":fail: " JO ": your outbound gateway is gone" },
	{ "an address that became internal is bounced", "outgate_route",
		{ "og=1 way=gateway why=gateway login=jo owner=8d9bd5ba-0000-4000-8000-3d64a6d63d94 from=jo@org.example", "refusal" }, CALL_OK,
		":fail: jo@org.example: your outbound gateway is gone" },
	{ "the login goes with its caret doubled for PLAIN", "outgate_login", { VERDICT, "plain" }, CALL_OK, "jo^^doe" },
	{ "the login goes as it is for CRAM-MD5", "outgate_login", { VERDICT, "cram" }, CALL_OK, "jo^doe" },
	{ "there is no login without a route", "outgate_login", { "og=1 way=org why=unlisted", "plain" }, CALL_FAIL_FORCED, "" },
	{ "a login may be tried", "outgate_may_try", { VERDICT, "plain", "465", "1" }, CALL_OK, "yes" },
	{ "no login may be tried without a route", "outgate_may_try", { "og=1 way=org why=unlisted", "plain", "465", "1" }, CALL_OK, "no" },
	{ "no login may be tried over an unverified certificate", "outgate_may_try", { VERDICT, "login", "465", "0" }, CALL_OK, "no" },
	{ "no login may be tried at another port", "outgate_may_try", { VERDICT, "login", "587", "1" }, CALL_OK, "no" },
	{ "without a login there is no MAIL", "outgate_logged_in", { VERDICT, "60" }, CALL_FAIL, "the server wanted no login" },
	{ "a notice names the server and its port", "outgate_route", { VERDICT, "server" }, CALL_OK, "smtp.partner.example:465" },
	{ "a connection with a time limit may be made", "outgate_event", { VERDICT, "tcp:connect", "0", "465", "60" }, CALL_OK, "" },
	{ "none without one", "outgate_event", { VERDICT, "tcp:connect", "0", "465", "" }, CALL_OK, "nobody would watch it" },
	{ "none with a limit of nothing", "outgate_event", { VERDICT, "tcp:connect", "0", "465", "0" }, CALL_OK, "nobody would watch it" },
	{ "none with a limit of more than a day", "outgate_event", { VERDICT, "tcp:connect", "0", "465", "86401" }, CALL_OK, "nobody would watch it" },
	{ "none with a limit that is no number", "outgate_event", { VERDICT, "tcp:connect", "0", "465", "3m" }, CALL_OK, "nobody would watch it" },
	{ "none without a route", "outgate_event", { "og=1 way=org why=unlisted", "tcp:connect", "0", "465", "60" }, CALL_OK, "whose connection is it?" },
	{ "another port gets no password", "outgate_password", { VERDICT, "plain", "587", "1" }, CALL_FAIL_FORCED, "" },
	{ "an unverified certificate gets no password", "outgate_password", { VERDICT, "plain", "465", "0" }, CALL_FAIL_FORCED, "" },
	{ "no TLS gets no password", "outgate_password", { VERDICT, "plain", "465", "" }, CALL_FAIL_FORCED, "" },
	{ "the right host gets the password, its caret doubled", "outgate_password", { VERDICT, "plain", "465", "1" }, CALL_OK, "se^^cret" },
	{ "after a login there is no MAIL without a time limit", "outgate_logged_in", { VERDICT, "" }, CALL_FAIL, "time limit '' is not 1..86400 seconds" },
	{ "after a login there may be a MAIL", "outgate_logged_in", { VERDICT, "60" }, CALL_OK, "<>" },
	{ "nobody gets the password a second time in one process", "outgate_password", { VERDICT, "plain", "465", "1" }, CALL_FAIL_FORCED, "" },
	{ "no mechanism may be tried after that", "outgate_may_try", { VERDICT, "login", "465", "1" }, CALL_OK, "no" },
};
/* clang-format on */

static void
check_call(void **state)
{
	const struct call *row = *state;
	const char *yield;
	int code;

	yield = fake_exim_call(row->function, &code, row->argument);
	assert_string_equal(yield, row->yield);
	assert_int_equal(code, row->code);
}

static void
no_core_is_left_once_a_seal_has_been_opened(void **state)
{
	const char *arguments[6] = { VERDICT, "refusal" };
	int code;

	(void)state;
	assert_int_equal(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), 0);
	assert_string_equal(
	    fake_exim_call("outgate_route", &code, arguments), "");
	assert_int_equal(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
}

static void
its_version_is_that_of_the_header_it_was_built_with(void **state)
{
	int (*major)(void);

	(void)state;
	*(void **)&major = fake_exim_symbol("local_scan_version_major");
	assert_int_equal(major(), 6);
	assert_null(fake_exim_symbol("og_decide"));
}

int
main(void)
{
	struct CMUnitTest tests[N_ROWS(scans) + N_ROWS(calls) + 6];
	struct CMUnitTest *end = tests;

	*end++ = (struct CMUnitTest)cmocka_unit_test(
	    without_settings_a_submission_waits);
	*end++ = (struct CMUnitTest)cmocka_unit_test(
	    without_settings_other_mail_flows);
	*end++ = (struct CMUnitTest)cmocka_unit_test(
	    without_settings_a_delivery_waits);
	end = ROWS_ADD(end, scans, check_scan);
	*end++ = (struct CMUnitTest)cmocka_unit_test(
	    no_message_and_no_header_crashes_it);
	*end++ = (struct CMUnitTest)cmocka_unit_test(
	    no_core_is_left_once_a_seal_has_been_opened);
	end = ROWS_ADD(end, calls, check_call);
	*end++ = (struct CMUnitTest)cmocka_unit_test(
	    its_version_is_that_of_the_header_it_was_built_with);
	assert_int_equal(end - tests, N_ROWS(tests));
	return cmocka_run_group_tests_name("module", tests, start, stop);
}

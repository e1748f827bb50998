/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_config.c - a right file sets every field; a wrong one says where.
 */
#include "rows.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/config.h"

static char folder[] = "/tmp/og-config.XXXXXX";
static char path[64];

#define MINIMUM                         \
	"uri ldapi:///\n"               \
	"base dc=org,dc=example\n"      \
	"org_domain org.example\n"
#define NET " ::1/128"
#define TEN NET NET NET NET NET NET NET NET NET NET

static void
write_file(const char *text, size_t len, mode_t mode)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, mode), 0);
}

struct row {
	const char *name;
	const char *text;
	const char *error; /* what follows "PATH"; NULL: accepted */
};

/* clang-format off */
static const struct row rows[] = {
	{ "the three needed keys are enough", MINIMUM, NULL },
	{ "comments, blank lines, tabs and blanks are skipped", "# x\n\n  # y\n\t" MINIMUM "   \n", NULL },
	{ "the last line needs no newline", MINIMUM "proof none", NULL },
	{ "an empty file misses its first key", "", ":0: 'uri' is missing" },
	{ "a missing base is named", "uri ldapi:///\norg_domain org.example\n", ":2: 'base' is missing" },
	{ "a missing domain is named", "uri ldapi:///\nbase dc=x\n", ":2: 'org_domain' is missing" },
	{ "an unknown key is an error with its line", MINIMUM "\nprof none\n", ":5: unknown key 'prof'" },
	{ "a key in capitals is unknown", "URI ldapi:///\n", ":1: unknown key 'URI'" },
	{ "a key given twice is an error", MINIMUM "proof none\nproof none\n", ":5: 'proof' is given twice" },
	{ "a key without a value is an error", MINIMUM "proof\n", ":4: proof: a value is missing" },
	{ "a value that is no choice is an error", MINIMUM "proof maybe\n", ":4: proof: 'none' or 'required' is expected" },
	{ "a choice with something behind it is an error", MINIMUM "unlisted org really\n", ":4: unlisted: 'org' or 'refuse' is expected" },
	{ "a uri of another scheme is an error", "uri http://x\n", ":1: uri: a uri begins with ldapi://, ldaps:// or ldap://" },
	{ "a uri with a search is an error", "uri ldapi:///??sub\n", ":1: uri: a uri names a server only, no search" },
	{ "nine uris are too many", "uri ldapi:/// ldapi:/// ldapi:/// ldapi:/// ldapi:/// ldapi:/// ldapi:/// ldapi:/// ldapi:///\n", ":1: uri: more than 8 uris" },
	{ "a domain with a leading dot is an error", MINIMUM "org_domain .example\n", ":4: org_domain: a domain like org.example is expected" },
	{ "a port of zero is an error", MINIMUM "port 0\n", ":4: port: a number from 1 to 65535 is expected" },
	{ "a port with letters is an error", MINIMUM "port 465x\n", ":4: port: a number from 1 to 65535 is expected" },
	{ "a deadline beyond Exim's own is an error", MINIMUM "timeout_ms 20000\n", ":4: timeout_ms: a number from 100 to 10000 is expected" },
	{ "a relative path is an error", MINIMUM "seal_dir etc\n", ":4: seal_dir: an absolute path is expected" },
	{ "an attribute with a filter in it is an error", MINIMUM "login_attribute uid)(x=\n", ":4: login_attribute: an attribute's name is letters, digits and hyphens" },
	{ "ldaps without a bind is an error", "uri ldaps://x.example\nbase dc=x\norg_domain org.example\n", ":3: ldaps://x.example needs bind_dn and bind_password_file" },
	{ "a bind_dn alone is an error", MINIMUM "bind_dn cn=x\n", ":4: bind_dn and bind_password_file belong together" },
	{ "a network that is none is an error", MINIMUM "own_network 10.0.0/8\n", ":4: own_network: a network like 192.0.2.0/24 or 2001:db8::/32 is expected" },
	{ "a network with a bit too much is an error", MINIMUM "own_network 192.0.2.0/24 10.1.0.0/8\n", ":4: own_network: an address longer than its prefix of 8 bits" },
	{ "a network that is too long to be one is an error", MINIMUM "own_network 0000000000000000000000000000000000000000000000000::/16\n", ":4: own_network: a value of more than 49 octets" },
	{ "64 networks are enough", MINIMUM "own_network" TEN TEN TEN TEN TEN TEN NET NET NET NET, NULL },
	{ "65 networks are too many", MINIMUM "own_network" TEN TEN TEN TEN TEN TEN NET NET NET NET NET, ":4: own_network: more than 64 networks" },
	{ "an agent_bind_dn alone is an error", MINIMUM "agent_bind_dn cn=x\n", ":4: agent_bind_dn and agent_bind_password_file belong together" },
	{ "an agent_uri of another scheme is an error", MINIMUM "agent_uri http://x\n", ":4: agent_uri: a uri begins with ldapi://, ldaps:// or ldap://" },
	{ "an agent_poll_s of zero is an error", MINIMUM "agent_poll_s 0\n", ":4: agent_poll_s: a number from 1 to 3600 is expected" },
	{ "an agent_smtp by IPv6 is right", MINIMUM "agent_smtp [::1]:25\n", NULL },
	{ "an agent_smtp without a port is an error", MINIMUM "agent_smtp mail.org.example\n", ":4: agent_smtp: a host and a port like 127.0.0.1:25 are expected" },
	{ "an agent_smtp without a host is an error", MINIMUM "agent_smtp :25\n", ":4: agent_smtp: a host and a port like 127.0.0.1:25 are expected" },
	{ "an agent_smtp that is a URL is an error", MINIMUM "agent_smtp smtp://x:25\n", ":4: agent_smtp: a host and a port like 127.0.0.1:25 are expected" },
	{ "an agent_sender that is no address is an error", MINIMUM "agent_sender outgate\n", ":4: agent_sender: an address like postmaster@org.example is expected" },
	{ "a relative agent_text is an error", MINIMUM "agent_text mail.txt\n", ":4: agent_text: an absolute path is expected" },
	{ "a proof_key that is a path is an error", MINIMUM "proof_key ../x\n", ":4: proof_key: the name of a key is of a-z, 0-9 and '-'" },
	{ "a proof_key of 33 octets is an error", MINIMUM "proof_key 123456789012345678901234567890123\n", ":4: proof_key: a value of more than 32 octets" },
	{ "a control character is an error", MINIMUM "proof none\001\n", ":4: a control character in the line" },
	{ "a carriage return is an error", "uri ldapi:///\r\n", ":1: a control character in the line" },
};
/* clang-format on */

static void
check_row(void **state)
{
	const struct row *row = *state;
	struct og_config config;
	struct og_error err = { "" };
	enum og_status status;

	write_file(row->text, strlen(row->text), 0644);
	status = og_config_load(path, &config, &err);
	if (row->error == NULL) {
		assert_string_equal(err.text, "");
		assert_int_equal(status, OG_OK);
		return;
	}
	assert_int_equal(status, OG_EINPUT);
	assert_memory_equal(err.text, path, strlen(path));
	assert_string_equal(err.text + strlen(path), row->error);
}

static void
every_key_sets_its_field(void **state)
{
	static const char text[] =
	    "uri ldaps://a.example\n"
	    "uri ldap://b.example:3389 ldapi:///\n"
	    "user exim\n"
	    "base ou=some people,dc=org,dc=example\n"
	    "bind_dn cn=out gate,dc=org\n"
	    "bind_password_file /etc/outgate/ldap.secret\n"
	    "tls_ca_file /etc/ssl/ca.pem\n"
	    "login_attribute mail\n"
	    "owner_attribute nsUniqueId\n"
	    "timeout_ms 1500\n"
	    "hedge_ms 250\n"
	    "org_domain org.example corp.internal\n"
	    "org_domain third.example\n"
	    "port 587 2525\n"
	    "unlisted refuse\n"
	    "forbidden refuse\n"
	    "proof none\n"
	    "seal_dir /srv/seal\n"
	    "proof_dir /srv/proof\n"
	    "state_dir /srv/state\n"
	    "hold_s 60\n"
	    "gateway_ca_file /srv/ca.pem\n"
	    "own_network 198.51.100.0/24 2001:db8:1::/48\n"
	    "own_network 192.0.2.7\n"
	    "agent_uri ldaps://c.example\n"
	    "agent_user checker\n"
	    "agent_bind_dn cn=agent,dc=org\n"
	    "agent_bind_password_file /etc/outgate/agent.secret\n"
	    "agent_poll_s 5\n"
	    "agent_smtp mail.org.example:2525\n"
	    "agent_sender help@org.example\n"
	    "agent_text /etc/outgate/proof.txt\n"
	    "agent_state_dir /srv/agent\n"
	    "proof_key p-1\n";
	struct og_config c;
	struct og_error err;

	(void)state;
	write_file(text, strlen(text), 0640);
	assert_int_equal(og_config_load(path, &c, &err), OG_OK);
	assert_int_equal(c.directory.n_uris, 3);
	assert_string_equal(c.directory.uri[0], "ldaps://a.example");
	assert_string_equal(c.directory.uri[1], "ldap://b.example:3389");
	assert_string_equal(c.directory.uri[2], "ldapi:///");
	assert_string_equal(c.directory.user, "exim");
	assert_string_equal(
	    c.directory.base, "ou=some people,dc=org,dc=example");
	assert_int_equal(c.directory.bind, OG_BIND_SIMPLE);
	assert_string_equal(c.directory.bind_dn, "cn=out gate,dc=org");
	assert_string_equal(
	    c.directory.bind_password_file, "/etc/outgate/ldap.secret");
	assert_string_equal(c.directory.tls_ca_file, "/etc/ssl/ca.pem");
	assert_string_equal(c.directory.login_attribute, "mail");
	assert_string_equal(c.directory.owner_attribute, "nsUniqueId");
	assert_int_equal(c.directory.timeout_ms, 1500);
	assert_int_equal(c.directory.hedge_ms, 250);
	assert_int_equal(c.org.n_domains, 3);
	assert_string_equal(c.org.domain[1], "corp.internal");
	assert_string_equal(c.org.domain[2], "third.example");
	assert_int_equal(c.org.n_ports, 2);
	assert_int_equal(c.org.port[0], 587);
	assert_int_equal(c.org.port[1], 2525);
	assert_true(c.org.refuse_unlisted);
	assert_true(c.org.refuse_forbidden);
	assert_false(c.org.proof_required);
	assert_string_equal(c.seal_dir, "/srv/seal");
	assert_string_equal(c.proof_dir, "/srv/proof");
	assert_string_equal(c.state_dir, "/srv/state");
	assert_int_equal(c.hold_s, 60);
	assert_string_equal(c.gateway_ca_file, "/srv/ca.pem");
	assert_int_equal(c.n_own_networks, 3);
	assert_string_equal(c.own_network[1], "2001:db8:1::/48");
	assert_string_equal(c.own_network[2], "192.0.2.7");
	assert_int_equal(c.n_agent_uris, 1);
	assert_string_equal(c.agent_uri[0], "ldaps://c.example");
	assert_string_equal(c.agent_user, "checker");
	assert_string_equal(c.agent_bind_dn, "cn=agent,dc=org");
	assert_string_equal(
	    c.agent_bind_password_file, "/etc/outgate/agent.secret");
	assert_int_equal(c.agent_poll_s, 5);
	assert_string_equal(c.agent_smtp, "mail.org.example:2525");
	assert_string_equal(c.agent_sender, "help@org.example");
	assert_string_equal(c.agent_text, "/etc/outgate/proof.txt");
	assert_string_equal(c.agent_state_dir, "/srv/agent");
	assert_string_equal(c.proof_key, "p-1");
}

static void
the_defaults_are_the_safe_ones(void **state)
{
	struct og_config c;
	struct og_error err;

	(void)state;
	write_file(MINIMUM, strlen(MINIMUM), 0644);
	assert_int_equal(og_config_load(path, &c, &err), OG_OK);
	assert_string_equal(c.directory.user, "Debian-exim");
	assert_int_equal(c.directory.bind, OG_BIND_EXTERNAL);
	assert_string_equal(c.directory.login_attribute, "uid");
	assert_string_equal(c.directory.owner_attribute, "entryUUID");
	assert_int_equal(c.directory.timeout_ms, 2000);
	assert_int_equal(c.directory.hedge_ms, 400);
	assert_int_equal(c.org.n_ports, 2);
	assert_int_equal(c.org.port[0], 465);
	assert_int_equal(c.org.port[1], 587);
	assert_false(c.org.refuse_unlisted);
	assert_false(c.org.refuse_forbidden);
	assert_true(c.org.proof_required);
	assert_string_equal(c.seal_dir, "/etc/outgate/seal");
	assert_string_equal(c.proof_dir, "/etc/outgate/proof");
	assert_string_equal(c.state_dir, "/var/spool/exim4/outgate");
	assert_int_equal(c.hold_s, 900);
	assert_string_equal(c.gateway_ca_file, "");
	assert_int_equal(c.n_own_networks, 0);
	assert_int_equal(c.n_agent_uris, 0);
	assert_string_equal(c.agent_user, "outgate");
	assert_int_equal(c.agent_poll_s, 30);
	assert_string_equal(c.agent_smtp, "127.0.0.1:25");
	assert_string_equal(c.agent_sender, "");
	assert_string_equal(c.agent_state_dir, "/var/lib/outgate");
	assert_string_equal(c.proof_key, "");
}

/* The file is refused, and the settings that were there stay. */
static void
refused(const char *name, enum og_status status, const char *what)
{
	struct og_config config, before;
	struct og_error err;

	memset(&config, 0x55, sizeof config);
	before = config;
	assert_int_equal(og_config_load(name, &config, &err), status);
	assert_non_null(strstr(err.text, what));
	assert_memory_equal(&config, &before, sizeof config);
}

static void
a_file_that_others_may_write_is_refused(void **state)
{
	(void)state;
	write_file(MINIMUM, strlen(MINIMUM), 0666);
	refused(path, OG_EDENIED, "mode 0666 lets group or others write");
	write_file(MINIMUM, strlen(MINIMUM), 0664);
	refused(path, OG_EDENIED, "mode 0664 lets group or others write");
}

static void
a_file_of_somebody_elses_is_refused(void **state)
{
	(void)state;
	write_file(MINIMUM, strlen(MINIMUM), 0644);
	assert_int_equal(chown(path, 65534, 65534), 0);
	refused(path, OG_EDENIED, "owned by uid 65534");
	assert_int_equal(chown(path, 0, 0), 0);
}

static void
a_link_a_fifo_and_a_second_name_are_refused(void **state)
{
	char other[80];

	(void)state;
	(void)snprintf(other, sizeof other, "%s.other", path);
	write_file(MINIMUM, strlen(MINIMUM), 0644);
	assert_int_equal(symlink(path, other), 0);
	refused(other, OG_EDENIED, "is a link");
	assert_int_equal(unlink(other), 0);
	assert_int_equal(link(path, other), 0);
	refused(path, OG_EDENIED, "more than one name");
	assert_int_equal(unlink(other), 0);
	assert_int_equal(mkfifo(other, 0600), 0);
	refused(other, OG_EDENIED, "not a regular file");
	assert_int_equal(unlink(other), 0);
	refused(other, OG_ESYSTEM, "No such file");
	refused("outgate.conf", OG_EDENIED, "not an absolute path");
}

static void
a_file_with_a_nul_or_too_long_is_refused(void **state)
{
	static char big[70000];

	(void)state;
	write_file("uri ldapi:///\0\n", 15, 0644);
	refused(path, OG_EINPUT, "a control character in the line");
	memset(big, '#', sizeof big);
	write_file(big, sizeof big, 0644);
	refused(path, OG_ELIMIT, "longer than");
}

static int
make_folder(void **state)
{
	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	(void)snprintf(path, sizeof path, "%s/conf", folder);
	return 0;
}

static int
remove_folder(void **state)
{
	(void)state;
	(void)unlink(path);
	return rmdir(folder);
}

int
main(void)
{
	struct CMUnitTest tests[N_ROWS(rows) + 6];
	struct CMUnitTest *end = ROWS_ADD(tests, rows, check_row);

	*end++ = (struct CMUnitTest)cmocka_unit_test(every_key_sets_its_field);
	*end++ = (struct CMUnitTest)cmocka_unit_test(
	    the_defaults_are_the_safe_ones);
	*end++ = (struct CMUnitTest)cmocka_unit_test(
	    a_file_that_others_may_write_is_refused);
	*end++ = (struct CMUnitTest)cmocka_unit_test(
	    a_file_of_somebody_elses_is_refused);
	*end++ = (struct CMUnitTest)cmocka_unit_test(
	    a_link_a_fifo_and_a_second_name_are_refused);
	*end++ = (struct CMUnitTest)cmocka_unit_test(
	    a_file_with_a_nul_or_too_long_is_refused);
	assert_int_equal(end - tests, N_ROWS(tests));
	return cmocka_run_group_tests_name(
	    "config", tests, make_folder, remove_folder);
}

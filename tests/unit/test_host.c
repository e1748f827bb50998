/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_host.c - which host names and ports a gateway may have.
 */
#include "rows.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <regex.h>
#include <stdio.h>
#include <string.h>

#include "core/host.h"
#include "data.h"

#define LABEL_63 \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define NAME_253 LABEL_63 "." LABEL_63 "." LABEL_63 "." \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example"

/* ---- the vectors of host.json ---- */

#define VECTORS_MAX 128
static struct vector {
	const char *name;
	char name_text[160];
	const char *host;
	size_t len;
	char port[32];
	bool accept;
} vectors[VECTORS_MAX];

static size_t
load_vectors(const json_t *all)
{
	const json_t *row;
	size_t i;

	assert_true(json_array_size(all) <= VECTORS_MAX);
	json_array_foreach(all, i, row) {
		struct vector *vector = &vectors[i];
		const json_t *port = json_object_get(row, "port");

		vector->host = data_text(row, "host");
		vector->len = json_string_length(json_object_get(row, "host"));
		if (json_is_integer(port))
			(void)snprintf(vector->port, sizeof vector->port,
			    "%lld", (long long)json_integer_value(port));
		else
			(void)snprintf(vector->port, sizeof vector->port, "%s",
			    json_string_value(port));
		vector->accept =
		    strcmp(data_text(row, "expect"), "accept") == 0;
		(void)snprintf(vector->name_text, sizeof vector->name_text,
		    "host.json, value %zu is %s: %s", i + 1,
		    vector->accept ? "accepted" : "refused",
		    data_text(row, "why"));
		vector->name = vector->name_text;
	}
	return i;
}

/* What an administrator of org.test who changed nothing would let pass. */
static bool
passes(const char *host, size_t len, const char *port)
{
	struct og_error err;
	uint16_t n;

	return og_host_valid(host, len) && !og_host_below(host, "org.test") &&
	       og_host_port(port, &n, &err) == OG_OK && (n == 465 || n == 587);
}

static void
check_vector(void **state)
{
	const struct vector *vector = *state;

	assert_int_equal(
	    passes(vector->host, vector->len, vector->port), vector->accept);
}

/* ---- names and patterns ---- */

struct row {
	const char *name;
	const char *text;
	bool domain;  /* og_host_is_domain */
	bool host;    /* og_host_valid */
	bool pattern; /* og_host_pattern_valid */
};

/* clang-format off */
static const struct row rows[] = {
	/* what is true                               the name                  domain host   pattern */
	{ "a name of two labels is a host",           "partner.example",        true,  true,  true },
	{ "upper case is",                            "SMTP.Partner.Example",   true,  true,  true },
	{ "labels of digits are",                     "1.2.3.example",          true,  true,  true },
	{ "two hyphens inside a label are",           "r3---sn.partner.example",true,  true,  true },
	{ "an A-label is",                            "xn--prtner-4nf.example", true,  true,  true },
	{ "a top A-label is",                         "smtp.xn--p1ai",          true,  true,  true },
	{ "a top A-label in upper case is",           "smtp.XN--P1AI",          true,  true,  true },
	{ "the name test is",                         "smtp.partner.test",      true,  true,  true },
	{ "a label of 63 octets is",                  LABEL_63 ".example",      true,  true,  true },
	{ "a label of 64 octets is not",              "a" LABEL_63 ".example",  false, false, false },
	{ "253 octets are",                           NAME_253,                 true,  true,  true },
	{ "254 octets are not",                       NAME_253 "s",             false, false, false },
	{ "one label is not",                         "example",                false, false, false },
	{ "nothing is not",                           "",                       false, false, false },
	{ "a dot is not",                             ".",                      false, false, false },
	{ "a final dot is not",                       "partner.example.",       false, false, false },
	{ "a first dot is not",                       ".partner.example",       false, false, false },
	{ "two dots are not",                         "partner..example",       false, false, false },
	{ "a hyphen in front is not",                 "-a.example",             false, false, false },
	{ "a hyphen behind is not",                   "a-.example",             false, false, false },
	{ "a hyphen in front of the top is not",      "a.-example",             false, false, false },
	{ "a hyphen in the top is not",               "a.exa-mple",             false, false, false },
	{ "a digit in the top is not",                "a.example1",             false, false, false },
	{ "an empty A-label is not",                  "a.xn--",                 false, false, false },
	{ "an A-label that ends in a hyphen is not",  "a.xn--a-",               false, false, false },
	{ "an underscore is not",                     "_a.example",             false, false, false },
	{ "a blank is not",                           "a .example",             false, false, false },
	{ "raw UTF-8 is not",                         "p\xc3\xa4.example",      false, false, false },
	{ "localhost is not",                         "localhost",              false, false, false },
	{ "a name below localhost is a domain only",  "a.localhost",            true,  false, false },
	{ "localdomain",                              "localhost.localdomain",  true,  false, false },
	{ "local",                                    "printer.local",          true,  false, false },
	{ "local in upper case",                      "printer.LOCAL",          true,  false, false },
	{ "internal",                                 "smtp.corp.internal",     true,  false, false },
	{ "home.arpa",                                "home.arpa",              true,  false, false },
	{ "below home.arpa",                          "smtp.home.arpa",         true,  false, false },
	{ "lan",                                      "smtp.lan",               true,  false, false },
	{ "onion",                                    "abcdef.onion",           true,  false, false },
	{ "invalid",                                  "smtp.invalid",           true,  false, false },
	{ "another name under arpa is a host",        "myhome.arpa",            true,  true,  true },
	{ "a label local in the middle is no harm",   "local.example",          true,  true,  true },
	{ "a top that only ends so is no harm",       "partner.mylan",          true,  true,  true },
	{ "a star in front is a pattern only",        "*.partner.example",      false, false, true },
	{ "a star and one label is nothing",          "*.example",              false, false, false },
	{ "a star alone is nothing",                  "*",                      false, false, false },
	{ "a star and a dot are nothing",             "*.",                     false, false, false },
	{ "a star in the middle is nothing",          "a.*.example",            false, false, false },
	{ "a star within a label is nothing",         "*a.partner.example",     false, false, false },
	{ "a star that is no label is nothing",       "*ab.partner.example",    false, false, false },
	{ "two stars are nothing",                    "*.*.partner.example",    false, false, false },
	{ "a star before a special-use name",         "*.corp.internal",        false, false, false },
	{ "a star before 253 octets is a pattern",    "*." NAME_253,            false, false, true },
};
/* clang-format on */

static void
check_row(void **state)
{
	const struct row *row = *state;
	size_t len = strlen(row->text);
	char *text = data_exact(row->text, len);

	assert_int_equal(og_host_is_domain(text, len), row->domain);
	assert_int_equal(og_host_valid(text, len), row->host);
	assert_int_equal(og_host_pattern_valid(text, len), row->pattern);
	free(text);
}

struct match {
	const char *name;
	const char *host;
	const char *pattern;
	bool matches;
};

/* clang-format off */
static const struct match matches[] = {
	{ "a name matches itself", "smtp.partner.example", "smtp.partner.example", true },
	{ "a name matches in any case", "SMTP.partner.example", "smtp.Partner.example", true },
	{ "a name does not match what is below it", "a.smtp.partner.example", "smtp.partner.example", false },
	{ "a name does not match another", "smtp.partner.example", "smtp.other.example", false },
	{ "a star matches what is below", "smtp.partner.example", "*.partner.example", true },
	{ "a star matches what is deep below", "a.b.partner.example", "*.partner.example", true },
	{ "a star matches in any case", "smtp.PARTNER.example", "*.partner.Example", true },
	{ "a star does not match the domain itself", "partner.example", "*.partner.example", false },
	{ "a star does not match a name that only ends alike", "evilpartner.example", "*.partner.example", false },
	{ "a star does not match a shorter name", "r.example", "*.partner.example", false },
};

static const struct match below[] = {
	{ "a domain is in itself", "org.example", "org.example", true },
	{ "a subdomain is below", "mx.org.example", "org.example", true },
	{ "case does not matter below", "mx.ORG.example", "org.EXAMPLE", true },
	{ "a name that only ends alike is not below", "myorg.example", "org.example", false },
	{ "a parent is not below", "example.org", "org.example.org", false },
	{ "a shorter name is not below", "le", "org.example", false },
};
/* clang-format on */

static void
check_match(void **state)
{
	const struct match *row = *state;

	assert_int_equal(
	    og_host_matches(row->host, row->pattern), row->matches);
}

static void
check_below(void **state)
{
	const struct match *row = *state;

	assert_int_equal(og_host_below(row->host, row->pattern), row->matches);
}

/* ---- ports ---- */

struct no_port {
	const char *name;
	const char *text;
};

/* clang-format off */
static const struct no_port no_ports[] = {
	{ "an empty port is none", "" },
	{ "a zero is none", "0" },
	{ "a leading zero is refused", "0587" },
	{ "a sign is refused", "+587" },
	{ "a minus is refused", "-587" },
	{ "a blank in front is refused", " 587" },
	{ "a blank behind is refused", "587 " },
	{ "a newline behind is refused", "587\n" },
	{ "hexadecimal is refused", "0x24b" },
	{ "an exponent is refused", "5e2" },
	{ "a fraction is refused", "587.0" },
	{ "a list is refused", "587:25" },
	{ "a service name is refused", "submission" },
	{ "digits that are not ASCII are refused", "\xd9\xa5\xd9\xa8\xd9\xa7" },
	{ "a number that wraps around 16 bits is refused", "66123" },
	{ "a number that wraps around 32 bits is refused", "4294967883" },
	{ "a number that wraps around 64 bits is refused", "18446744073709552203" },
};
/* clang-format on */

static void
check_no_port(void **state)
{
	const struct no_port *row = *state;
	struct og_error err = { "" };
	uint16_t port = 77;

	assert_int_equal(og_host_port(row->text, &port, &err), OG_EINPUT);
	assert_int_equal(port, 77);
	assert_non_null(strstr(err.text, "is not 1..65535"));
}

static void
every_number_from_1_to_65535_is_a_port_and_no_other(void **state)
{
	struct og_error err;
	char text[24];
	uint16_t port;
	long n;

	(void)state;
	for (n = -1000; n < 1000000; n++) {
		(void)snprintf(text, sizeof text, "%ld", n);
		port = 0;
		if (n < 1 || n > 65535) {
			assert_int_equal(
			    og_host_port(text, &port, &err), OG_EINPUT);
			assert_int_equal(port, 0);
		} else {
			assert_int_equal(
			    og_host_port(text, &port, &err), OG_OK);
			assert_int_equal(port, n);
		}
	}
}

static void
a_long_port_leaves_room_for_what_is_expected(void **state)
{
	struct og_error err;
	char text[1000];
	uint16_t port;

	(void)state;
	memset(text, '9', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	assert_int_equal(og_host_port(text, &port, &err), OG_EINPUT);
	assert_non_null(strstr(err.text, "is not 1..65535"));
}

/* ---- every name over a small alphabet ---- */

#define LETTERS "01xa.-"
#define LENGTH_MAX 7

static bool
is_number(const char *host)
{
	const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST };
	struct addrinfo *found = NULL;
	struct in_addr ip4;

	if (inet_aton(host, &ip4) != 0)
		return true;
	if (getaddrinfo(host, NULL, &hints, &found) != 0)
		return false;
	freeaddrinfo(found);
	return true;
}

/* The next text in the order of LETTERS; false behind the last. */
static bool
next_text(char text[LENGTH_MAX + 1])
{
	size_t i;

	for (i = 0; i < LENGTH_MAX; i++) {
		const char *at =
		    text[i] != '\0' ? strchr(LETTERS, text[i]) + 1 : LETTERS;

		text[i] = *at != '\0' ? *at : LETTERS[0];
		if (*at != '\0')
			return true;
	}
	return false;
}

/*
 * The reference is a regular expression, the second opinion what the C library
 * takes for a number: 127.1, 0x7f.1, 017700000001 and the like.
 */
static void
of_all_short_names_the_ldh_ones_are_hosts_and_no_numbers(void **state)
{
	char text[LENGTH_MAX + 1] = "";
	unsigned accepted = 0;
	regex_t ldh;

	(void)state;
	assert_int_equal(regcomp(&ldh,
	    "^([01xa]([01xa-]*[01xa])?\\.)+[xa]+$",
	    REG_EXTENDED | REG_NOSUB), 0);
	while (next_text(text)) {
		bool host = og_host_valid(text, strlen(text));

		if (host != (regexec(&ldh, text, 0, NULL, 0) == 0))
			fail_msg("'%s' is judged wrongly", text);
		if (host && is_number(text))
			fail_msg("'%s' is a number", text);
		accepted += host;
	}
	regfree(&ldh);
	assert_true(accepted > 1000);
}

int
main(void)
{
	static struct CMUnitTest tests[VECTORS_MAX + N_ROWS(rows) +
	    N_ROWS(matches) + N_ROWS(below) + N_ROWS(no_ports) + 3];
	struct CMUnitTest *end = tests;
	json_t *all = data_load("host.json");
	int failed;

	end = rows_add(end, vectors, load_vectors(all), sizeof vectors[0],
	    check_vector);
	end = ROWS_ADD(end, rows, check_row);
	end = ROWS_ADD(end, matches, check_match);
	end = ROWS_ADD(end, below, check_below);
	end = ROWS_ADD(end, no_ports, check_no_port);
	*end++ = (struct CMUnitTest)cmocka_unit_test(
	    every_number_from_1_to_65535_is_a_port_and_no_other);
	*end++ = (struct CMUnitTest)cmocka_unit_test(
	    a_long_port_leaves_room_for_what_is_expected);
	*end++ = (struct CMUnitTest)cmocka_unit_test(
	    of_all_short_names_the_ldh_ones_are_hosts_and_no_numbers);
	failed = _cmocka_run_group_tests(
	    "host", tests, (size_t)(end - tests), NULL, NULL);
	json_decref(all);
	return failed;
}

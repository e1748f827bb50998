/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_address.c - the one form of mail address that can name a gateway.
 */
#include "rows.h"

#include <stdio.h>
#include <string.h>

#include "core/address.h"
#include "data.h"

#define LABEL_63 \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define LOCAL_64 LABEL_63 "a"
/* 64 + 1 + 189 = 254 octets; every label of the longer one is fit, too */
#define DOMAIN_188 LABEL_63 "." LABEL_63 "." \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example"
#define DOMAIN_189 DOMAIN_188 "s"
#define DOMAIN_190 DOMAIN_188 "ss"

struct row {
	const char *name;
	const char *text;
	bool valid;
};

/* clang-format off */
static const struct row rows[] = {
	{ "a plain address is one", "jo@partner.example", true },
	{ "dots in the local part are", "jo.doe@partner.example", true },
	{ "upper case is", "Jo.Doe@Partner.Example", true },
	{ "digits and hyphens are", "1-2@3-4.example", true },
	{ "every sign of atext is", "!#$%&'*+-/=_`{|}~^?@partner.example", true },
	{ "the signs of an encoded word apart are", "a=b?c@partner.example", true },
	{ "an A-label is", "jo@xn--prtner-4nf.example", true },
	{ "a top A-label is", "jo@partner.xn--p1ai", true },
	{ "a special-use domain is: it may be the organisation's own", "jo@corp.internal", true },
	{ "64 octets of local part are", LOCAL_64 "@partner.example", true },
	{ "254 octets are", LOCAL_64 "@" DOMAIN_189, true },
	{ "255 octets are too many", LOCAL_64 "@" DOMAIN_190, false },
	{ "65 octets of local part are too many", LOCAL_64 "a@partner.example", false },
	{ "nothing is no address", "", false },
	{ "no at sign", "partner.example", false },
	{ "no local part", "@partner.example", false },
	{ "no domain", "jo@", false },
	{ "two at signs", "jo@doe@partner.example", false },
	{ "a dot in front", ".jo@partner.example", false },
	{ "a dot before the at sign", "jo.@partner.example", false },
	{ "two dots", "jo..doe@partner.example", false },
	{ "a dot alone", ".@partner.example", false },
	{ "a domain of one label", "jo@localhost", false },
	{ "a final dot", "jo@partner.example.", false },
	{ "a numeric address", "jo@127.0.0.1", false },
	{ "a literal", "jo@[127.0.0.1]", false },
	{ "a quoted local part", "\"jo\"@partner.example", false },
	{ "a comment", "jo(x)@partner.example", false },
	{ "angle brackets", "<jo@partner.example>", false },
	{ "a blank in front", " jo@partner.example", false },
	{ "a blank behind", "jo@partner.example ", false },
	{ "a blank inside", "jo doe@partner.example", false },
	{ "a newline behind", "jo@partner.example\n", false },
	{ "a tab", "jo\t@partner.example", false },
	{ "a comma", "jo,doe@partner.example", false },
	{ "a colon", "jo:doe@partner.example", false },
	{ "a semicolon", "jo;doe@partner.example", false },
	{ "a backslash", "jo\\doe@partner.example", false },
	{ "a delete", "jo\x7f@partner.example", false },
	{ "raw UTF-8 in the local part", "j\xc3\xb6@partner.example", false },
	{ "raw UTF-8 in the domain", "jo@p\xc3\xa4rtner.example", false },
	{ "the start of an encoded word", "=?utf-8@partner.example", false },
	{ "the end of an encoded word", "jo?=@partner.example", false },
	{ "an encoded word", "=?utf-8?q?jo?=@partner.example", false },
};
/* clang-format on */

static void
check_row(void **state)
{
	const struct row *row = *state;
	size_t len = strlen(row->text);
	char *text = data_exact(row->text, len);

	assert_int_equal(og_address_valid(text, len), row->valid);
	free(text);
}

static void
the_longest_address_just_fits_its_buffer(void **state)
{
	(void)state;
	assert_int_equal(sizeof LOCAL_64 "@" DOMAIN_189, OG_ADDRESS_SIZE);
}

static void
a_nul_inside_is_refused(void **state)
{
	(void)state;
	assert_false(og_address_valid("jo\0@partner.example", 19));
	assert_false(og_address_valid("jo@partner.example\0", 19));
}

static void
only_len_octets_are_read(void **state)
{
	(void)state;
	assert_true(og_address_valid("jo@partner.example>", 18));
	assert_false(og_address_valid("jo@partner.example", 10));
}

/* RFC 5322, 3.2.3, spelled out: anything else in a local part is refused. */
static void
exactly_the_octets_of_atext_may_stand_alone(void **state)
{
	static const char atext[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "abcdefghijklmnopqrstuvwxyz"
				    "0123456789!#$%&'*+-/=?^_`{|}~";
	char text[] = "?@partner.example";
	int c;

	(void)state;
	for (c = 0; c < 256; c++) {
		text[0] = (char)c;
		assert_int_equal(og_address_valid(text, sizeof text - 1),
		    memchr(atext, c, sizeof atext - 1) != NULL);
	}
}

static void
the_domain_is_what_follows_the_at_sign(void **state)
{
	static const char address[] = "jo.doe@partner.example";

	(void)state;
	assert_ptr_equal(og_address_domain(address), address + 7);
}

struct in_domain {
	const char *name;
	const char *address;
	const char *domain;
	bool in;
};

/* clang-format off */
static const struct in_domain in_domain[] = {
	{ "an address is in its domain", "jo@org.example", "org.example", true },
	{ "case does not matter", "jo@ORG.example", "org.Example", true },
	{ "an address in a subdomain is", "jo@a.b.org.example", "org.example", true },
	{ "a longer name that ends alike is not below", "jo@myorg.example", "org.example", false },
	{ "the parent is not below the child", "jo@example.org", "sub.example.org", false },
	{ "another domain is another", "jo@partner.example", "org.example", false },
	{ "the local part is no domain", "org.example@partner.example", "org.example", false },
};
/* clang-format on */

static void
check_in_domain(void **state)
{
	const struct in_domain *row = *state;

	assert_int_equal(
	    og_address_in_domain(row->address, row->domain), row->in);
}

/* The rows of ldap.json for outgateAddress; their own domain is org.test. */
#define VECTORS_MAX 32
static struct vector {
	const char *name;
	char name_text[160];
	const char *value;
	bool refuse;
} vectors[VECTORS_MAX];

static size_t
load_vectors(const json_t *all)
{
	const json_t *row;
	size_t n = 0;
	size_t i;

	json_array_foreach(all, i, row) {
		struct vector *vector = &vectors[n];

		if (strcmp(data_text(row, "attr"), "address") != 0)
			continue;
		assert_true(n < VECTORS_MAX);
		vector->value = data_text(row, "value");
		vector->refuse =
		    strcmp(data_text(row, "expect"), "refuse") == 0;
		(void)snprintf(vector->name_text, sizeof vector->name_text,
		    "ldap.json, value %zu is %s: %s", i + 1,
		    vector->refuse ? "refused" : "an address",
		    data_text(row, "why"));
		vector->name = vector->name_text;
		n++;
	}
	return n;
}

static void
check_vector(void **state)
{
	const struct vector *vector = *state;
	bool fit = og_address_valid(vector->value, strlen(vector->value)) &&
		   !og_address_in_domain(vector->value, "org.test");

	assert_int_equal(fit, !vector->refuse);
}

int
main(void)
{
	struct CMUnitTest
	    tests[N_ROWS(rows) + N_ROWS(in_domain) + VECTORS_MAX + 5];
	struct CMUnitTest *end = tests;
	json_t *all = data_load("ldap.json");
	int failed;

	end = ROWS_ADD(end, rows, check_row);
	end = ROWS_ADD(end, in_domain, check_in_domain);
	end = rows_add(end, vectors, load_vectors(all), sizeof vectors[0],
	    check_vector);
	*end++ = (struct CMUnitTest)cmocka_unit_test(
	    the_longest_address_just_fits_its_buffer);
	*end++ = (struct CMUnitTest)cmocka_unit_test(a_nul_inside_is_refused);
	*end++ = (struct CMUnitTest)cmocka_unit_test(only_len_octets_are_read);
	*end++ = (struct CMUnitTest)cmocka_unit_test(
	    exactly_the_octets_of_atext_may_stand_alone);
	*end++ = (struct CMUnitTest)cmocka_unit_test(
	    the_domain_is_what_follows_the_at_sign);
	failed = _cmocka_run_group_tests(
	    "address", tests, (size_t)(end - tests), NULL, NULL);
	json_decref(all);
	return failed;
}

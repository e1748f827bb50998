/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_verdict.c - what is written is read back, and nothing else is read.
 */
#include "rows.h"

#include <string.h>

#include "core/verdict.h"

struct refused {
	const char *name;
	const char *text;
};

/* clang-format off */
static const struct refused refused[] = {
	{ "an empty text is no verdict", "" },
	{ "another version is no verdict", "og=2 way=org why=internal-from" },
	{ "a verdict without a reason is none", "og=1 way=org" },
	{ "an unknown reason is none of ours", "og=1 way=org why=full-moon" },
	{ "a reason that refuses never accepted a message", "og=1 way=org why=unproved" },
	{ "the org route is never the gateway's reason", "og=1 way=org why=gateway" },
	{ "an unknown way is none of ours", "og=1 way=pigeon why=gateway" },
	{ "a blank behind the verdict is not overlooked", "og=1 way=org why=internal-from " },
	{ "a blank before the verdict is not overlooked", " og=1 way=org why=internal-from" },
	{ "a gateway verdict needs a login", "og=1 way=gateway why=gateway login= owner=u from=jo@partner.example" },
	{ "a gateway verdict needs an owner", "og=1 way=gateway why=gateway login=jo owner= from=jo@partner.example" },
	{ "a gateway verdict needs an address", "og=1 way=gateway why=gateway login=jo owner=u from=" },
	{ "a gateway verdict needs a strict address", "og=1 way=gateway why=gateway login=jo owner=u from=jo" },
	{ "the order of the words is fixed", "og=1 way=gateway why=gateway owner=u login=jo from=jo@partner.example" },
	{ "a needless code is refused: one spelling only", "og=1 way=gateway why=gateway login=%6Ao owner=u from=jo@partner.example" },
	{ "a code of a NUL is refused", "og=1 way=gateway why=gateway login=jo%00 owner=u from=jo@partner.example" },
	{ "half a code is refused", "og=1 way=gateway why=gateway login=jo% owner=u from=jo@partner.example" },
	{ "words behind the address are refused", "og=1 way=gateway why=gateway login=jo owner=u from=jo@partner.example host=evil.example" },
};
/* clang-format on */

static void
check_refused(void **state)
{
	const struct refused *row = *state;
	struct og_verdict verdict;
	static const struct og_verdict nothing;
	struct og_error err;

	memset(&verdict, 0x55, sizeof verdict);
	assert_int_equal(
	    og_verdict_parse(row->text, &verdict, &err), OG_EINPUT);
	assert_memory_equal(&verdict, &nothing, sizeof nothing);
	assert_true(err.text[0] != '\0');
}

static struct og_verdict
gateway_verdict(void)
{
	struct og_verdict v = { .way = OG_GATEWAY, .reason = OG_WHY_GATEWAY };

	strcpy(v.login, "jo doe%\xc3\xa9 way=org");
	strcpy(v.owner, "8d9bd5ba-0000-4000-8000-3d64a6d63d94");
	strcpy(v.from, "jo.doe=x@partner.example");
	return v;
}

static void
a_login_with_blanks_and_equal_signs_stays_one_word(void **state)
{
	struct og_verdict v = gateway_verdict(), again;
	char text[OG_VERDICT_SIZE];
	struct og_error err;

	(void)state;
	assert_int_equal(og_verdict_format(&v, text, &err), OG_OK);
	assert_string_equal(text,
	    "og=1 way=gateway why=gateway login=jo%20doe%25%C3%A9%20way=org "
	    "owner=8d9bd5ba-0000-4000-8000-3d64a6d63d94 "
	    "from=jo.doe=x@partner.example");
	assert_int_equal(og_verdict_parse(text, &again, &err), OG_OK);
	assert_memory_equal(&v, &again, sizeof v);
}

static void
the_longest_verdict_fits_what_exim_keeps(void **state)
{
	struct og_verdict v = { .way = OG_GATEWAY, .reason = OG_WHY_GATEWAY };
	char text[OG_VERDICT_SIZE];
	struct og_error err;
	size_t i;

	(void)state;
	memset(v.login, 0xff, sizeof v.login - 1);
	memset(v.owner, 'o', sizeof v.owner - 1);
	memset(v.from, 'a', 64);
	strcpy(v.from + 64, "@");
	for (i = 65; i + 4 < sizeof v.from; i += 4)
		strcat(v.from, "aaa.");
	v.from[strlen(v.from) - 1] = 'a';
	assert_int_equal(og_verdict_format(&v, text, &err), OG_OK);
	assert_true(strlen(text) <= 1000);
}

static void
a_verdict_without_its_parts_is_not_written(void **state)
{
	struct og_verdict v = gateway_verdict();
	char text[OG_VERDICT_SIZE];
	struct og_error err;

	(void)state;
	v.owner[0] = '\0';
	assert_int_equal(og_verdict_format(&v, text, &err), OG_EINPUT);
	assert_string_equal(text, "");
	v = gateway_verdict();
	strcpy(v.from, "jo@partner.example\n-acl_m0 5");
	assert_int_equal(og_verdict_format(&v, text, &err), OG_EINPUT);
	v = gateway_verdict();
	v.way = OG_REFUSE;
	assert_int_equal(og_verdict_format(&v, text, &err), OG_EINPUT);
}

int
main(void)
{
	struct CMUnitTest tests[N_ROWS(refused) + 3];
	struct CMUnitTest *end = ROWS_ADD(tests, refused, check_refused);

	*end++ = (struct CMUnitTest)cmocka_unit_test(
	    a_login_with_blanks_and_equal_signs_stays_one_word);
	*end++ = (struct CMUnitTest)cmocka_unit_test(
	    the_longest_verdict_fits_what_exim_keeps);
	*end++ = (struct CMUnitTest)cmocka_unit_test(
	    a_verdict_without_its_parts_is_not_written);
	assert_int_equal(end - tests, N_ROWS(tests));
	return cmocka_run_group_tests_name("verdict", tests, NULL, NULL);
}

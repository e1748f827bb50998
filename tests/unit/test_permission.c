/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_permission.c - the nearest level wins, and only TRUE grants.
 */
#include "rows.h"

#include <string.h>

#include "core/permission.h"

struct chain {
	const char *name;
	/* outgateAllowed from the user's entry upwards; "" is absent */
	const char *level[4];
	bool allowed;
};

/* clang-format off */
static const struct chain chains[] = {
	{ "absent everywhere is FALSE", { "", "", "" }, false },
	{ "TRUE at the base is inherited", { "", "", "TRUE" }, true },
	{ "FALSE at the user wins over TRUE at the base", { "FALSE", "", "TRUE" }, false },
	{ "TRUE at the unit wins over FALSE at the base", { "", "TRUE", "FALSE" }, true },
	{ "a value that is no Boolean refuses and ends the search", { "yes", "TRUE" }, false },
	{ "lower case is no Boolean", { "true", "TRUE" }, false },
	{ "a blank behind TRUE is no Boolean", { "TRUE ", "TRUE" }, false },
};
/* clang-format on */

static void
check_chain(void **state)
{
	const struct chain *row = *state;
	struct og_permission permission = { 0 };
	size_t i;

	for (i = 0; i < 4 && row->level[i] != NULL; i++) {
		struct og_value value = { 0 };

		if (row->level[i][0] != '\0')
			og_value_set(
			    &value, row->level[i], strlen(row->level[i]));
		og_permission_level(&permission, &value);
	}
	assert_int_equal(permission.allowed, row->allowed);
}

static void
two_values_of_the_permission_are_false(void **state)
{
	struct og_permission permission = { 0 };
	struct og_value value = { 0 };

	(void)state;
	og_value_set(&value, "TRUE", 4);
	og_value_set(&value, "TRUE", 4);
	og_permission_level(&permission, &value);
	assert_true(permission.decided);
	assert_false(permission.allowed);
}

static void
hosts_at(struct og_permission *permission, const char *a, const char *b)
{
	struct og_value hosts[2] = { { 0 } };
	struct og_error err;

	og_value_set(&hosts[0], a, strlen(a));
	if (b != NULL)
		og_value_set(&hosts[1], b, strlen(b));
	assert_int_equal(og_permission_hosts(permission, hosts,
			     b == NULL ? 1 : 2, &err),
	    OG_OK);
}

static void
no_allowed_hosts_anywhere_permit_any(void **state)
{
	struct og_permission permission = { 0 };
	struct og_error err;

	(void)state;
	assert_int_equal(og_permission_hosts(&permission, NULL, 0, &err), OG_OK);
	assert_true(
	    og_permission_permits_host(&permission, "smtp.partner.example"));
}

static void
the_nearest_level_with_allowed_hosts_wins(void **state)
{
	struct og_permission permission = { 0 };

	(void)state;
	hosts_at(&permission, "smtp.partner.example", "*.other.example");
	hosts_at(&permission, "smtp.far.example", NULL);
	assert_true(
	    og_permission_permits_host(&permission, "smtp.partner.example"));
	assert_true(og_permission_permits_host(&permission, "a.other.example"));
	assert_false(og_permission_permits_host(&permission, "other.example"));
	assert_false(
	    og_permission_permits_host(&permission, "smtp.far.example"));
}

static void
a_level_whose_allowed_hosts_cannot_be_read_permits_none(void **state)
{
	struct og_permission permission = { 0 };

	(void)state;
	hosts_at(&permission, "*", NULL);
	assert_false(
	    og_permission_permits_host(&permission, "smtp.partner.example"));
}

static void
too_many_allowed_hosts_cannot_be_judged(void **state)
{
	static struct og_value hosts[OG_ALLOWED_HOSTS_MAX + 1];
	struct og_permission permission = { 0 };
	struct og_error err;
	size_t i;

	(void)state;
	for (i = 0; i < N_ROWS(hosts); i++)
		og_value_set(&hosts[i], "smtp.partner.example", 20);
	assert_int_equal(
	    og_permission_hosts(&permission, hosts, N_ROWS(hosts), &err),
	    OG_ELIMIT);
	assert_int_equal(
	    og_permission_hosts(&permission, hosts, N_ROWS(hosts) - 1, &err),
	    OG_OK);
}

int
main(void)
{
	struct CMUnitTest tests[N_ROWS(chains) + 5];
	struct CMUnitTest *end = ROWS_ADD(tests, chains, check_chain);

	*end++ = (struct CMUnitTest)cmocka_unit_test(
	    two_values_of_the_permission_are_false);
	*end++ = (struct CMUnitTest)cmocka_unit_test(
	    no_allowed_hosts_anywhere_permit_any);
	*end++ = (struct CMUnitTest)cmocka_unit_test(
	    the_nearest_level_with_allowed_hosts_wins);
	*end++ = (struct CMUnitTest)cmocka_unit_test(
	    a_level_whose_allowed_hosts_cannot_be_read_permits_none);
	*end++ = (struct CMUnitTest)cmocka_unit_test(
	    too_many_allowed_hosts_cannot_be_judged);
	assert_int_equal(end - tests, N_ROWS(tests));
	return cmocka_run_group_tests_name("permission", tests, NULL, NULL);
}

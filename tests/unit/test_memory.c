/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_memory.c - a failure belongs to one user's gateway as it was used.
 */
#include "rows.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "io/memory.h"

static char folder[] = "/tmp/og-memory.XXXXXX";
static char dir[64];
static int n_dirs;

static const struct og_gateway partner = { .host = "smtp.partner.example",
	.port = 465, .tls = OG_TLS_IMPLICIT, .login = "jo.doe" };
static const struct og_secret password = { .len = 6, .text = "secret" };

static struct og_use
jo(void)
{
	return (struct og_use){ .owner = "owner-of-jo", .gateway = &partner,
		.sealed = "{CMS}one" };
}

/* A place of its own for each test; nobody has made it yet. */
static void
fresh_dir(void)
{
	(void)snprintf(dir, sizeof dir, "%s/%d", folder, n_dirs++);
}

static int
fresh(void **state)
{
	(void)state;
	fresh_dir();
	return 0;
}

static void
fail_as(const struct og_use *use)
{
	struct og_error err;

	assert_int_equal(og_memory_fail(dir, use, &err), OG_OK);
}

static void
refuse_as(const struct og_use *use)
{
	struct og_error err;

	assert_int_equal(og_memory_refuse(dir, use, &password, &err), OG_OK);
}

static void
nothing_has_happened_in_a_directory_that_is_not_there(void **state)
{
	struct og_use use = jo();

	(void)state;
	assert_false(og_memory_refused(dir, &use));
	assert_false(og_memory_refused_secret(dir, &use, &password));
	assert_int_equal(og_memory_failed_s(dir, &use), -1);
	assert_int_equal(og_memory_stumbled_ms(dir, &partner), -1);
}

static void
a_refused_password_is_known_sealed_and_open(void **state)
{
	struct og_use use = jo();

	(void)state;
	refuse_as(&use);
	assert_true(og_memory_refused(dir, &use));
	assert_true(og_memory_refused_secret(dir, &use, &password));
	/* the same password sealed anew */
	use.sealed = "{CMS}two";
	assert_false(og_memory_refused(dir, &use));
	assert_true(og_memory_refused_secret(dir, &use, &password));
}

static void
another_password_has_not_been_refused(void **state)
{
	const struct og_secret other = { .len = 6, .text = "sesame" };
	struct og_use use = jo();

	(void)state;
	refuse_as(&use);
	assert_false(og_memory_refused_secret(dir, &use, &other));
}

/* Each row changes one thing of the use that failed. */
struct change {
	const char *name;
	const char *owner;
	const char *host;
	uint16_t port;
	enum og_tls tls;
	const char *login;
};

#define PARTNER "smtp.partner.example"
/* clang-format off */
static const struct change changes[] = {
	{ "another user has not failed", "owner-of-sam", PARTNER, 465, OG_TLS_IMPLICIT, "jo.doe" },
	{ "another host has not failed", "owner-of-jo", "smtp.other.example", 465, OG_TLS_IMPLICIT, "jo.doe" },
	{ "another port has not failed", "owner-of-jo", PARTNER, 587, OG_TLS_IMPLICIT, "jo.doe" },
	{ "another TLS mode has not failed", "owner-of-jo", PARTNER, 465, OG_TLS_STARTTLS, "jo.doe" },
	{ "another login has not failed", "owner-of-jo", PARTNER, 465, OG_TLS_IMPLICIT, "jo.d" },
};
/* clang-format on */

static void
check_change(void **state)
{
	const struct change *row = *state;
	struct og_gateway gateway = partner;
	struct og_use use = jo();

	fresh_dir();
	fail_as(&use);
	refuse_as(&use);
	assert_int_not_equal(og_memory_failed_s(dir, &use), -1);
	strcpy(gateway.host, row->host);
	strcpy(gateway.login, row->login);
	gateway.port = row->port;
	gateway.tls = row->tls;
	use.owner = row->owner;
	use.gateway = &gateway;
	assert_int_equal(og_memory_failed_s(dir, &use), -1);
	assert_false(og_memory_refused(dir, &use));
	assert_false(og_memory_refused_secret(dir, &use, &password));
}

static void
a_new_password_has_not_failed(void **state)
{
	struct og_use use = jo();

	(void)state;
	fail_as(&use);
	use.sealed = "{CMS}two";
	assert_int_equal(og_memory_failed_s(dir, &use), -1);
}

static void
the_server_is_known_to_have_failed_for_somebody(void **state)
{
	struct og_gateway other = partner;
	struct og_use use = jo();

	(void)state;
	fail_as(&use);
	strcpy(other.login, "sam.roe");
	assert_in_range(og_memory_stumbled_ms(dir, &other), 0, 60000);
	other.port = 587;
	assert_int_equal(og_memory_stumbled_ms(dir, &other), -1);
}

/* Set the time of every note. */
static void
shift(long seconds)
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	struct timespec times[2];

	assert_non_null(d);
	assert_int_equal(clock_gettime(CLOCK_REALTIME, &times[0]), 0);
	times[0].tv_sec += seconds;
	times[1] = times[0];
	while ((entry = readdir(d)) != NULL) {
		if (entry->d_name[0] != '.')
			assert_int_equal(utimensat(dirfd(d), entry->d_name,
					     times, 0),
			    0);
	}
	assert_int_equal(closedir(d), 0);
}

static void
a_failure_grows_old_and_can_be_renewed(void **state)
{
	struct og_use use = jo();

	(void)state;
	fail_as(&use);
	shift(-1000);
	assert_in_range(og_memory_failed_s(dir, &use), 1000, 1100);
	fail_as(&use);
	assert_in_range(og_memory_failed_s(dir, &use), 0, 100);
}

static void
a_failure_of_the_future_has_not_happened(void **state)
{
	struct og_use use = jo();

	(void)state;
	fail_as(&use);
	shift(1000);
	assert_int_equal(og_memory_failed_s(dir, &use), -1);
}

static void
names_tell_neither_user_nor_password(void **state)
{
	struct og_use use = jo();
	struct dirent *entry;
	struct stat st;
	int n = 0;
	DIR *d;

	(void)state;
	refuse_as(&use);
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	d = opendir(dir);
	assert_non_null(d);
	while ((entry = readdir(d)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		n++;
		assert_null(strstr(entry->d_name, "jo"));
		assert_null(strstr(entry->d_name, "secret"));
	}
	assert_int_equal(closedir(d), 0);
	assert_int_equal(n, 3); /* two notes and the key */
}

static void
the_group_may_read_what_it_holds_and_others_nothing(void **state)
{
	struct og_use use = jo();
	struct dirent *entry;
	struct stat st;
	DIR *d;

	(void)state;
	refuse_as(&use);
	d = opendir(dir);
	assert_non_null(d);
	while ((entry = readdir(d)) != NULL) {
		assert_int_equal(
		    fstatat(dirfd(d), entry->d_name, &st, 0), 0);
		if (S_ISREG(st.st_mode))
			assert_int_equal(st.st_mode & 07777, 0640);
	}
	assert_int_equal(closedir(d), 0);
}

static void
when_it_was_refused_is_known_by_the_sealed_value_and_by_the_secret(
    void **state)
{
	const struct og_secret other = { .len = 5, .text = "other" };
	struct og_use use = jo();

	(void)state;
	assert_int_equal(og_memory_refused_s(dir, &use, &password), -1);
	refuse_as(&use);
	assert_true(og_memory_refused_s(dir, &use, NULL) >= 0);
	use.sealed = "{CMS}two";
	assert_int_equal(og_memory_refused_s(dir, &use, NULL), -1);
	assert_int_equal(og_memory_refused_s(dir, &use, &other), -1);
	assert_true(og_memory_refused_s(dir, &use, &password) >= 0);
}

static void
two_directories_name_the_same_failure_differently(void **state)
{
	struct og_use use = jo();
	char first[64], command[256];

	(void)state;
	fail_as(&use);
	memcpy(first, dir, sizeof first);
	fresh_dir();
	fail_as(&use);
	(void)snprintf(command, sizeof command,
	    "test \"$(ls %s | sort)\" != \"$(ls %s | sort)\"", first, dir);
	assert_int_equal(system(command), 0);
}

static void
a_directory_that_is_a_link_is_not_used(void **state)
{
	struct og_use use = jo();
	struct og_error err;

	(void)state;
	assert_int_equal(symlink("/tmp", dir), 0);
	assert_int_equal(og_memory_fail(dir, &use, &err), OG_ESYSTEM);
	assert_non_null(strstr(err.text, dir));
}

static void
many_processes_at_once_agree_on_the_key(void **state)
{
	struct og_use use = jo();
	struct og_error err;
	int i, status;

	(void)state;
	for (i = 0; i < 16; i++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(og_memory_fail(dir, &use, &err) == OG_OK ? 0 : 1);
		assert_true(pid > 0);
	}
	for (i = 0; i < 16; i++) {
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	assert_int_not_equal(og_memory_failed_s(dir, &use), -1);
}

static int
make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) != NULL ? 0 : -1;
}

static int
remove_folder(void **state)
{
	char command[128];

	(void)state;
	(void)snprintf(command, sizeof command, "rm -rf %s", folder);
	return system(command);
}

#define TEST(check) \
	(struct CMUnitTest) cmocka_unit_test_setup(check, fresh)

int
main(void)
{
	struct CMUnitTest tests[N_ROWS(changes) + 13];
	struct CMUnitTest *end = ROWS_ADD(tests, changes, check_change);

	*end++ = TEST(nothing_has_happened_in_a_directory_that_is_not_there);
	*end++ = TEST(a_refused_password_is_known_sealed_and_open);
	*end++ = TEST(another_password_has_not_been_refused);
	*end++ = TEST(a_new_password_has_not_failed);
	*end++ = TEST(the_server_is_known_to_have_failed_for_somebody);
	*end++ = TEST(a_failure_grows_old_and_can_be_renewed);
	*end++ = TEST(a_failure_of_the_future_has_not_happened);
	*end++ = TEST(names_tell_neither_user_nor_password);
	*end++ = TEST(the_group_may_read_what_it_holds_and_others_nothing);
	*end++ = TEST(
	    when_it_was_refused_is_known_by_the_sealed_value_and_by_the_secret);
	*end++ = TEST(two_directories_name_the_same_failure_differently);
	*end++ = TEST(a_directory_that_is_a_link_is_not_used);
	*end++ = TEST(many_processes_at_once_agree_on_the_key);
	assert_int_equal(end - tests, N_ROWS(tests));
	return cmocka_run_group_tests_name(
	    "memory", tests, make_folder, remove_folder);
}

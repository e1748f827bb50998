/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_diary.c - what is noted is known to everybody, and torn for nobody.
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
#include <utime.h>

#include "io/diary.h"

#define PROCESSES 4
#define ROUNDS 200

static char folder[] = "/tmp/og-diary.XXXXXX";
static char dir[64];
static int n_dirs;
static struct og_diary *diary;
static struct og_error err;

static const struct og_topic topic = { { "mail", "jo@partner.example" } };
static const struct og_note note = { 100, 200, 300, "mailed" };

static int
open_fresh(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof dir, "%s/%d", folder, n_dirs++);
	return og_diary_open(dir, &diary, &err) == OG_OK ? 0 : -1;
}

static int
close_it(void **state)
{
	(void)state;
	og_diary_close(diary);
	diary = NULL;
	return 0;
}

/* The file of the one note: neither key nor lock. */
static void
note_path(char path[400])
{
	struct dirent *entry;
	DIR *d = opendir(dir);
	int n = 0;

	assert_non_null(d);
	while ((entry = readdir(d)) != NULL) {
		if (strlen(entry->d_name) != 64)
			continue;
		(void)snprintf(path, 400, "%s/%s", dir, entry->d_name);
		n++;
	}
	assert_int_equal(closedir(d), 0);
	assert_int_equal(n, 1);
}

static void
nothing_is_known_at_first(void **state)
{
	struct og_note read = note;

	(void)state;
	assert_false(og_diary_read(diary, &topic, &read));
	assert_int_equal(read.last_s, 0);
	assert_string_equal(read.word, "");
}

static void
what_is_noted_is_read_also_after_a_restart(void **state)
{
	struct og_note read;

	(void)state;
	assert_int_equal(og_diary_write(diary, &topic, &note, &err), OG_OK);
	og_diary_close(diary);
	assert_int_equal(og_diary_open(dir, &diary, &err), OG_OK);
	assert_true(og_diary_read(diary, &topic, &read));
	assert_int_equal(read.first_s, 100);
	assert_int_equal(read.last_s, 200);
	assert_int_equal(read.due_s, 300);
	assert_string_equal(read.word, "mailed");
}

static void
a_note_replaces_the_one_before_and_can_be_forgotten(void **state)
{
	struct og_note other = { 1, 2, 3, "ready" };
	struct og_note read;

	(void)state;
	assert_int_equal(og_diary_write(diary, &topic, &note, &err), OG_OK);
	assert_int_equal(og_diary_write(diary, &topic, &other, &err), OG_OK);
	assert_true(og_diary_read(diary, &topic, &read));
	assert_string_equal(read.word, "ready");
	og_diary_forget(diary, &topic);
	assert_false(og_diary_read(diary, &topic, &read));
}

static void
parts_do_not_run_into_each_other(void **state)
{
	static const struct og_topic other = { { "mai",
	    "ljo@partner.example" } };
	static const struct og_topic longer = { { "mail",
	    "jo@partner.example", "" } };
	struct og_note read;

	(void)state;
	assert_int_equal(og_diary_write(diary, &topic, &note, &err), OG_OK);
	assert_false(og_diary_read(diary, &other, &read));
	assert_false(og_diary_read(diary, &longer, &read));
}

static void
the_directory_tells_nothing_and_lets_nobody_in(void **state)
{
	char path[400], line[200];
	struct stat st;
	FILE *file;

	(void)state;
	assert_int_equal(og_diary_write(diary, &topic, &note, &err), OG_OK);
	note_path(path);
	assert_null(strstr(path, "partner"));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	file = fopen(path, "r");
	assert_non_null(file);
	assert_non_null(fgets(line, sizeof line, file));
	assert_int_equal(fclose(file), 0);
	assert_string_equal(line, "1 100 200 300 mailed\n");
}

struct damage {
	const char *name;
	const char *content;
};

/* clang-format off */
static const struct damage damages[] = {
	{ "an empty note is none", "" },
	{ "half a note is none", "1 100 200" },
	{ "a note without its end is none", "1 100 200 300 mailed" },
	{ "a note without a word is none", "1 100 200 300 \n" },
	{ "a note of another version is none", "2 100 200 300 mailed\n" },
	{ "a note with a sign is none", "1 -100 200 300 mailed\n" },
	{ "a note with a number beyond all bounds is none", "1 99999999999999999999 200 300 mailed\n" },
	{ "a note with a word beyond all bounds is none", "1 100 200 300 0123456789012345678901234567890123456789012345678901234567890123456789\n" },
};
/* clang-format on */

static void
check_damage(void **state)
{
	const struct damage *row = *state;
	struct og_note read;
	char path[400];
	FILE *file;

	assert_int_equal(open_fresh(NULL), 0);
	assert_int_equal(og_diary_write(diary, &topic, &note, &err), OG_OK);
	note_path(path);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(row->content, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_false(og_diary_read(diary, &topic, &read));
	assert_string_equal(read.word, "");
	assert_int_equal(og_diary_write(diary, &topic, &note, &err), OG_OK);
	assert_true(og_diary_read(diary, &topic, &read));
	(void)close_it(NULL);
}

/* Count up in a note, as two agents that both want to mail would. */
static void
count_up(void)
{
	struct og_note read;
	int i;

	if (og_diary_open(dir, &diary, &err) != OG_OK)
		_exit(1);
	for (i = 0; i < ROUNDS; i++) {
		if (og_diary_lock(diary, &err) != OG_OK)
			_exit(1);
		if (!og_diary_read(diary, &topic, &read))
			read = (struct og_note){ .word = "count" };
		read.last_s++;
		if (og_diary_write(diary, &topic, &read, &err) != OG_OK)
			_exit(1);
		og_diary_unlock(diary);
	}
	_exit(0);
}

static void
nothing_is_lost_between_processes_that_hold_the_lock(void **state)
{
	struct og_note read;
	int i, status;

	(void)state;
	for (i = 0; i < PROCESSES; i++) {
		pid_t pid = fork();

		if (pid == 0)
			count_up();
		assert_true(pid > 0);
	}
	for (i = 0; i < PROCESSES; i++) {
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	assert_true(og_diary_read(diary, &topic, &read));
	assert_int_equal(read.last_s, PROCESSES * ROUNDS);
}

static void
a_process_that_ends_gives_the_lock_back(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		if (og_diary_open(dir, &diary, &err) != OG_OK)
			_exit(1);
		_exit(og_diary_lock(diary, &err) == OG_OK ? 0 : 1);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(og_diary_lock(diary, &err), OG_OK);
	og_diary_unlock(diary);
}

static void
only_old_notes_are_tidied_away(void **state)
{
	static const struct og_topic other = { { "other" } };
	const struct utimbuf old = { time(NULL) - 1000, time(NULL) - 1000 };
	char path[400];
	struct og_note read;

	(void)state;
	assert_int_equal(og_diary_write(diary, &topic, &note, &err), OG_OK);
	note_path(path);
	assert_int_equal(utime(path, &old), 0);
	(void)snprintf(path, sizeof path, "%s/key", dir);
	assert_int_equal(utime(path, &old), 0);
	assert_int_equal(og_diary_write(diary, &other, &note, &err), OG_OK);
	og_diary_tidy(diary, 2000);
	assert_true(og_diary_read(diary, &topic, &read));
	og_diary_tidy(diary, 500);
	assert_false(og_diary_read(diary, &topic, &read));
	assert_true(og_diary_read(diary, &other, &read));
	assert_int_equal(access(path, F_OK), 0);
}

static void
a_directory_that_is_a_link_is_not_used(void **state)
{
	struct og_diary *other = NULL;
	char name[80];

	(void)state;
	(void)snprintf(name, sizeof name, "%s.link", dir);
	assert_int_equal(symlink(dir, name), 0);
	assert_int_equal(og_diary_open(name, &other, &err), OG_ESYSTEM);
	assert_null(other);
	assert_non_null(strstr(err.text, name));
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

#define TEST(check)                                                            \
	(struct CMUnitTest)                                                    \
	cmocka_unit_test_setup_teardown(check, open_fresh, close_it)

int
main(void)
{
	struct CMUnitTest tests[N_ROWS(damages) + 9];
	struct CMUnitTest *end = ROWS_ADD(tests, damages, check_damage);

	*end++ = TEST(nothing_is_known_at_first);
	*end++ = TEST(what_is_noted_is_read_also_after_a_restart);
	*end++ = TEST(a_note_replaces_the_one_before_and_can_be_forgotten);
	*end++ = TEST(parts_do_not_run_into_each_other);
	*end++ = TEST(the_directory_tells_nothing_and_lets_nobody_in);
	*end++ = TEST(nothing_is_lost_between_processes_that_hold_the_lock);
	*end++ = TEST(a_process_that_ends_gives_the_lock_back);
	*end++ = TEST(only_old_notes_are_tidied_away);
	*end++ = TEST(a_directory_that_is_a_link_is_not_used);
	assert_int_equal(end - tests, N_ROWS(tests));
	return cmocka_run_group_tests_name(
	    "diary", tests, make_folder, remove_folder);
}

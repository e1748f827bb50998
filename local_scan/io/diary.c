/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * diary.c - what the agent has done, so that it is not done again too soon.
 *
 * A note is written whole under another name and renamed: a reader sees the
 * old one or the new one.
 */
#include "io/diary.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/text.h"
#include "io/keyed.h"

/* A sealed password and everything it is used with. */
#define TOPIC_SIZE (16 * 1024)
/* "1 first last due word\n" */
#define LINE_SIZE 160
#define LOCK_NAME "lock"

struct og_diary {
	struct og_keyed keyed;
	int lock_fd;
};

enum og_status
og_diary_open(const char *dir, struct og_diary **diary, struct og_error *err)
{
	struct og_diary *d = calloc(1, sizeof *d);

	if (d == NULL)
		return og_fail(err, OG_ESYSTEM, "out of memory");
	if (!og_keyed_open(dir, true, &d->keyed)) {
		free(d);
		return og_fail(err, OG_ESYSTEM, "%s: %s", dir, strerror(errno));
	}
	d->lock_fd = openat(d->keyed.fd, LOCK_NAME,
	    O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (d->lock_fd < 0) {
		(void)og_fail(err, OG_ESYSTEM, "%s/%s: %s", dir, LOCK_NAME,
		    strerror(errno));
		og_keyed_close(&d->keyed);
		free(d);
		return OG_ESYSTEM;
	}
	*diary = d;
	return OG_OK;
}

void
og_diary_close(struct og_diary *diary)
{
	if (diary == NULL)
		return;
	(void)close(diary->lock_fd);
	og_keyed_close(&diary->keyed);
	free(diary);
}

enum og_status
og_diary_lock(struct og_diary *diary, struct og_error *err)
{
	while (flock(diary->lock_fd, LOCK_EX) != 0) {
		if (errno != EINTR)
			return og_fail(err, OG_ESYSTEM, "%s: %s", LOCK_NAME,
			    strerror(errno));
	}
	return OG_OK;
}

void
og_diary_unlock(struct og_diary *diary)
{
	(void)flock(diary->lock_fd, LOCK_UN);
}

static bool
name_of(const struct og_diary *diary, const struct og_topic *topic,
    char name[OG_KEYED_NAME_SIZE])
{
	char buffer[TOPIC_SIZE];
	struct og_text text;
	size_t i;

	og_text_start(&text, buffer, sizeof buffer);
	for (i = 0; i < OG_TOPIC_MAX && topic->part[i] != NULL; i++)
		og_keyed_put(&text, topic->part[i], strlen(topic->part[i]));
	return og_keyed_name(&diary->keyed, &text, name);
}

/* A number of one of our own lines; false for what we do not write. */
static bool
read_number(const char **at, int64_t *n)
{
	char *end;

	if (!og_text_is_digit(**at))
		return false;
	errno = 0;
	*n = strtoll(*at, &end, 10);
	*at = end + 1;
	return errno == 0 && *end == ' ';
}

static bool
parse(const char *line, struct og_note *note)
{
	int64_t version;
	const char *end;

	if (!read_number(&line, &version) || version != 1 ||
	    !read_number(&line, &note->first_s) ||
	    !read_number(&line, &note->last_s) ||
	    !read_number(&line, &note->due_s))
		return false;
	end = strchr(line, '\n');
	return end != NULL && end != line &&
	       og_text_copy(
		   note->word, sizeof note->word, line, (size_t)(end - line));
}

bool
og_diary_read(
    struct og_diary *diary, const struct og_topic *topic, struct og_note *note)
{
	char name[OG_KEYED_NAME_SIZE];
	char line[LINE_SIZE];
	ssize_t n = -1;
	int fd = -1;

	*note = (struct og_note){ 0 };
	if (name_of(diary, topic, name))
		fd = openat(
		    diary->keyed.fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, line, sizeof line - 1);
	(void)close(fd);
	line[n > 0 ? n : 0] = '\0';
	if (parse(line, note))
		return true;
	*note = (struct og_note){ 0 };
	return false;
}

static bool
write_file(int dir_fd, const char *name, const struct og_note *note)
{
	char line[LINE_SIZE];
	bool ok;
	int len = snprintf(line, sizeof line, "1 %lld %lld %lld %s\n",
	    (long long)note->first_s, (long long)note->last_s,
	    (long long)note->due_s, note->word);
	int fd = openat(dir_fd, name,
	    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return false;
	ok = write(fd, line, (size_t)len) == len && fsync(fd) == 0;
	return close(fd) == 0 && ok;
}

enum og_status
og_diary_write(struct og_diary *diary, const struct og_topic *topic,
    const struct og_note *note, struct og_error *err)
{
	char name[OG_KEYED_NAME_SIZE];
	char new[sizeof "new." + 20];
	int dir_fd = diary->keyed.fd;

	(void)snprintf(new, sizeof new, "new.%ld", (long)getpid());
	if (name_of(diary, topic, name) && write_file(dir_fd, new, note) &&
	    renameat(dir_fd, new, dir_fd, name) == 0)
		return OG_OK;
	(void)og_fail(
	    err, OG_ESYSTEM, "cannot write a note: %s", strerror(errno));
	(void)unlinkat(dir_fd, new, 0);
	return OG_ESYSTEM;
}

void
og_diary_forget(struct og_diary *diary, const struct og_topic *topic)
{
	char name[OG_KEYED_NAME_SIZE];

	if (name_of(diary, topic, name))
		(void)unlinkat(diary->keyed.fd, name, 0);
}

bool
og_diary_hash(struct og_diary *diary, const char *at, size_t len,
    char word[OG_NOTE_WORD_SIZE])
{
	char *copy = malloc(len + 1);
	struct og_text text;
	bool ok;

	if (copy == NULL)
		return false;
	og_text_start(&text, copy, len + 1);
	og_text_put_octets(&text, at, len);
	ok = og_keyed_name(&diary->keyed, &text, word);
	free(copy);
	return ok;
}

/* The key and the lock have other names than notes, and stay. */
void
og_diary_tidy(struct og_diary *diary, int64_t older_s)
{
	int fd = openat(diary->keyed.fd, ".", O_RDONLY | O_DIRECTORY);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const time_t now = time(NULL);
	const struct dirent *entry;
	struct stat st;

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		size_t len = strlen(entry->d_name);

		if ((len == OG_KEYED_NAME_SIZE - 1 ||
			strncmp(entry->d_name, "new.", 4) == 0) &&
		    fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    now - st.st_mtim.tv_sec > older_s)
			(void)unlinkat(fd, entry->d_name, 0);
	}
	if (dir != NULL)
		(void)closedir(dir);
}

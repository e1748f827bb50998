/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keydir.c - which key files are there, and how is a new pair made?
 *
 * It knows names, modes and owners; what is inside is for pem.c.
 */
#include "io/keydir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/text.h"

static enum og_status
check(const struct stat *st, enum og_file_kind kind, struct og_error *err)
{
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return og_fail(err, OG_ESYSTEM,
		    "owned by uid %lu, neither root nor this user",
		    (unsigned long)st->st_uid);
	if ((st->st_mode & 022) != 0)
		return og_fail(err, OG_ESYSTEM,
		    "mode %04o lets group or others write",
		    (unsigned)(st->st_mode & 07777));
	if (kind == OG_FILE_SECRET && (st->st_mode & 007) != 0)
		return og_fail(err, OG_ESYSTEM,
		    "mode %04o lets others in; a directory of keys is 0750",
		    (unsigned)(st->st_mode & 07777));
	return OG_OK;
}

/* NULL, and why in err, when it cannot be read or is not as it must be. */
static DIR *
open_dir(const char *path, enum og_file_kind kind, struct og_error *err)
{
	DIR *dir = NULL;
	struct stat st;
	int fd;

	if (path[0] != '/') {
		(void)og_fail(err, OG_ESYSTEM, "not an absolute path");
		return NULL;
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) != 0)
		(void)og_fail(err, OG_ESYSTEM, "%s", strerror(errno));
	else if (check(&st, kind, err) == OG_OK) {
		dir = fdopendir(fd);
		if (dir == NULL)
			(void)og_fail(err, OG_ESYSTEM, "%s", strerror(errno));
	}
	if (dir == NULL && fd >= 0)
		(void)close(fd);
	return dir;
}

static enum og_status
add(struct og_keydir *found, const char *file, const char *suffix,
    struct og_error *err)
{
	size_t file_len = strlen(file);
	size_t suffix_len = strlen(suffix);

	if (file[0] == '.' || file_len <= suffix_len ||
	    strcmp(file + file_len - suffix_len, suffix) != 0)
		return OG_OK;
	if (found->n == OG_KEYDIR_MAX)
		return og_fail(err, OG_ESYSTEM, "more than %d files *%s",
		    OG_KEYDIR_MAX, suffix);
	if (!og_text_copy(found->name[found->n], sizeof found->name[0], file,
		file_len - suffix_len))
		return og_fail(err, OG_ESYSTEM,
		    "the name of a file *%s is longer than %d octets", suffix,
		    OG_KEYDIR_NAME_SIZE - 1);
	found->n++;
	return OG_OK;
}

static enum og_status
read_names(
    DIR *dir, const char *suffix, struct og_keydir *found, struct og_error *err)
{
	for (;;) {
		const struct dirent *entry;
		enum og_status status;

		errno = 0;
		entry = readdir(dir);
		if (entry == NULL && errno != 0)
			return og_fail(err, OG_ESYSTEM, "%s", strerror(errno));
		if (entry == NULL)
			return OG_OK;
		status = add(found, entry->d_name, suffix, err);
		if (status != OG_OK)
			return status;
	}
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

enum og_status
og_keydir_list(const char *path, const char *suffix, enum og_file_kind kind,
    struct og_keydir *found, struct og_error *err)
{
	struct og_keydir names = { 0 };
	enum og_status status = OG_ESYSTEM;
	DIR *dir = open_dir(path, kind, err);

	if (dir != NULL) {
		status = read_names(dir, suffix, &names, err);
		(void)closedir(dir);
	}
	if (status != OG_OK) {
		og_error_prefix(err, "%s", path);
		return status;
	}
	qsort(names.name, names.n, sizeof names.name[0], compare_names);
	*found = names;
	return OG_OK;
}

enum og_status
og_keydir_path(const char *dir, const char *name, const char *suffix,
    char out[OG_KEYDIR_PATH_SIZE], struct og_error *err)
{
	struct og_text text;

	og_text_start(&text, out, OG_KEYDIR_PATH_SIZE);
	og_text_putf(&text, "%s/%s%s", dir, name, suffix);
	if (text.truncated)
		return og_fail(err, OG_ELIMIT,
		    "%s: the path is longer than %d octets", dir,
		    OG_KEYDIR_PATH_SIZE - 1);
	return OG_OK;
}

enum og_status
og_keydir_name_check(const char *name, struct og_error *err)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

	if (n < 1 || n > OG_KEYDIR_NAME_NEW_MAX || name[n] != '\0')
		return og_fail(err, OG_EINPUT,
		    "a key's name is 1 to %d of a-z, 0-9 and '-'",
		    OG_KEYDIR_NAME_NEW_MAX);
	return OG_OK;
}

static bool
fill(int fd, const struct og_keydir_file *file)
{
	size_t done = 0;

	/* the mode comes last: until then nobody else can look in */
	while (done < file->len) {
		ssize_t n = write(fd, file->content + done, file->len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		done += (size_t)n;
	}
	if (file->group >= 0 && fchown(fd, (uid_t)-1, (gid_t)file->group) != 0)
		return false;
	return fchmod(fd, file->mode) == 0 && fsync(fd) == 0;
}

static enum og_status
create_one(
    const char *path, const struct og_keydir_file *file, struct og_error *err)
{
	int error = 0;
	int fd;

	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	    S_IRUSR | S_IWUSR);
	if (fd < 0 && errno == EEXIST)
		return og_fail(err, OG_EDENIED, "%s: exists already", path);
	if (fd < 0)
		return og_fail(
		    err, OG_ESYSTEM, "%s: %s", path, strerror(errno));
	if (!fill(fd, file))
		error = errno;
	if (close(fd) != 0 && error == 0)
		error = errno;
	if (error == 0)
		return OG_OK;
	(void)unlink(path);
	return og_fail(err, OG_ESYSTEM, "%s: %s", path, strerror(error));
}

enum og_status
og_keydir_create(const char *dir, const char *name,
    const struct og_keydir_file file[2], struct og_error *err)
{
	char path[2][OG_KEYDIR_PATH_SIZE];
	enum og_status status;
	size_t i;

	for (i = 0; i < 2; i++) {
		status =
		    og_keydir_path(dir, name, file[i].suffix, path[i], err);
		if (status != OG_OK)
			return status;
	}
	status = create_one(path[0], &file[0], err);
	if (status != OG_OK)
		return status;
	status = create_one(path[1], &file[1], err);
	if (status != OG_OK)
		(void)unlink(path[0]);
	return status;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * file.c - files that may be trusted: settings, keys, passwords.
 *
 * All questions go to the open file, none to its name: nothing can change
 * between the look and the reading.
 */
#include "io/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum og_status
check(const struct stat *st, enum og_file_kind kind, struct og_error *err)
{
	if (!S_ISREG(st->st_mode))
		return og_fail(err, OG_EDENIED, "not a regular file");
	if (st->st_nlink != 1)
		return og_fail(err, OG_EDENIED, "has more than one name");
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return og_fail(err, OG_EDENIED,
		    "owned by uid %lu, neither root nor this user",
		    (unsigned long)st->st_uid);
	if ((st->st_mode & 022) != 0)
		return og_fail(err, OG_EDENIED,
		    "mode %04o lets group or others write",
		    (unsigned)(st->st_mode & 07777));
	if (kind == OG_FILE_SECRET && (st->st_mode & 007) != 0)
		return og_fail(err, OG_EDENIED, "mode %04o lets others read",
		    (unsigned)(st->st_mode & 07777));
	return OG_OK;
}

static enum og_status
slurp(int fd, char *out, size_t size, size_t *len, struct og_error *err)
{
	size_t n = 0;

	while (n < size) {
		ssize_t got = read(fd, out + n, size - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return og_fail(
			    err, OG_ESYSTEM, "cannot read: %s", strerror(errno));
		if (got == 0) {
			out[n] = '\0';
			*len = n;
			return OG_OK;
		}
		n += (size_t)got;
	}
	return og_fail(err, OG_ELIMIT, "longer than %zu octets", size - 1);
}

enum og_status
og_file_read(const char *path, enum og_file_kind kind, char *out, size_t size,
    size_t *len, struct og_error *err)
{
	enum og_status status;
	struct stat st;
	int fd;

	*len = 0;
	memset(out, 0, size);
	if (path[0] != '/') {
		return og_fail(
		    err, OG_EDENIED, "%s: not an absolute path", path);
	}
	/* O_NONBLOCK: opening a FIFO must not wait for somebody to write */
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 && errno == ELOOP)
		return og_fail(err, OG_EDENIED, "%s: is a link", path);
	if (fd < 0)
		return og_fail(
		    err, OG_ESYSTEM, "%s: %s", path, strerror(errno));
	if (fstat(fd, &st) != 0)
		status = og_fail(err, OG_ESYSTEM, "%s", strerror(errno));
	else
		status = check(&st, kind, err);
	if (status == OG_OK)
		status = slurp(fd, out, size, len, err);
	(void)close(fd);
	if (status != OG_OK) {
		explicit_bzero(out, size);
		og_error_prefix(err, "%s", path);
	}
	return status;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OG_IO_KEYDIR_H
#define OG_IO_KEYDIR_H

#include <stddef.h>
#include <sys/types.h>

#include "core/error.h"
#include "io/file.h"

/*
 * keydir.h - directories of key files: dir/name.suffix.
 */

/* Names in one directory; a rotation needs two. */
#define OG_KEYDIR_MAX 16
/* A name as found, 63 octets at most; a new one has 1 to 32 of [a-z0-9-]. */
#define OG_KEYDIR_NAME_SIZE 64
#define OG_KEYDIR_NAME_NEW_MAX 32
/* dir, a slash, name and suffix */
#define OG_KEYDIR_PATH_SIZE 512

struct og_keydir {
	size_t n;
	char name[OG_KEYDIR_MAX][OG_KEYDIR_NAME_SIZE];
};

/* A file to be made. */
struct og_keydir_file {
	const char *suffix; /* ".key" */
	const char *content;
	size_t len;
	mode_t mode;
	long group; /* numeric, or -1: as the system gives it */
};

/*
 * Which files with this suffix are in the directory?  Hidden ones are passed
 * over.
 *
 * dir    absolute; owned by root or by the running user and not writable by
 *        group or others; for OG_FILE_SECRET others have no access at all
 * found  the names without the suffix, in the order of their octets
 *
 * OG_ESYSTEM  the directory cannot be read or is not as it must be, there are
 *             too many files, or one has a longer name
 */
OG_MUST_CHECK enum og_status og_keydir_list(const char *dir, const char *suffix,
    enum og_file_kind kind, struct og_keydir *found, struct og_error *err);

/*
 * Write a path.
 *
 * OG_ELIMIT  it would not fit
 */
OG_MUST_CHECK enum og_status og_keydir_path(const char *dir, const char *name,
    const char *suffix, char out[OG_KEYDIR_PATH_SIZE], struct og_error *err);

/*
 * May a key be given this name?  It becomes a file name and part of a proof's
 * header, so nothing in it may need quoting in either.
 *
 * OG_EINPUT  it may not
 */
OG_MUST_CHECK enum og_status og_keydir_name_check(
    const char *name, struct og_error *err);

/*
 * Make two files, in this order, both or none.
 *
 * OG_EDENIED  one of them exists: none is ever overwritten
 * OG_ESYSTEM  one could not be written; none is left behind
 */
OG_MUST_CHECK enum og_status og_keydir_create(const char *dir, const char *name,
    const struct og_keydir_file file[2], struct og_error *err);

#endif

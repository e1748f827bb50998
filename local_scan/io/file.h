/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OG_IO_FILE_H
#define OG_IO_FILE_H

#include <stddef.h>

#include "core/error.h"

/*
 * file.h - files that may be trusted: settings, keys, passwords.
 */

enum og_file_kind {
	OG_FILE_PUBLIC, /* not writable by group or others */
	OG_FILE_SECRET, /* besides, not readable by others */
};

/*
 * Read a whole file.
 *
 * path   absolute; what it names must be a regular file, not a link, with one
 *        name only, owned by root or by the running user
 * out    size octets; the content and a NUL behind it, zeroed on failure
 * len    octets of content; may hold NULs
 *
 * OG_EDENIED  type, owner or mode is not as it must be
 * OG_ELIMIT   longer than size - 1 octets
 * OG_ESYSTEM  it could not be opened or read
 */
OG_MUST_CHECK enum og_status og_file_read(const char *path,
    enum og_file_kind kind, char *out, size_t size, size_t *len,
    struct og_error *err);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OG_IO_DIARY_H
#define OG_IO_DIARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

/*
 * diary.h - what the agent has done, so that it is not done again too soon.
 *
 * A note is a small file; its name is a keyed hash of what it is about (see
 * keyed.h), so that the directory tells neither users nor addresses.  Whoever
 * reads a note in order to act upon it holds the lock from the reading to the
 * writing: then two agents at once do together what one would have done.
 */

/* An outcome's word, or 64 digits of a hash. */
#define OG_NOTE_WORD_SIZE 65

/* Times are seconds since the epoch. */
struct og_note {
	int64_t first_s; /* when it began */
	int64_t last_s;	 /* when it was done last */
	int64_t due_s;	 /* when it may be done again; 0: whenever */
	char word[OG_NOTE_WORD_SIZE]; /* of [0-9a-z-]; never "" */
};

/* What a note is about: its kind, and values of any octets up to a NULL. */
#define OG_TOPIC_MAX 8
struct og_topic {
	const char *part[OG_TOPIC_MAX];
};

struct og_diary;

/*
 * Open the diary, made (0750) when it is missing.
 *
 * OG_ESYSTEM  it cannot be opened, or its key cannot be read or made
 */
OG_MUST_CHECK enum og_status og_diary_open(
    const char *dir, struct og_diary **diary, struct og_error *err);
void og_diary_close(struct og_diary *diary);

/*
 * Wait for the lock, and give it back.  A process that ends gives it back.
 *
 * OG_ESYSTEM  there is no lock to be had
 */
OG_MUST_CHECK enum og_status og_diary_lock(
    struct og_diary *diary, struct og_error *err);
void og_diary_unlock(struct og_diary *diary);

/* False, and *note zeroed, when there is none that can be read. */
bool og_diary_read(
    struct og_diary *diary, const struct og_topic *topic, struct og_note *note);

/*
 * Write a note in place of the one before.  It is on the disk when this
 * returns.
 *
 * OG_ESYSTEM  it could not be written; the one before is still there
 */
OG_MUST_CHECK enum og_status og_diary_write(struct og_diary *diary,
    const struct og_topic *topic, const struct og_note *note,
    struct og_error *err);

/* Remove a note, if there is one. */
void og_diary_forget(struct og_diary *diary, const struct og_topic *topic);

/*
 * A keyed hash of any octets, for a note's word.
 *
 * Returns false when the crypto library failed.
 */
bool og_diary_hash(struct og_diary *diary, const char *at, size_t len,
    char word[OG_NOTE_WORD_SIZE]);

/* Remove what has not been written for so many seconds. */
void og_diary_tidy(struct og_diary *diary, int64_t older_s);

#endif

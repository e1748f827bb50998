/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OG_CORE_JSON_H
#define OG_CORE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/text.h"

/*
 * json.h - one flat JSON object of strings and whole numbers, read strictly.
 *
 * Two things are written so: what a seal holds and what a proof claims.  Both
 * are read inside Exim, after their cryptography has been checked, with a
 * fixed set of names; a library that reads all of JSON would be more code in
 * that process, not less.
 */

struct og_json_member {
	const char *name; /* the caller's: which member is wanted */
	char *text;	  /* takes a string of up to text_size - 1 octets ... */
	size_t text_size;
	size_t text_len; /* its length; a string never holds NUL */
	int64_t *number; /* or takes a whole number; one of the two is NULL */
	bool seen;
};

/* A wanted member, as one expression. */
struct og_json_member og_json_want_text(
    const char *name, char *text, size_t text_size);
struct og_json_member og_json_want_number(const char *name, int64_t *number);

/*
 * Read an object (RFC 8259) that has exactly the members named, each once, in
 * any order, nothing else but blanks after it.
 *
 * json   len octets
 *
 * OG_EINPUT  not such an object: an unknown, missing or repeated name, another
 *            type, \u0000, invalid UTF-8 or escapes, a number with a fraction
 *            or an exponent or beyond 15 digits
 * OG_ELIMIT  a string is longer than its buffer
 *
 * The texts of a failed read may hold parts of the input: a caller that reads
 * secrets wipes them.  err never quotes the input.
 */
OG_MUST_CHECK enum og_status og_json_read(const char *json, size_t len,
    struct og_json_member *members, size_t n, struct og_error *err);

/* Is this UTF-8 as RFC 3629 has it: no overlong forms, no surrogates? */
bool og_json_is_utf8(const char *at, size_t len);

/* Write a string with its quotes, escaping what RFC 8259, 7 asks for. */
void og_json_put_string(struct og_text *out, const char *at, size_t len);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OG_CORE_ERROR_H
#define OG_CORE_ERROR_H

/*
 * error.h - what a function answers when it cannot do what it was asked.
 *
 * Whoever detects an error describes it, once, in a struct og_error; whoever
 * adds context prefixes it; only the edges (exim/, cli/) report it.
 */

enum og_status {
	OG_OK = 0,
	OG_EINPUT,  /* what came from outside is not of the form it must have */
	OG_ELIMIT,  /* it would be right but exceeds a bound */
	OG_EDENIED, /* well formed, and not meant for this use */
	OG_ESYSTEM, /* the system, a file or a server failed: try again later */
};

#define OG_MUST_CHECK __attribute__((warn_unused_result))

/* One line of text, no newline, no final stop; "" when nothing failed. */
#define OG_ERROR_SIZE 256
struct og_error {
	char text[OG_ERROR_SIZE];
};

/*
 * Describe an error.  A text that does not fit is cut at its end.
 *
 * Returns status, so that a caller can write "return og_fail(...)".
 */
enum og_status og_fail(struct og_error *err, enum og_status status,
    const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Put "context: " before the text that err holds already. */
void og_error_prefix(struct og_error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif

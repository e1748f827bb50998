/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OG_CORE_FROM_H
#define OG_CORE_FROM_H

#include <stdbool.h>
#include <stddef.h>

#include "core/address.h"

/*
 * from.h - whom does this message claim to be from?
 *
 * The reader is strict because others read the same header differently: where
 * we see one mailbox, every recipient must see that mailbox.  It wants exactly
 * one From line with exactly one mailbox, an address as address.h has it, with
 * a display name, quoted strings, comments and folding around it where RFC
 * 5322 allows them unambiguously.  Encoded words are never decoded.
 *
 * When the message carries Resent- lines, its identity is the Resent-From of
 * the newest block (RFC 5322, 3.6.6): the topmost Resent- lines up to the first
 * line of another kind or the first name that comes a second time.
 */

enum og_from_state {
	OG_FROM_MISSING = 0, /* no From-like line at all */
	OG_FROM_READ,	     /* exactly one address, in .address */
	OG_FROM_UNREADABLE,  /* several lines, or one that is not strict */
};

struct og_span {
	const char *at; /* belongs to whoever passed the header line */
	size_t len;
};

/* More From-like lines than this are nobody's honest message. */
#define OG_FROM_LINES_MAX 32

/*
 * What the header says; also the reader's own state until og_from_finish.
 * {0} is the start.
 */
struct og_from {
	enum og_from_state state;
	char address[OG_ADDRESS_SIZE]; /* as written; "" unless OG_FROM_READ */

	/*
	 * Every From-like line (and Resent-From of the newest block), whole,
	 * for og_from_mentions.
	 */
	size_t n_lines;
	struct og_span line[OG_FROM_LINES_MAX];
	bool too_many_lines;

	/* where og_from_line stands among the Resent- lines */
	struct {
		int stage;
		unsigned seen; /* one bit a field name of RFC 5322, 3.6.6 */
		size_t n_lines;
		struct og_span line[OG_FROM_LINES_MAX];
	} resent;
};

/*
 * Show the reader the header, line by line from the top: every header line,
 * each whole with its continuation lines and its final newline (LF or CRLF) if
 * it has one.
 *
 * text   len octets, may hold anything; must stay until the last use of from
 */
void og_from_line(struct og_from *from, const char *text, size_t len);

/* There are no more lines: settle .state and .address. */
void og_from_finish(struct og_from *from);

/*
 * Could a reader less strict than ours find this address in the From-like
 * lines?  Looks for it in the raw text and in the text without comments,
 * blanks, quotes and backslashes, ASCII case ignored.  False alarms are
 * possible and harmless: the caller refuses.  With too_many_lines the answer
 * is always yes, because the lines that were not kept may hold it.
 *
 * address   one that og_address_valid refuses serves no gateway: never found
 */
bool og_from_mentions(const struct og_from *from, const char *address);

/*
 * Cut a header block into lines, as og_from_line wants them.
 *
 * block  len octets: what stands before the empty line of a message
 * at     where to go on; 0 at the start
 *
 * Returns false when there are no more lines; an empty line ends the header.
 */
bool og_from_next_line(
    const char *block, size_t len, size_t *at, struct og_span *line);

#endif

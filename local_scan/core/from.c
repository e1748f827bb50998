/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * from.c - whom does this message claim to be from?
 *
 * Two questions with opposite leanings.  Which lines could anybody take for
 * From?  There we are generous, because a line we overlook is one that a
 * recipient may see instead of ours.  What does the line say?  There we are
 * strict, and whatever is unusual is unreadable.  Nothing is decoded, nothing
 * repaired.
 */
#include "core/from.h"

#include <stdint.h>
#include <string.h>

#include "core/text.h"

/* 998 octets a line: RFC 5322, 2.1.1; ours counts without its folds */
#define VALUE_MAX 998
/* No mail program nests comments at all. */
#define COMMENT_DEPTH_MAX 8

/* where og_from_line stands among the Resent- lines */
enum { RESENT_NONE = 0, RESENT_NEWEST, RESENT_OLDER };

/* The fields of RFC 5322, 3.6.6, and the one it dropped from RFC 822. */
enum {
	RESENT_DATE = 1 << 0,
	RESENT_FROM = 1 << 1,
	RESENT_SENDER = 1 << 2,
	RESENT_TO = 1 << 3,
	RESENT_CC = 1 << 4,
	RESENT_BCC = 1 << 5,
	RESENT_MESSAGE_ID = 1 << 6,
	RESENT_REPLY_TO = 1 << 7,
};

static const struct {
	const char *name;
	unsigned bit;
} resent_fields[] = {
	{ "resent-date", RESENT_DATE },
	{ "resent-from", RESENT_FROM },
	{ "resent-sender", RESENT_SENDER },
	{ "resent-to", RESENT_TO },
	{ "resent-cc", RESENT_CC },
	{ "resent-bcc", RESENT_BCC },
	{ "resent-message-id", RESENT_MESSAGE_ID },
	{ "resent-reply-to", RESENT_REPLY_TO },
};

#define RESENT_PREFIX "resent-"
/* one more than the longest needs: a longer one is cut and equals none */
#define NAME_SIZE (sizeof "resent-message-id" + 1)

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool
is_break(char c)
{
	return c == '\r' || c == '\n';
}

/* Blanks, controls, and what is not ASCII: some readers drop those. */
static bool
is_droppable(char c)
{
	unsigned char u = (unsigned char)c;

	return u <= ' ' || u >= 0x7f;
}

/*
 * Could somebody take this line for a From line?
 *
 * Any octets that a reader may drop can stand before, in and after the name,
 * and a bare CR or LF inside the line may begin a line of its own.  After a
 * proper fold there is only text.
 */
static bool
is_from_like(const char *text, size_t len)
{
	static const char wanted[] = "from:";
	bool at_start = true; /* of what may be a line, nothing kept yet */
	size_t matched = 0;
	size_t i;

	for (i = 0; i < len; i++) {
		if (is_break(text[i])) {
			at_start = true;
		} else if (i > 0 && is_break(text[i - 1]) &&
			   is_blank(text[i])) {
			at_start = false;
		} else if (!is_droppable(text[i])) {
			char c = og_text_lower(text[i]);

			/* 'f' only begins the name: nothing to fall back to */
			if (matched > 0 && c == wanted[matched])
				matched++;
			else
				matched = at_start && c == wanted[0];
			if (wanted[matched] == '\0')
				return true;
			at_start = false;
		}
	}
	return false;
}

/*
 * The field name in lower case, without what readers may drop.
 *
 * Returns false when the line has none.
 */
static bool
read_name(const char *text, size_t len, char name[NAME_SIZE])
{
	size_t n = 0;
	size_t i;

	for (i = 0; i < len && text[i] != ':'; i++) {
		if (n < NAME_SIZE - 1 && !is_droppable(text[i]))
			name[n++] = og_text_lower(text[i]);
	}
	name[n] = '\0';
	return i < len;
}

static bool
is_resent(const char *text, size_t len, unsigned *bit)
{
	char name[NAME_SIZE];
	size_t i;

	*bit = 0;
	if (!read_name(text, len, name) ||
	    strncmp(name, RESENT_PREFIX, strlen(RESENT_PREFIX)) != 0)
		return false;
	for (i = 0; i < sizeof resent_fields / sizeof resent_fields[0]; i++) {
		if (strcmp(name, resent_fields[i].name) == 0)
			*bit = resent_fields[i].bit;
	}
	return true;
}

static void
keep(struct og_from *from, struct og_span *lines, size_t *n,
    struct og_span line)
{
	if (*n < OG_FROM_LINES_MAX)
		lines[(*n)++] = line;
	else
		from->too_many_lines = true;
}

static void
take_resent(struct og_from *from, unsigned bit, struct og_span line)
{
	if (from->resent.stage == RESENT_OLDER)
		return;
	/*
	 * A name that comes again begins the next older block.  But every block
	 * has a Resent-Date (RFC 5322, 3.6.6), so before one has been seen a
	 * second Resent-From is a second one of this block.
	 */
	if ((from->resent.seen & bit) != 0 &&
	    (bit != RESENT_FROM || (from->resent.seen & RESENT_DATE) != 0)) {
		from->resent.stage = RESENT_OLDER;
		return;
	}
	from->resent.stage = RESENT_NEWEST;
	from->resent.seen |= bit;
	if (bit == RESENT_FROM)
		keep(from, from->resent.line, &from->resent.n_lines, line);
}

void
og_from_line(struct og_from *from, const char *text, size_t len)
{
	struct og_span line = { text, len };
	unsigned bit;

	if (is_resent(text, len, &bit))
		take_resent(from, bit, line);
	else if (from->resent.stage == RESENT_NEWEST)
		from->resent.stage = RESENT_OLDER;
	if (is_from_like(text, len))
		keep(from, from->line, &from->n_lines, line);
}

/* Go past this field name and its colon, as written and nothing else. */
static bool
skip_name(struct og_span *rest, const char *name)
{
	size_t n = strlen(name);

	if (rest->len < n || !og_text_same_octets(rest->at, n, name, n))
		return false;
	rest->at += n;
	rest->len -= n;
	return true;
}

static void
drop_final_newline(struct og_span *line)
{
	if (line->len > 0 && line->at[line->len - 1] == '\n') {
		line->len--;
		if (line->len > 0 && line->at[line->len - 1] == '\r')
			line->len--;
	}
}

/*
 * Undo folding.  A continuation of blanks only is refused although RFC 5322,
 * 4.2 knows it: for some readers it ends the header.
 */
static bool
unfold(struct og_span body, char out[VALUE_MAX], size_t *n)
{
	bool only_blanks = false; /* never on the 1st: the name is there */
	size_t i;

	*n = 0;
	for (i = 0; i < body.len; i++) {
		char c = body.at[i];

		if (c == '\r' && i + 1 < body.len && body.at[i + 1] == '\n')
			continue;
		if (c == '\n') {
			if (only_blanks || i + 1 == body.len ||
			    !is_blank(body.at[i + 1]))
				return false;
			only_blanks = true;
			continue;
		}
		if ((unsigned char)c < ' ' && c != '\t')
			return false;
		if (c == 0x7f || *n == VALUE_MAX)
			return false;
		only_blanks = only_blanks && is_blank(c);
		out[(*n)++] = c;
	}
	return !only_blanks;
}

static char
peek(const struct og_span *rest)
{
	return rest->len > 0 ? rest->at[0] : '\0';
}

static void
step(struct og_span *rest)
{
	rest->at++;
	rest->len--;
}

/*
 * Go past a comment.  Inside, nothing may stand by which a reader who takes
 * comments for text would find another address, string or end of comment.
 */
static bool
skip_comment(struct og_span *rest)
{
	unsigned depth = 0;

	do {
		char c = peek(rest);

		if (rest->len == 0 || strchr("@<>\"\\", c) != NULL)
			return false;
		if (c == '(' && ++depth > COMMENT_DEPTH_MAX)
			return false;
		if (c == ')')
			depth--;
		step(rest);
	} while (depth > 0);
	return true;
}

/* Go past blanks and comments: CFWS of RFC 5322, 3.2.2. */
static bool
skip_cfws(struct og_span *rest)
{
	for (;;) {
		if (is_blank(peek(rest)))
			step(rest);
		else if (peek(rest) != '(')
			return true;
		else if (!skip_comment(rest))
			return false;
	}
}

/*
 * Go past a quoted string.  In Shift-JIS, Big5 and GBK the octet of a
 * backslash can be the second half of a character: to a reader who knows such
 * text it quotes nothing, so after a non-ASCII octet it is refused.
 */
static bool
skip_quoted(struct og_span *rest)
{
	char before = '"';

	for (step(rest); peek(rest) != '"'; step(rest)) {
		if (peek(rest) == '\\') {
			if ((unsigned char)before >= 0x80)
				return false;
			step(rest);
		}
		if (rest->len == 0)
			return false;
		before = peek(rest);
	}
	step(rest);
	return true;
}

/*
 * Go past the display name, up to the '<' of the address.  Dots are allowed as
 * in obs-phrase (RFC 5322, 4.1), non-ASCII as in RFC 6532.
 */
static bool
skip_display_name(struct og_span *rest)
{
	for (;;) {
		if (!skip_cfws(rest) || rest->len == 0)
			return false;
		if (peek(rest) == '<')
			return true;
		if (peek(rest) == '"') {
			if (!skip_quoted(rest))
				return false;
		} else if (strchr(">)[]:;@\\,", peek(rest)) != NULL) {
			return false;
		} else {
			step(rest);
		}
	}
}

/* Go past everything up to one of the octets in stop. */
static struct og_span
take_until(struct og_span *rest, const char *stop)
{
	struct og_span taken = { rest->at, 0 };

	while (rest->len > 0 && strchr(stop, peek(rest)) == NULL) {
		step(rest);
		taken.len++;
	}
	return taken;
}

/* "Jo <jo@partner.example>" */
static bool
read_name_addr(struct og_span *rest, struct og_span *address)
{
	if (!skip_display_name(rest))
		return false;
	step(rest);
	*address = take_until(rest, ">");
	if (rest->len == 0)
		return false;
	step(rest);
	return og_address_valid(address->at, address->len);
}

/* "jo@partner.example" or the above, and nothing else but comments */
static bool
read_mailbox(struct og_span rest, struct og_span *address)
{
	struct og_span start;

	if (!skip_cfws(&rest))
		return false;
	start = rest;
	*address = take_until(&rest, " \t(");
	if (!og_address_valid(address->at, address->len)) {
		rest = start;
		if (!read_name_addr(&rest, address))
			return false;
	}
	return skip_cfws(&rest) && rest.len == 0;
}

static bool
read_line(struct og_span line, const char *name, char out[OG_ADDRESS_SIZE])
{
	char value[VALUE_MAX];
	struct og_span address;
	size_t n;

	if (!skip_name(&line, name))
		return false;
	drop_final_newline(&line);
	if (!unfold(line, value, &n) ||
	    !read_mailbox((struct og_span){ value, n }, &address))
		return false;
	return og_text_copy(out, OG_ADDRESS_SIZE, address.at, address.len);
}

void
og_from_finish(struct og_from *from)
{
	bool resent = from->resent.stage != RESENT_NONE;
	size_t n = resent ? from->resent.n_lines : from->n_lines;
	struct og_span line = resent ? from->resent.line[0] : from->line[0];
	size_t i;

	for (i = 0; i < from->resent.n_lines; i++)
		keep(from, from->line, &from->n_lines, from->resent.line[i]);
	if (!resent && from->n_lines == 0)
		from->state = OG_FROM_MISSING;
	else if (n == 1 && !from->too_many_lines &&
		 read_line(line, resent ? "resent-from:" : "from:",
		     from->address))
		from->state = OG_FROM_READ;
	else
		from->state = OG_FROM_UNREADABLE;
}

/*
 * What the search walks through: octet by octet, in constant space and linear
 * time (Knuth, Morris, Pratt), because a line may be as long as Exim takes.
 */
struct search {
	const char *wanted;
	size_t len;
	uint8_t shorter[256]; /* the next shorter match, by length */
	uint8_t matched;
	bool whole_so_far; /* matched all, and it began where an address can */
	bool found;

	char last;
	uint8_t n;	      /* octets so far; wraps around */
	bool begins[256];     /* could an address begin at this one? by n */
};

_Static_assert(OG_ADDRESS_SIZE <= 256, "a match is counted in a uint8_t");

static uint8_t
advance(const struct search *search, uint8_t matched, char c)
{
	while (og_text_lower(search->wanted[matched]) != c) {
		if (matched == 0)
			return 0;
		matched = search->shorter[matched];
	}
	return (uint8_t)(matched + 1);
}

/* Can the octet c, right before an address, belong to a longer one? */
static bool
is_local_part(char c)
{
	return og_text_is_alnum(c) ||
	       (c != '\0' && strchr("+-._", c) != NULL);
}

/* ... and this one right behind it? */
static bool
is_domain(char c)
{
	return og_text_is_alnum(c) || c == '-';
}

static void
search_start(struct search *search, const char *wanted)
{
	size_t i;

	*search = (struct search){ .wanted = wanted, .len = strlen(wanted) };
	for (i = 1; i < search->len; i++) {
		search->shorter[i + 1] = advance(
		    search, search->shorter[i], og_text_lower(wanted[i]));
	}
}

/* joined: the octet stands in the line right behind the last one shown. */
static void
search_next(struct search *search, char c, bool joined)
{
	if (search->whole_so_far && !(joined && is_domain(c)))
		search->found = true;
	search->begins[search->n] = !(joined && is_local_part(search->last));
	search->matched = advance(search, search->matched, og_text_lower(c));
	search->whole_so_far = search->matched == search->len &&
	    search->begins[(uint8_t)(search->n + 1 - search->len)];
	if (search->matched == search->len)
		search->matched = search->shorter[search->len];
	search->last = c;
	search->n++;
}

/*
 * Readers disagree on where a comment is: some know none, some let one begin
 * inside a quoted string.
 */
enum comments { COMMENTS_ARE_TEXT, COMMENTS_OUT, COMMENTS_OUT_IN_QUOTES_TOO };

static bool
line_mentions(struct og_span line, enum comments comments, const char *address)
{
	struct search search;
	bool escaped = false; /* by a backslash before it */
	bool quoted = false;
	bool joined = false;
	size_t depth = 0;
	size_t i;

	search_start(&search, address);
	for (i = 0; i < line.len; i++) {
		char c = line.at[i];
		bool plain = comments == COMMENTS_ARE_TEXT ||
			     (comments == COMMENTS_OUT && (quoted || escaped));
		bool was_escaped = escaped;

		escaped = c == '\\' && !was_escaped;
		if (c == '"' && !was_escaped && depth == 0)
			quoted = !quoted;
		if (c == '(' && !plain)
			depth++;
		if (depth > 0 || is_droppable(c) || c == '"' || c == '\\') {
			joined = false;
		} else {
			search_next(&search, c, joined);
			joined = true;
		}
		if (c == ')' && !plain && depth > 0)
			depth--;
	}
	return search.found || search.whole_so_far;
}

bool
og_from_mentions(const struct og_from *from, const char *address)
{
	size_t i;

	if (!og_address_valid(address, strlen(address)))
		return false;
	if (from->too_many_lines)
		return true;
	for (i = 0; i < from->n_lines; i++) {
		struct og_span line = from->line[i];

		if (line_mentions(line, COMMENTS_ARE_TEXT, address) ||
		    line_mentions(line, COMMENTS_OUT, address) ||
		    line_mentions(line, COMMENTS_OUT_IN_QUOTES_TOO, address))
			return true;
	}
	return false;
}

bool
og_from_next_line(
    const char *block, size_t len, size_t *at, struct og_span *line)
{
	const char *start = block + *at;
	const char *end = block + len;
	const char *next = start;

	if (start == end || *start == '\n' ||
	    (*start == '\r' && start + 1 < end && start[1] == '\n'))
		return false;
	do {
		next = memchr(next, '\n', (size_t)(end - next));
		next = next == NULL ? end : next + 1;
	} while (next < end && is_blank(*next));
	*line = (struct og_span){ start, (size_t)(next - start) };
	*at = (size_t)(next - block);
	return true;
}

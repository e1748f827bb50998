/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * notice.c - a bounce or delay warning shows no word that a server said before
 * the login.
 *
 * Reads what Exim's deliver.c writes (4.96 to 4.99).  A server cannot get out
 * of its place there: Exim prints its words indented, on every line.
 */
#include "core/notice.h"

#include <stdbool.h>
#include <string.h>

#include "core/text.h"

/* Of the text part: an address has two blanks in front, its error more. */
#define INDENT "   "
#define DELAY "Delay reason: "
#define REASON "SMTP error from remote mail server after "
/* Of the delivery status. */
#define DIAGNOSTIC "Diagnostic-Code: smtp; "

/* What Exim calls the steps that come after a login. */
static const char *const after_login[] = { "MAIL FROM:<", "RCPT TO:<",
	"DATA:", "BDAT ", "sending data block:", "end of data:" };

/* Octets from at up to end. */
struct part {
	char *at, *end;
};

static bool
begins(struct part text, const char *word)
{
	size_t len = strlen(word);

	return (size_t)(text.end - text.at) >= len &&
	    memcmp(text.at, word, len) == 0;
}

/* Where the word stands in the text, or NULL. */
static char *
find(struct part text, const char *word)
{
	for (; text.at < text.end; text.at++) {
		if (begins(text, word))
			return text.at;
	}
	return NULL;
}

/* The line at the start of the text, with its newline. */
static struct part
line_of(struct part text)
{
	char *newline =
	    memchr(text.at, '\n', (size_t)(text.end - text.at));

	return (struct part){ text.at,
		newline != NULL ? newline + 1 : text.end };
}

/* The same with the lines behind it that begin with the indent. */
static struct part
block_of(struct part text, const char *indent)
{
	struct part block = line_of(text);
	struct part rest = { block.end, text.end };

	while (begins(rest, indent)) {
		block.end = line_of(rest).end;
		rest.at = block.end;
	}
	return block;
}

/* Asterisks for a reply, but for its three digits and the blanks in front. */
static void
hide_reply(struct part reply)
{
	bool in_line = false;
	char *at = reply.at;
	int digits = 0;

	while (at < reply.end && (*at == ' ' || *at == '\n'))
		at++;
	while (at < reply.end && digits < 3 && og_text_is_digit(*at)) {
		at++;
		digits++;
	}
	for (; at < reply.end; at++) {
		if (*at == '\n')
			in_line = false;
		else if (*at != ' ')
			in_line = true;
		if (*at != '\n' && in_line)
			*at = '*';
	}
}

static bool
is_after_login(struct part stage)
{
	size_t i;

	if (begins(stage, "pipelined "))
		stage.at += strlen("pipelined ");
	for (i = 0; i < sizeof after_login / sizeof after_login[0]; i++) {
		if (begins(stage, after_login[i]))
			return true;
	}
	return false;
}

/*
 * What follows REASON in the error of a block, to its end; .at is NULL when
 * there is none.  Only at the start of a line, and not in the first: that is
 * the address, and a user has chosen it.
 */
static struct part
stage_of(struct part block)
{
	struct part line = line_of(block);

	while ((line.at = line.end) < block.end) {
		line = line_of((struct part){ line.at, block.end });
		while (line.at < line.end && *line.at == ' ')
			line.at++;
		if (begins(line, DELAY))
			line.at += strlen(DELAY);
		if (begins(line, REASON))
			return (struct part){ line.at + strlen(REASON),
				block.end };
	}
	return (struct part){ NULL, NULL };
}

/*
 * Hide the reply in one address's error.  The command ends with a colon, and
 * there is none in those that come before a login but in our own name.
 *
 * Returns whether there was one to hide.
 */
static bool
hide_reason(struct part block)
{
	struct part stage = stage_of(block);
	char *colon;

	if (stage.at == NULL || is_after_login(stage))
		return false;
	colon = find(stage, ":");
	if (colon != NULL)
		stage.at = colon + 1;
	hide_reply(stage);
	return true;
}

/* How far the part of the report reaches: to the boundary, or to the end. */
static struct part
part_of(struct part text, struct part boundary)
{
	struct part line = line_of(text);

	while (line.at < text.end &&
	    !(line.end - line.at == boundary.end - boundary.at &&
		memcmp(line.at, boundary.at,
		    (size_t)(line.end - line.at)) == 0))
		line = line_of((struct part){ line.end, text.end });
	return (struct part){ text.at, line.at };
}

/* Returns whether a reply was hidden. */
static bool
hide_in_text(struct part text)
{
	bool hidden = false;

	while (text.at < text.end) {
		struct part block = block_of(text, INDENT);

		hidden |= hide_reason(block);
		text.at = block.end;
	}
	return hidden;
}

static void
hide_in_status(struct part status)
{
	while (status.at < status.end) {
		struct part field = block_of(status, " ");

		status.at = field.end;
		if (!begins(field, DIAGNOSTIC))
			continue;
		field.at += strlen(DIAGNOSTIC);
		hide_reply(field);
	}
}

void
og_notice_hide(char *body, size_t len)
{
	struct part rest = { body, body + len };
	struct part boundary = line_of(rest);
	struct part text;

	while (boundary.at < rest.end && !begins(boundary, "--"))
		boundary = line_of((struct part){ boundary.end, rest.end });
	rest.at = boundary.end;
	text = part_of(rest, boundary);
	if (!hide_in_text(text))
		return;
	rest.at = line_of((struct part){ text.end, rest.end }).end;
	hide_in_status(part_of(rest, boundary));
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_from.c - whom a message claims to be from.
 *
 * Three kinds of tests: vectors that other projects and attacks have left us
 * (tests/data/from.jsonl), rows of our own, and every short text over a small
 * alphabet, compared with a second reader.
 */
#include "rows.h"

#include <stdio.h>
#include <string.h>

#include "core/from.h"
#include "data.h"

#define JO "jo@partner.example"

static void
read_block(const char *block, size_t len, struct og_from *from)
{
	struct og_span line;
	size_t at = 0;

	*from = (struct og_from){ 0 };
	while (og_from_next_line(block, len, &at, &line))
		og_from_line(from, line.at, line.len);
	og_from_finish(from);
}

/* ---- the vectors of from.jsonl ---- */

#define VECTORS_MAX 256
static struct vector {
	const char *name;
	char name_text[200];
	const json_t *row;
} vectors[VECTORS_MAX];

static size_t
load_vectors(const json_t *all)
{
	const json_t *row;
	size_t i;

	assert_true(json_array_size(all) <= VECTORS_MAX);
	json_array_foreach(all, i, row) {
		struct vector *vector = &vectors[i];

		vector->row = row;
		(void)snprintf(vector->name_text, sizeof vector->name_text,
		    "%s, %s: %s", data_text(row, "id"),
		    data_text(row, "expect"), data_text(row, "why"));
		vector->name = vector->name_text;
	}
	return i;
}

static unsigned
base64_digit(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = memchr(digits, c, sizeof digits - 1);

	if (at == NULL)
		fail_msg("'%c' is not base64", c);
	return (unsigned)(at - digits);
}

/* Returns the octets written to out, which has room for those of the text. */
static size_t
base64_decode(const char *text, char *out)
{
	unsigned bits = 0;
	size_t n = 0;
	size_t i;

	for (i = 0; text[i] != '\0' && text[i] != '='; i++) {
		bits = bits << 6 | base64_digit(text[i]);
		if (i % 4 != 0)
			out[n++] = (char)(bits >> (6 - 2 * (i % 4)) & 0xff);
	}
	return n;
}

/* A value stands behind "From: ", or "From:" when it begins with a blank. */
static char *
vector_block(const json_t *row, size_t *len)
{
	const char *text = data_text(row, "raw_b64");
	char *raw = malloc(strlen(text) + 1);
	char *block = malloc(strlen(text) + 10);
	const char *head = "";

	assert_non_null(raw);
	assert_non_null(block);
	*len = base64_decode(text, raw);
	assert_true(*len > 0);
	if (strcmp(data_text(row, "kind"), "value") == 0)
		head = raw[0] == ' ' || raw[0] == '\t' ? "From:" : "From: ";
	memcpy(block, head, strlen(head));
	memcpy(block + strlen(head), raw, *len);
	*len += strlen(head);
	if (head[0] != '\0')
		block[(*len)++] = '\n';
	free(raw);
	raw = data_exact(block, *len);
	free(block);
	return raw;
}

static void
check_vector(void **state)
{
	const json_t *row = ((const struct vector *)*state)->row;
	const char *expect = data_text(row, "expect");
	struct og_from from = { 0 };
	size_t len;
	char *block = vector_block(row, &len);

	if (strcmp(data_text(row, "kind"), "value") == 0) {
		/* the whole value is one line, whatever it holds */
		og_from_line(&from, block, len);
		og_from_finish(&from);
	} else {
		read_block(block, len, &from);
	}
	if (strcmp(expect, "must") == 0)
		assert_int_equal(from.state, OG_FROM_READ);
	else if (strcmp(expect, "refuse") == 0)
		assert_int_not_equal(from.state, OG_FROM_READ);
	else
		assert_string_equal(expect, "may");
	assert_string_equal(from.address,
	    from.state == OG_FROM_READ ? data_text(row, "addr") : "");
	free(block);
}

/* ---- rows of our own ---- */

struct row {
	const char *name;
	const char *block;
	enum og_from_state state;
	const char *address;
};

#define READ OG_FROM_READ
#define UNREADABLE OG_FROM_UNREADABLE, ""
#define MISSING OG_FROM_MISSING, ""
#define BOSS "boss@org.example"
#define DATE "Resent-Date: Mon, 1 Jan 2024 00:00:00 +0000\n"

/* clang-format off */
static const struct row rows[] = {
	/* the line */
	{ "a plain address is read", "From: " JO "\n", READ, JO },
	{ "a line without its newline is read", "From: " JO, READ, JO },
	{ "a field name in any case is read", "fROM: " JO "\r\n", READ, JO },
	{ "the address is kept as it is written", "From: Jo@Partner.Example\n", READ, "Jo@Partner.Example" },
	{ "a fold behind the colon is read", "From:\r\n " JO "\r\n", READ, JO },
	{ "a fold inside the display name is read", "From: \"Jo\n\tDoe\"\n <" JO ">\n", READ, JO },
	{ "a fold inside the address is unreadable", "From: jo@partner\n .example\n", UNREADABLE },
	{ "a continuation of blanks only is unreadable", "From: " JO "\n \n", UNREADABLE },
	{ "a continuation of blanks in the middle is as well", "From: Jo\n \t\n <" JO ">\n", UNREADABLE },
	{ "no header at all is missing", "", MISSING },
	{ "other lines only are missing", "To: " JO "\nX-From: " JO "\nFromage: " JO "\n", MISSING },
	{ "a From behind the empty line is text", "To: " JO "\n\nFrom: " JO "\n", MISSING },
	{ "a line that begins with the word is none", "From " JO " Mon Jan  1 00:00:00 2024\n", MISSING },
	{ "a From folded into another line is text", "Subject: x\n From: " BOSS "\nFrom: " JO "\n", READ, JO },
	{ "two From lines are unreadable", "From: " JO "\nTo: a@b.example\nFrom: " JO "\n", UNREADABLE },
	{ "an empty second From line counts", "From: " JO "\nFrom:\n", UNREADABLE },
	{ "a second From line with a blank before its colon counts", "From: " JO "\nFrom : " BOSS "\n", UNREADABLE },
	{ "a second From line with its colon on the next line counts", "From: " JO "\nFrom\n : " BOSS "\n", UNREADABLE },
	{ "a blank before the colon is unreadable", "From : " JO "\n", UNREADABLE },
	{ "a zero-width space in the field name is unreadable", "Fr\xe2\x80\x8bom: " JO "\n", UNREADABLE },
	{ "a control character in the field name is unreadable", "F\x01rom: " JO "\n", UNREADABLE },
	{ "a byte order mark in front is unreadable", "\xef\xbb\xbf" "From: " JO "\n", UNREADABLE },
	{ "a second From line behind a bare CR in another line counts", "From: " JO "\nX: y\rFrom: " BOSS "\n", UNREADABLE },
	{ "a From line behind a bare CR alone is unreadable", "X: y\rFrom: " JO "\n", UNREADABLE },
	{ "a From line behind many bare CRs is unreadable", "X: y\r\r\r\x01 From : " JO "\n", UNREADABLE },
	{ "a bare CR in the value is unreadable", "From: \"a\rb\" <" JO ">\n", UNREADABLE },
	{ "two CRs before the newline are unreadable", "From: " JO "\r\r\n", UNREADABLE },
	{ "a delete in the value is unreadable", "From: \"\x7f\" <" JO ">\n", UNREADABLE },
	{ "an escape in the value is unreadable", "From: \x1b$B <" JO ">\n", UNREADABLE },

	/* the mailbox */
	{ "nothing is unreadable", "From:\n", UNREADABLE },
	{ "blanks only are unreadable", "From:   \n", UNREADABLE },
	{ "an address in angle brackets is read", "From: <" JO ">\n", READ, JO },
	{ "a tab is a blank", "From:\tJo\t<" JO ">\t\n", READ, JO },
	{ "a tab behind an address is", "From: " JO "\t\n", READ, JO },
	{ "words, dots and strings make a display name", "From: Dr. Jo \"D.\" Doe <" JO ">\n", READ, JO },
	{ "an empty string is a display name", "From: \"\" <" JO ">\n", READ, JO },
	{ "raw octets in a display name are not decoded", "From: J\xf6 \"\xff\xfe\" <" JO ">\n", READ, JO },
	{ "an encoded word in a display name is not decoded", "From: =?utf-8?q?=3Cboss=40org=2Eexample=3E?= <" JO ">\n", READ, JO },
	{ "an address in a string is a name", "From: \"" BOSS "\" <" JO ">\n", READ, JO },
	{ "angle brackets in a string are a name", "From: \"<" BOSS ">\" <" JO ">\n", READ, JO },
	{ "quoted quotes and backslashes stay in the string", "From: \"a\\\"b\\\\\" <" JO ">\n", READ, JO },
	{ "a quoted quote leaves the string open", "From: \"a\\\" <" JO ">\n", UNREADABLE },
	{ "a backslash ends the line", "From: \"a\\", UNREADABLE },
	{ "a backslash behind a raw octet may be half a character", "From: \"\x95\\\" <" BOSS ">\" <" JO ">\n", UNREADABLE },
	{ "a backslash in a bare name is unreadable", "From: J\\o <" JO ">\n", UNREADABLE },
	{ "a comma in a bare name is unreadable", "From: J , o <" JO ">\n", UNREADABLE },
	{ "a semicolon in a bare name is unreadable", "From: J ; o <" JO ">\n", UNREADABLE },
	{ "a colon in a bare name is unreadable", "From: J : o <" JO ">\n", UNREADABLE },
	{ "an at sign in a bare name is unreadable", "From: J @ o <" JO ">\n", UNREADABLE },
	{ "an opening bracket in a bare name is unreadable", "From: J [ o <" JO ">\n", UNREADABLE },
	{ "a closing bracket in a bare name is unreadable", "From: J ] o <" JO ">\n", UNREADABLE },
	{ "a closing parenthesis in a bare name is unreadable", "From: J ) o <" JO ">\n", UNREADABLE },
	{ "a closing angle bracket in a bare name is unreadable", "From: J > o <" JO ">\n", UNREADABLE },
	{ "an open string is unreadable", "From: \"Jo <" JO ">\n", UNREADABLE },
	{ "comments around are read", "From: (a) Jo (b (c)) <" JO "> (d)\n", READ, JO },
	{ "a comment behind a bare address is read", "From: " JO " (Jo Doe)\n", READ, JO },
	{ "comments without an address are unreadable", "From: (a) (b)\n", UNREADABLE },
	{ "eight comments deep are read", "From: ((((((((a)))))))) " JO "\n", READ, JO },
	{ "nine comments deep are unreadable", "From: (((((((((a))))))))) " JO "\n", UNREADABLE },
	{ "an open comment is unreadable", "From: " JO " (a (b)\n", UNREADABLE },
	{ "a closing parenthesis alone is unreadable", "From: " JO ")\n", UNREADABLE },
	{ "an address in a comment is unreadable", "From: " JO " (" BOSS ")\n", UNREADABLE },
	{ "angle brackets in a comment are unreadable", "From: (<) " JO "\n", UNREADABLE },
	{ "a closing angle bracket in a comment is unreadable", "From: (>) " JO "\n", UNREADABLE },
	{ "a quote in a comment is unreadable", "From: (\") \"<" BOSS ">\" <" JO ">\n", UNREADABLE },
	{ "a backslash in a comment is unreadable", "From: (\\\\) \") <" BOSS ">\" <" JO ">\n", UNREADABLE },
	{ "a comment inside the angle brackets is unreadable", "From: <(a)" JO ">\n", UNREADABLE },
	{ "a blank inside the angle brackets is unreadable", "From: < " JO ">\n", UNREADABLE },
	{ "text behind the angle brackets is unreadable", "From: <" JO "> Jo\n", UNREADABLE },
	{ "a string behind the angle brackets is unreadable", "From: <" JO "> \"Jo\"\n", UNREADABLE },
	{ "a second pair of angle brackets is unreadable", "From: <" JO "> <" JO ">\n", UNREADABLE },
	{ "a second address is unreadable", "From: " JO ", " JO "\n", UNREADABLE },
	{ "a comma behind the address is unreadable", "From: " JO ",\n", UNREADABLE },
	{ "an address for a name is unreadable", "From: " BOSS " <" JO ">\n", UNREADABLE },
	{ "a group is unreadable", "From: Team: " JO ";\n", UNREADABLE },
	{ "a route is unreadable", "From: <@a.example:" JO ">\n", UNREADABLE },
	{ "an address with a final dot is unreadable", "From: " JO ".\n", UNREADABLE },
	{ "a no-break space behind the address is unreadable", "From: " JO "\xc2\xa0\n", UNREADABLE },
	{ "encoded words as the address are unreadable", "From: =?utf-8?q?jo=40partner.example?=\n", UNREADABLE },
	{ "an encoded word before the address is unreadable", "From: =?utf-8?q?a?=" JO "\n", UNREADABLE },

	/* Resent- lines */
	{ "one Resent-From counts instead of From",
	  "Resent-From: " JO "\n" DATE "Resent-To: a@b.example\nFrom: " BOSS "\n", READ, JO },
	{ "a Resent-From below the From line counts as well",
	  "From: " BOSS "\nTo: a@b.example\nResent-To: a@b.example\nResent-From: Jo <" JO ">\n", READ, JO },
	{ "a Resent-From is read without any From", "Resent-From: " JO "\n" DATE, READ, JO },
	{ "a Resent-From is read whatever the From lines are",
	  "Resent-From: " JO "\n" DATE "From: x\nFrom: y\n", READ, JO },
	{ "of two blocks that a line divides the newest counts",
	  "Resent-From: " JO "\n" DATE "Received: x\nResent-From: " BOSS "\n" DATE, READ, JO },
	{ "of two blocks in a row the newest counts",
	  "Resent-From: " JO "\n" DATE "Resent-From: " BOSS "\n" DATE, READ, JO },
	{ "a name that comes again divides two blocks",
	  DATE "Resent-To: a@b.example\nResent-From: " JO "\n" DATE "Resent-From: " BOSS "\n", READ, JO },
	{ "a newest block without Resent-From is unreadable",
	  "Resent-To: a@b.example\n" DATE "From: " JO "\n", UNREADABLE },
	{ "it is although there is no From line at all",
	  "Resent-To: a@b.example\n", UNREADABLE },
	{ "an older Resent-From does not stand in for it",
	  "Resent-To: a@b.example\nReceived: x\nResent-From: " JO "\nFrom: " JO "\n", UNREADABLE },
	{ "an older Resent-From in a row does not either",
	  DATE DATE "Resent-From: " JO "\nFrom: " JO "\n", UNREADABLE },
	{ "a Resent- line of another name makes a block, too",
	  "Resent-Whatever: x\nFrom: " JO "\n", UNREADABLE },
	{ "a Resent- line with a long name makes a block, too",
	  "Resent-Message-Identification: x\nFrom: " JO "\n", UNREADABLE },
	{ "a Resent- line of another name does not divide a block",
	  "Resent-Whatever: x\nResent-Whatever: y\nResent-From: " JO "\n", READ, JO },
	{ "two Resent-From lines in a block are unreadable",
	  "Resent-From: " JO "\nResent-From: " JO "\n" DATE, UNREADABLE },
	{ "two Resent-From lines of one block with others between are unreadable",
	  "Resent-From: " JO "\nResent-To: a@b.example\nResent-From: " BOSS "\n" DATE, UNREADABLE },
	{ "a Resent-From that is not strict is unreadable",
	  "Resent-From: " JO ", " BOSS "\n" DATE "From: " JO "\n", UNREADABLE },
	{ "a blank before its colon is unreadable",
	  "Resent-From : " JO "\n" DATE "From: " JO "\n", UNREADABLE },
	{ "a Resent-From is read in any case",
	  "RESENT-FROM: " JO "\n" DATE "From: " BOSS "\n", READ, JO },
	{ "an internal Resent-From is read as it is",
	  "Resent-From: " BOSS "\n" DATE "From: " JO "\n", READ, BOSS },
	{ "a Resent line without a colon is none", "Resent-From\nFrom: " JO "\n", READ, JO },
};
/* clang-format on */

static void
check_row(void **state)
{
	const struct row *row = *state;
	size_t len = strlen(row->block);
	char *block = data_exact(row->block, len);
	struct og_from from;

	read_block(block, len, &from);
	assert_int_equal(from.state, row->state);
	assert_string_equal(from.address, row->address);
	free(block);
}

/* ---- og_from_mentions, for JO ---- */

struct mention {
	const char *name;
	const char *block;
	bool mentions;
};

/* clang-format off */
static const struct mention mentions[] = {
	{ "a plain address is found", "From: " JO "\n", true },
	{ "upper case is found", "From: JO@Partner.EXAMPLE\n", true },
	{ "an address in angle brackets is found", "From: x <" JO "> y\n", true },
	{ "an address in a list is found", "From: a@b.example," JO ",c@d.example\n", true },
	{ "an address in a group is found", "From: Team:" JO ";\n", true },
	{ "an address behind a route is found", "From: <@a.example:" JO ">\n", true },
	{ "an address behind a bang path is found", "From: a!" JO "\n", true },
	{ "an address behind an encoded word is found", "From: =?x?q?a?=" JO "\n", true },
	{ "an address in a string is found", "From: \"" JO "\" <a@b.example>,\n", true },
	{ "an address in a comment is found", "From: (" JO ")\n", true },
	{ "an address in an open comment is found", "From: (" JO "\n", true },
	{ "a final dot does not hide it", "From: " JO ".\n", true },
	{ "a raw octet before it does not hide it", "From: \xa0" JO "\n", true },
	{ "a raw octet behind it does not hide it", "From: " JO "\xa0\n", true },
	{ "a zero-width space inside does not hide it", "From: jo@part\xe2\x80\x8bner.example\n", true },
	{ "a control character inside does not hide it", "From: jo\001@partner.example\n", true },
	{ "a quoted local part is found", "From: \"jo\"@partner.example\n", true },
	{ "a string glued to a name is found", "From: Name\"jo\"@partner.example\n", true },
	{ "a backslash does not hide it", "From: \"j\\o\"@partner.example\n", true },
	{ "blanks around the at sign do not hide it", "From: jo @ partner.example\n", true },
	{ "a blank before the dot does not hide it", "From: <jo@partner .example>\n", true },
	{ "a fold does not hide it", "From: <jo@part\r\n ner.example>\n", true },
	{ "a bare CR does not hide it", "From: jo\r@partner.example\n", true },
	{ "a comment does not hide it", "From: jo(a)@(b)partner(c).example\n", true },
	{ "nested comments do not hide it", "From: jo(a(b)c)@partner.example\n", true },
	{ "a comment with a quoted parenthesis does not hide it", "From: jo(\\))@partner.example\n", true },
	{ "a comment with a quote does not hide it", "From: jo(\")@partner.example\n", true },
	{ "a comment behind a string with a parenthesis does not hide it", "From: \"(\" jo(a)@partner.example\n", true },
	{ "a comment behind a string with a quoted quote does not", "From: \"a\\\"(b\" jo(c)@partner.example\n", true },
	{ "a comment behind a string with a quoted backslash does not", "From: \"(\\\\\" jo(c)@partner.example\n", true },
	{ "a quote in a comment behind a string does not", "From: \"(\" jo(\")@partner.example\n", true },
	{ "a comment behind an open quote does not hide it", "From: \" jo(a)@partner.example\n", true },
	{ "a display name before it does not hide it", "From: Jo jo(a)@partner.example\n", true },
	{ "it is found in a second From line", "From: a@b.example\nFrom: " JO "\n", true },
	{ "it is found in a From line with a blank before its colon", "From : " JO "\n", true },
	{ "it is found behind a bare CR in another line", "X: y\rFrom: " JO "\n", true },
	{ "it is found in the newest Resent-From", "Resent-From: x " JO "\nFrom: a@b.example\n", true },
	{ "it is found in From although there is a Resent block", "Resent-From: a b\nFrom: " JO "\n", true },
	{ "it is found behind a beginning of itself", "From: jo@partner. jo@partner,jo@partner.example\n", true },

	{ "another line does not mention it", "To: " JO "\nFrom: x y\n", false },
	{ "an older Resent-From does not", "Resent-To: x\nTo: y\nResent-From: " JO "\n", false },
	{ "a message without From does not", "To: " JO "\n", false },
	{ "another local part is another address", "From: joe@partner.example\n", false },
	{ "the tail of a local part is another address", "From: xjo@partner.example\n", false },
	{ "the tail behind a dot is another address", "From: x.jo@partner.example\n", false },
	{ "the tail behind a plus is another address", "From: x+jo@partner.example\n", false },
	{ "a longer top is another domain", "From: jo@partner.examples\n", false },
	{ "a hyphen behind it makes another domain", "From: jo@partner.example-a.example\n", false },
	{ "a subdomain is another domain", "From: jo@a.partner.example\n", false },
	{ "the beginning alone is no mention", "From: jo@partner\n", false },
	{ "text without an at sign is no mention", "From: jo partner.example\n", false },
};
/* clang-format on */

static void
check_mention(void **state)
{
	const struct mention *row = *state;
	size_t len = strlen(row->block);
	char *block = data_exact(row->block, len);
	struct og_from from;

	read_block(block, len, &from);
	assert_int_equal(og_from_mentions(&from, JO), row->mentions);
	free(block);
}

/* The search falls back within the address, and its memory wraps around. */
static void
a_long_address_full_of_repetitions_is_found(void **state)
{
	static const char address[] =
	    "aabaabaaabaabaabaaabaabaabaabaaab@aab.aab.aab.aab.aab.aab.aab.aab."
	    "aab.aab.aab.aab.aab.aab.aab.aab.aab.aab.aab.aab.aab.aab.aab.aab."
	    "aab.aab.aab.aab.aab.aab.aab.aab.aab.aab.aab.aab.aab.aab.aab.aab";
	struct og_from from;
	char block[2000];
	size_t cut;
	size_t len;

	(void)state;
	for (cut = 0; cut < sizeof address - 1; cut++) {
		/* a beginning of the address, then the address itself */
		len = (size_t)snprintf(block, sizeof block, "From: %.*s %s\n",
		    (int)cut, address, address);
		read_block(block, len, &from);
		assert_true(og_from_mentions(&from, address));
		/* the same without the last octet of the address */
		block[len - 2] = '\n';
		read_block(block, len - 1, &from);
		assert_false(og_from_mentions(&from, address));
	}
}

static void
an_address_that_begins_in_a_false_alarm_is_found(void **state)
{
	static const char block[] = "From: xb@a. b@a.b\n";
	struct og_from from;

	(void)state;
	read_block(block, sizeof block - 1, &from);
	assert_true(og_from_mentions(&from, "b@a.b"));
}

static void
what_is_no_address_is_never_found(void **state)
{
	static const char block[] = "From: jo, x\n";
	char longer[1000];
	struct og_from from;

	(void)state;
	memset(longer, 'a', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	read_block(block, sizeof block - 1, &from);
	assert_false(og_from_mentions(&from, "jo"));
	assert_false(og_from_mentions(&from, ""));
	assert_false(og_from_mentions(&from, longer));
}

/* ---- bounds ---- */

/* Such a line can come only from who does not cut the header as we do. */
static void
a_newline_that_is_no_fold_is_unreadable(void **state)
{
	static const char *const lines[] = { "From: Jo\nDoe <" JO ">\n",
		"From: " JO "\n\n", "From: Jo\r\nDoe <" JO ">\r\n" };
	size_t i;

	(void)state;
	for (i = 0; i < N_ROWS(lines); i++) {
		struct og_from from = { 0 };

		og_from_line(&from, lines[i], strlen(lines[i]));
		og_from_finish(&from);
		assert_int_equal(from.state, OG_FROM_UNREADABLE);
	}
}

/* Nothing may read on behind the longest value. */
static void
a_value_of_998_octets_may_end_anywhere(void **state)
{
	static const char *const ends[] = { "<" JO, "<", "\"", "\"\\", "(",
		"a" };
	size_t i;

	(void)state;
	for (i = 0; i < N_ROWS(ends); i++) {
		struct og_from from;
		char block[1100];
		int len = snprintf(block, sizeof block, "From:%*s\n", 998,
		    ends[i]);

		read_block(block, (size_t)len, &from);
		assert_int_equal(from.state, OG_FROM_UNREADABLE);
	}
}

static void
check_length(size_t name_len, enum og_from_state state)
{
	struct og_from from;
	char block[1100];
	size_t len;
	char *exact;

	/* value: a blank, two quotes, the name, an address in brackets */
	len = (size_t)snprintf(block, sizeof block,
	    "From: \"%0*d\"\r\n <" JO ">\r\n", (int)name_len, 0);
	exact = data_exact(block, len);
	read_block(exact, len, &from);
	assert_int_equal(from.state, state);
	free(exact);
}

static void
a_value_of_998_octets_without_its_folds_is_the_longest(void **state)
{
	size_t around = strlen(" \"\" <" JO ">");

	(void)state;
	check_length(998 - around, OG_FROM_READ);
	check_length(999 - around, OG_FROM_UNREADABLE);
}

static void
check_lines(unsigned lines, const char *line, bool too_many, bool any)
{
	struct og_from from = { 0 };
	unsigned i;

	for (i = 0; i < lines; i++)
		og_from_line(&from, line, strlen(line));
	og_from_finish(&from);
	assert_int_equal(from.state, OG_FROM_UNREADABLE);
	assert_string_equal(from.address, "");
	assert_int_equal(from.too_many_lines, too_many);
	assert_int_equal(og_from_mentions(&from, JO), any);
}

static void
more_from_lines_than_are_kept_may_mention_anyone(void **state)
{
	(void)state;
	check_lines(OG_FROM_LINES_MAX, "From: a@b.example\n", false, false);
	check_lines(OG_FROM_LINES_MAX + 1, "From: a@b.example\n", true, true);
	check_lines(OG_FROM_LINES_MAX, "Resent-From: a\n", false, false);
	check_lines(OG_FROM_LINES_MAX + 1, "Resent-From: a\n", true, true);
}

static void
too_many_from_lines_spoil_a_good_resent_from(void **state)
{
	static const char good[] = "Resent-From: " JO "\n";
	struct og_from from = { 0 };
	unsigned i;

	(void)state;
	og_from_line(&from, good, sizeof good - 1);
	for (i = 0; i < OG_FROM_LINES_MAX; i++)
		og_from_line(&from, "From: x\n", 8);
	og_from_finish(&from);
	assert_true(from.too_many_lines);
	assert_int_equal(from.state, OG_FROM_UNREADABLE);
}

static void
a_nul_is_unreadable_and_hides_nothing(void **state)
{
	static const char with_nul[] = "From: jo\0@partner.example\n";
	struct og_from from;

	(void)state;
	read_block(with_nul, sizeof with_nul - 1, &from);
	assert_int_equal(from.state, OG_FROM_UNREADABLE);
	assert_true(og_from_mentions(&from, JO));
	read_block("From: " JO "\0\n", 6 + strlen(JO) + 2, &from);
	assert_int_equal(from.state, OG_FROM_UNREADABLE);
}

static void
no_lines_at_all_are_a_missing_from(void **state)
{
	struct og_from from = { 0 };

	(void)state;
	og_from_line(&from, "", 0);
	og_from_finish(&from);
	assert_int_equal(from.state, OG_FROM_MISSING);
	assert_false(og_from_mentions(&from, JO));
}

static char *
repeat(const char *text, size_t times, size_t *len)
{
	size_t n = strlen(text);
	char *all = malloc(n * times);
	size_t i;

	assert_non_null(all);
	for (i = 0; i < times; i++)
		memcpy(all + i * n, text, n);
	*len = n * times;
	return all;
}

struct repetition {
	const char *name;
	const char *text;
	size_t times;
};

/* clang-format off */
static const struct repetition repetitions[] = {
	{ "half a million other lines are read in one pass", "X: y\n", 500000 },
	{ "half a million From lines are", "From:\n", 500000 },
	{ "half a million Resent-From lines are", "Resent-From: a\n", 500000 },
	{ "half a million other Resent lines are", "Resent-To: a\n", 500000 },
	{ "a line of bare CRs is", "\r", 500000 },
	{ "a line of bare CRs and beginnings of From is", "\rFrom", 100000 },
	{ "a line of continuations is", "\n ", 100000 },
	{ "a line of opening parentheses is", "(", 500000 },
	{ "a line of quotes is", "\"", 500000 },
	{ "a line of backslashes is", "\\", 500000 },
	{ "a line of blanks is", " ", 500000 },
	{ "a line of local parts is", "j o @", 100000 },
	{ "a line of addresses without their ends is", "jo@partner.exampl,", 50000 },
};
/* clang-format on */

/* Would take hours if any step looked at all the text before it once more. */
static void
check_repetition(void **state)
{
	const struct repetition *row = *state;
	struct og_from from;
	size_t len;
	char *block = repeat(row->text, row->times, &len);

	memcpy(block, "From:", 5);
	read_block(block, len, &from);
	assert_int_equal(from.state, OG_FROM_UNREADABLE);
	assert_int_equal(og_from_mentions(&from, JO), from.too_many_lines);
	free(block);
}

/* ---- og_from_next_line ---- */

struct cut {
	const char *name;
	const char *block;
	const char *lines[4];
};

/* clang-format off */
static const struct cut cuts[] = {
	{ "an empty block has no lines", "", { NULL } },
	{ "lines end with LF", "a: b\nc: d\n", { "a: b\n", "c: d\n" } },
	{ "lines end with CRLF", "a: b\r\nc: d\r\n", { "a: b\r\n", "c: d\r\n" } },
	{ "the last line may lack its end", "a: b\nc: d", { "a: b\n", "c: d" } },
	{ "continuation lines belong to their line", "a: b\n c\n\td\ne: f\n", { "a: b\n c\n\td\n", "e: f\n" } },
	{ "a continuation of blanks does as well", "a: b\r\n \r\nc: d\r\n", { "a: b\r\n \r\n", "c: d\r\n" } },
	{ "a first line that begins with a blank is a line", " a: b\nc: d\n", { " a: b\n", "c: d\n" } },
	{ "an empty line ends the header", "a: b\n\nc: d\n", { "a: b\n" } },
	{ "an empty line with CR ends the header", "a: b\r\n\r\nc: d\r\n", { "a: b\r\n" } },
	{ "an empty first line ends it at once", "\r\na: b\r\n", { NULL } },
	{ "a bare CR ends no line", "a: b\rc: d\r\ne: f\n", { "a: b\rc: d\r\n", "e: f\n" } },
	{ "a bare CR in front is no empty line", "\ra: b\n", { "\ra: b\n" } },
	{ "a bare CR at the very end is a line", "a: b\n\r", { "a: b\n", "\r" } },
};
/* clang-format on */

static void
check_cut(void **state)
{
	const struct cut *row = *state;
	size_t len = strlen(row->block);
	char *block = data_exact(row->block, len);
	struct og_span line;
	size_t at = 0;
	size_t i;

	for (i = 0; row->lines[i] != NULL; i++) {
		assert_true(og_from_next_line(block, len, &at, &line));
		assert_int_equal(line.len, strlen(row->lines[i]));
		assert_memory_equal(line.at, row->lines[i], line.len);
	}
	assert_false(og_from_next_line(block, len, &at, &line));
	assert_false(og_from_next_line(block, len, &at, &line));
	free(block);
}

/* ---- every short text, compared with a second reader ---- */

#define TEXT_SIZE 64

/*
 * The second reader knows addresses of the letter 'a', blanks, and a display
 * name of 'a' and '.', nothing else.
 */
static bool
plain_address(const char *text)
{
	const char *at = strchr(text, '@');

	return at != NULL && strchr(at + 1, '@') == NULL &&
	       strspn(text, "a.@") == strlen(text) && text[0] == 'a' &&
	       text[strlen(text) - 1] == 'a' && at[-1] == 'a' && at[1] == 'a' &&
	       strstr(text, "..") == NULL && strchr(at, '.') != NULL;
}

static bool
plain_mailbox(const char *text, char address[TEXT_SIZE])
{
	const char *open;
	size_t n;

	text += strspn(text, " ");
	for (n = strlen(text); n > 0 && text[n - 1] == ' ';)
		n--;
	memcpy(address, text, n);
	address[n] = '\0';
	if (n == 0 || address[n - 1] != '>')
		return plain_address(address);
	address[n - 1] = '\0';
	open = strchr(address, '<');
	if (open == NULL || strspn(address, "a. ") != (size_t)(open - address))
		return false;
	memmove(address, open + 1, strlen(open + 1) + 1);
	return plain_address(address);
}

/* Puts 'a' for a string and a blank for a comment; false if one is open. */
static bool
without_quotes(const char *text, char out[TEXT_SIZE])
{
	int depth = 0;

	for (; *text != '\0'; text++) {
		if (depth == 0 && *text == '"') {
			for (text++; *text != '"'; text++) {
				text += *text == '\\';
				if (*text == '\0')
					return false;
			}
			*out++ = 'a';
			continue;
		}
		depth += *text == '(';
		depth -= *text == ')';
		if (depth < 0)
			return false;
		if (depth == 0)
			*out++ = *text == ')' ? ' ' : *text;
	}
	*out = '\0';
	return depth == 0;
}

static void
check_again(const struct og_from *from)
{
	struct og_from again;
	char block[TEXT_SIZE + 16];
	int len;

	assert_true(og_address_valid(from->address, strlen(from->address)));
	assert_true(og_from_mentions(from, from->address));
	len = snprintf(block, sizeof block, "From: <%s>\n", from->address);
	read_block(block, (size_t)len, &again);
	assert_int_equal(again.state, OG_FROM_READ);
	assert_string_equal(again.address, from->address);
}

static bool
check_text(const char *text, size_t len)
{
	char line[TEXT_SIZE + 5] = "From:";
	char plain[TEXT_SIZE];
	char address[TEXT_SIZE];
	struct og_from from = { 0 };
	bool expected;

	memcpy(line + 5, text, len);
	og_from_line(&from, line, len + 5);
	og_from_finish(&from);
	expected = without_quotes(text, plain) &&
		   plain_mailbox(plain, address);
	if (strpbrk(text, "\"()\\") == NULL &&
	    (from.state == OG_FROM_READ) != expected)
		fail_msg("'%s' is judged wrongly", text);
	if (from.state != OG_FROM_READ)
		return false;
	if (!expected || strcmp(from.address, address) != 0)
		fail_msg("'%s' is read as %s", text, from.address);
	check_again(&from);
	return true;
}

/* All texts of up to max of the n pieces; returns how many were read. */
static unsigned
sweep(const char *const *pieces, size_t n, size_t max)
{
	size_t chosen[16] = { 0 }; /* 0 is none, behind the last piece */
	unsigned read = 0;
	size_t i;

	for (;;) {
		char text[TEXT_SIZE];
		size_t len = 0;

		for (i = 0; i < max && chosen[i] > 0; i++) {
			const char *piece = pieces[chosen[i] - 1];

			memcpy(text + len, piece, strlen(piece));
			len += strlen(piece);
		}
		text[len] = '\0';
		read += check_text(text, len);
		for (i = 0; i < max && chosen[i] == n; i++)
			chosen[i] = 1;
		if (i == max)
			return read;
		chosen[i]++;
	}
}

static void
of_all_short_texts_exactly_the_plain_forms_are_read(void **state)
{
	static const char *const octets[] = { "a", "@", ".", "<", ">", "\"",
		"(", ")", ",", ":", " " };

	(void)state;
	/* a@a.a with a blank or none before or behind it */
	assert_int_equal(sweep(octets, N_ROWS(octets), 6), 1 + 2 + 3);
}

static void
of_all_texts_of_few_pieces_only_single_addresses_are_read(void **state)
{
	static const char *const pieces[] = { "a", "a@a.a", "aa@a.a", "@", ".",
		"<", ">", "\"", "\\", "(", ")", ",", ":", " " };

	(void)state;
	assert_true(sweep(pieces, N_ROWS(pieces), 5) > 500);
}

#define ADD(end, test) *(end)++ = (struct CMUnitTest)cmocka_unit_test(test)

int
main(void)
{
	static struct CMUnitTest tests[VECTORS_MAX + N_ROWS(rows) +
	    N_ROWS(mentions) + N_ROWS(cuts) +
	    N_ROWS(repetitions) + 12];
	struct CMUnitTest *end = tests;
	json_t *all = data_load("from.jsonl");
	int failed;

	end = rows_add(end, vectors, load_vectors(all), sizeof vectors[0],
	    check_vector);
	end = ROWS_ADD(end, rows, check_row);
	end = ROWS_ADD(end, mentions, check_mention);
	end = ROWS_ADD(end, cuts, check_cut);
	end = ROWS_ADD(end, repetitions, check_repetition);
	ADD(end, a_long_address_full_of_repetitions_is_found);
	ADD(end, an_address_that_begins_in_a_false_alarm_is_found);
	ADD(end, what_is_no_address_is_never_found);
	ADD(end, a_newline_that_is_no_fold_is_unreadable);
	ADD(end, a_value_of_998_octets_may_end_anywhere);
	ADD(end, a_value_of_998_octets_without_its_folds_is_the_longest);
	ADD(end, more_from_lines_than_are_kept_may_mention_anyone);
	ADD(end, too_many_from_lines_spoil_a_good_resent_from);
	ADD(end, a_nul_is_unreadable_and_hides_nothing);
	ADD(end, no_lines_at_all_are_a_missing_from);
	ADD(end, of_all_short_texts_exactly_the_plain_forms_are_read);
	ADD(end, of_all_texts_of_few_pieces_only_single_addresses_are_read);
	failed = _cmocka_run_group_tests(
	    "from", tests, (size_t)(end - tests), NULL, NULL);
	json_decref(all);
	return failed;
}

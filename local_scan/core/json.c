/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * json.c - one flat JSON object of strings and whole numbers, read strictly.
 *
 * Nothing is read twice and nothing is repaired.  What follows a NUL in a
 * caller's buffer is left alone, so that two zeroed buffers that were given
 * the same string are equal as octets.
 */
#include "core/json.h"

#include <string.h>

/* A longer name is none that a caller knows. */
#define NAME_SIZE 32
#define DIGITS_MAX 15

struct reader {
	const unsigned char *at;
	size_t left;
};

/* Where a string goes. */
struct sink {
	char *text;
	size_t size;
	size_t len;
};

/* The octets of the UTF-8 sequence that begins here; 0 if none does. */
static size_t
utf8_octets(const unsigned char *at, size_t left)
{
	/* RFC 3629, 4: the second octet's range keeps out overlong forms,
	 * surrogates and what lies beyond U+10FFFF */
	static const struct {
		unsigned char first, last, low, high, octets;
	} form[] = {
		{ 0x00, 0x7f, 0x00, 0x00, 1 },
		{ 0xc2, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 },
		{ 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};
	size_t i, k;

	for (i = 0; i < sizeof form / sizeof form[0]; i++) {
		if (at[0] < form[i].first || at[0] > form[i].last)
			continue;
		if (left < form[i].octets)
			return 0;
		if (form[i].octets > 1 &&
		    (at[1] < form[i].low || at[1] > form[i].high))
			return 0;
		for (k = 2; k < form[i].octets; k++) {
			if ((at[k] & 0xc0) != 0x80)
				return 0;
		}
		return form[i].octets;
	}
	return 0;
}

bool
og_json_is_utf8(const char *at, size_t len)
{
	size_t used;
	size_t i;

	for (i = 0; i < len; i += used) {
		used = utf8_octets((const unsigned char *)at + i, len - i);
		if (used == 0)
			return false;
	}
	return true;
}

struct og_json_member
og_json_want_text(const char *name, char *text, size_t text_size)
{
	return (struct og_json_member){
		.name = name,
		.text = text,
		.text_size = text_size,
	};
}

struct og_json_member
og_json_want_number(const char *name, int64_t *number)
{
	return (struct og_json_member){ .name = name, .number = number };
}

static void
skip_blanks(struct reader *in)
{
	while (in->left > 0 && memchr(" \t\n\r", in->at[0], 4) != NULL) {
		in->at++;
		in->left--;
	}
}

static bool
take(struct reader *in, char c)
{
	if (in->left == 0 || in->at[0] != (unsigned char)c)
		return false;
	in->at++;
	in->left--;
	return true;
}

static enum og_status
put(struct sink *out, const void *at, size_t len)
{
	if (len > out->size - 1 - out->len)
		return OG_ELIMIT;
	memcpy(out->text + out->len, at, len);
	out->len += len;
	return OG_OK;
}

static enum og_status
put_code_point(struct sink *out, uint32_t c)
{
	unsigned char octet[4];
	size_t n = 0;

	if (c < 0x80) {
		octet[n++] = (unsigned char)c;
	} else if (c < 0x800) {
		octet[n++] = (unsigned char)(0xc0 | c >> 6);
		octet[n++] = (unsigned char)(0x80 | (c & 63));
	} else if (c < 0x10000) {
		octet[n++] = (unsigned char)(0xe0 | c >> 12);
		octet[n++] = (unsigned char)(0x80 | (c >> 6 & 63));
		octet[n++] = (unsigned char)(0x80 | (c & 63));
	} else {
		octet[n++] = (unsigned char)(0xf0 | c >> 18);
		octet[n++] = (unsigned char)(0x80 | (c >> 12 & 63));
		octet[n++] = (unsigned char)(0x80 | (c >> 6 & 63));
		octet[n++] = (unsigned char)(0x80 | (c & 63));
	}
	return put(out, octet, n);
}

static bool
read_hex4(struct reader *in, uint32_t *value)
{
	static const char digits[] = "0123456789abcdef";
	size_t i;

	*value = 0;
	if (in->left < 4)
		return false;
	for (i = 0; i < 4; i++) {
		char c = og_text_lower((char)in->at[i]);
		const char *digit = memchr(digits, c, 16);

		if (digit == NULL)
			return false;
		*value = *value << 4 | (uint32_t)(digit - digits);
	}
	in->at += 4;
	in->left -= 4;
	return true;
}

/* What follows "\u": one code point, perhaps as a pair of surrogates. */
static enum og_status
read_unicode(struct reader *in, struct sink *out)
{
	uint32_t high, low;

	if (!read_hex4(in, &high) || high == 0)
		return OG_EINPUT;
	if (high < 0xd800 || high > 0xdfff)
		return put_code_point(out, high);
	if (high > 0xdbff || !take(in, '\\') || !take(in, 'u') ||
	    !read_hex4(in, &low) || low < 0xdc00 || low > 0xdfff)
		return OG_EINPUT;
	return put_code_point(
	    out, 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00));
}

/* What follows a backslash. */
static enum og_status
read_escape(struct reader *in, struct sink *out)
{
	static const char letter[] = "\"\\/bfnrt";
	static const char means[] = "\"\\/\b\f\n\r\t";
	const char *found;

	if (take(in, 'u'))
		return read_unicode(in, out);
	if (in->left == 0)
		return OG_EINPUT;
	found = memchr(letter, in->at[0], sizeof letter - 1);
	if (found == NULL)
		return OG_EINPUT;
	in->at++;
	in->left--;
	return put(out, means + (found - letter), 1);
}

static enum og_status
read_string(struct reader *in, struct sink *out)
{
	enum og_status status = OG_OK;

	if (!take(in, '"'))
		return OG_EINPUT;
	while (status == OG_OK && !take(in, '"')) {
		size_t n;

		if (in->left == 0 || in->at[0] < ' ')
			return OG_EINPUT;
		if (take(in, '\\')) {
			status = read_escape(in, out);
			continue;
		}
		n = utf8_octets(in->at, in->left);
		if (n == 0)
			return OG_EINPUT;
		status = put(out, in->at, n);
		in->at += n;
		in->left -= n;
	}
	if (status == OG_OK)
		out->text[out->len] = '\0';
	return status;
}

/* No sign: nothing that is written so can be negative. */
static enum og_status
read_number(struct reader *in, int64_t *number)
{
	int64_t value = 0;
	size_t n;

	for (n = 0; n < in->left && og_text_is_digit((char)in->at[n]); n++) {
		if (n == DIGITS_MAX)
			return OG_EINPUT;
		value = value * 10 + (in->at[n] - '0');
	}
	if (n == 0 || (n > 1 && in->at[0] == '0'))
		return OG_EINPUT;
	in->at += n;
	in->left -= n;
	*number = value;
	return OG_OK;
}

static struct og_json_member *
find(struct og_json_member *members, size_t n, const char *name)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (strcmp(members[i].name, name) == 0)
			return &members[i];
	}
	return NULL;
}

static enum og_status
read_value(
    struct reader *in, struct og_json_member *member, struct og_error *err)
{
	struct sink out = { member->text, member->text_size, 0 };
	enum og_status status;

	if (member->seen)
		return og_fail(
		    err, OG_EINPUT, "JSON: '%s' comes twice", member->name);
	member->seen = true;
	if (member->number != NULL) {
		if (read_number(in, member->number) == OG_OK)
			return OG_OK;
		return og_fail(err, OG_EINPUT,
		    "JSON: '%s' is not a whole number of at most %d digits",
		    member->name, DIGITS_MAX);
	}
	status = read_string(in, &out);
	if (status == OG_ELIMIT)
		return og_fail(err, status,
		    "JSON: '%s' is longer than %zu octets", member->name,
		    member->text_size - 1);
	if (status != OG_OK)
		return og_fail(
		    err, status, "JSON: '%s' is not a string", member->name);
	member->text_len = out.len;
	return OG_OK;
}

static enum og_status
read_member(struct reader *in, struct og_json_member *members, size_t n,
    struct og_error *err)
{
	char name[NAME_SIZE];
	struct sink out = { name, sizeof name, 0 };
	struct og_json_member *member;

	skip_blanks(in);
	if (read_string(in, &out) != OG_OK)
		return og_fail(err, OG_EINPUT, "JSON: a name was expected");
	member = find(members, n, name);
	if (member == NULL)
		return og_fail(err, OG_EINPUT, "JSON: an unknown name");
	skip_blanks(in);
	if (!take(in, ':'))
		return og_fail(
		    err, OG_EINPUT, "JSON: no colon after '%s'", member->name);
	skip_blanks(in);
	return read_value(in, member, err);
}

enum og_status
og_json_read(const char *json, size_t len, struct og_json_member *members,
    size_t n, struct og_error *err)
{
	struct reader in = { (const unsigned char *)json, len };
	enum og_status status;
	size_t i;

	for (i = 0; i < n; i++)
		members[i].seen = false;
	skip_blanks(&in);
	if (!take(&in, '{'))
		return og_fail(err, OG_EINPUT, "JSON: not an object");
	do {
		status = read_member(&in, members, n, err);
		if (status != OG_OK)
			return status;
		skip_blanks(&in);
	} while (take(&in, ','));
	if (!take(&in, '}'))
		return og_fail(err, OG_EINPUT, "JSON: the object has no end");
	skip_blanks(&in);
	if (in.left != 0)
		return og_fail(
		    err, OG_EINPUT, "JSON: something follows the object");
	for (i = 0; i < n; i++) {
		if (!members[i].seen)
			return og_fail(err, OG_EINPUT, "JSON: '%s' is missing",
			    members[i].name);
	}
	return OG_OK;
}

void
og_json_put_string(struct og_text *out, const char *at, size_t len)
{
	static const char letter[] = "\"\\bfnrt";
	static const char means[] = "\"\\\b\f\n\r\t";
	size_t i;

	og_text_put(out, "\"");
	for (i = 0; i < len; i++) {
		const char *found = memchr(means, at[i], sizeof means - 1);

		if (found != NULL) {
			char escape[2] = { '\\', letter[found - means] };

			og_text_put_octets(out, escape, sizeof escape);
		} else if ((unsigned char)at[i] < ' ') {
			og_text_putf(out, "\\u%04x", (unsigned)at[i]);
		} else {
			og_text_put_octets(out, at + i, 1);
		}
	}
	og_text_put(out, "\"");
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ldif.c - changes that ldapmodify takes as they are (RFC 2849).
 */
#include "cli/ldif.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/base64.h"

/* RFC 2849, note 10: a program that folds lines does so at 76 */
#define COLUMNS 76

/* A line in the making. */
struct folder {
	FILE *to;
	size_t column;
};

static void
put(struct folder *line, const char *at, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (line->column == COLUMNS) {
			(void)fputs("\n ", line->to);
			line->column = 1;
		}
		(void)fputc(at[i], line->to);
		line->column++;
	}
}

/* SAFE-STRING of RFC 2849; a blank at the end is left to base64 (note 8). */
static bool
is_safe(const char *value)
{
	size_t len = strlen(value);
	size_t i;

	if (len == 0)
		return true;
	if (memchr(" :<", value[0], 3) != NULL || value[len - 1] == ' ')
		return false;
	for (i = 0; i < len; i++) {
		unsigned char c = (unsigned char)value[i];

		if (c >= 0x80 || c == '\r' || c == '\n')
			return false;
	}
	return true;
}

static void
put_base64(struct folder *line, const char *value)
{
	size_t len = strlen(value);
	size_t i;

	for (i = 0; i < len; i += 3) {
		size_t n = len - i < 3 ? len - i : 3;
		struct og_text text;
		uint8_t octets[3];
		char four[5];

		memcpy(octets, value + i, n);
		og_text_start(&text, four, sizeof four);
		og_base64_put(&text, OG_BASE64_PLAIN, octets, n);
		put(line, four, text.len);
	}
}

void
og_ldif_put(FILE *to, const char *name, const char *value)
{
	struct folder line = { to, 0 };

	put(&line, name, strlen(name));
	if (is_safe(value)) {
		put(&line, ": ", 2);
		put(&line, value, strlen(value));
	} else {
		put(&line, ":: ", 3);
		put_base64(&line, value);
	}
	(void)fputc('\n', to);
}

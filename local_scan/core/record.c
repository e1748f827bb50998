/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * record.c - values as the directory holds them, bounded.
 */
#include "core/record.h"

#include <string.h>

#include "core/text.h"

/* Everything but control characters: a later octet of UTF-8 is 0x80 and up. */
static bool
is_text(const char *at, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		unsigned char c = (unsigned char)at[i];

		if (c < ' ' || c == 0x7f)
			return false;
	}
	return true;
}

static bool
is_printable(const char *at, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (at[i] < ' ' || at[i] > '~')
			return false;
	}
	return true;
}

bool
og_owner_set(char owner[OG_OWNER_SIZE], const char *at, size_t len)
{
	struct og_text text;
	size_t i;

	og_text_start(&text, owner, OG_OWNER_SIZE);
	if (is_printable(at, len)) {
		og_text_put_octets(&text, at, len);
	} else {
		for (i = 0; i < len; i++)
			og_text_putf(&text, "%02x", (unsigned char)at[i]);
	}
	return text.len > 0 && !text.truncated;
}

void
og_value_set(struct og_value *value, const char *at, size_t len)
{
	if (value->state == OG_VALUE_ABSENT && is_text(at, len) &&
	    og_text_copy(value->text, sizeof value->text, at, len)) {
		value->state = OG_VALUE_TEXT;
		return;
	}
	value->state = OG_VALUE_UNFIT;
	value->text[0] = '\0';
}

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

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * base64.c - octets as text, in exactly one spelling.
 */
#include "core/base64.h"

#include <string.h>

static const char *
alphabet(enum og_base64_form form)
{
	switch (form) {
	case OG_BASE64_PLAIN:
		return "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		       "0123456789+/";
	case OG_BASE64_URL:
		return "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		       "0123456789-_";
	}
	return "";
}

void
og_base64_put(struct og_text *out, enum og_base64_form form, const uint8_t *at,
    size_t len)
{
	const char *digit = alphabet(form);
	size_t i;

	for (i = 0; i < len; i += 3) {
		size_t n = len - i < 3 ? len - i : 3;
		uint32_t bits = (uint32_t)at[i] << 16;
		char four[4] = { '=', '=', '=', '=' };

		if (n > 1)
			bits |= (uint32_t)at[i + 1] << 8;
		if (n > 2)
			bits |= at[i + 2];
		four[0] = digit[bits >> 18];
		four[1] = digit[bits >> 12 & 63];
		if (n > 1)
			four[2] = digit[bits >> 6 & 63];
		if (n > 2)
			four[3] = digit[bits & 63];
		og_text_put_octets(
		    out, four, form == OG_BASE64_PLAIN ? 4 : n + 1);
	}
}

/* Take right padding off the length. */
static bool
unpad(enum og_base64_form form, const char *text, size_t *len)
{
	if (form == OG_BASE64_URL)
		return *len % 4 != 1;
	if (*len % 4 != 0)
		return false;
	if (*len > 0 && text[*len - 1] == '=')
		*len -= text[*len - 2] == '=' ? 2 : 1;
	return true;
}

bool
og_base64_read(enum og_base64_form form, const char *text, size_t len,
    uint8_t *out, size_t size, size_t *n)
{
	const char *digits = alphabet(form);
	uint32_t bits = 0;
	unsigned held = 0;
	size_t used = 0;
	size_t i;

	if (!unpad(form, text, &len))
		return false;
	for (i = 0; i < len; i++) {
		const char *digit = memchr(digits, text[i], 64);

		if (digit == NULL)
			return false;
		bits = bits << 6 | (uint32_t)(digit - digits);
		held += 6;
		if (held < 8)
			continue;
		held -= 8;
		if (used == size)
			return false;
		out[used++] = (uint8_t)(bits >> held);
		bits &= (1U << held) - 1;
	}
	/* what is left over says nothing, and must not be able to */
	if (bits != 0)
		return false;
	*n = used;
	return true;
}

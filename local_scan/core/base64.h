/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OG_CORE_BASE64_H
#define OG_CORE_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/text.h"

/*
 * base64.h - octets as text, in exactly one spelling.
 *
 * A reader that takes two texts for the same octets lets a stored value be
 * changed without anybody noticing, so only canonical text is read: the right
 * padding, the spare bits zero, no blanks.
 */

enum og_base64_form {
	OG_BASE64_PLAIN, /* RFC 4648, 4: '+', '/', padded with '=' */
	OG_BASE64_URL,	 /* RFC 4648, 5: '-', '_', without padding */
};

void og_base64_put(struct og_text *out, enum og_base64_form form,
    const uint8_t *at, size_t len);

/*
 * text   len octets
 * out    takes the octets, size of them at most
 * n      how many they are; untouched on failure
 *
 * Returns false when the text is not canonical or does not fit.
 */
bool og_base64_read(enum og_base64_form form, const char *text, size_t len,
    uint8_t *out, size_t size, size_t *n);

#endif

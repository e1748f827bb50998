/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * address.c - the one form of mail address that can name a gateway.
 *
 * Only says yes or no, and repairs nothing: what is nearly an address is none.
 */
#include "core/address.h"

#include <string.h>

#include "core/host.h"
#include "core/text.h"

/* RFC 5322, 3.2.3 */
static bool
is_atext(char c)
{
	return og_text_is_alnum(c) ||
	       (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

static bool
is_dot_atom(const char *text, size_t len)
{
	bool after_dot = true;
	size_t i;

	for (i = 0; i < len; i++) {
		if (text[i] == '.' ? after_dot : !is_atext(text[i]))
			return false;
		after_dot = text[i] == '.';
	}
	return !after_dot;
}

/*
 * Some readers decode encoded words (RFC 2047) before they look for the
 * address, and then find another one than is written.
 */
static bool
has_encoded_word_delimiter(const char *text, size_t len)
{
	size_t i;

	for (i = 1; i < len; i++) {
		if ((text[i - 1] == '=' && text[i] == '?') ||
		    (text[i - 1] == '?' && text[i] == '='))
			return true;
	}
	return false;
}

bool
og_address_valid(const char *text, size_t len)
{
	const char *at = len < OG_ADDRESS_SIZE ? memchr(text, '@', len) : NULL;
	size_t local;

	if (at == NULL)
		return false;
	local = (size_t)(at - text);
	return local <= OG_LOCAL_PART_MAX && is_dot_atom(text, local) &&
	       !has_encoded_word_delimiter(text, local) &&
	       og_host_is_domain(at + 1, len - local - 1);
}

const char *
og_address_domain(const char *address)
{
	return strchr(address, '@') + 1;
}

bool
og_address_in_domain(const char *address, const char *domain)
{
	return og_host_below(og_address_domain(address), domain);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * host.c - which host names and ports a gateway may have.
 *
 * Only the name is judged here; to which address it leads is a question for
 * each delivery attempt.
 */
#include "core/host.h"

#include <string.h>

#include "core/text.h"

#define LABEL_MAX 63 /* RFC 1035, 2.3.4 */

/*
 * Names that mean this machine or this site, wherever they are asked for:
 * RFC 6761, 6762, 7686, 8375 and ICANN's "internal"; "localdomain" and "lan"
 * are what resolvers and home routers make up.
 */
static const char *const special_use[] = { "localhost", "localdomain", "local",
	"internal", "home.arpa", "lan", "onion", "invalid" };

static bool
is_label(const char *text, size_t len)
{
	size_t i;

	if (len < 1 || len > LABEL_MAX)
		return false;
	for (i = 0; i < len; i++) {
		if (!og_text_is_alnum(text[i]) && text[i] != '-')
			return false;
	}
	return text[0] != '-' && text[len - 1] != '-';
}

/*
 * A last label that holds a digit could make the whole a number in one of the
 * notations of inet_aton(): "0x7f.1", "1.0x1".
 */
static bool
is_top_label(const char *text, size_t len)
{
	size_t i;

	if (!is_label(text, len))
		return false;
	if (len > 4 && og_text_same_octets(text, 4, "xn--", 4))
		return true;
	for (i = 0; i < len; i++) {
		if (!og_text_is_letter(text[i]))
			return false;
	}
	return true;
}

bool
og_host_is_domain(const char *text, size_t len)
{
	const char *end = text + len;
	const char *dot;

	if (len >= OG_HOST_SIZE || memchr(text, '.', len) == NULL)
		return false;
	while ((dot = memchr(text, '.', (size_t)(end - text))) != NULL) {
		if (!is_label(text, (size_t)(dot - text)))
			return false;
		text = dot + 1;
	}
	return is_top_label(text, (size_t)(end - text));
}

static bool
is_below(const char *name, size_t len, const char *domain)
{
	size_t n = strlen(domain);

	return len >= n &&
	       og_text_same_octets(name + len - n, n, domain, n) &&
	       (len == n || name[len - n - 1] == '.');
}

bool
og_host_valid(const char *text, size_t len)
{
	size_t i;

	if (!og_host_is_domain(text, len))
		return false;
	for (i = 0; i < sizeof special_use / sizeof special_use[0]; i++) {
		if (is_below(text, len, special_use[i]))
			return false;
	}
	return true;
}

bool
og_host_pattern_valid(const char *text, size_t len)
{
	if (len > 2 && text[0] == '*' && text[1] == '.')
		return og_host_valid(text + 2, len - 2);
	return og_host_valid(text, len);
}

bool
og_host_matches(const char *host, const char *pattern)
{
	if (pattern[0] != '*')
		return og_text_same(host, pattern);
	/* "*.": below the domain, and not the domain itself */
	return og_host_below(host, pattern + 2) &&
	       !og_text_same(host, pattern + 2);
}

bool
og_host_below(const char *name, const char *domain)
{
	return is_below(name, strlen(name), domain);
}

enum og_status
og_host_port(const char *text, uint16_t *port, struct og_error *err)
{
	size_t len = strlen(text);
	unsigned n = 0;
	size_t i;

	/* five digits cannot overflow; zero is out with the leading zeros */
	if (len < 1 || len > 5 || text[0] == '0')
		goto no_port;
	for (i = 0; i < len; i++) {
		if (!og_text_is_digit(text[i]))
			goto no_port;
		n = n * 10 + (unsigned)(text[i] - '0');
	}
	if (n > UINT16_MAX)
		goto no_port;
	*port = (uint16_t)n;
	return OG_OK;
no_port:
	/* cut: the range must not fall off the end of the error's line */
	return og_fail(
	    err, OG_EINPUT, "port '%.64s' is not 1..65535", text);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verdict.c - the note that travels with a message from acceptance to delivery.
 *
 * It is parsed as strictly as it is written, although only local_scan() can
 * set it: a newer or older outgate may have.
 */
#include "core/verdict.h"

#include <string.h>

#include "core/text.h"

/* The reasons for which a submission is accepted for the org route. */
static bool
is_org_reason(enum og_reason reason)
{
	switch (reason) {
	case OG_WHY_NULL_SENDER:
	case OG_WHY_UNREADABLE_FROM:
	case OG_WHY_INTERNAL_FROM:
	case OG_WHY_NO_ENTRY:
	case OG_WHY_UNLISTED:
	case OG_WHY_FORBIDDEN:
		return true;
	case OG_WHY_NOT_SUBMITTED:
	case OG_WHY_AMBIGUOUS_FROM:
	case OG_WHY_DIRECTORY:
	case OG_WHY_BAD_GATEWAY:
	case OG_WHY_HOST_DENIED:
	case OG_WHY_UNPROVED:
	case OG_WHY_NO_PASSWORD:
	case OG_WHY_NUL_OCTETS:
	case OG_WHY_GATEWAY:
		break;
	}
	return false;
}

enum og_status
og_verdict_format(const struct og_verdict *verdict, char out[OG_VERDICT_SIZE],
    struct og_error *err)
{
	struct og_text text;

	og_text_start(&text, out, OG_VERDICT_SIZE);
	if (verdict->way == OG_ORG && is_org_reason(verdict->reason)) {
		og_text_putf(&text, "og=1 way=org why=%s",
		    og_reason_word(verdict->reason));
		return OG_OK;
	}
	if (verdict->way != OG_GATEWAY || verdict->reason != OG_WHY_GATEWAY ||
	    verdict->login[0] == '\0' || verdict->owner[0] == '\0' ||
	    !og_address_valid(verdict->from, strlen(verdict->from)))
		return og_fail(err, OG_EINPUT, "not a verdict that can be kept");
	og_text_put(&text, "og=1 way=gateway why=gateway login=");
	og_text_put_word(&text, verdict->login, strlen(verdict->login));
	og_text_put(&text, " owner=");
	og_text_put_word(&text, verdict->owner, strlen(verdict->owner));
	og_text_putf(&text, " from=%s", verdict->from);
	if (text.truncated) {
		out[0] = '\0';
		return og_fail(err, OG_ELIMIT,
		    "a verdict of more than %d octets", OG_VERDICT_SIZE - 1);
	}
	return OG_OK;
}

/* Step over a fixed text. */
static bool
skip(const char **at, const char *expected)
{
	size_t len = strlen(expected);

	if (strncmp(*at, expected, len) != 0)
		return false;
	*at += len;
	return true;
}

/* Take the word up to the next blank or the end. */
static bool
take(const char **at, char *out, size_t size)
{
	size_t len = strcspn(*at, " ");

	if (len == 0 || !og_text_word_read(*at, len, out, size))
		return false;
	*at += len;
	return true;
}

static bool
parse_org(const char *at, struct og_verdict *verdict)
{
	int reason;

	verdict->way = OG_ORG;
	for (reason = 0; reason < OG_REASONS; reason++) {
		verdict->reason = (enum og_reason)reason;
		if (is_org_reason(verdict->reason) &&
		    strcmp(at, og_reason_word(verdict->reason)) == 0)
			return true;
	}
	return false;
}

static bool
parse_gateway(const char *at, struct og_verdict *verdict)
{
	size_t len;

	verdict->way = OG_GATEWAY;
	verdict->reason = OG_WHY_GATEWAY;
	if (!skip(&at, "gateway login=") ||
	    !take(&at, verdict->login, sizeof verdict->login) ||
	    !skip(&at, " owner=") ||
	    !take(&at, verdict->owner, sizeof verdict->owner) ||
	    !skip(&at, " from="))
		return false;
	len = strlen(at);
	return og_address_valid(at, len) &&
	    og_text_copy(verdict->from, sizeof verdict->from, at, len);
}

enum og_status
og_verdict_parse(
    const char *text, struct og_verdict *verdict, struct og_error *err)
{
	const char *at = text;
	bool ok = false;

	*verdict = (struct og_verdict){ 0 };
	if (strlen(text) < OG_VERDICT_SIZE && skip(&at, "og=1 way=")) {
		if (skip(&at, "org why="))
			ok = parse_org(at, verdict);
		else if (skip(&at, "gateway why="))
			ok = parse_gateway(at, verdict);
	}
	if (ok)
		return OG_OK;
	*verdict = (struct og_verdict){ 0 };
	return og_fail(err, OG_EINPUT, "not a verdict of this outgate");
}

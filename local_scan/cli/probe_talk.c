/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * probe_talk.c - what a server says to a probe, and what that means.
 *
 * Of a server's words nothing is kept but the number of a reply: its text may
 * be a secret of the network it is in, or the password itself.
 */
#include "cli/probe_talk.h"

#include <stdint.h>
#include <string.h>

#include "core/base64.h"
#include "core/text.h"

/* One for the login and one for the password. */
#define PROMPTS_MAX 2

static bool
settle(struct og_talk *talk, enum og_probe_result result)
{
	talk->settled = true;
	talk->result = result;
	return false;
}

/* A reply that is no success: what does it mean at this point? */
static bool
refused(struct og_talk *talk, const char *to, enum og_probe_result for_good,
    struct og_error *why)
{
	(void)og_fail(why, OG_EDENIED, "%s: answered with %d", to, talk->code);
	if (talk->code / 100 == 4)
		return settle(talk, OG_PROBE_LATER);
	if (talk->code / 100 == 5)
		return settle(talk, for_good);
	return settle(talk, OG_PROBE_ODD);
}

/* len octets that begin with the word; case counts, as it does for Exim. */
static bool
begins(const char *at, size_t len, const char *word)
{
	return len >= strlen(word) && memcmp(at, word, strlen(word)) == 0;
}

static void
read_mechanisms(struct og_talk *talk, const char *at, size_t len)
{
	while (len > 0) {
		size_t n = 0;

		while (n < len && strchr(" \t\r\n", at[n]) == NULL)
			n++;
		if (n == 8 && begins(at, n, "CRAM-MD5"))
			talk->offers_cram = talk->offers_auth = true;
		if ((n == 5 && begins(at, n, "PLAIN")) ||
		    (n == 5 && begins(at, n, "LOGIN")))
			talk->offers_auth = true;
		at += n < len ? n + 1 : n;
		len -= n < len ? n + 1 : n;
	}
}

/* A line of the answer to EHLO, behind its number. */
static void
hear_extension(struct og_talk *talk, const char *at, size_t len)
{
	if (begins(at, len, "STARTTLS"))
		talk->offers_starttls = true;
	if (begins(at, len, "AUTH "))
		read_mechanisms(talk, at + 5, len - 5);
}

static bool
hear_ehlo(struct og_talk *talk, struct og_error *why)
{
	if (talk->code / 100 != 2)
		return refused(talk, "EHLO", OG_PROBE_UNREACHABLE, why);
	if (talk->starttls && !talk->offers_starttls) {
		(void)og_fail(why, OG_EDENIED, "STARTTLS is not offered");
		return settle(talk, OG_PROBE_TLS);
	}
	if (!talk->starttls && !talk->offers_auth) {
		(void)og_fail(why, OG_EDENIED,
		    "none of AUTH CRAM-MD5, PLAIN and LOGIN is offered");
		return settle(talk, OG_PROBE_NO_AUTH);
	}
	talk->step = talk->starttls ? OG_TALK_STARTTLS : OG_TALK_AUTH;
	return true;
}

/*
 * What stands before TLS counts for nothing after it: another EHLO follows,
 * and what is offered is read anew (RFC 3207, 4.2).
 */
static bool
hear_starttls(struct og_talk *talk, struct og_error *why)
{
	if (talk->code != 220)
		return refused(talk, "STARTTLS", OG_PROBE_TLS, why);
	talk->starttls = false;
	talk->offers_starttls = talk->offers_auth = talk->offers_cram = false;
	talk->step = OG_TALK_EHLO;
	return true;
}

/*
 * A challenge that is not base64 makes libcurl go on with the next mechanism;
 * a second try is none of ours.
 */
static bool
hear_prompt(
    struct og_talk *talk, const char *at, size_t len, struct og_error *why)
{
	uint8_t challenge[1024];
	size_t n;

	while (len > 0 && strchr(" \t\r\n", at[len - 1]) != NULL)
		len--;
	talk->prompts++;
	if (talk->prompts > PROMPTS_MAX ||
	    (talk->offers_cram && !og_base64_read(OG_BASE64_PLAIN, at, len,
				      challenge, sizeof challenge, &n))) {
		(void)og_fail(
		    why, OG_EINPUT, "AUTH: the server's question is none");
		return settle(talk, OG_PROBE_ODD);
	}
	return true;
}

/*
 * A 5xx before a prompt refuses the mechanism: nothing of a login has been
 * sent yet.
 */
static bool
hear_auth(
    struct og_talk *talk, const char *at, size_t len, struct og_error *why)
{
	if (talk->code == 334)
		return hear_prompt(talk, at, len, why);
	if (talk->code != 235)
		return refused(talk, "AUTH",
		    talk->prompts > 0 ? OG_PROBE_REFUSED : OG_PROBE_NO_AUTH,
		    why);
	talk->logged_in = true;
	talk->code = 0;
	talk->step = OG_TALK_COMMAND;
	return true;
}

/* The last line of a reply; at is what stands behind its number. */
static bool
hear_reply(
    struct og_talk *talk, const char *at, size_t len, struct og_error *why)
{
	switch (talk->step) {
	case OG_TALK_GREETING:
		if (talk->code / 100 != 2)
			return refused(
			    talk, "connecting", OG_PROBE_UNREACHABLE, why);
		talk->step = OG_TALK_EHLO;
		return true;
	case OG_TALK_EHLO:
		return hear_ehlo(talk, why);
	case OG_TALK_STARTTLS:
		return hear_starttls(talk, why);
	case OG_TALK_AUTH:
		return hear_auth(talk, at, len, why);
	case OG_TALK_COMMAND:
		break;
	}
	return true;
}

/* "250 text", "250-text" or "250" (RFC 5321, 4.2). */
static bool
is_reply(const char *at, size_t len)
{
	return len >= 5 && og_text_is_digit(at[0]) && og_text_is_digit(at[1]) &&
	       og_text_is_digit(at[2]) &&
	       (at[3] == ' ' || at[3] == '-' || at[3] == '\r');
}

bool
og_talk_hear(
    struct og_talk *talk, const char *at, size_t len, struct og_error *why)
{
	/* after a refusal libcurl says QUIT: its answer is nobody's */
	if (talk->settled || (talk->step == OG_TALK_COMMAND && talk->code != 0))
		return true;
	if (!is_reply(at, len)) {
		(void)og_fail(why, OG_EINPUT, "a reply that is not of SMTP");
		return settle(talk, OG_PROBE_ODD);
	}
	if (talk->step == OG_TALK_EHLO)
		hear_extension(talk, at + 4, len - 4);
	if (at[3] == '-')
		return true;
	talk->code = (at[0] - '0') * 100 + (at[1] - '0') * 10 + at[2] - '0';
	return hear_reply(talk, at + 4, len - 4, why);
}

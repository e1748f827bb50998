/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan.c - local_scan(): Exim asks us about every message, at the end of DATA.
 *
 * Message -> facts -> decision -> verdict, one log line, and Exim's answer to
 * the client.  Nothing here opens a seal: reception needs no key.
 */
#include "exim/host.h"

#include <string.h>

#include "core/text.h"
#include "core/verdict.h"
#include "exim/cutthrough.h"
#include "exim/notice.h"
#include "exim/settings.h"
#include "io/resolve.h"

int local_scan_version_major(void);
int local_scan_version_minor(void);

static bool
is_submission(void)
{
	/* -bh only pretends: its answers must not depend on the directory */
	return sender_host_authenticated != NULL && smtp_input &&
	    !smtp_batched_input && !host_checking;
}

static void
read_login(char login[OG_LOGIN_SIZE])
{
	const char *id = og_host_expand("$authenticated_id");

	/* a login that does not fit is left empty: it cannot be looked up */
	if (id == NULL || !og_text_copy(login, OG_LOGIN_SIZE, id, strlen(id)))
		login[0] = '\0';
}

static void
read_from(struct og_from *from)
{
	const header_line *h;

	for (h = header_list; h != NULL; h = h->next) {
		/* type '*' marks what has been deleted but stays listed */
		if (h->type != '*' && h->text != NULL && h->slen > 0)
			og_from_line(
			    from, (const char *)h->text, (size_t)h->slen);
	}
	og_from_finish(from);
}

/* One line, fixed words: what was decided for this submission, and why. */
static void
log_decision(const struct og_facts *facts, const struct og_decision *decision,
    const struct og_error *why)
{
	char line[1024];
	struct og_text text;

	og_text_start(&text, line, sizeof line);
	og_text_putf(&text, "outgate: way=%s why=%s login=",
	    og_action_word(decision->action),
	    og_reason_word(decision->reason));
	og_text_put_word(&text, facts->login, strlen(facts->login));
	if (facts->from.address[0] != '\0')
		og_text_putf(&text, " from=%s", facts->from.address);
	if (decision->action == OG_GATEWAY)
		og_text_putf(&text, " host=%s port=%u tls=%s",
		    decision->gateway.host, decision->gateway.port,
		    og_tls_word(decision->gateway.tls));
	if (why->text[0] != '\0') {
		og_text_put(&text, " detail=");
		og_text_put_word(&text, why->text, strlen(why->text));
	}
	log_write(0, LOG_MAIN, "%s", line);
}

static int
defer(uschar **return_text, const char *reply)
{
	*return_text = og_host_copy(reply);
	return LOCAL_SCAN_TEMPREJECT_NOLOGHDR;
}

static int
accept_message(const struct og_facts *facts, const struct og_records *records,
    const struct og_decision *decision, uschar **return_text)
{
	struct og_verdict verdict = {
		.way = decision->action,
		.reason = decision->reason,
	};
	char text[OG_VERDICT_SIZE];
	struct og_error err;

	if (decision->action == OG_GATEWAY && og_cutthrough_is_on()) {
		log_write(0, LOG_MAIN,
		    "outgate: cutthrough_delivery is on for a gateway's "
		    "message: refused");
		return defer(return_text,
		    "4.3.5 this server passes mail on before its outbound "
		    "gateway is known; ask your administrator");
	}
	if (decision->action == OG_GATEWAY) {
		memcpy(verdict.login, facts->login, sizeof verdict.login);
		memcpy(verdict.owner, records->owner, sizeof verdict.owner);
		memcpy(verdict.from, facts->from.address, sizeof verdict.from);
	}
	if (og_verdict_format(&verdict, text, &err) != OG_OK) {
		log_write(0, LOG_MAIN, "outgate: %s", err.text);
		return defer(return_text, "4.3.0 the message cannot be routed");
	}
	*return_text = og_host_copy(text);
	return LOCAL_SCAN_ACCEPT;
}

static int
answer(const struct og_facts *facts, const struct og_records *records,
    const struct og_decision *decision, uschar **return_text)
{
	switch (decision->action) {
	case OG_ORG:
	case OG_GATEWAY:
		return accept_message(facts, records, decision, return_text);
	case OG_REFUSE:
		*return_text = og_host_copy(decision->reply);
		return LOCAL_SCAN_REJECT_NOLOGHDR;
	case OG_DEFER:
		break;
	}
	return defer(return_text, decision->reply);
}

int
local_scan(int fd, uschar **return_text)
{
	const struct og_config *config;
	struct og_facts facts = { .submission = is_submission() };
	struct og_records records = { 0 };
	struct og_decision decision;
	struct og_error why;

	if (!facts.submission) {
		og_notice_receive(fd);
		return LOCAL_SCAN_ACCEPT;
	}
	config = og_settings(&why);
	if (config == NULL) {
		log_write(0, LOG_MAIN, "outgate: %s", why.text);
		return defer(return_text,
		    "4.3.5 this server's settings for outbound gateways "
		    "cannot be read; try again later");
	}
	facts.null_sender = sender_address == NULL || *sender_address == '\0';
	facts.has_nul = body_zerocount > 0;
	read_login(facts.login);
	read_from(&facts.from);
	og_resolve(config, &facts, &records, &decision, &why);
	log_decision(&facts, &decision, &why);
	return answer(&facts, &records, &decision, return_text);
}

/* Debian's loader compares these with its own before it calls local_scan(). */
int
local_scan_version_major(void)
{
	return LOCAL_SCAN_ABI_VERSION_MAJOR;
}

int
local_scan_version_minor(void)
{
	return LOCAL_SCAN_ABI_VERSION_MINOR;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OG_CLI_AGENT_MAIL_H
#define OG_CLI_AGENT_MAIL_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

/*
 * agent_mail.h - the mail that carries a proof.
 *
 * Its text is a template: "Subject: ", the subject, an empty line, and lines of
 * text in which @user@, @organisation@, @address@, @host@, @port@, @sender@,
 * @ends@ and @proof@ are replaced.  @proof@ stands alone on its line, once.
 */

/* A template, and what it may become. */
#define OG_MAIL_TEXT_SIZE (16 * 1024)
#define OG_MAIL_SIZE (48 * 1024)

/* The agent's own template. */
extern const char og_agent_mail_text[];

/* What is put into it. */
struct og_mail {
	const char *user; /* the login at the organisation; any octets */
	const char *organisation; /* its domain */
	const char *sender;
	const char *address; /* where it goes */
	const char *host;
	unsigned port;
	const char *proof;
	const char *ends; /* the proof's last day */
	int64_t now_s;
};

/*
 * May a site use this as its template?
 *
 * OG_EINPUT  no; err says why
 */
OG_MUST_CHECK enum og_status og_agent_mail_check(
    const char *text, struct og_error *err);

/*
 * Write the message, header and text, with CRLF.
 *
 * out   OG_MAIL_SIZE octets; a C string
 *
 * OG_ELIMIT   it would not fit
 * OG_ESYSTEM  no random numbers for its Message-ID
 */
OG_MUST_CHECK enum og_status og_agent_mail_write(const char *text,
    const struct og_mail *mail, char *out, struct og_error *err);

enum og_mail_result {
	OG_MAIL_SENT,	 /* taken, or nobody knows */
	OG_MAIL_LATER,	 /* not taken, for the moment */
	OG_MAIL_REFUSED, /* not taken, for good */
};

/*
 * Hand a message to a server, without logging in.
 *
 * server  "host:port"
 * err     unless SENT for certain: what happened, without words of the
 *         server's; else ""
 */
enum og_mail_result og_agent_mail_send(const char *server,
    const struct og_mail *mail, const char *message, struct og_error *err);

#endif

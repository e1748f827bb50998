/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OG_CORE_VERDICT_H
#define OG_CORE_VERDICT_H

#include "core/decide.h"
#include "core/error.h"

/*
 * verdict.h - the note that travels with a message from acceptance to delivery.
 *
 * Exim stores it in the spool, shows it as $local_scan_data, and only
 * local_scan() can set it: a sender cannot forge one, as he can a header.  It
 * names the gateway's owner and address, never a host, login or secret of the
 * gateway: those are read again at delivery, and spool files are read by
 * backups.
 *
 * Two forms, words as in ${extract{way}{$local_scan_data}}:
 *
 *   og=1 way=org why=internal-from
 *   og=1 way=gateway why=gateway login=jo owner=<entryUUID> from=jo@partner.example
 *
 * login and owner are encoded by og_text_put_word, from stands as it is.
 */

/* Exim keeps 1000 characters at most (Exim 4.96 specification, 46.2). */
#define OG_VERDICT_SIZE 1001

struct og_verdict {
	enum og_action way; /* OG_ORG or OG_GATEWAY: the others accept nothing */
	enum og_reason reason;
	/* OG_GATEWAY only, else "" */
	char login[OG_LOGIN_SIZE];
	char owner[OG_OWNER_SIZE];
	char from[OG_ADDRESS_SIZE];
};

/*
 * Write a verdict.
 *
 * out    one line of printable ASCII, or "" on failure
 *
 * OG_EINPUT  the verdict is not one of the two forms
 * OG_ELIMIT  the text would not fit
 */
OG_MUST_CHECK enum og_status og_verdict_format(const struct og_verdict *verdict,
    char out[OG_VERDICT_SIZE], struct og_error *err);

/*
 * Read a verdict, strictly: exactly what og_verdict_format writes.
 *
 * OG_EINPUT  it is not; *verdict is zeroed
 */
OG_MUST_CHECK enum og_status og_verdict_parse(
    const char *text, struct og_verdict *verdict, struct og_error *err);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OG_CORE_DECIDE_H
#define OG_CORE_DECIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/from.h"
#include "core/gateway.h"
#include "core/record.h"

/*
 * decide.h - the policy: where does this message go, and why?
 *
 * A pure function of facts and records.  It drives the look-ups: asked with
 * what is known so far, it answers or names the record it needs next.
 */

#define OG_DOMAINS_MAX 64
#define OG_PORTS_MAX 16

/* What the administrator has set; see outgate.conf(5). */
struct og_org {
	size_t n_domains;
	char domain[OG_DOMAINS_MAX][OG_HOST_SIZE]; /* the org's own */
	size_t n_ports;
	uint16_t port[OG_PORTS_MAX];
	bool refuse_unlisted;  /* else: the org route */
	bool refuse_forbidden; /* else: the org route */
	bool proof_required;
};

/* What is true of the message itself. */
struct og_facts {
	bool submission;  /* SMTP AUTH succeeded */
	bool null_sender; /* the envelope sender is <> */
	bool has_nul;	  /* a NUL octet is in its header or text */
	char login[OG_LOGIN_SIZE];
	struct og_from from;
};

enum og_action { OG_ORG = 0, OG_GATEWAY, OG_REFUSE, OG_DEFER };
#define OG_ACTIONS 4

enum og_reason {
	OG_WHY_NOT_SUBMITTED = 0,
	OG_WHY_NULL_SENDER,
	OG_WHY_UNREADABLE_FROM,
	OG_WHY_AMBIGUOUS_FROM,
	OG_WHY_INTERNAL_FROM,
	OG_WHY_DIRECTORY,
	OG_WHY_NO_ENTRY,
	OG_WHY_UNLISTED,
	OG_WHY_FORBIDDEN,
	OG_WHY_BAD_GATEWAY,
	OG_WHY_HOST_DENIED,
	OG_WHY_UNPROVED,
	OG_WHY_NO_PASSWORD,
	OG_WHY_NUL_OCTETS,
	OG_WHY_GATEWAY,
};
#define OG_REASONS 15

/* Which record the decision waits for; its og_lookup is OG_UNASKED. */
enum og_need {
	OG_NEED_NOTHING = 0,
	OG_NEED_USER,
	OG_NEED_MENTION,
	OG_NEED_GATEWAY,
	OG_NEED_PERMISSION,
	OG_NEED_PROOF,
	OG_NEED_REFUSED,
};

/* An address, a colon and a sentence. */
#define OG_REPLY_SIZE 512

struct og_decision {
	enum og_need need; /* unless NOTHING the rest means nothing yet */
	enum og_action action;
	enum og_reason reason;
	/*
	 * REFUSE and DEFER: the SMTP reply after its three digits: an enhanced
	 * status code (RFC 3463), a blank, one line of printable ASCII that
	 * says what to mend.  Else "".
	 */
	char reply[OG_REPLY_SIZE];
	/*
	 * The checked settings: always with OG_GATEWAY, and
	 * with OG_NEED_PROOF and OG_NEED_REFUSED, whose answers depend on them.
	 */
	struct og_gateway gateway;
};

/*
 * facts      from.state READ or UNREADABLE or MISSING; nothing else is read
 *            before the decision needs it
 * decision   is written whole
 *
 * Asked again with the needed record known, it comes to an answer after at
 * most five rounds.
 */
void og_decide(const struct og_org *org, const struct og_facts *facts,
    const struct og_records *records, struct og_decision *decision);

/* Is this valid address in one of the organisation's domains? */
bool og_org_owns(const struct og_org *org, const char *address);

/* "org", "gateway", "refuse", "defer". */
const char *og_action_word(enum og_action action);
/* The reason words of the decision table: "internal-from", ... */
const char *og_reason_word(enum og_reason reason);

#endif

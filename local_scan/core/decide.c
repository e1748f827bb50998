/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * decide.c - the policy: where does this message go, and why?
 *
 * The rules stand in the order of the decision table in docs/decisions.md;
 * the first that fits wins.  Each either settles the decision, names the
 * record it needs, or passes the message on to the next.  A record that could
 * not be had settles it too: "unavailable" never becomes an answer.
 */
#include "core/decide.h"

#include <string.h>

#include "core/permission.h"
#include "core/sealed.h"
#include "core/text.h"

/* What a rule did: settled or asked (true), or passed the message on. */
static bool
settle(struct og_decision *d, enum og_action action, enum og_reason reason)
{
	d->need = OG_NEED_NOTHING;
	d->action = action;
	d->reason = reason;
	return true;
}

/* What an answer to the client begins with (RFC 3463). */
#define CODE_CONTENT "5.6.0"
#define CODE_DIRECTORY "4.4.3"
#define CODE_POLICY "5.7.1"
#define CODE_CREDENTIALS "5.7.8"

static bool
refuse(struct og_decision *d, enum og_reason reason, const char *code,
    const char *address, const char *what)
{
	struct og_text reply;

	og_text_start(&reply, d->reply, sizeof d->reply);
	og_text_putf(&reply, "%s ", code);
	if (address[0] != '\0')
		og_text_putf(&reply, "%s: ", address);
	og_text_put(&reply, what);
	return settle(d, OG_REFUSE, reason);
}

static bool
unavailable(struct og_decision *d)
{
	struct og_text reply;

	og_text_start(&reply, d->reply, sizeof d->reply);
	og_text_put(&reply, CODE_DIRECTORY
	    " your account's settings cannot be read at the moment; "
	    "try again later");
	return settle(d, OG_DEFER, OG_WHY_DIRECTORY);
}

/* True when the record is not there: it is asked for, or cannot be had. */
static bool
lacks(struct og_decision *d, enum og_lookup record, enum og_need need)
{
	switch (record) {
	case OG_UNASKED:
		d->need = need;
		return true;
	case OG_UNAVAILABLE:
		return unavailable(d);
	case OG_FOUND:
	case OG_ABSENT:
		break;
	}
	return false;
}

bool
og_org_owns(const struct og_org *org, const char *address)
{
	size_t i;

	for (i = 0; i < org->n_domains; i++) {
		if (og_address_in_domain(address, org->domain[i]))
			return true;
	}
	return false;
}

static bool
owns_host(const struct og_org *org, const char *host)
{
	size_t i;

	for (i = 0; i < org->n_domains; i++) {
		if (og_host_below(host, org->domain[i]))
			return true;
	}
	return false;
}

static bool
owns_port(const struct og_org *org, uint16_t port)
{
	size_t i;

	for (i = 0; i < org->n_ports; i++) {
		if (org->port[i] == port)
			return true;
	}
	return false;
}

/* No From that can be read: does it hide one of the user's addresses? */
static bool
unreadable(const struct og_facts *facts, const struct og_records *records,
    struct og_decision *d)
{
	static const char what[] = "the From header is ambiguous; send with "
				   "exactly one plain address there";

	if (facts->from.state == OG_FROM_MISSING)
		return settle(d, OG_ORG, OG_WHY_UNREADABLE_FROM);
	if (facts->from.too_many_lines)
		return refuse(d, OG_WHY_AMBIGUOUS_FROM, CODE_CONTENT, "", what);
	if (lacks(d, records->user, OG_NEED_USER))
		return true;
	if (records->user == OG_ABSENT)
		return settle(d, OG_ORG, OG_WHY_UNREADABLE_FROM);
	if (lacks(d, records->mention, OG_NEED_MENTION))
		return true;
	if (records->mention == OG_FOUND)
		return refuse(d, OG_WHY_AMBIGUOUS_FROM, CODE_CONTENT, "", what);
	return settle(d, OG_ORG, OG_WHY_UNREADABLE_FROM);
}

/* Is there a gateway for this address, and may this user have one? */
static bool
entitlement(const struct og_org *org, const struct og_facts *facts,
    const struct og_records *records, struct og_decision *d)
{
	const char *address = facts->from.address;

	if (lacks(d, records->user, OG_NEED_USER))
		return true;
	if (records->user == OG_ABSENT)
		return settle(d, OG_ORG, OG_WHY_NO_ENTRY);
	if (lacks(d, records->gateway, OG_NEED_GATEWAY))
		return true;
	if (records->gateway == OG_ABSENT) {
		if (!org->refuse_unlisted)
			return settle(d, OG_ORG, OG_WHY_UNLISTED);
		return refuse(d, OG_WHY_UNLISTED, CODE_POLICY, address,
		    "none of your outbound gateways serves this address; "
		    "add it to one or send as another address");
	}
	if (lacks(d, records->permission, OG_NEED_PERMISSION))
		return true;
	if (records->permission == OG_FOUND && records->chain.allowed)
		return false;
	if (!org->refuse_forbidden)
		return settle(d, OG_ORG, OG_WHY_FORBIDDEN);
	return refuse(d, OG_WHY_FORBIDDEN, CODE_POLICY, address,
	    "outbound gateways are not enabled for your account; "
	    "ask your administrator");
}

/* Are the gateway's settings complete, valid and allowed? */
static bool
settings(const struct og_org *org, const struct og_facts *facts,
    const struct og_records *records, struct og_decision *d)
{
	const char *address = facts->from.address;
	const char *attribute;
	struct og_error err;

	if (records->several_gateways)
		return refuse(d, OG_WHY_BAD_GATEWAY, CODE_POLICY, address,
		    "outgateAddress: several of your outbound gateways serve "
		    "this address; remove it from all but one");
	if (og_gateway_check(
		&records->entry, &d->gateway, &attribute, &err) != OG_OK) {
		og_error_prefix(&err, "%s", attribute);
		return refuse(
		    d, OG_WHY_BAD_GATEWAY, CODE_POLICY, address, err.text);
	}
	if (!owns_port(org, d->gateway.port))
		return refuse(d, OG_WHY_HOST_DENIED, CODE_POLICY, address,
		    "outgatePort: this port is not allowed for outbound "
		    "gateways");
	if (owns_host(org, d->gateway.host) ||
	    !og_permission_permits_host(&records->chain, d->gateway.host))
		return refuse(d, OG_WHY_HOST_DENIED, CODE_POLICY, address,
		    "outgateHost: this server is not allowed for outbound "
		    "gateways; ask your administrator");
	return false;
}

/* Does the user control the address, and is there a password to use? */
static bool
credentials(const struct og_org *org, const struct og_facts *facts,
    const struct og_records *records, struct og_decision *d)
{
	const char *address = facts->from.address;
	uint8_t der[OG_SEALED_DER_MAX];
	struct og_error err;
	size_t n;

	if (org->proof_required) {
		if (lacks(d, records->proof, OG_NEED_PROOF))
			return true;
		if (records->proof == OG_ABSENT)
			return refuse(d, OG_WHY_UNPROVED, CODE_POLICY, address,
			    "outgateProof: no valid proof that this address "
			    "is yours; paste the one mailed to it");
	}
	if (!records->entry.password_present)
		return refuse(d, OG_WHY_NO_PASSWORD, CODE_CREDENTIALS, address,
		    "outgatePassword: your outbound gateway has no password");
	if (og_sealed_decode(records->entry.password, der, &n, &err) != OG_OK)
		return refuse(d, OG_WHY_NO_PASSWORD, CODE_CREDENTIALS, address,
		    "outgatePassword: the stored password cannot be used; "
		    "enter it again");
	if (lacks(d, records->refused, OG_NEED_REFUSED))
		return true;
	if (records->refused == OG_FOUND)
		return refuse(d, OG_WHY_NO_PASSWORD, CODE_CREDENTIALS, address,
		    "outgatePassword: your outbound gateway's server refused "
		    "this login and password; enter the right ones");
	return false;
}

/*
 * Can its octets mean one thing only?  Some servers drop a NUL, and what
 * follows it may then end the message: the rest would be commands (SMTP
 * smuggling).
 */
static bool
octets(const struct og_facts *facts, struct og_decision *d)
{
	if (!facts->has_nul)
		return false;
	return refuse(d, OG_WHY_NUL_OCTETS, CODE_CONTENT, facts->from.address,
	    "this message contains NUL octets, which your outbound gateway's "
	    "server may misread; send it without them");
}

void
og_decide(const struct og_org *org, const struct og_facts *facts,
    const struct og_records *records, struct og_decision *d)
{
	*d = (struct og_decision){ .action = OG_DEFER };
	if (!facts->submission)
		(void)settle(d, OG_ORG, OG_WHY_NOT_SUBMITTED);
	else if (facts->null_sender)
		(void)settle(d, OG_ORG, OG_WHY_NULL_SENDER);
	else if (facts->from.state != OG_FROM_READ)
		(void)unreadable(facts, records, d);
	else if (og_org_owns(org, facts->from.address))
		(void)settle(d, OG_ORG, OG_WHY_INTERNAL_FROM);
	else if (!entitlement(org, facts, records, d) &&
	    !settings(org, facts, records, d) &&
	    !credentials(org, facts, records, d) && !octets(facts, d))
		(void)settle(d, OG_GATEWAY, OG_WHY_GATEWAY);
}

const char *
og_action_word(enum og_action action)
{
	switch (action) {
	case OG_ORG:
		return "org";
	case OG_GATEWAY:
		return "gateway";
	case OG_REFUSE:
		return "refuse";
	case OG_DEFER:
		return "defer";
	}
	return "";
}

const char *
og_reason_word(enum og_reason reason)
{
	switch (reason) {
	case OG_WHY_NOT_SUBMITTED:
		return "not-submitted";
	case OG_WHY_NULL_SENDER:
		return "null-sender";
	case OG_WHY_UNREADABLE_FROM:
		return "unreadable-from";
	case OG_WHY_AMBIGUOUS_FROM:
		return "ambiguous-from";
	case OG_WHY_INTERNAL_FROM:
		return "internal-from";
	case OG_WHY_DIRECTORY:
		return "directory";
	case OG_WHY_NO_ENTRY:
		return "no-entry";
	case OG_WHY_UNLISTED:
		return "unlisted";
	case OG_WHY_FORBIDDEN:
		return "forbidden";
	case OG_WHY_BAD_GATEWAY:
		return "bad-gateway";
	case OG_WHY_HOST_DENIED:
		return "host-denied";
	case OG_WHY_UNPROVED:
		return "unproved";
	case OG_WHY_NO_PASSWORD:
		return "no-password";
	case OG_WHY_NUL_OCTETS:
		return "nul-octets";
	case OG_WHY_GATEWAY:
		return "gateway";
	}
	return "";
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_decide.c - the policy, row by row, and over every combination.
 *
 * A row says what is true and what must come of it; the sweep beside it
 * asserts what must hold whatever is true.
 */
#include "rows.h"
#include "sealed_sample.h"

#include <string.h>

#include "core/decide.h"
#include "core/sealed.h"
#include "core/verdict.h"

#define JO "jo.doe@partner.example"

/* ---- what a row can say of a message ---- */
enum from { MISSING, HIDDEN, FLOOD, INTERNAL, SUBDOMAIN, EXTERNAL };
enum mode { PLAIN, NULL_SENDER, UNAUTHENTICATED };
/* ---- of the records: the last of each is "cannot be had" ---- */
enum rec { UNASKED, YES, NO, DOWN };
/* ---- of the permission and of the gateway entry ---- */
enum perm { P_UNASKED, P_TRUE, P_FALSE, P_ABSENT, P_OTHER_HOST, P_DOWN };
enum entry {
	GOOD, STARTTLS, SEVERAL, NO_HOST, BAD_HOST, NO_LOGIN, BAD_TLS, BAD_PORT,
	PORT_25, ORG_HOST, NO_PASSWORD, CLEAR_PASSWORD,
};
/* ---- of the administrator's settings ---- */
enum org { MODEL, STRICT, PROOF };

struct row {
	const char *name;
	enum mode mode;
	enum from from;
	enum rec user, mention, gateway;
	enum entry entry;
	enum perm perm;
	enum rec proof;
	enum org org;
	enum rec refused;
	bool nul;
	/* then */
	enum og_need need;
	enum og_action action;
	enum og_reason reason;
	const char *reply;
};

static void
set(struct og_value *value, const char *text)
{
	og_value_set(value, text, strlen(text));
}

static void
fill_entry(struct og_records *records, enum entry entry)
{
	struct og_gateway_record *e = &records->entry;

	if (entry == SEVERAL) {
		records->several_gateways = true;
		return;
	}
	if (entry != NO_HOST)
		set(&e->host, entry == BAD_HOST ? "127.0.0.1" :
			entry == ORG_HOST	? "mail.org.example" :
						  "smtp.partner.example");
	if (entry != NO_LOGIN)
		set(&e->login, "jo.doe");
	if (entry == STARTTLS || entry == BAD_TLS)
		set(&e->tls, entry == BAD_TLS ? "none" : "starttls");
	if (entry == BAD_PORT || entry == PORT_25)
		set(&e->port, entry == BAD_PORT ? "587x" : "25");
	if (entry != NO_PASSWORD)
		e->password_present = true;
	if (entry == CLEAR_PASSWORD)
		strcpy(e->password, "secret");
	else if (entry != NO_PASSWORD)
		strcpy(e->password, SEALED_SAMPLE);
}

static void
fill_permission(struct og_records *records, enum perm perm)
{
	if (perm == P_UNASKED)
		return;
	if (perm == P_DOWN) {
		records->permission = OG_UNAVAILABLE;
		return;
	}
	records->permission = OG_FOUND;
	records->chain.decided = perm != P_ABSENT;
	records->chain.allowed = perm == P_TRUE || perm == P_OTHER_HOST;
	if (perm == P_OTHER_HOST) {
		records->chain.hosts_decided = true;
		records->chain.n_hosts = 1;
		strcpy(records->chain.host[0], "*.elsewhere.example");
	}
}

static void
fill_from(struct og_facts *facts, enum from from)
{
	static const char *const address[] = {
		[INTERNAL] = "jo@org.example",
		[SUBDOMAIN] = "jo@lab.ORG.example",
		[EXTERNAL] = JO,
	};

	if (from == MISSING)
		return;
	if (from == HIDDEN || from == FLOOD) {
		facts->from.state = OG_FROM_UNREADABLE;
		facts->from.too_many_lines = from == FLOOD;
		return;
	}
	facts->from.state = OG_FROM_READ;
	strcpy(facts->from.address, address[from]);
}

static enum og_lookup
lookup(enum rec rec)
{
	static const enum og_lookup as[] = { OG_UNASKED, OG_FOUND, OG_ABSENT,
		OG_UNAVAILABLE };

	return as[rec];
}

static void
decide(const struct row *row, struct og_decision *decision)
{
	struct og_org org = { .n_domains = 1, .n_ports = 2 };
	struct og_facts facts = { 0 };
	struct og_records records = { 0 };

	strcpy(org.domain[0], "org.example");
	org.port[0] = 465;
	org.port[1] = 587;
	org.refuse_unlisted = org.refuse_forbidden = row->org == STRICT;
	org.proof_required = row->org == PROOF;

	facts.submission = row->mode != UNAUTHENTICATED;
	facts.null_sender = row->mode == NULL_SENDER;
	facts.has_nul = row->nul;
	strcpy(facts.login, "jo");
	fill_from(&facts, row->from);

	records.user = lookup(row->user);
	strcpy(records.owner, "8d9bd5ba-0000-4000-8000-3d64a6d63d94");
	records.mention = lookup(row->mention);
	records.gateway = lookup(row->gateway);
	if (row->gateway == YES)
		fill_entry(&records, row->entry);
	fill_permission(&records, row->perm);
	records.proof = lookup(row->proof);
	records.refused = lookup(row->refused);
	og_decide(&org, &facts, &records, decision);
}

#define ASK(what) .need = OG_NEED_##what, .action = OG_DEFER
#define ORG(why) .action = OG_ORG, .reason = OG_WHY_##why, .reply = ""
#define REFUSE(why, text) \
	.action = OG_REFUSE, .reason = OG_WHY_##why, .reply = text
#define DEFER                                              \
	.action = OG_DEFER, .reason = OG_WHY_DIRECTORY,    \
	.reply = "4.4.3 your account's settings cannot be" \
		 " read at the moment; try again later"

/* clang-format off */
static const struct row rows[] = {
	/* rows 1 and 2: not ours to judge */
	{ "a message that was not submitted takes the org route, whatever its From", UNAUTHENTICATED, EXTERNAL, ORG(NOT_SUBMITTED) },
	{ "a message that was not submitted takes the org route even with every gate open", UNAUTHENTICATED, EXTERNAL, YES, NO, YES, GOOD, P_TRUE, ORG(NOT_SUBMITTED) },
	{ "an empty envelope sender takes the org route", NULL_SENDER, EXTERNAL, ORG(NULL_SENDER) },
	/* rows 3 and 4: a From that cannot be read */
	{ "no From at all takes the org route without a look-up", PLAIN, MISSING, ORG(UNREADABLE_FROM) },
	{ "an unreadable From asks for the user first", PLAIN, HIDDEN, ASK(USER) },
	{ "an unreadable From of a user asks whether it mentions his addresses", PLAIN, HIDDEN, YES, ASK(MENTION) },
	{ "an unreadable From that mentions none of the user's addresses takes the org route", PLAIN, HIDDEN, YES, NO, ORG(UNREADABLE_FROM) },
	{ "an unreadable From of a login without an entry takes the org route", PLAIN, HIDDEN, NO, ORG(UNREADABLE_FROM) },
	{ "an unreadable From that mentions one of the user's addresses is refused", PLAIN, HIDDEN, YES, YES,
		REFUSE(AMBIGUOUS_FROM, "5.6.0 the From header is ambiguous; send with exactly one plain address there") },
	{ "a flood of From lines is refused without a look-up", PLAIN, FLOOD,
		REFUSE(AMBIGUOUS_FROM, "5.6.0 the From header is ambiguous; send with exactly one plain address there") },
	{ "an unreadable From waits when the user cannot be looked up", PLAIN, HIDDEN, DOWN, DEFER },
	{ "an unreadable From waits when his addresses cannot be looked up", PLAIN, HIDDEN, YES, DOWN, DEFER },
	/* row 5: costs no look-up */
	{ "an internal From takes the org route without a look-up", PLAIN, INTERNAL, ORG(INTERNAL_FROM) },
	{ "a From in a subdomain of the org is internal, in any case of letters", PLAIN, SUBDOMAIN, ORG(INTERNAL_FROM) },
	{ "an internal From takes the org route although the directory is down", PLAIN, INTERNAL, DOWN, DOWN, DOWN, GOOD, P_DOWN, ORG(INTERNAL_FROM) },
	/* rows 6 and 7: who is it? */
	{ "an external From asks for the user", PLAIN, EXTERNAL, ASK(USER) },
	{ "an external From waits when the user cannot be looked up", PLAIN, EXTERNAL, DOWN, DEFER },
	{ "a login without an entry takes the org route", PLAIN, EXTERNAL, NO, ORG(NO_ENTRY) },
	/* row 8: is it one of his addresses? */
	{ "a known user's external From asks for a gateway", PLAIN, EXTERNAL, YES, ASK(GATEWAY) },
	{ "an external From waits when the gateways cannot be looked up", PLAIN, EXTERNAL, YES, NO, DOWN, DEFER },
	{ "an address none of his gateways serves takes the org route, as the model does", PLAIN, EXTERNAL, YES, NO, NO, ORG(UNLISTED) },
	{ "an address none of his gateways serves is refused where the administrator wants that", PLAIN, EXTERNAL, YES, NO, NO, .org = STRICT,
		REFUSE(UNLISTED, "5.7.1 " JO ": none of your outbound gateways serves this address; add it to one or send as another address") },
	/* row 9: may he? */
	{ "a user with a gateway asks for the permission", PLAIN, EXTERNAL, YES, NO, YES, ASK(PERMISSION) },
	{ "an external From waits when the permission cannot be looked up", PLAIN, EXTERNAL, YES, NO, YES, GOOD, P_DOWN, DEFER },
	{ "no permission anywhere takes the org route, as the model does", PLAIN, EXTERNAL, YES, NO, YES, GOOD, P_ABSENT, ORG(FORBIDDEN) },
	{ "a permission of FALSE takes the org route, as the model does", PLAIN, EXTERNAL, YES, NO, YES, GOOD, P_FALSE, ORG(FORBIDDEN) },
	{ "no permission is refused where the administrator wants that", PLAIN, EXTERNAL, YES, NO, YES, GOOD, P_FALSE, .org = STRICT,
		REFUSE(FORBIDDEN, "5.7.1 " JO ": outbound gateways are not enabled for your account; ask your administrator") },
	{ "the permission is judged before the settings", PLAIN, EXTERNAL, YES, NO, YES, NO_HOST, P_FALSE, ORG(FORBIDDEN) },
	/* row 10: can the settings be used? */
	{ "two gateways for one address are refused, not guessed between", PLAIN, EXTERNAL, YES, NO, YES, SEVERAL, P_TRUE,
		REFUSE(BAD_GATEWAY, "5.7.1 " JO ": outgateAddress: several of your outbound gateways serve this address; remove it from all but one") },
	{ "a gateway without a host is refused by the attribute's name", PLAIN, EXTERNAL, YES, NO, YES, NO_HOST, P_TRUE,
		REFUSE(BAD_GATEWAY, "5.7.1 " JO ": outgateHost: is missing") },
	{ "a gateway whose host is an address literal is refused", PLAIN, EXTERNAL, YES, NO, YES, BAD_HOST, P_TRUE,
		REFUSE(BAD_GATEWAY, "5.7.1 " JO ": outgateHost: is not a host name like smtp.partner.example") },
	{ "a gateway without a login is refused", PLAIN, EXTERNAL, YES, NO, YES, NO_LOGIN, P_TRUE,
		REFUSE(BAD_GATEWAY, "5.7.1 " JO ": outgateLogin: is missing") },
	{ "a gateway with a third TLS mode is refused", PLAIN, EXTERNAL, YES, NO, YES, BAD_TLS, P_TRUE,
		REFUSE(BAD_GATEWAY, "5.7.1 " JO ": outgateTLS: is neither implicit nor starttls") },
	{ "a gateway whose port is no number is refused", PLAIN, EXTERNAL, YES, NO, YES, BAD_PORT, P_TRUE,
		REFUSE(BAD_GATEWAY, "5.7.1 " JO ": outgatePort: is not a number from 1 to 65535") },
	/* row 11: may he use that server? */
	{ "port 25 is refused unless the administrator allows it", PLAIN, EXTERNAL, YES, NO, YES, PORT_25, P_TRUE,
		REFUSE(HOST_DENIED, "5.7.1 " JO ": outgatePort: this port is not allowed for outbound gateways") },
	{ "a host the administrator does not allow is refused", PLAIN, EXTERNAL, YES, NO, YES, GOOD, P_OTHER_HOST,
		REFUSE(HOST_DENIED, "5.7.1 " JO ": outgateHost: this server is not allowed for outbound gateways; ask your administrator") },
	{ "a host in the organisation's own domain is refused", PLAIN, EXTERNAL, YES, NO, YES, ORG_HOST, P_TRUE,
		REFUSE(HOST_DENIED, "5.7.1 " JO ": outgateHost: this server is not allowed for outbound gateways; ask your administrator") },
	/* row 12: is the address his? */
	{ "a required proof is asked for last of all records", PLAIN, EXTERNAL, YES, NO, YES, GOOD, P_TRUE, .org = PROOF, ASK(PROOF) },
	{ "no valid proof is refused", PLAIN, EXTERNAL, YES, NO, YES, GOOD, P_TRUE, NO, PROOF,
		REFUSE(UNPROVED, "5.7.1 " JO ": outgateProof: no valid proof that this address is yours; paste the one mailed to it") },
	{ "an external From waits when proofs cannot be verified", PLAIN, EXTERNAL, YES, NO, YES, GOOD, P_TRUE, DOWN, PROOF, DEFER },
	/* row 13: is there a password? */
	{ "a gateway without a password is refused", PLAIN, EXTERNAL, YES, NO, YES, NO_PASSWORD, P_TRUE,
		REFUSE(NO_PASSWORD, "5.7.8 " JO ": outgatePassword: your outbound gateway has no password") },
	{ "a password that is not sealed is refused", PLAIN, EXTERNAL, YES, NO, YES, CLEAR_PASSWORD, P_TRUE,
		REFUSE(NO_PASSWORD, "5.7.8 " JO ": outgatePassword: the stored password cannot be used; enter it again") },
	{ "the proof is judged before the password", PLAIN, EXTERNAL, YES, NO, YES, NO_PASSWORD, P_TRUE, NO, PROOF,
		REFUSE(UNPROVED, "5.7.1 " JO ": outgateProof: no valid proof that this address is yours; paste the one mailed to it") },
	{ "a usable password asks whether it has been refused", PLAIN, EXTERNAL, YES, NO, YES, GOOD, P_TRUE, ASK(REFUSED) },
	{ "a password that the server has refused is refused here", PLAIN, EXTERNAL, YES, NO, YES, GOOD, P_TRUE, .refused = YES,
		REFUSE(NO_PASSWORD, "5.7.8 " JO ": outgatePassword: your outbound gateway's server refused this login and password; enter the right ones") },
	/* row 14: can its octets mean one thing only? */
	{ "a NUL octet is refused on the gateway's way", PLAIN, EXTERNAL, YES, NO, YES, GOOD, P_TRUE, .refused = NO, .nul = true,
		REFUSE(NUL_OCTETS, "5.6.0 " JO ": this message contains NUL octets, which your outbound gateway's server may misread; send it without them") },
	{ "a NUL octet is judged last of all", PLAIN, EXTERNAL, YES, NO, YES, NO_PASSWORD, P_TRUE, .nul = true,
		REFUSE(NO_PASSWORD, "5.7.8 " JO ": outgatePassword: your outbound gateway has no password") },
	{ "a NUL octet in an internal message is the org route's affair", PLAIN, INTERNAL, .nul = true, ORG(INTERNAL_FROM) },
	{ "a NUL octet in a forbidden user's message is the org route's affair", PLAIN, EXTERNAL, YES, NO, YES, GOOD, P_FALSE, .nul = true, ORG(FORBIDDEN) },
	/* row 15 */
	{ "with every gate open the message takes the gateway", PLAIN, EXTERNAL, YES, NO, YES, GOOD, P_TRUE, .refused = NO, .action = OG_GATEWAY, .reason = OG_WHY_GATEWAY, .reply = "" },
	{ "with every gate open and a proof the message takes the gateway", PLAIN, EXTERNAL, YES, NO, YES, GOOD, P_TRUE, YES, PROOF, .refused = NO, .action = OG_GATEWAY, .reason = OG_WHY_GATEWAY, .reply = "" },
	{ "STARTTLS is as good as implicit TLS", PLAIN, EXTERNAL, YES, NO, YES, STARTTLS, P_TRUE, .refused = NO, .action = OG_GATEWAY, .reason = OG_WHY_GATEWAY, .reply = "" },
};
/* clang-format on */

static void
check_row(void **state)
{
	const struct row *row = *state;
	struct og_decision d;

	decide(row, &d);
	assert_int_equal(d.need, row->need);
	assert_int_equal(d.action, row->action);
	if (row->need != OG_NEED_NOTHING)
		return;
	assert_string_equal(og_reason_word(d.reason), og_reason_word(row->reason));
	assert_string_equal(d.reply, row->reply);
}

static void
the_defaults_follow_the_tls_mode(void **state)
{
	struct row row = { "", PLAIN, EXTERNAL, YES, NO, YES, GOOD, P_TRUE,
		.refused = NO };
	struct og_decision d;

	(void)state;
	decide(&row, &d);
	assert_string_equal(d.gateway.host, "smtp.partner.example");
	assert_int_equal(d.gateway.port, 465);
	assert_int_equal(d.gateway.tls, OG_TLS_IMPLICIT);
	assert_string_equal(d.gateway.login, "jo.doe");
	row.entry = STARTTLS;
	decide(&row, &d);
	assert_int_equal(d.gateway.port, 587);
	assert_int_equal(d.gateway.tls, OG_TLS_STARTTLS);
}

/* Which record a row keeps from the decision, if the decision wants it. */
static bool
some_record_is_down(const struct row *row)
{
	return row->user == DOWN || row->mention == DOWN ||
	    row->gateway == DOWN || row->perm == P_DOWN || row->proof == DOWN ||
	    row->refused == DOWN;
}

static bool
every_gate_is_open(const struct row *row)
{
	return row->mode == PLAIN && row->from == EXTERNAL &&
	    row->user == YES && row->gateway == YES &&
	    (row->entry == GOOD || row->entry == STARTTLS) &&
	    row->perm == P_TRUE && (row->org != PROOF || row->proof == YES) &&
	    row->refused == NO;
}

static void
check_invariants(const struct row *row, const struct og_decision *d)
{
	bool costs_nothing = row->mode != PLAIN || row->from == INTERNAL ||
	    row->from == SUBDOMAIN || row->from == MISSING ||
	    row->from == FLOOD;
	const char *c;

	/* a gateway only when every gate is open, and then always */
	assert_int_equal(d->need == OG_NEED_NOTHING && d->action == OG_GATEWAY,
	    every_gate_is_open(row));
	/* the common case costs no look-up */
	if (costs_nothing)
		assert_int_equal(d->need, OG_NEED_NOTHING);
	if (d->need != OG_NEED_NOTHING) {
		assert_int_equal(d->action, OG_DEFER);
		return;
	}
	/* "cannot answer" is said only when it is so ... */
	if (d->reason == OG_WHY_DIRECTORY) {
		assert_int_equal(d->action, OG_DEFER);
		assert_true(some_record_is_down(row));
	}
	/* ... and never becomes the org route */
	if (d->action == OG_ORG && !costs_nothing) {
		assert_int_not_equal(row->user, DOWN);
		if (row->from == HIDDEN && row->user == YES)
			assert_int_equal(row->mention, NO);
		if (row->from == EXTERNAL && row->user == YES)
			assert_int_not_equal(row->gateway, DOWN);
		if (row->from == EXTERNAL && row->user == YES &&
		    row->gateway == YES)
			assert_int_not_equal(row->perm, P_DOWN);
	}
	/* whoever refuses says why, in one line of printable ASCII */
	assert_int_equal(d->action == OG_REFUSE || d->action == OG_DEFER,
	    d->reply[0] != '\0');
	if (d->action == OG_DEFER)
		assert_int_equal(d->reply[0], '4');
	if (d->action == OG_REFUSE)
		assert_int_equal(d->reply[0], '5');
	for (c = d->reply; *c != '\0'; c++)
		assert_in_range(*c, ' ', '~');
}

static void
check_verdict_round_trip(const struct og_decision *d)
{
	struct og_verdict verdict = { .way = d->action, .reason = d->reason };
	struct og_verdict again;
	char text[OG_VERDICT_SIZE];
	struct og_error err;

	if (d->action == OG_GATEWAY) {
		strcpy(verdict.login, "jo 100%");
		strcpy(verdict.owner, "8d9bd5ba-0000-4000-8000-3d64a6d63d94");
		strcpy(verdict.from, JO);
	}
	if (d->action == OG_ORG && d->reason == OG_WHY_NOT_SUBMITTED) {
		assert_int_not_equal(
		    og_verdict_format(&verdict, text, &err), OG_OK);
		return;
	}
	assert_int_equal(og_verdict_format(&verdict, text, &err), OG_OK);
	assert_int_equal(og_verdict_parse(text, &again, &err), OG_OK);
	assert_memory_equal(&verdict, &again, sizeof verdict);
}

/* The combinations are counted in a number whose digits are the fields. */
static unsigned
digit(unsigned long *n, unsigned base)
{
	unsigned value = (unsigned)(*n % base);

	*n /= base;
	return value;
}

static void
the_invariants_hold_over_every_combination(void **state)
{
	unsigned long i, n, gateways = 0;
	struct og_decision d;

	(void)state;
	for (i = 0;; i++) {
		struct row row = { .name = "" };

		n = i;
		row.mode = digit(&n, 3);
		row.from = digit(&n, 6);
		row.user = digit(&n, 4);
		row.mention = digit(&n, 4);
		row.gateway = digit(&n, 4);
		row.entry = digit(&n, 12);
		row.perm = digit(&n, 6);
		row.proof = digit(&n, 4);
		row.org = digit(&n, 3);
		row.refused = digit(&n, 4);
		if (n != 0)
			break;
		/* fields that the others hide: one of their values is enough */
		if (row.from != HIDDEN && row.mention != UNASKED)
			continue;
		if (row.org != PROOF && row.proof != UNASKED)
			continue;
		decide(&row, &d);
		check_invariants(&row, &d);
		if (d.need == OG_NEED_NOTHING &&
		    (d.action == OG_ORG || d.action == OG_GATEWAY))
			check_verdict_round_trip(&d);
		gateways += d.action == OG_GATEWAY;
		row.nul = d.need == OG_NEED_NOTHING && d.action == OG_GATEWAY;
		if (!row.nul)
			continue;
		decide(&row, &d);
		assert_int_equal(d.reason, OG_WHY_NUL_OCTETS);
	}
	assert_int_equal(i, 3 * 6 * 4 * 4 * 4 * 12 * 6 * 4 * 3 * 4);
	assert_true(gateways > 0);
}

static void
the_decision_ends_after_at_most_five_questions(void **state)
{
	static const enum og_need order[] = { OG_NEED_USER, OG_NEED_GATEWAY,
		OG_NEED_PERMISSION, OG_NEED_PROOF, OG_NEED_REFUSED,
		OG_NEED_NOTHING };
	struct row row = { "", PLAIN, EXTERNAL, .org = PROOF };
	struct og_decision d;
	size_t i;

	(void)state;
	for (i = 0; i < N_ROWS(order); i++) {
		decide(&row, &d);
		assert_int_equal(d.need, order[i]);
		row.user = YES;
		if (d.need == OG_NEED_GATEWAY)
			row.gateway = YES;
		if (d.need == OG_NEED_PERMISSION)
			row.perm = P_TRUE;
		if (d.need == OG_NEED_PROOF)
			row.proof = YES;
		if (d.need == OG_NEED_REFUSED)
			row.refused = NO;
	}
	assert_int_equal(d.action, OG_GATEWAY);
}

int
main(void)
{
	struct CMUnitTest tests[N_ROWS(rows) + 3];
	struct CMUnitTest *end = ROWS_ADD(tests, rows, check_row);

	*end++ = (struct CMUnitTest)cmocka_unit_test(
	    the_defaults_follow_the_tls_mode);
	*end++ = (struct CMUnitTest)cmocka_unit_test(
	    the_invariants_hold_over_every_combination);
	*end++ = (struct CMUnitTest)cmocka_unit_test(
	    the_decision_ends_after_at_most_five_questions);
	assert_int_equal(end - tests, N_ROWS(tests));
	return cmocka_run_group_tests_name("decide", tests, NULL, NULL);
}

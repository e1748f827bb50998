/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * agent_proof.c - proofs: which are wanted, mailed, and pasted.
 *
 * One mail for each claim, until its proof nears its end or the user asks for
 * it again: who never pastes a proof is not reminded, for he may be a stranger.
 * Above that stand two limits that hold whatever a user does to his entry: one
 * mail an address and day, five a user and day.
 *
 * Mails are noted before they are sent, and the note is taken back only when
 * the server has certainly not taken the mail.  So two agents, or one that is
 * killed, send one too few rather than one too many.
 */
#include "cli/agent_proof.h"

#include <stdio.h>
#include <string.h>

#include "cli/agent_mail.h"
#include "cli/cli.h"
#include "core/text.h"
#include "io/proof.h"

#define DAY_S ((int64_t)24 * 60 * 60)
#define RENEW_S (30 * DAY_S)
#define LIFE_S ((int64_t)OG_PROOF_LIFE_MAX_S)
/* a server that does not take mail now is asked again after */
#define AGAIN_S 300
#define MAILS_A_USER_AND_DAY 5

/* The notes of one mail: by claim, by address, and the user's share. */
struct mailing {
	char address[OG_ADDRESS_SIZE]; /* lower case */
	char port[sizeof "65535"];
	char share[2];
	struct og_topic claim, to, by;
	struct og_note before; /* of the claim */
};

static void
start(struct mailing *m, const struct og_agent_claim *claim)
{
	size_t i;

	*m = (struct mailing){ .share = "1" };
	for (i = 0; claim->address[i] != '\0'; i++)
		m->address[i] = og_text_lower(claim->address[i]);
	(void)snprintf(
	    m->port, sizeof m->port, "%u", (unsigned)claim->gateway->port);
	m->claim = (struct og_topic){ { "claim", claim->owner, m->address,
	    claim->gateway->host, m->port, NULL } };
	m->to = (struct og_topic){ { "mail to", m->address, NULL } };
	m->by =
	    (struct og_topic){ { "mail by", claim->owner, m->share, NULL } };
}

/* Until when is there no mail about this?  0: now there may be one. */
static int64_t
wait_until(struct og_diary *diary, struct mailing *m, int64_t now_s)
{
	struct og_note note;
	int64_t until_s = 0;
	int i;

	if (og_diary_read(diary, &m->to, &note) && note.last_s + DAY_S > now_s)
		return note.last_s + DAY_S;
	for (i = 1; i <= MAILS_A_USER_AND_DAY; i++) {
		m->share[0] = (char)('0' + i);
		if (!og_diary_read(diary, &m->by, &note) ||
		    note.last_s + DAY_S <= now_s)
			return 0;
		if (until_s == 0 || note.last_s + DAY_S < until_s)
			until_s = note.last_s + DAY_S;
	}
	return until_s;
}

/* All of it or nothing: a limit without its mail would be a day lost. */
static enum og_status
note_mail(struct og_diary *diary, const struct mailing *m, int64_t now_s,
    struct og_error *err)
{
	const struct og_note note = { now_s, now_s, 0, "mailed" };
	enum og_status status;

	status = og_diary_write(diary, &m->to, &note, err);
	if (status == OG_OK)
		status = og_diary_write(diary, &m->by, &note, err);
	if (status == OG_OK)
		status = og_diary_write(diary, &m->claim, &note, err);
	if (status != OG_OK) {
		/* what they said before is over: wait_until has seen to it */
		og_diary_forget(diary, &m->to);
		og_diary_forget(diary, &m->by);
	}
	return status;
}

/*
 * Take back what was noted.  After a refusal for good the day's limits stay:
 * the same mail would be refused again.
 */
static void
unnote_mail(struct og_diary *diary, const struct mailing *m, bool limits)
{
	struct og_error err;

	if (og_diary_lock(diary, &err) != OG_OK)
		return;
	if (limits) {
		og_diary_forget(diary, &m->to);
		og_diary_forget(diary, &m->by);
	}
	if (m->before.word[0] == '\0' ||
	    og_diary_write(diary, &m->claim, &m->before, &err) != OG_OK)
		og_diary_forget(diary, &m->claim);
	og_diary_unlock(diary);
}

/* Sign the proof, and hand the mail to the server. */
static enum og_mail_result
send_proof(const struct og_agent *agent, const struct og_agent_claim *claim,
    struct og_error *err)
{
	const struct og_config *config = &agent->config;
	const struct og_claim what = {
		.issuer = config->org.domain[0],
		.owner = claim->owner,
		.address = claim->address,
		.host = claim->gateway->host,
		.port = claim->gateway->port,
	};
	char message[OG_MAIL_SIZE];
	char proof[OG_PROOF_SIZE];
	char ends[OG_DAY_SIZE];
	const struct og_mail mail = {
		.user = claim->login,
		.organisation = config->org.domain[0],
		.sender = agent->sender,
		.address = claim->address,
		.host = claim->gateway->host,
		.port = claim->gateway->port,
		.proof = proof,
		.ends = ends,
		.now_s = claim->now_s,
	};

	og_agent_day(claim->now_s + LIFE_S, ends);
	if (og_proof_sign(config->proof_dir, config->proof_key, &what,
		claim->now_s, claim->now_s + LIFE_S, proof, err) != OG_OK ||
	    og_agent_mail_write(agent->text, &mail, message, err) != OG_OK)
		return OG_MAIL_LATER;
	return og_agent_mail_send(config->agent_smtp, &mail, message, err);
}

/*
 * The claim's mail, when there has been one and it is still good.  Who asks
 * has removed a status; where none could be written since that mail, nobody
 * has asked.
 */
static bool
is_mailed(const struct og_note *note, const struct og_agent_claim *claim)
{
	if (note->last_s == 0 ||
	    claim->now_s >= note->last_s + LIFE_S - RENEW_S)
		return false;
	return !claim->asked || claim->told_s < note->last_s ||
	       claim->now_s < note->last_s + DAY_S;
}

enum mailed { MAILED, MUST_WAIT, NOT_TAKEN, REFUSED, NO_NOTES };

/* With the lock held: is it our turn to mail?  Then it is noted. */
static enum mailed
take_turn(struct og_diary *diary, const struct og_agent_claim *claim,
    struct mailing *m, int64_t *when_s)
{
	struct og_error err;

	(void)og_diary_read(diary, &m->claim, &m->before);
	*when_s = m->before.last_s;
	if (is_mailed(&m->before, claim))
		return MAILED;
	*when_s = wait_until(diary, m, claim->now_s);
	if (*when_s != 0)
		return MUST_WAIT;
	if (note_mail(diary, m, claim->now_s, &err) != OG_OK) {
		og_cli_complain("%s", err.text);
		return NO_NOTES;
	}
	return NOT_TAKEN;
}

/* *when_s: when it was mailed, or when it may be. */
static enum mailed
mail_proof(const struct og_agent *agent, struct og_diary *diary,
    const struct og_agent_claim *claim, int64_t *when_s)
{
	enum og_mail_result result;
	struct og_error err;
	enum mailed turn;
	struct mailing m;

	start(&m, claim);
	if (og_diary_lock(diary, &err) != OG_OK) {
		og_cli_complain("%s", err.text);
		return NO_NOTES;
	}
	turn = take_turn(diary, claim, &m, when_s);
	og_diary_unlock(diary);
	if (turn != NOT_TAKEN)
		return turn;
	result = send_proof(agent, claim, &err);
	og_cli_complain("proof for %s of login %s: %s%s", claim->address,
	    claim->login,
	    result == OG_MAIL_SENT ? "mailed " : "not mailed: ", err.text);
	*when_s = claim->now_s;
	if (result == OG_MAIL_SENT)
		return MAILED;
	unnote_mail(diary, &m, result == OG_MAIL_LATER);
	*when_s += result == OG_MAIL_LATER ? AGAIN_S : DAY_S;
	return result == OG_MAIL_LATER ? NOT_TAKEN : REFUSED;
}

static void
say_waiting(enum mailed mailed, int64_t when_s,
    const struct og_agent_claim *claim, struct og_agent_finding *finding)
{
	char day[OG_DAY_SIZE];

	og_agent_day(when_s, day);
	switch (mailed) {
	case MAILED:
		og_agent_say(finding, OG_AGENT_WRONG,
		    "waiting for your proof: see the mail sent to %s on %s",
		    claim->address, day);
		return;
	case MUST_WAIT:
		og_agent_say(finding, OG_AGENT_WRONG,
		    "waiting for your proof: it will be mailed to %s on %s",
		    claim->address, day);
		break;
	case NOT_TAKEN:
		og_agent_say(finding, OG_AGENT_WRONG,
		    "waiting for your proof: it will be mailed to %s soon",
		    claim->address);
		break;
	case REFUSED:
		og_agent_say(finding, OG_AGENT_WRONG,
		    "your proof cannot be mailed to %s: is the address right?",
		    claim->address);
		break;
	case NO_NOTES:
		finding->rank = OG_AGENT_UNKNOWN;
		break;
	}
	finding->due_s = when_s;
}

/* Proofs that were pasted. */

static enum og_status
verify(const struct og_agent *agent, const struct og_agent_claim *claim,
    const char *proof, int64_t when_s)
{
	const struct og_config *config = &agent->config;
	const struct og_claim what = {
		.issuer = config->org.domain[0],
		.owner = claim->owner,
		.address = claim->address,
		.host = claim->gateway->host,
		.port = claim->gateway->port,
	};
	struct og_error err;

	return og_proof_verify(config->proof_dir, &what, when_s, proof, &err);
}

/* The value without blanks and line breaks, and whether there were any. */
static bool
squeeze(const char *value, char out[OG_PROOF_SIZE])
{
	size_t n = 0;

	for (; *value != '\0' && n < OG_PROOF_SIZE - 1; value++) {
		if (strchr(" \t\r\n", *value) == NULL)
			out[n++] = *value;
	}
	out[n] = '\0';
	return strlen(value) == 0 && n > 0;
}

/*
 * What happened to a proof on its way from the mail?  A proof of another
 * address or server is right in its place and none of this claim's business.
 */
static const char *
find_damage(const struct og_agent *agent, const struct og_agent_claim *claim)
{
	char squeezed[OG_PROOF_SIZE];
	const char *damage = NULL;
	size_t i;

	for (i = 0; i < claim->entry->n_proofs; i++) {
		const char *proof = claim->entry->proof[i];

		if (verify(agent, claim, proof, claim->now_s) != OG_EINPUT)
			continue;
		if (squeeze(proof, squeezed) && strcmp(proof, squeezed) != 0 &&
		    verify(agent, claim, squeezed, claim->now_s) == OG_OK)
			return "your proof has blanks or line breaks in it: "
			       "paste it as one line";
		damage = "your proof was not copied whole";
	}
	return damage;
}

void
og_agent_prove(const struct og_agent *agent, struct og_diary *diary,
    const struct og_agent_claim *claim, struct og_agent_finding *finding)
{
	const char *damage = find_damage(agent, claim);
	int64_t when_s = 0;
	enum mailed mailed = mail_proof(agent, diary, claim, &when_s);
	char day[OG_DAY_SIZE];

	say_waiting(mailed, when_s, claim, finding);
	if (damage == NULL || mailed != MAILED)
		return;
	og_agent_day(when_s, day);
	og_agent_say(finding, OG_AGENT_WRONG,
	    "%s: see the mail sent to %s on %s", damage, claim->address, day);
}

void
og_agent_renew(const struct og_agent *agent, struct og_diary *diary,
    const struct og_agent_claim *claim, struct og_agent_finding *finding)
{
	char day[OG_DAY_SIZE];
	int64_t when_s = 0;
	size_t i;

	for (i = 0; i < claim->entry->n_proofs; i++) {
		if (verify(agent, claim, claim->entry->proof[i],
			claim->now_s + RENEW_S) == OG_OK)
			return;
	}
	if (mail_proof(agent, diary, claim, &when_s) != MAILED)
		return;
	og_agent_day(when_s, day);
	og_agent_say(finding, OG_AGENT_RENEW,
	    "ready, but your proof ends soon: paste the new one that was "
	    "mailed to %s on %s",
	    claim->address, day);
}

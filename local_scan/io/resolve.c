/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * resolve.c - bring the decision the records it asks for.
 *
 * The directory brings user, gateway and permission in one session, because
 * the session is what costs; the proof is verified here, because only now are
 * its host and port known.
 */
#include "io/resolve.h"

#include <time.h>

#include "io/memory.h"
#include "io/proof.h"

static void
read_directory(const struct og_config *config, const struct og_facts *facts,
    struct og_records *records, struct og_error *why)
{
	struct og_question question = { .login = facts->login };

	if (facts->from.state == OG_FROM_READ)
		question.address = facts->from.address;
	else
		question.from = &facts->from;
	og_directory_read(&config->directory, &question, records, why);
}

/* One good proof among those of the entry is enough. */
static void
verify_proofs(const struct og_config *config, const struct og_facts *facts,
    const struct og_gateway *gateway, struct og_records *records,
    struct og_error *why)
{
	const struct og_claim claim = {
		.issuer = config->org.domain[0],
		.owner = records->owner,
		.address = facts->from.address,
		.host = gateway->host,
		.port = gateway->port,
	};
	bool unavailable = false;
	size_t i;

	(void)og_fail(why, OG_EINPUT, "the gateway has no proof");
	for (i = 0; i < records->entry.n_proofs; i++) {
		switch (og_proof_verify(config->proof_dir, &claim,
		    (int64_t)time(NULL), records->entry.proof[i], why)) {
		case OG_OK:
			records->proof = OG_FOUND;
			why->text[0] = '\0';
			return;
		case OG_EINPUT:
		case OG_ELIMIT:
		case OG_EDENIED:
			break;
		case OG_ESYSTEM:
			unavailable = true;
			break;
		}
	}
	records->proof = unavailable ? OG_UNAVAILABLE : OG_ABSENT;
}

/* What cannot be remembered has not happened. */
static void
recall(const struct og_config *config, const struct og_gateway *gateway,
    struct og_records *records)
{
	const struct og_use use = {
		.owner = records->owner,
		.gateway = gateway,
		.sealed = records->entry.password,
	};

	records->refused = og_memory_refused(config->state_dir, &use)
	    ? OG_FOUND : OG_ABSENT;
}

/* More rounds than there are records to need: a fault of this program. */
#define ROUNDS_MAX 8

void
og_resolve(const struct og_config *config, const struct og_facts *facts,
    struct og_records *records, struct og_decision *decision,
    struct og_error *why)
{
	int round;

	why->text[0] = '\0';
	for (round = 0; round < ROUNDS_MAX; round++) {
		og_decide(&config->org, facts, records, decision);
		switch (decision->need) {
		case OG_NEED_NOTHING:
			return;
		case OG_NEED_USER:
		case OG_NEED_MENTION:
		case OG_NEED_GATEWAY:
		case OG_NEED_PERMISSION:
			read_directory(config, facts, records, why);
			break;
		case OG_NEED_PROOF:
			verify_proofs(
			    config, facts, &decision->gateway, records, why);
			break;
		case OG_NEED_REFUSED:
			recall(config, &decision->gateway, records);
			break;
		}
	}
	/* nobody answered: the safe value is "cannot be had" */
	records->user = OG_UNAVAILABLE;
	og_decide(&config->org, facts, records, decision);
}

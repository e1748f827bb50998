/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OG_CLI_AGENT_PROOF_H
#define OG_CLI_AGENT_PROOF_H

#include "cli/agent.h"
#include "core/gateway.h"

/*
 * agent_proof.h - proofs: which are wanted, mailed, and pasted.
 */

/* A user's claim to an address. */
struct og_agent_claim {
	const char *owner;
	const char *login;
	const char *address;
	const struct og_gateway *gateway;
	/* the proofs that the gateway's entry holds */
	const struct og_gateway_record *entry;
	bool asked;	/* there is no status: removed, to be mailed again? */
	int64_t told_s; /* when there was one last; 0: never */
	int64_t now_s;
};

/*
 * There is no valid proof: mail one, unless that has been done or must wait.
 *
 * finding  what the user is to know: that it waits for the proof and where
 *          this is, or what is wrong with one that was pasted
 */
void og_agent_prove(const struct og_agent *agent, struct og_diary *diary,
    const struct og_agent_claim *claim, struct og_agent_finding *finding);

/*
 * There is one: does it end within 30 days?  Then mail the next.
 *
 * finding  is written only then
 */
void og_agent_renew(const struct og_agent *agent, struct og_diary *diary,
    const struct og_agent_claim *claim, struct og_agent_finding *finding);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OG_CLI_AGENT_H
#define OG_CLI_AGENT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "io/config.h"
#include "io/diary.h"
#include "io/roster.h"

/*
 * agent.h - `outgate agent`: the service behind self-service.
 *
 *   agent.c         options, settings, whom it runs as
 *   agent_loop.c    the one process that stays, and the children it starts
 *   agent_list.c    child: which gateways are due?
 *   agent_check.c   child: how is this gateway, and does its user know?
 *   agent_proof.c   is a proof to be mailed, and may it be?
 *   agent_mail.c    the mail itself
 *
 * All that talks to a server or parses what one says is done in children,
 * which are killed when their time is over.  What must be remembered stands in
 * files (io/diary.h, io/memory.h), so that a child, the next run of --once and
 * an agent on another host's disk know the same.
 */

#define OG_AGENT_DIR_SIZE (OG_PATH_SIZE + 16)

/* What every part needs; made once. */
struct og_agent {
	/* as the module reads it, but the directory is asked as the agent */
	struct og_config config;
	char sender[OG_ADDRESS_SIZE];
	char diary_dir[OG_AGENT_DIR_SIZE];
	char memory_dir[OG_AGENT_DIR_SIZE]; /* as state_dir, our own */
	const char *text;		    /* of the mail; see agent_mail.h */
	bool once;
};

/* A gateway that is due. */
struct og_agent_job {
	char dn[OG_DN_SIZE];
	char user[OG_DN_SIZE];	       /* of its user's entry */
	char stamp[OG_NOTE_WORD_SIZE]; /* what it looked like */
};
/* The stamp of an entry that is too large to be read. */
#define OG_AGENT_TOO_LARGE "too-large"

/* How a gateway stands with one of its addresses. */
enum og_agent_rank {
	OG_AGENT_READY = 0,
	OG_AGENT_RENEW, /* ready, and something is to be done */
	OG_AGENT_WRONG,
	OG_AGENT_PENDING, /* somebody is finding out just now */
	OG_AGENT_UNKNOWN, /* nobody can say at the moment */
};
struct og_agent_finding {
	enum og_agent_rank rank;
	char text[OG_STATUS_SIZE]; /* for its user; "" from PENDING on */
	int64_t due_s;		   /* look again then; 0: when due anyway */
};

/* Stay until a signal ends it, or with once until all is done. */
int og_agent_loop(const struct og_agent *agent);

/*
 * In a child: write a job to fd for each gateway that is due.
 *
 * Returns the exit status: EX_OK, or EX_TEMPFAIL after it has complained.
 */
int og_agent_list(const struct og_agent *agent, int fd);

/*
 * In a child: examine one gateway and tell its user.
 *
 * Returns as og_agent_list.
 */
int og_agent_check(
    const struct og_agent *agent, const struct og_agent_job *due);

/* Where a gateway's last examination is noted. */
struct og_topic og_agent_seen(const char *dn);

/* Set what is found; a text that does not fit is cut. */
void og_agent_say(struct og_agent_finding *finding, enum og_agent_rank rank,
    const char *format, ...) __attribute__((format(printf, 3, 4)));

/* "2026-11-22", by UTC. */
#define OG_DAY_SIZE 16
void og_agent_day(int64_t time_s, char out[OG_DAY_SIZE]);

#endif

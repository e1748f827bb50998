/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * agent_list.c - which gateways are due?
 *
 * A gateway is due when it, or any permission in the directory, is not what it
 * was when it was examined last, and when the time that was set then is over.
 * That stands in the diary, so --once knows it from one run to the next.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "cli/agent.h"
#include "cli/cli.h"
#include "core/text.h"

/* Notes that nobody has touched for 500 days are about nobody's gateway. */
#define TIDY_S ((int64_t)500 * 24 * 60 * 60)
#define TIDY_EVERY_S ((int64_t)24 * 60 * 60)

struct listing {
	struct og_diary *diary;
	int fd;
	int64_t now_s;
	char permissions[OG_NOTE_WORD_SIZE];
	bool failed; /* the reader is gone, or there is no memory */
};

static void
take_permissions(void *context, const char *state, size_t len)
{
	struct listing *listing = context;

	if (!og_diary_hash(listing->diary, state, len, listing->permissions))
		listing->failed = true;
}

/* The gateway and the permissions, as they are now. */
static bool
make_stamp(const struct listing *listing, const char *state, size_t len,
    char stamp[OG_NOTE_WORD_SIZE])
{
	size_t before = strlen(listing->permissions);
	char *all;
	bool ok;

	if (state == NULL)
		return og_text_copy(stamp, OG_NOTE_WORD_SIZE,
		    OG_AGENT_TOO_LARGE, strlen(OG_AGENT_TOO_LARGE));
	all = malloc(before + len);
	if (all == NULL)
		return false;
	memcpy(all, listing->permissions, before);
	memcpy(all + before, state, len);
	ok = og_diary_hash(listing->diary, all, before + len, stamp);
	explicit_bzero(all, before + len);
	free(all);
	return ok;
}

/* One write of less than PIPE_BUF: the reader gets whole jobs. */
static bool
send_job(int fd, const struct og_agent_job *job)
{
	ssize_t sent;

	do
		sent = write(fd, job, sizeof *job);
	while (sent < 0 && errno == EINTR);
	return sent == sizeof *job;
}

static void
take_gateway(void *context, const char *dn, const char *user, const char *state,
    size_t len)
{
	const struct og_topic topic = og_agent_seen(dn);
	struct listing *listing = context;
	struct og_agent_job job = { 0 };
	struct og_note note;

	if (listing->failed)
		return;
	if (!og_text_copy(job.dn, sizeof job.dn, dn, strlen(dn)) ||
	    !og_text_copy(job.user, sizeof job.user, user, strlen(user))) {
		og_cli_complain("%.80s...: the name is too long", dn);
		return;
	}
	if (!make_stamp(listing, state, len, job.stamp)) {
		listing->failed = true;
		return;
	}
	if (og_diary_read(listing->diary, &topic, &note) &&
	    strcmp(note.word, job.stamp) == 0 && listing->now_s < note.due_s)
		return;
	if (!send_job(listing->fd, &job))
		listing->failed = true;
}

static void
tidy(struct og_diary *diary, int64_t now_s)
{
	const struct og_topic topic = { { "tidied", NULL } };
	struct og_note note;
	struct og_error err;

	if (og_diary_read(diary, &topic, &note) &&
	    now_s < note.last_s + TIDY_EVERY_S)
		return;
	note = (struct og_note){ now_s, now_s, 0, "tidied" };
	if (og_diary_write(diary, &topic, &note, &err) == OG_OK)
		og_diary_tidy(diary, TIDY_S);
}

static enum og_status
list(
    const struct og_agent *agent, struct listing *listing, struct og_error *err)
{
	const struct og_roster_visitor visitor = { listing, take_permissions,
		take_gateway };
	struct og_roster *roster = NULL;
	enum og_status status;

	status = og_roster_open(&agent->config.directory,
	    agent->config.directory.timeout_ms, &roster, err);
	if (status == OG_OK)
		status = og_roster_list(roster, &visitor, err);
	og_roster_close(roster);
	if (status == OG_OK && listing->failed)
		return og_fail(err, OG_ESYSTEM, "the list was cut short");
	return status;
}

int
og_agent_list(const struct og_agent *agent, int fd)
{
	struct listing listing = { .fd = fd, .now_s = (int64_t)time(NULL) };
	enum og_status status;
	struct og_error err;

	status = og_diary_open(agent->diary_dir, &listing.diary, &err);
	if (status == OG_OK) {
		tidy(listing.diary, listing.now_s);
		status = list(agent, &listing, &err);
	}
	og_diary_close(listing.diary);
	if (status == OG_OK)
		return EX_OK;
	og_cli_complain("%s", err.text);
	return EX_TEMPFAIL;
}

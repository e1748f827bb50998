/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * agent_check.c - how is this gateway, and does its user know?
 *
 * Each address is put to the module's own decision as if its user had just
 * sent a message from it.  Only what that lets through is dialled, and what it
 * says against a message is what the user is told.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "cli/agent.h"
#include "cli/agent_proof.h"
#include "cli/cli.h"
#include "cli/probe.h"
#include "core/sealed.h"
#include "core/text.h"
#include "io/memory.h"
#include "io/resolve.h"

/* A gateway is looked at so often, changed or not: time changes things too. */
#define SWEEP_S 3600
/* A failed probe is repeated after as long as it has been failing: */
#define PROBE_AGAIN_MIN_S 3600
#define PROBE_AGAIN_MAX_S (24 * 3600)
#define PROBE_TIMEOUT_MS 20000
/* Nobody guesses passwords at a provider from here: logins of one user's. */
#define PROBE_SHARE 20
#define PROBE_SHARE_S 3600
/* After that nobody is probing any more. */
#define PROBE_OVER_S 60

/* One address of the gateway in hand. */
struct check {
	const struct og_agent *agent;
	struct og_diary *diary;
	const struct og_roster_entry *entry;
	const char *address;
	int64_t now_s;
	int64_t told_s; /* see note_seen */
	struct og_records *records;
	struct og_decision decision;
};

void
og_agent_day(int64_t time_s, char out[OG_DAY_SIZE])
{
	const time_t time = (time_t)time_s;
	struct tm day = { 0 };

	(void)gmtime_r(&time, &day);
	(void)snprintf(out, OG_DAY_SIZE, "%04u-%02u-%02u",
	    (unsigned)(day.tm_year + 1900) % 10000,
	    (unsigned)(day.tm_mon + 1) % 100, (unsigned)day.tm_mday % 100);
}

struct og_topic
og_agent_seen(const char *dn)
{
	return (struct og_topic){ { "seen", dn, NULL } };
}

void
og_agent_say(struct og_agent_finding *finding, enum og_agent_rank rank,
    const char *format, ...)
{
	va_list args;

	finding->rank = rank;
	va_start(args, format);
	(void)vsnprintf(finding->text, sizeof finding->text, format, args);
	va_end(args);
}

static void
wrong(struct og_agent_finding *finding, const char *text)
{
	og_agent_say(finding, OG_AGENT_WRONG, "%s", text);
}

/*
 * The module's reply as a sentence: without the code and the address, and
 * "outgateHost: is missing" without the colon.
 */
static void
repeat_reply(const struct check *check, struct og_agent_finding *finding)
{
	const char *text = strchr(check->decision.reply, ' ');
	size_t len = strlen(check->address);
	const char *colon;
	size_t before;

	text = text != NULL ? text + 1 : check->decision.reply;
	if (strncmp(text, check->address, len) == 0 &&
	    strncmp(text + len, ": ", 2) == 0)
		text += len + 2;
	wrong(finding, text);
	colon = strstr(text, ": ");
	if (colon == NULL || (strncmp(colon, ": is ", 5) != 0 &&
				 strncmp(colon, ": has ", 6) != 0))
		return;
	before = (size_t)(colon - text);
	og_agent_say(
	    finding, OG_AGENT_WRONG, "%.*s%s", (int)before, text, colon + 1);
}

/* The login and this password were refused so long ago. */
static void
say_refused(
    const struct check *check, int64_t age_s, struct og_agent_finding *finding)
{
	char day[OG_DAY_SIZE];

	og_agent_day(check->now_s - age_s, day);
	og_agent_say(finding, OG_AGENT_WRONG, "%s refused the login on %s",
	    check->decision.gateway.host, day);
}

/* Why a delivery would not even look for the password. */
static void
examine_password(const struct check *check, struct og_agent_finding *finding)
{
	const struct og_gateway_record *entry = &check->records->entry;
	const struct og_use use = { check->records->owner,
		&check->decision.gateway, entry->password };
	static const char prefix[] = OG_SEALED_PREFIX;

	if (check->records->refused == OG_FOUND)
		say_refused(check,
		    og_memory_refused_s(
			check->agent->config.state_dir, &use, NULL),
		    finding);
	else if (entry->password_present &&
		 strncmp(entry->password, prefix, strlen(prefix)) != 0)
		wrong(finding,
		    "the password is not sealed: remove it, and enter it "
		    "again with \"outgate seal\" or as your administrator "
		    "says");
	else
		repeat_reply(check, finding);
}

/* Probing. */

static void
retype(struct og_agent_finding *finding, const struct og_error *why)
{
	static const struct {
		const char *end, *changed;
	} row[] = {
		{ "another host", "the server's name was changed" },
		{ "another port", "the port was changed" },
		{ "another TLS mode", "the TLS mode was changed" },
		{ "another login", "the login was changed" },
		{ "another owner", "it was entered for somebody else" },
	};
	size_t i;

	for (i = 0; i < sizeof row / sizeof row[0]; i++) {
		if (strstr(why->text, row[i].end) != NULL)
			og_agent_say(finding, OG_AGENT_WRONG,
			    "retype the password: %s", row[i].changed);
	}
}

/* False: nothing to probe with, and the user is told. */
static bool
open_seal(const struct check *check, struct og_secret *secret,
    struct og_agent_finding *finding)
{
	struct og_error err;

	switch (og_seal_open(check->agent->config.seal_dir,
	    check->records->owner, &check->decision.gateway,
	    check->records->entry.password, secret, &err)) {
	case OG_OK:
		return true;
	case OG_EDENIED:
		retype(finding, &err);
		return false;
	case OG_EINPUT:
	case OG_ELIMIT:
		wrong(
		    finding, "retype the password: the stored one is damaged");
		return false;
	case OG_ESYSTEM:
		break;
	}
	og_cli_complain("%s: %s", check->address, err.text);
	wrong(finding,
	    "the password cannot be opened here: retype it, and if that does "
	    "not help, ask your administrator");
	return false;
}

/* Has anybody found the login refused: a delivery, or we? */
static bool
is_refused(const struct check *check, const struct og_use *use,
    const struct og_secret *secret, struct og_agent_finding *finding)
{
	int64_t age_s =
	    og_memory_refused_s(check->agent->config.state_dir, use, secret);

	if (age_s < 0)
		age_s =
		    og_memory_refused_s(check->agent->memory_dir, use, secret);
	if (age_s < 0)
		return false;
	say_refused(check, age_s, finding);
	return true;
}

static const struct {
	enum og_probe_result result;
	const char *word;
} words[] = {
	{ OG_PROBE_READY, "ready" },
	{ OG_PROBE_SENDER, "sender" },
	{ OG_PROBE_LATER, "later" },
	{ OG_PROBE_TLS, "tls" },
	{ OG_PROBE_NO_AUTH, "no-auth" },
	{ OG_PROBE_UNREACHABLE, "unreachable" },
	{ OG_PROBE_FORBIDDEN, "forbidden" },
	{ OG_PROBE_ODD, "odd" },
	{ OG_PROBE_REFUSED, "refused" },
};
#define N_WORDS (sizeof words / sizeof words[0])
/* Noted before a probe: one that did not come back is not repeated at once. */
#define WORD_TRIED "tried"

static void
say_result(const struct check *check, const struct og_note *note,
    struct og_agent_finding *finding)
{
	const struct og_gateway *gateway = &check->decision.gateway;
	char sentence[OG_STATUS_SIZE];
	char day[OG_DAY_SIZE];
	size_t i;

	og_agent_day(note->last_s, day);
	finding->due_s = note->due_s;
	og_agent_say(finding, OG_AGENT_WRONG, "%s did not answer on %s",
	    gateway->host, day);
	for (i = 0; i < N_WORDS; i++) {
		if (strcmp(words[i].word, note->word) != 0)
			continue;
		if (words[i].result == OG_PROBE_READY) {
			finding->due_s = 0;
			og_agent_say(finding, OG_AGENT_READY, "ready");
			return;
		}
		if (words[i].result == OG_PROBE_REFUSED) {
			say_refused(check, 0, finding);
			return;
		}
		og_probe_sentence(
		    words[i].result, gateway, sentence, sizeof sentence);
		og_agent_say(finding, OG_AGENT_WRONG, "%.230s (tried on %s)",
		    sentence, day);
	}
}

static enum og_probe_result
run_probe(const struct check *check, const struct og_use *use,
    const struct og_secret *secret)
{
	const struct og_config *config = &check->agent->config;
	const char *networks[OG_OWN_NETWORKS_MAX + 1];
	const struct og_probe probe = {
		.gateway = &check->decision.gateway,
		.secret = secret,
		.address = check->address,
		.ca_file = config->gateway_ca_file,
		.timeout_ms = PROBE_TIMEOUT_MS,
		.networks = networks,
	};
	enum og_probe_result result;
	struct og_error why;

	og_probe_networks(config, networks);
	result = og_probe_run(&probe, &why);
	if (result != OG_PROBE_READY)
		og_cli_complain("%s at %s: %s", check->address,
		    check->decision.gateway.host, why.text);
	if (result == OG_PROBE_REFUSED &&
	    og_memory_refuse(check->agent->memory_dir, use, secret, &why) !=
		OG_OK)
		og_cli_complain("%s", why.text);
	return result;
}

/*
 * With the lock held: one of its user's share of probes, whatever he changes
 * in his entries.
 *
 * Returns 0 when it is noted, else when there is one again; -1 on failure.
 */
static int64_t
take_share(const struct check *check)
{
	const struct og_note now = { check->now_s, check->now_s, 0, "probed" };
	char share[sizeof "-2147483648"];
	const struct og_topic topic = { { "probe by", check->records->owner,
	    share, NULL } };
	int64_t until_s = 0;
	struct og_note note;
	struct og_error err;
	int i;

	for (i = 1; i <= PROBE_SHARE; i++) {
		(void)snprintf(share, sizeof share, "%d", i);
		if (!og_diary_read(check->diary, &topic, &note) ||
		    note.last_s + PROBE_SHARE_S <= check->now_s) {
			if (og_diary_write(check->diary, &topic, &now, &err) ==
			    OG_OK)
				return 0;
			og_cli_complain("%s", err.text);
			return -1;
		}
		if (until_s == 0 || note.last_s + PROBE_SHARE_S < until_s)
			until_s = note.last_s + PROBE_SHARE_S;
	}
	return until_s;
}

/* The minute after, by UTC: the day alone would not tell. */
static void
say_too_many(const struct check *check, int64_t until_s,
    struct og_agent_finding *finding)
{
	const time_t until = (time_t)(until_s + 59);
	char minute[sizeof "14:05"] = "";
	struct tm t = { 0 };

	(void)gmtime_r(&until, &t);
	(void)strftime(minute, sizeof minute, "%H:%M", &t);
	og_agent_say(finding, OG_AGENT_WRONG,
	    "too many logins were tried: %.180s will be tried again at %s UTC",
	    check->decision.gateway.host, minute);
	finding->due_s = until_s;
}

/*
 * With the lock held: is it our turn to probe?  Then it is noted, so that
 * nobody else does, and that it is not done again at once should we be killed.
 *
 * finding  is written when its user's share is used up
 */
static bool
take_turn(const struct check *check, const struct og_topic *topic,
    struct og_note *note, struct og_agent_finding *finding)
{
	bool known = og_diary_read(check->diary, topic, note);
	struct og_error err;
	int64_t wait_s;

	if (known &&
	    (strcmp(note->word, "ready") == 0 || check->now_s < note->due_s))
		return false;
	wait_s = take_share(check);
	if (wait_s > 0)
		say_too_many(check, wait_s, finding);
	if (wait_s != 0)
		return false;
	if (!known)
		note->first_s = check->now_s;
	note->last_s = check->now_s;
	wait_s = check->now_s - note->first_s;
	if (wait_s < PROBE_AGAIN_MIN_S)
		wait_s = PROBE_AGAIN_MIN_S;
	if (wait_s > PROBE_AGAIN_MAX_S)
		wait_s = PROBE_AGAIN_MAX_S;
	note->due_s = check->now_s + wait_s;
	(void)snprintf(note->word, sizeof note->word, WORD_TRIED);
	if (og_diary_write(check->diary, topic, note, &err) == OG_OK)
		return true;
	og_cli_complain("%s", err.text);
	return false;
}

/*
 * Log in, unless that has been done with these settings and this password.
 * The note is about all of them: a change to any is a gateway that was never
 * probed.
 */
static void
probe(const struct check *check, const struct og_secret *secret,
    struct og_agent_finding *finding)
{
	const struct og_gateway *gateway = &check->decision.gateway;
	const struct og_use use = { check->records->owner, gateway,
		check->records->entry.password };
	char server[OG_HOST_SIZE + sizeof ":65535:implicit"];
	const struct og_topic topic = { { "probe", use.owner, server,
	    gateway->login, use.sealed, check->address, NULL } };
	enum og_probe_result result;
	struct og_error err;
	struct og_note note;
	bool turn;
	size_t i;

	(void)snprintf(server, sizeof server, "%s:%u:%s", gateway->host,
	    (unsigned)gateway->port, og_tls_word(gateway->tls));
	if (og_diary_lock(check->diary, &err) != OG_OK) {
		og_cli_complain("%s", err.text);
		return;
	}
	turn = !is_refused(check, &use, secret, finding) &&
	       take_turn(check, &topic, &note, finding);
	og_diary_unlock(check->diary);
	if (finding->rank == OG_AGENT_WRONG)
		return;
	if (turn) {
		result = run_probe(check, &use, secret);
		for (i = 0; i < N_WORDS; i++) {
			if (words[i].result == result)
				(void)snprintf(note.word, sizeof note.word,
				    "%s", words[i].word);
		}
		if (og_diary_write(check->diary, &topic, &note, &err) != OG_OK)
			og_cli_complain("%s", err.text);
	}
	if (strcmp(note.word, WORD_TRIED) == 0 &&
	    check->now_s < note.last_s + PROBE_OVER_S) {
		finding->rank = OG_AGENT_PENDING;
		finding->due_s = note.last_s + PROBE_OVER_S;
		return;
	}
	say_result(check, &note, finding);
}

/* Everything is as it must be: does it work? */
static void
examine_gateway(const struct check *check, const struct og_agent_claim *claim,
    struct og_agent_finding *finding)
{
	struct og_secret secret;

	finding->rank = OG_AGENT_UNKNOWN;
	if (open_seal(check, &secret, finding))
		probe(check, &secret, finding);
	og_secret_wipe(&secret);
	if (finding->rank == OG_AGENT_READY &&
	    check->agent->config.org.proof_required)
		og_agent_renew(check->agent, check->diary, claim, finding);
}

static void
judge(const struct check *check, struct og_agent_finding *finding)
{
	const struct og_agent_claim claim = {
		.owner = check->records->owner,
		.login = check->entry->login,
		.address = check->address,
		.gateway = &check->decision.gateway,
		.entry = &check->records->entry,
		.asked = check->entry->status.state == OG_VALUE_ABSENT,
		.told_s = check->told_s,
		.now_s = check->now_s,
	};

	switch (check->decision.reason) {
	case OG_WHY_GATEWAY:
		examine_gateway(check, &claim, finding);
		return;
	case OG_WHY_UNPROVED:
		og_agent_prove(check->agent, check->diary, &claim, finding);
		return;
	case OG_WHY_NO_PASSWORD:
		examine_password(check, finding);
		return;
	case OG_WHY_FORBIDDEN:
		wrong(finding, "not permitted: ask your administrator");
		return;
	case OG_WHY_INTERNAL_FROM:
		wrong(finding,
		    "outgateAddress: the organisation's own addresses need no "
		    "gateway");
		return;
	case OG_WHY_NO_ENTRY:
		wrong(finding, "this gateway belongs to no user");
		return;
	case OG_WHY_BAD_GATEWAY:
	case OG_WHY_HOST_DENIED:
		repeat_reply(check, finding);
		return;
	case OG_WHY_UNLISTED:
	case OG_WHY_NOT_SUBMITTED:
	case OG_WHY_NULL_SENDER:
	case OG_WHY_UNREADABLE_FROM:
	case OG_WHY_AMBIGUOUS_FROM:
	case OG_WHY_DIRECTORY:
	case OG_WHY_NUL_OCTETS:
		break;
	}
	finding->rank = OG_AGENT_UNKNOWN;
}

static void
check_address(struct check *check, struct og_agent_finding *finding)
{
	struct og_facts facts = { .submission = true,
		.from.state = OG_FROM_READ };
	struct og_error why;

	*finding = (struct og_agent_finding){ .rank = OG_AGENT_UNKNOWN };
	*check->records = (struct og_records){ 0 };
	if (!og_text_copy(facts.login, sizeof facts.login, check->entry->login,
		strlen(check->entry->login)) ||
	    !og_text_copy(facts.from.address, sizeof facts.from.address,
		check->address, strlen(check->address)))
		return;
	og_resolve(&check->agent->config, &facts, check->records,
	    &check->decision, &why);
	if (check->decision.reason == OG_WHY_DIRECTORY)
		og_cli_complain("%s: %s", check->address, why.text);
	judge(check, finding);
}

/* What can be said without asking about any address. */
static bool
check_entry(
    const struct og_roster_entry *entry, struct og_agent_finding *finding)
{
	if (!entry->enabled)
		wrong(finding, "switched off by outgateEnabled");
	else if (entry->login[0] == '\0')
		wrong(finding, "this gateway belongs to no user");
	else if (entry->n_odd > 0 && entry->n_addresses == OG_PROOFS_MAX)
		wrong(finding, "outgateAddress has too many values");
	else if (entry->n_odd > 0)
		wrong(finding,
		    "outgateAddress: a value is not a plain address like "
		    "jo.doe@partner.example");
	else if (entry->n_addresses == 0)
		wrong(finding, "outgateAddress is missing");
	else
		return false;
	return true;
}

/* The first of the worst is what the user is told. */
static void
check_all(const struct og_agent *agent, struct og_diary *diary,
    const struct og_roster_entry *entry, int64_t told_s,
    struct og_agent_finding *worst)
{
	struct check check = { .agent = agent,
		.diary = diary,
		.entry = entry,
		.told_s = told_s,
		.now_s = (int64_t)time(NULL) };
	struct og_agent_finding finding;
	size_t i;

	*worst = (struct og_agent_finding){ .rank = OG_AGENT_READY };
	if (check_entry(entry, worst))
		return;
	check.records = calloc(1, sizeof *check.records);
	if (check.records == NULL) {
		worst->rank = OG_AGENT_UNKNOWN;
		return;
	}
	for (i = 0; i < entry->n_addresses; i++) {
		int64_t due_s = worst->due_s;

		check.address = entry->address[i];
		check_address(&check, &finding);
		if (due_s == 0 || (finding.due_s != 0 && finding.due_s < due_s))
			due_s = finding.due_s;
		if (i == 0 || finding.rank > worst->rank)
			*worst = finding;
		worst->due_s = due_s;
	}
	explicit_bzero(check.records, sizeof *check.records);
	free(check.records);
}

/*
 * Tell the user, unless he knows.  What was examined then is not what is there
 * now, so it is looked at once more: were it noted as it was, a user who
 * removes the status would bring that state back and not be noticed.
 */
static enum og_status
tell(struct og_roster *roster, struct og_agent_job *job,
    const struct og_value *before, const char *text, struct og_error *err)
{
	if (before->state == OG_VALUE_TEXT && strcmp(before->text, text) == 0)
		return OG_OK;
	og_cli_complain("%s: %s", job->dn, text);
	(void)snprintf(job->stamp, sizeof job->stamp, "told");
	return og_roster_tell(roster, job->dn, text, err);
}

/*
 * The note's first_s is when the status was there last, ours or the same that
 * had been: as long as the gateway is PENDING, nothing new is.
 */
static enum og_status
note_seen(struct og_diary *diary, const struct og_agent_job *job,
    const struct og_agent_finding *finding, struct og_error *err)
{
	const struct og_topic topic = og_agent_seen(job->dn);
	const int64_t now_s = (int64_t)time(NULL);
	struct og_note note;

	(void)og_diary_read(diary, &topic, &note);
	if (finding->rank != OG_AGENT_PENDING)
		note.first_s = now_s;
	note.last_s = now_s;
	note.due_s = now_s + SWEEP_S;
	if (finding->due_s != 0 && finding->due_s < note.due_s)
		note.due_s = finding->due_s;
	memcpy(note.word, job->stamp, sizeof note.word);
	return og_diary_write(diary, &topic, &note, err);
}

static enum og_status
examine(const struct og_agent *agent, struct og_agent_job *job,
    struct og_roster *roster, struct og_diary *diary, struct og_error *err)
{
	struct og_roster_entry *entry = calloc(1, sizeof *entry);
	const struct og_topic seen = og_agent_seen(job->dn);
	struct og_agent_finding finding;
	struct og_note before;
	enum og_status status;

	if (entry == NULL)
		return og_fail(err, OG_ESYSTEM, "out of memory");
	status = og_roster_read(roster, job->dn, entry, err);
	if (status == OG_OK) {
		(void)og_diary_read(diary, &seen, &before);
		check_all(agent, diary, entry, before.first_s, &finding);
		if (finding.rank == OG_AGENT_UNKNOWN)
			status = og_fail(err, OG_ESYSTEM,
			    "its state cannot be found out at the moment");
	}
	if (status == OG_OK && finding.rank != OG_AGENT_PENDING)
		status = tell(roster, job, &entry->status, finding.text, err);
	if (status == OG_OK)
		status = note_seen(diary, job, &finding, err);
	free(entry);
	return status;
}

/* The stamp stays: it would be looked at with every list. */
static enum og_status
examine_large(struct og_agent_job *job, struct og_roster *roster,
    struct og_diary *diary, struct og_error *err)
{
	struct og_agent_finding finding = { 0 };
	struct og_agent_job copy = *job;
	struct og_value before;
	enum og_status status;

	wrong(&finding, "this gateway's entry is too large");
	status = og_roster_told(roster, job->dn, &before, err);
	if (status == OG_OK)
		status = tell(roster, &copy, &before, finding.text, err);
	if (status == OG_OK)
		status = note_seen(diary, job, &finding, err);
	return status;
}

int
og_agent_check(const struct og_agent *agent, const struct og_agent_job *due)
{
	struct og_agent_job copy = *due;
	struct og_agent_job *job = &copy;
	struct og_roster *roster = NULL;
	struct og_diary *diary = NULL;
	struct og_error err;
	enum og_status status;

	/* before a mail starts it, and without wiping what it frees */
	if (!og_probe_start()) {
		og_cli_complain("libcurl would not start");
		return EX_TEMPFAIL;
	}
	status = og_diary_open(agent->diary_dir, &diary, &err);
	if (status == OG_OK)
		status = og_roster_open(&agent->config.directory,
		    agent->config.directory.timeout_ms, &roster, &err);
	if (status == OG_OK)
		status = strcmp(job->stamp, OG_AGENT_TOO_LARGE) == 0
			     ? examine_large(job, roster, diary, &err)
			     : examine(agent, job, roster, diary, &err);
	og_roster_close(roster);
	og_diary_close(diary);
	/* gone meanwhile: nobody is left to be told */
	if (status == OG_OK || status == OG_EINPUT)
		return EX_OK;
	og_cli_complain("%s: %s", job->dn, err.text);
	return EX_TEMPFAIL;
}

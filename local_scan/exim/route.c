/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * route.c - where the message of this delivery process goes, read again.
 *
 * A message whose gateway cannot be used now is held, one whose gateway
 * cannot be used any more goes back to its sender with the reason.  Neither
 * ever takes the org's route.
 */
#include "exim/host.h"

#include "exim/route.h"

#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "core/text.h"
#include "exim/settings.h"
#include "io/resolve.h"

/* A route is read once for all recipients of a message, not once each. */
#define FRESH_S 10

/*
 * How long to wait after somebody's failure at the same server.  Exim keeps a
 * host's next retry time for everybody, to the second, and ours is one second
 * (retry rules): past it, nobody's failure makes another's mail wait.
 */
#define STUMBLE_MS 2000

static struct og_route found;

static void
hold(struct og_route *route, const char *why)
{
	struct og_text text;

	og_text_start(&text, route->hold, sizeof route->hold);
	og_text_put(&text, why);
}

bool
og_route_goes(const struct og_route *route)
{
	return route->refusal[0] == '\0' && route->hold[0] == '\0';
}

static void
refuse(struct og_route *route, const char *what)
{
	struct og_text text;

	og_text_start(&text, route->refusal, sizeof route->refusal);
	og_text_putf(&text, ":fail: %s", what);
}

static void
bounce(struct og_route *route, const char *what)
{
	char line[OG_REPLY_SIZE];
	struct og_text text;

	og_text_start(&text, line, sizeof line);
	og_text_putf(&text, "%s: %s", route->verdict.from, what);
	refuse(route, line);
}

/* A reply without its enhanced status code. */
static const char *
sentence(const char *reply)
{
	const char *blank = strchr(reply, ' ');

	return blank != NULL ? blank + 1 : reply;
}

struct og_use
og_route_use(const struct og_route *route)
{
	return (struct og_use){
		.owner = route->verdict.owner,
		.gateway = &route->gateway,
		.sealed = route->sealed,
	};
}

enum og_status
og_route_open(const struct og_route *route, struct og_secret *secret,
    struct og_error *err)
{
	const struct og_config *config = og_settings(err);

	*secret = (struct og_secret){ 0 };
	if (config == NULL)
		return OG_ESYSTEM;
	/*
	 * P9: no core file of a process that has a password.  It lasts until
	 * the process changes its user, as Exim does to run a transport, so
	 * every opening asks for it.  Nobody else is concerned: the process
	 * is one message's delivery.
	 */
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	return og_seal_open(config->seal_dir, route->verdict.owner,
	    &route->gateway, route->sealed, secret, err);
}

/* Does the seal open for this use, and is it worth trying? */
static void
try_password(const struct og_config *config, struct og_route *route)
{
	const struct og_use use = og_route_use(route);
	struct og_secret secret;
	struct og_error err;
	enum og_status status = og_route_open(route, &secret, &err);
	bool refused = status == OG_OK &&
	    og_memory_refused_secret(config->state_dir, &use, &secret);

	/* the same password sealed anew: reception knows sealed values only */
	if (refused && !og_memory_refused(config->state_dir, &use) &&
	    og_memory_refuse(config->state_dir, &use, &secret, &err) != OG_OK)
		log_write(0, LOG_MAIN, "outgate: %s", err.text);
	og_secret_wipe(&secret);
	if (status != OG_OK)
		log_write(0, LOG_MAIN, "outgate: from=%s password: %s",
		    route->verdict.from, err.text);
	if (status == OG_ESYSTEM)
		hold(route,
		    "the mail server cannot open the password at the moment");
	else if (status != OG_OK)
		bounce(route,
		    "outgatePassword: the stored password does not fit the "
		    "outbound gateway's settings any more; enter it again");
	else if (refused)
		bounce(route,
		    "outgatePassword: your outbound gateway's server refused "
		    "this login and password; enter the right ones");
}

/*
 * P6: a gateway that failed is left alone for a while, and nobody else's mail
 * to its server meets the retry time that Exim keeps for all.
 */
static void
keep_distance(const struct og_config *config, struct og_route *route)
{
	const struct og_use use = og_route_use(route);
	int64_t failed_s = og_memory_failed_s(config->state_dir, &use);
	int64_t stumbled_ms =
	    og_memory_stumbled_ms(config->state_dir, &route->gateway);

	if (failed_s >= 0 && failed_s < config->hold_s) {
		hold(route,
		    "held for a while after a failure of this outbound "
		    "gateway");
	} else if (stumbled_ms >= 0 && stumbled_ms < STUMBLE_MS) {
		int64_t left_ms = STUMBLE_MS - stumbled_ms;
		const struct timespec left = {
			.tv_sec = (time_t)(left_ms / 1000),
			.tv_nsec = (long)(left_ms % 1000) * 1000000,
		};

		(void)nanosleep(&left, NULL);
	}
}

static void
judge(const struct og_config *config, const struct og_records *records,
    const struct og_decision *decision, struct og_route *route)
{
	switch (decision->action) {
	case OG_DEFER:
		hold(route, sentence(decision->reply));
		return;
	case OG_REFUSE:
		refuse(route, sentence(decision->reply));
		return;
	case OG_ORG:
		/* internal now, or no such login: never by the org route */
		bounce(route, "your outbound gateway is gone");
		return;
	case OG_GATEWAY:
		break;
	}
	if (strcmp(records->owner, route->verdict.owner) != 0) {
		bounce(route, "the account that sent this message is gone");
		return;
	}
	route->gateway = decision->gateway;
	memcpy(route->sealed, records->entry.password, sizeof route->sealed);
	try_password(config, route);
	if (og_route_goes(route))
		keep_distance(config, route);
}

static void
read_again(struct og_route *route)
{
	struct og_records *records;
	struct og_facts facts = { .submission = true };
	struct og_decision decision;
	struct og_config config;
	struct og_error why;
	const struct og_config *settings = og_settings(&why);

	records = calloc(1, sizeof *records);
	if (settings == NULL || records == NULL) {
		log_write(0, LOG_MAIN, "outgate: %s",
		    settings == NULL ? why.text : "out of memory");
		hold(route,
		    "settings for outbound gateways cannot be read");
		free(records);
		return;
	}
	config = *settings;
	/* what reception may let pass by the org route comes back here */
	config.org.refuse_unlisted = config.org.refuse_forbidden = true;
	memcpy(facts.login, route->verdict.login, sizeof facts.login);
	facts.from.state = OG_FROM_READ;
	memcpy(facts.from.address, route->verdict.from,
	    sizeof facts.from.address);
	og_resolve(&config, &facts, records, &decision, &why);
	if (why.text[0] != '\0')
		log_write(0, LOG_MAIN, "outgate: from=%s why=%s: %s",
		    route->verdict.from, og_reason_word(decision.reason),
		    why.text);
	judge(&config, records, &decision, route);
	free(records);
}

const struct og_route *
og_route_last(const char *verdict)
{
	return found.text[0] != '\0' && strcmp(found.text, verdict) == 0
	    ? &found : NULL;
}

const struct og_route *
og_route_find(const char *verdict)
{
	struct og_error err;

	if (og_route_last(verdict) != NULL &&
	    time(NULL) - found.read_at < FRESH_S)
		return &found;
	explicit_bzero(&found, sizeof found);
	if (og_verdict_parse(verdict, &found.verdict, &err) != OG_OK ||
	    found.verdict.way != OG_GATEWAY)
		return NULL;
	read_again(&found);
	if (found.hold[0] != '\0')
		log_write(0, LOG_MAIN, "outgate: from=%s held: %s",
		    found.verdict.from, found.hold);
	found.read_at = time(NULL);
	memcpy(found.text, verdict, strlen(verdict) + 1);
	return &found;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * deliver.c - what routers, transports and authenticators ask at delivery.
 *
 * Each is a function for ${dlfunc}; exim-config/ shows the calls.  The verdict
 * says whose gateway it is; everything else is read again from the directory
 * and decided again by the same policy, so that a mended setting or a
 * withdrawn permission counts for queued mail too.
 *
 * A password leaves through outgate_password() only: once in a process, to the
 * host and port it was sealed for, over TLS whose certificate was verified.
 */
#include "exim/host.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/text.h"
#include "core/verdict.h"
#include "exim/settings.h"
#include "io/resolve.h"
#include "io/seal.h"

exim_dlfunc_t outgate_route;
exim_dlfunc_t outgate_may_try;
exim_dlfunc_t outgate_login;
exim_dlfunc_t outgate_password;

#define REFUSAL_SIZE (OG_REPLY_SIZE + 16)

/* A route is read once for all recipients of a message, not once each. */
#define FRESH_S 10

/* What is known of the message that this delivery process works on. */
struct route {
	char text[OG_VERDICT_SIZE]; /* the verdict it belongs to; "" none */
	time_t read_at;
	/* ":fail: ..." or ":defer: ..." for a redirect router; "" go ahead */
	char refusal[REFUSAL_SIZE];
	struct og_verdict verdict;
	/* go ahead: */
	struct og_gateway gateway;
	char sealed[OG_SEALED_SIZE];
};

static void
set_refusal(struct route *route, const char *special, const char *what)
{
	struct og_text text;

	og_text_start(&text, route->refusal, sizeof route->refusal);
	og_text_putf(&text, ":%s: %s", special, what);
}

static void
bounce(struct route *route, const char *what)
{
	struct og_text text;

	og_text_start(&text, route->refusal, sizeof route->refusal);
	og_text_putf(&text, ":fail: %s: %s", route->verdict.from, what);
}

/* A reply without its enhanced status code. */
static const char *
sentence(const char *reply)
{
	const char *blank = strchr(reply, ' ');

	return blank != NULL ? blank + 1 : reply;
}

/* Does the seal open for this use?  The password is not kept. */
static void
try_seal(const struct og_config *config, struct route *route)
{
	struct og_secret secret;
	struct og_error err;
	enum og_status status = og_seal_open(config->seal_dir,
	    route->verdict.owner, &route->gateway, route->sealed, &secret,
	    &err);

	og_secret_wipe(&secret);
	if (status == OG_OK)
		return;
	log_write(0, LOG_MAIN, "outgate: from=%s password: %s",
	    route->verdict.from, err.text);
	if (status == OG_ESYSTEM)
		set_refusal(route, "defer",
		    "the mail server cannot open the password at the moment");
	else
		bounce(route,
		    "outgatePassword: the stored password does not fit the "
		    "outbound gateway's settings any more; enter it again");
}

static void
judge(const struct og_config *config, const struct og_records *records,
    const struct og_decision *decision, struct route *route)
{
	switch (decision->action) {
	case OG_DEFER:
		set_refusal(route, "defer", sentence(decision->reply));
		return;
	case OG_REFUSE:
		set_refusal(route, "fail", sentence(decision->reply));
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
	try_seal(config, route);
}

static void
read_route(struct route *route)
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
		set_refusal(route, "defer",
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

/* The route for a verdict; NULL when the text is no gateway verdict. */
static const struct route *
find_route(const uschar *data)
{
	static struct route route;
	const char *text = (const char *)data;
	struct og_error err;

	if (strcmp(route.text, text) == 0 && route.text[0] != '\0' &&
	    time(NULL) - route.read_at < FRESH_S)
		return &route;
	explicit_bzero(&route, sizeof route);
	if (og_verdict_parse(text, &route.verdict, &err) != OG_OK ||
	    route.verdict.way != OG_GATEWAY)
		return NULL;
	read_route(&route);
	route.read_at = time(NULL);
	memcpy(route.text, text, strlen(text) + 1);
	return &route;
}

static int
fail(uschar **yield, const char *why)
{
	*yield = og_host_copy(why);
	return FAIL;
}

/*
 * ${dlfunc{SO}{outgate_route}{$local_scan_data}{WORD}}
 *
 * WORD   refusal: "" to go ahead, else the data of a redirect router
 *        host, port, tls, from: of the gateway; fails unless refusal is ""
 */
int
outgate_route(uschar **yield, int argc, uschar *argv[])
{
	const struct route *route;
	const char *word;
	char port[8];
	struct og_text text;

	if (argc != 2)
		return fail(yield, "outgate_route takes two arguments");
	word = (const char *)argv[1];
	route = find_route(argv[0]);
	if (route == NULL)
		return fail(yield, "not a gateway verdict of this outgate");
	og_text_start(&text, port, sizeof port);
	og_text_putf(&text, "%u", route->gateway.port);
	if (strcmp(word, "refusal") == 0)
		*yield = og_host_copy(route->refusal);
	else if (route->refusal[0] != '\0')
		return fail(yield, "this message has no route");
	else if (strcmp(word, "host") == 0)
		*yield = og_host_copy(route->gateway.host);
	else if (strcmp(word, "port") == 0)
		*yield = og_host_copy(port);
	else if (strcmp(word, "tls") == 0)
		*yield = og_host_copy(og_tls_word(route->gateway.tls));
	else if (strcmp(word, "from") == 0)
		*yield = og_host_copy(route->verdict.from);
	else
		return fail(yield, "outgate_route knows no such word");
	return OK;
}

/* Has this process given its password away? */
static bool password_used;

static enum og_status
open_seal(const struct route *route, struct og_secret *secret,
    struct og_error *err)
{
	const struct og_config *config = og_settings(err);

	if (config == NULL)
		return OG_ESYSTEM;
	return og_seal_open(config->seal_dir, route->verdict.owner,
	    &route->gateway, route->sealed, secret, err);
}

/*
 * ${dlfunc{SO}{outgate_may_try}{$local_scan_data}{MECHANISM}}: "yes" or "no"
 *
 * After a refused login Exim tries the next mechanism, three failed logins a
 * message; the first one counts.  Exim's PLAIN cannot send a login or password
 * that begins with a caret: another one would be sent, silently.
 */
int
outgate_may_try(uschar **yield, int argc, uschar *argv[])
{
	const struct route *route;
	struct og_secret secret;
	struct og_error err;
	bool may = false;

	if (argc != 2)
		return fail(yield, "outgate_may_try takes two arguments");
	route = find_route(argv[0]);
	if (route != NULL && route->refusal[0] == '\0' && !password_used) {
		may = open_seal(route, &secret, &err) == OG_OK;
		if (may && strcmp((const char *)argv[1], "plain") == 0)
			may = secret.text[0] != '^' &&
			    route->gateway.login[0] != '^';
		og_secret_wipe(&secret);
	}
	*yield = og_host_copy(may ? "yes" : "no");
	return OK;
}

/* Exim's plaintext driver reads ^ as NUL and ^^ as a caret. */
static bool
escape_carets(const char *text, char *out, size_t size)
{
	struct og_text escaped;
	size_t i;

	og_text_start(&escaped, out, size);
	for (i = 0; text[i] != '\0'; i++)
		og_text_put_octets(
		    &escaped, text[i] == '^' ? "^^" : text + i,
		    text[i] == '^' ? 2 : 1);
	return !escaped.truncated;
}

#define ESCAPED_SIZE (2 * OG_SECRET_SIZE)

static int
yield_credential(uschar **yield, const char *text, const uschar *mechanism)
{
	char escaped[ESCAPED_SIZE];

	if (strcmp((const char *)mechanism, "cram") == 0) {
		*yield = og_host_copy(text);
		return OK;
	}
	if (!escape_carets(text, escaped, sizeof escaped))
		return FAIL_FORCED;
	*yield = og_host_copy(escaped);
	explicit_bzero(escaped, sizeof escaped);
	return OK;
}

/* ${dlfunc{SO}{outgate_login}{$local_scan_data}{MECHANISM}} */
int
outgate_login(uschar **yield, int argc, uschar *argv[])
{
	const struct route *route;

	if (argc != 2)
		return fail(yield, "outgate_login takes two arguments");
	route = find_route(argv[0]);
	if (route == NULL || route->refusal[0] != '\0')
		return FAIL_FORCED;
	return yield_credential(yield, route->gateway.login, argv[1]);
}

static bool
is_dialled(const struct route *route, const uschar *host, const uschar *port)
{
	struct og_error err;
	uint16_t number;

	return strcmp((const char *)host, route->gateway.host) == 0 &&
	    og_host_port((const char *)port, &number, &err) == OG_OK &&
	    number == route->gateway.port;
}

/*
 * ${dlfunc{SO}{outgate_password}{$local_scan_data}{MECHANISM}{$host}
 *     {$host_port}{$tls_out_certificate_verified}}
 *
 * A forced failure, which makes Exim give up this mechanism, unless the seal
 * opens, host and port are the ones it was sealed for and the server's
 * certificate was verified.
 */
int
outgate_password(uschar **yield, int argc, uschar *argv[])
{
	const struct route *route;
	struct og_secret secret;
	struct og_error err;
	int status = FAIL_FORCED;

	if (argc != 5)
		return fail(yield, "outgate_password takes five arguments");
	route = find_route(argv[0]);
	if (route == NULL || route->refusal[0] != '\0' || password_used ||
	    !is_dialled(route, argv[2], argv[3]) ||
	    strcmp((const char *)argv[4], "1") != 0)
		return FAIL_FORCED;
	if (open_seal(route, &secret, &err) == OG_OK) {
		password_used = true;
		status = yield_credential(yield, secret.text, argv[1]);
	}
	og_secret_wipe(&secret);
	return status;
}

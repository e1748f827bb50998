/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * deliver.c - what routers, transports, authenticators and retry rules ask.
 *
 * Each is a function for ${dlfunc}; exim-config/ shows the calls.  A password
 * leaves through outgate_password() only: once in a process, to the host and
 * port it was sealed for, over TLS whose certificate was verified.
 */
#include "exim/host.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "exim/route.h"
#include "exim/settings.h"
#include "exim/watch.h"

exim_dlfunc_t outgate_route;
exim_dlfunc_t outgate_may_try;
exim_dlfunc_t outgate_login;
exim_dlfunc_t outgate_password;
exim_dlfunc_t outgate_event;
exim_dlfunc_t outgate_refused;
exim_dlfunc_t outgate_logged_in;

static int
fail(uschar **yield, const char *why)
{
	*yield = og_host_copy(why);
	return FAIL;
}

static bool
is(const uschar *argument, const char *word)
{
	return strcmp((const char *)argument, word) == 0;
}

/* Where the router of this process has been told to send the message. */
static struct {
	char host[OG_HOST_SIZE];
	uint16_t port;
} routed;

static int
yield_server(uschar **yield)
{
	char server[OG_HOST_SIZE + 8];
	struct og_text text;

	og_text_start(&text, server, sizeof server);
	if (routed.host[0] != '\0' && routed.port != 0)
		og_text_putf(&text, "%s:%u", routed.host, routed.port);
	*yield = og_host_copy(server);
	return OK;
}

/*
 * ${dlfunc{SO}{outgate_route}{$local_scan_data}{WORD}}
 *
 * WORD   refusal: ":fail: ..." for a redirect router, or ""
 *        hold: why the message has to wait, or ""
 *        host, port, tls, from: of the gateway; fails unless both are "";
 *        only the router asks for host and port
 *        dialled: the host that the router has been told
 *        server: the same with its port, "" when it has been told none
 */
int
outgate_route(uschar **yield, int argc, uschar *argv[])
{
	const struct og_route *route;
	struct og_text text;
	char port[8];

	if (argc != 2)
		return fail(yield, "outgate_route takes two arguments");
	/* for a notice: the route may have an end by now */
	if (is(argv[1], "server"))
		return yield_server(yield);
	route = og_route_find((const char *)argv[0]);
	if (route == NULL)
		return fail(yield, "not a gateway verdict of this outgate");
	og_text_start(&text, port, sizeof port);
	og_text_putf(&text, "%u", route->gateway.port);
	if (is(argv[1], "refusal"))
		*yield = og_host_copy(route->refusal);
	else if (is(argv[1], "hold"))
		*yield = og_host_copy(route->hold);
	else if (!og_route_goes(route))
		return fail(yield, "this message has no route");
	else if (is(argv[1], "host")) {
		memcpy(routed.host, route->gateway.host, sizeof routed.host);
		*yield = og_host_copy(routed.host);
	} else if (is(argv[1], "port")) {
		routed.port = route->gateway.port;
		*yield = og_host_copy(port);
	} else if (is(argv[1], "dialled"))
		*yield = og_host_copy(routed.host);
	else if (is(argv[1], "tls"))
		*yield = og_host_copy(og_tls_word(route->gateway.tls));
	else if (is(argv[1], "from"))
		*yield = og_host_copy(route->verdict.from);
	else
		return fail(yield, "outgate_route knows no such word");
	return OK;
}

/*
 * Is the server that is being talked to the one this route names?  $host is no
 * help, it is the canonical name of what may be an alias: the router was given
 * host and port in this very process, and the route may have been read again.
 */
static bool
is_dialled(const struct og_route *route, const uschar *port)
{
	struct og_error err;
	uint16_t number;

	return strcmp(routed.host, route->gateway.host) == 0 &&
	    og_host_port((const char *)port, &number, &err) == OG_OK &&
	    number == routed.port && number == route->gateway.port;
}

/* Has this process given its password away, and gone on to MAIL? */
static bool password_used, mail_begun;

/*
 * Say once why the seal does not open.  The router did open it, but as root;
 * a key that only root can read is found out here.
 */
static void
complain(const struct og_route *route, const struct og_error *why)
{
	static bool complained;

	if (!complained)
		log_write(0, LOG_MAIN, "outgate: from=%s password: %s",
		    route->verdict.from, why->text);
	complained = true;
}

/*
 * ${dlfunc{SO}{outgate_may_try}{$local_scan_data}{MECHANISM}{$host_port}
 *     {$tls_out_certificate_verified}}: "yes" or "no"
 *
 * After a refused login Exim tries the next mechanism, three failed logins a
 * message; the first one counts.  Exim's PLAIN cannot send a login or password
 * that begins with a caret: another one would be sent, silently.  And LOGIN
 * shows the user's name before it asks for the password.
 */
int
outgate_may_try(uschar **yield, int argc, uschar *argv[])
{
	const struct og_route *route;
	struct og_secret secret;
	struct og_error err;
	bool may = false;

	if (argc != 4)
		return fail(yield, "outgate_may_try takes four arguments");
	route = og_route_find((const char *)argv[0]);
	if (route != NULL && og_route_goes(route) && !password_used &&
	    is_dialled(route, argv[2]) && is(argv[3], "1")) {
		may = og_route_open(route, &secret, &err) == OG_OK;
		if (!may)
			complain(route, &err);
		if (may && is(argv[1], "plain"))
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

	if (is(mechanism, "cram")) {
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
	const struct og_route *route;

	if (argc != 2)
		return fail(yield, "outgate_login takes two arguments");
	route = og_route_find((const char *)argv[0]);
	if (route == NULL || !og_route_goes(route))
		return FAIL_FORCED;
	return yield_credential(yield, route->gateway.login, argv[1]);
}

/*
 * ${dlfunc{SO}{outgate_password}{$local_scan_data}{MECHANISM}{$host_port}
 *     {$tls_out_certificate_verified}}
 *
 * A forced failure, which makes Exim give up this mechanism, unless the seal
 * opens, host and port are the ones it was sealed for and the server's
 * certificate was verified.
 */
int
outgate_password(uschar **yield, int argc, uschar *argv[])
{
	const struct og_route *route;
	struct og_secret secret;
	struct og_error err;
	int status = FAIL_FORCED;

	if (argc != 4)
		return fail(yield, "outgate_password takes four arguments");
	route = og_route_find((const char *)argv[0]);
	if (route == NULL || !og_route_goes(route) || password_used ||
	    !is_dialled(route, argv[2]) || !is(argv[3], "1"))
		return FAIL_FORCED;
	if (og_route_open(route, &secret, &err) == OG_OK) {
		password_used = true;
		status = yield_credential(yield, secret.text, argv[1]);
	}
	og_secret_wipe(&secret);
	return status;
}

/*
 * ${dlfunc{SO}{outgate_logged_in}{$local_scan_data}{LIMIT}}: "<>"
 *
 * For authenticated_sender, which is expanded before MAIL: fails, and Exim
 * defers, when this process has shown no password.  A server that refuses EHLO
 * within TLS makes Exim fall back to HELO and forget hosts_require_auth.
 * From here on the server has LIMIT seconds for the message.
 */
int
outgate_logged_in(uschar **yield, int argc, uschar *argv[])
{
	struct og_error err;

	if (argc != 2)
		return fail(yield, "outgate_logged_in takes two arguments");
	if (!password_used)
		return fail(yield, "the server wanted no login");
	if (og_watch_start((const char *)argv[1], routed.port, &err) != OG_OK)
		return fail(yield, err.text);
	mail_begun = true;
	*yield = og_host_copy("<>");
	return OK;
}

/* Exim's ERRNO_AUTHFAIL and those of a message, not of the server. */
#define EXIM_AUTHFAIL (-42)
#define EXIM_RCPT4XX (-44)
#define EXIM_DATA4XX (-46)

/* What Exim calls "no common mechanisms" may be a caret at the start. */
static void
explain_caret(const struct og_route *route)
{
	struct og_secret secret;
	struct og_error err;

	if (og_route_open(route, &secret, &err) == OG_OK &&
	    (secret.text[0] == '^' || route->gateway.login[0] == '^'))
		log_write(0, LOG_MAIN,
		    "outgate: from=%s AUTH PLAIN cannot send a login or "
		    "password that begins with a caret",
		    route->verdict.from);
	og_secret_wipe(&secret);
}

static enum og_status
remember(const char *dir, const struct og_route *route, long code,
    struct og_error *err)
{
	const struct og_use use = og_route_use(route);
	struct og_secret secret;
	enum og_status status;

	if (code != EXIM_AUTHFAIL || !password_used)
		return og_memory_fail(dir, &use, err);
	status = og_route_open(route, &secret, err);
	if (status == OG_OK)
		status = og_memory_refuse(dir, &use, &secret, err);
	og_secret_wipe(&secret);
	return status;
}

/* The connection is about to be made: "", or why it must not be. */
static const char *
begin_connection(const struct og_route *route, const uschar *limit_s)
{
	struct og_error err;

	if (route == NULL)
		return "whose connection is it?";
	if (og_watch_start((const char *)limit_s, routed.port, &err) == OG_OK)
		return "";
	log_write(0, LOG_MAIN, "outgate: from=%s %s", route->verdict.from,
	    err.text);
	return "nobody would watch it";
}

static void
end_connection(const struct og_route *route)
{
	unsigned limit_s = og_watch_stop();

	if (limit_s > 0)
		log_write(0, LOG_MAIN,
		    "outgate: from=%s timed out: %s:%u took more than %u s %s",
		    route->verdict.from, routed.host, routed.port, limit_s,
		    mail_begun ? "from MAIL on" : "up to MAIL");
}

static void
end_attempt(const struct og_route *route, const uschar *errno_text,
    const uschar *port)
{
	long code = strtol((const char *)errno_text, NULL, 10);
	struct og_error err;
	const struct og_config *config = og_settings(&err);

	if (config == NULL || !is_dialled(route, port) ||
	    code == ECONNREFUSED || code == EHOSTUNREACH ||
	    code == ENETUNREACH ||
	    (code <= EXIM_RCPT4XX && code >= EXIM_DATA4XX))
		return;
	if (code == EXIM_AUTHFAIL && !password_used)
		explain_caret(route);
	if (remember(config->state_dir, route, code, &err) != OG_OK)
		log_write(0, LOG_MAIN, "outgate: %s", err.text);
}

/*
 * ${dlfunc{SO}{outgate_event}{$local_scan_data}{$event_name}
 *     {$event_defer_errno}{$host_port}{LIMIT}}: ""
 *
 * Of a transport's event_action.  Gives the server LIMIT seconds up to MAIL;
 * where that cannot be seen to, the answer is not empty and Exim does not
 * connect.  Remembers that a gateway failed: a server that nobody can reach is
 * left to Exim's own retry times, and a 4xx after MAIL is the message's, not
 * the gateway's.
 */
int
outgate_event(uschar **yield, int argc, uschar *argv[])
{
	const struct og_route *route;
	const char *answer = "";

	if (argc != 5)
		return fail(yield, "outgate_event takes five arguments");
	route = og_route_last((const char *)argv[0]);
	if (is(argv[1], "tcp:connect"))
		answer = begin_connection(route, argv[4]);
	else if (route != NULL && is(argv[1], "tcp:close"))
		end_connection(route);
	else if (route != NULL && is(argv[1], "msg:host:defer"))
		end_attempt(route, argv[2], argv[3]);
	*yield = og_host_copy(answer);
	return OK;
}

/*
 * ${dlfunc{SO}{outgate_refused}{$local_scan_data}}: "yes" or "no"
 *
 * Has this message's login been refused, with the password it has now?  For
 * the retry rule that gives up at once, and for the text of the bounce.
 */
int
outgate_refused(uschar **yield, int argc, uschar *argv[])
{
	const struct og_route *route;
	const struct og_config *config;
	struct og_error err;
	struct og_use use;
	bool refused = false;

	if (argc != 1)
		return fail(yield, "outgate_refused takes one argument");
	route = og_route_last((const char *)argv[0]);
	config = og_settings(&err);
	if (route != NULL && config != NULL && route->sealed[0] != '\0') {
		use = og_route_use(route);
		refused = og_memory_refused(config->state_dir, &use);
	}
	*yield = og_host_copy(refused ? "yes" : "no");
	return OK;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * explain.c - "outgate explain": what would happen to this message, and why?
 *
 * The module's own code answers; only the facts come from standard input and
 * the command line instead of from Exim.  Nothing is sent and no seal opened.
 */
#include "cli/cli.h"

#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "core/text.h"
#include "io/resolve.h"

/* Header lines of more than this are no message of ours to explain. */
#define HEADER_MAX (1024 * 1024)

/*
 * Read standard input up to the empty line.
 *
 * Returns the header in malloc()ed memory that lives as long as the process,
 * or NULL when it cannot be read or is too long.
 */
static char *
read_header(size_t *len)
{
	char *header = malloc(HEADER_MAX);
	char *line = NULL;
	size_t size = 0;
	ssize_t got;

	*len = 0;
	while (header != NULL && (got = getline(&line, &size, stdin)) > 0) {
		if (line[0] == '\n' || strcmp(line, "\r\n") == 0)
			break;
		if ((size_t)got > HEADER_MAX - *len) {
			free(header);
			header = NULL;
			break;
		}
		memcpy(header + *len, line, (size_t)got);
		*len += (size_t)got;
	}
	free(line);
	return header;
}

/* Is there a NUL octet in the header, or in what follows on standard input? */
static bool
has_nul(const char *header, size_t len)
{
	bool found = memchr(header, '\0', len) != NULL;
	int c;

	while (!found && (c = getchar()) != EOF)
		found = c == '\0';
	return found;
}

static void
read_facts(struct og_facts *facts, const char *header, size_t len)
{
	struct og_span line;
	size_t at = 0;

	facts->submission = true;
	while (og_from_next_line(header, len, &at, &line))
		og_from_line(&facts->from, line.at, line.len);
	og_from_finish(&facts->from);
}

/* A sentence for each reason that needs no mending. */
static const char *
sentence(enum og_reason reason)
{
	switch (reason) {
	case OG_WHY_NOT_SUBMITTED:
		return "the message was not submitted";
	case OG_WHY_NULL_SENDER:
		return "the envelope sender is empty";
	case OG_WHY_UNREADABLE_FROM:
		return "the From header names no single plain address";
	case OG_WHY_INTERNAL_FROM:
		return "the From address is the organisation's own";
	case OG_WHY_NO_ENTRY:
		return "the directory has no entry for this login";
	case OG_WHY_UNLISTED:
		return "none of the user's gateways serves the From address";
	case OG_WHY_FORBIDDEN:
		return "outbound gateways are not permitted for this user";
	case OG_WHY_GATEWAY:
		return "every condition for the user's gateway is met";
	case OG_WHY_AMBIGUOUS_FROM:
	case OG_WHY_DIRECTORY:
	case OG_WHY_BAD_GATEWAY:
	case OG_WHY_HOST_DENIED:
	case OG_WHY_UNPROVED:
	case OG_WHY_NO_PASSWORD:
	case OG_WHY_NUL_OCTETS:
		break;
	}
	return "";
}

struct answer {
	const struct og_facts *facts;
	const struct og_decision *decision;
	const char *text;
};

static int
print_json(const struct answer *answer)
{
	const struct og_decision *d = answer->decision;
	bool has_gateway = d->gateway.host[0] != '\0';
	json_t *object = json_pack(
	    "{s:s, s:s, s:s?, s:s?, s:o, s:s?, s:s}",
	    "way", og_action_word(d->action),
	    "reason", og_reason_word(d->reason),
	    "from", answer->facts->from.address[0] != '\0' ?
		answer->facts->from.address : NULL,
	    "host", has_gateway ? d->gateway.host : NULL,
	    "port", has_gateway ? json_integer(d->gateway.port) : json_null(),
	    "tls", has_gateway ? og_tls_word(d->gateway.tls) : NULL,
	    "text", answer->text);

	if (object == NULL)
		return EX_OSERR;
	(void)json_dumpf(object, stdout, JSON_COMPACT);
	(void)putchar('\n');
	json_decref(object);
	return EX_OK;
}

static void
print_text(const struct answer *answer)
{
	const struct og_decision *d = answer->decision;

	printf("way     %s\n", og_action_word(d->action));
	printf("reason  %s\n", og_reason_word(d->reason));
	if (answer->facts->from.address[0] != '\0')
		printf("from    %s\n", answer->facts->from.address);
	if (d->gateway.host[0] != '\0')
		printf("server  %s port %u, TLS %s\n", d->gateway.host,
		    d->gateway.port, og_tls_word(d->gateway.tls));
	printf("text    %s\n", answer->text);
}

static int
explain(const struct og_config *config, struct og_facts *facts, bool json)
{
	static struct og_records records;
	struct og_decision decision;
	struct answer answer = { .facts = facts, .decision = &decision };
	char reply[OG_REPLY_SIZE + 8];
	struct og_error why;
	int code = EX_OK;

	og_resolve(config, facts, &records, &decision, &why);
	if (why.text[0] != '\0')
		og_cli_complain("%s", why.text);
	answer.text = sentence(decision.reason);
	if (decision.reply[0] != '\0') {
		(void)snprintf(reply, sizeof reply, "%s %s",
		    decision.reason == OG_WHY_DIRECTORY ? "451" : "550",
		    decision.reply);
		answer.text = reply;
	}
	if (json)
		code = print_json(&answer);
	else
		print_text(&answer);
	return decision.action == OG_DEFER ? EX_TEMPFAIL : code;
}

static const char help[] =
    "usage: outgate explain --login LOGIN [--json] <message\n"
    "\n"
    "Tells what would happen to the message on standard input, and why, when\n"
    "this login submitted it.  Nothing is sent.\n"
    "Exits with 75 when the directory could not answer.\n"
    "\n"
    "  --login LOGIN  the SMTP AUTH user name at the organisation's server\n"
    "  --json         one object instead of text\n";

struct options {
	const char *login;
	bool json;
	bool help;
};

static bool
read_options(int argc, char **argv, struct options *read)
{
	static const struct option options[] = {
		{ "login", required_argument, NULL, 'l' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	*read = (struct options){ .login = NULL };
	optind = 0;
	opterr = 0;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'l')
			read->login = optarg;
		else if (c == 'j')
			read->json = true;
		else if (c == 'h')
			read->help = true;
		else
			return false;
	}
	return read->help || (read->login != NULL && optind == argc);
}

int
og_cli_explain(int argc, char **argv)
{
	struct og_config config;
	struct og_facts facts = { 0 };
	struct options options;
	char *header;
	size_t len;

	if (!read_options(argc, argv, &options))
		return og_cli_usage("explain --login LOGIN [--json] <message");
	if (options.help) {
		(void)fputs(help, stdout);
		return EX_OK;
	}
	if (!og_text_copy(facts.login, sizeof facts.login, options.login,
		strlen(options.login)))
		return og_cli_usage("a login has at most %zu octets",
		    sizeof facts.login - 1);
	if (!og_cli_config(&config, NULL))
		return EX_CONFIG;
	header = read_header(&len);
	if (header == NULL) {
		og_cli_complain("the message's header is too long to read");
		return EX_DATAERR;
	}
	read_facts(&facts, header, len);
	facts.has_nul = has_nul(header, len);
	return explain(&config, &facts, options.json);
}

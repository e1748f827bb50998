/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * doctor_compare.c - is what outgate ships there, whole and in its place?
 *
 * Every option of outgate's own routers, transports and authenticators is
 * compared, those it does not mention included: a fallback host or a DKIM key
 * that somebody adds there breaks a promise as well as a line that is missing.
 */
#include "cli/doctor_exim.h"

#include <stdio.h>
#include <string.h>

#include "core/text.h"

/* Taste, and no promise: a site may have these as it likes. */
static const char *const free_options[] = { "command_timeout",
	"connect_timeout", "data_timeout", "debug_print", "delay_after_cutoff",
	"disable_logging", "dns_qualify_single", "dns_search_parents",
	"dnssec_request_domains", "dscp", "final_timeout", "helo_data",
	"hosts_avoid_pipelining", "hosts_max_try", "hosts_max_try_hardlimit",
	"hosts_pipe_connect", "hosts_randomize", "hosts_request_ocsp",
	"hosts_require_ocsp", "hosts_try_fastopen", "hosts_try_prdr",
	"interface", "keepalive", "max_parallel", "max_rcpt",
	"message_linelength_limit", "message_size_limit", "multi_domain",
	"size_addition", "tls_certificate", "tls_crl", "tls_dh_min_bits",
	"tls_privatekey", NULL };

/* Main options that the shipped text sets, each looked at elsewhere or free. */
static const char *const other_main_options[] = { "acl_smtp_rcpt",
	"delay_warning", "delay_warning_condition", "keep_environment",
	"local_scan_path", "local_scan_timeout", "log_file_path",
	"primary_hostname", "spool_directory", "tls_advertise_hosts", NULL };

/* Lists to which a site may add. */
static const char *const lists[] = { "headers_remove", "ignore_target_hosts",
	NULL };

/* What becomes of mail when an option is not as it must be. */
static const struct {
	const char *option, *harm;
} harms[] = {
	{ "acl_smtp_predata",
	    "P10: of a module that cannot be loaded the client sees the path" },
	{ "authenticated_sender", "the partner learns the user's login here" },
	{ "bounce_message_file", "P10: the user is not told what to mend, and "
				 "reads what any server said before a login" },
	{ "client_condition", "P5: a login is tried where it must not be" },
	{ "client_name", "P5: another login is sent" },
	{ "client_secret", "P5: another password is sent, or to anybody" },
	{ "client_send", "P5: another password is sent, or to anybody" },
	{ "condition", "P3: the wrong mail is taken, or none" },
	{ "connection_max_messages",
	    "P4: the next user's mail goes down the same connection" },
	{ "data", "P8: a withdrawn permission has no effect" },
	{ "dkim_domain", "the organisation signs mail that is not its own" },
	{ "dkim_private_key",
	    "the organisation signs mail that is not its own" },
	{ "dkim_selector", "the organisation signs mail that is not its own" },
	{ "domains", "P3: some recipients pass it by" },
	{ "event_action", "P6: a failure is everybody's, or mail is sent that "
			  "has to wait" },
	{ "fallback_hosts", "P3: mail leaves by another way" },
	{ "headers_remove", "the partner learns the user's address here" },
	{ "host_all_ignored", "P3: mail for a forbidden address goes on" },
	{ "host_find_failed",
	    "P1: a name that does not resolve today bounces" },
	{ "hosts", "P5: mail goes to another host than the gateway's" },
	{ "hosts_override",
	    "P5: mail goes to another host than the gateway's" },
	{ "hosts_require_auth", "P5: mail is sent without a login" },
	{ "hosts_require_tls", "P5: the password is sent in clear text" },
	{ "hosts_try_chunking", "mail is sent by a command that not every "
				"server has right" },
	{ "hosts_try_dane", "P5: the certificate's name is not checked" },
	{ "ignore_target_hosts",
	    "P5: a user may connect to hosts of this site" },
	{ "more", "P3: what it does not take leaves by another way" },
	{ "port", "P5: TLS does not begin as it must" },
	{ "protocol", "P5: TLS does not begin as it must" },
	{ "retry_use_local_part",
	    "P6: the recipient's other mail waits for this sender's gateway" },
	{ "return_path", "SPF does not pass at the recipient" },
	{ "route_list", "P5: mail goes to another host than the gateway's" },
	{ "self", "P5: a gateway may be this host itself" },
	{ "tls_sni", "P5: the server shows another certificate" },
	{ "tls_tempfail_tryclear", "P5: the password is sent in clear text" },
	{ "tls_verify_cert_hostnames",
	    "P5: the password is sent to whoever has a certificate" },
	{ "tls_verify_certificates",
	    "P5: the password is sent to an unverified server" },
	{ "tls_verify_hosts",
	    "P5: the password is sent to an unverified server" },
	{ "transport", "P5: TLS does not begin as it must" },
	{ "unseen", "P3: a copy leaves by another way" },
	{ "verify_recipient", "recipients are refused that are none of its" },
	{ "verify_sender", "senders are refused that are none of its" },
	{ "warn_message_file",
	    "P10: the user reads what any server said before a login" },
};

static bool
is_among(const char *word, const char *const list[])
{
	for (; *list != NULL; list++) {
		if (strcmp(*list, word) == 0)
			return true;
	}
	return false;
}

static const char *
harm_of(const char *option)
{
	size_t i;

	for (i = 0; i < sizeof harms / sizeof harms[0]; i++) {
		if (strcmp(harms[i].option, option) == 0)
			return harms[i].harm;
	}
	return "not what outgate has been tested with";
}

/* Lists. */

#define ITEM_SIZE 256
struct list {
	const char *at;
	char separator;
};

/* "<;" before the first item names another separator than the colon. */
static struct list
list_start(const char *text)
{
	while (*text == ' ')
		text++;
	if (text[0] == '<' && text[1] != '\0')
		return (struct list){ text + 2, text[1] };
	return (struct list){ text, ':' };
}

/* The next item, without the blanks around it; a doubled separator is one. */
static bool
list_next(struct list *list, char item[ITEM_SIZE])
{
	struct og_text text;
	const char *at = list->at;

	if (*at == '\0')
		return false;
	og_text_start(&text, item, ITEM_SIZE);
	for (; *at != '\0'; at++) {
		if (*at == list->separator && at[1] != list->separator)
			break;
		if (*at == list->separator)
			at++;
		if (*at != ' ' || text.len > 0)
			og_text_put_octets(&text, at, 1);
	}
	while (text.len > 0 && item[text.len - 1] == ' ')
		item[--text.len] = '\0';
	list->at = *at == '\0' ? at : at + 1;
	return true;
}

static bool
list_has(const char *text, const char *wanted)
{
	struct list list = list_start(text);
	char item[ITEM_SIZE];

	while (list_next(&list, item)) {
		if (og_text_same(item, wanted))
			return true;
	}
	return false;
}

/* The first item that the other list lacks; false when it has them all. */
static bool
list_lacks(const char *site, const char *shipped, char item[ITEM_SIZE])
{
	struct list list = list_start(shipped);

	while (list_next(&list, item)) {
		if (item[0] != '\0' && !list_has(site, item))
			return true;
	}
	return false;
}

/* Drivers. */

/* A value worth showing: short, and not one that only Exim understands. */
static bool
is_telling(const char *value)
{
	return value[0] != '\0' && strlen(value) <= 40 &&
	       strchr(value, '{') == NULL;
}

/* "NAME" of "NAME router:" */
static int
name_len(const char *head)
{
	return (int)strcspn(head, " ");
}

/* True when an option is as it must be; else that has been said. */
static bool
compare_option(struct og_doctor *doctor, const char *head,
    const struct og_option *shipped, const char *site)
{
	char lacking[ITEM_SIZE] = "";
	const char *harm = harm_of(shipped->name);

	if (is_among(shipped->name, free_options))
		return true;
	if (site == NULL)
		site = "";
	if (is_among(shipped->name, lists)) {
		if (!list_lacks(site, shipped->value, lacking))
			return true;
		og_doctor_say(doctor, OG_SICK, "exim", "%.*s: %s lacks %s: %s",
		    name_len(head), head, shipped->name, lacking, harm);
	} else if (og_same_value(site, shipped->value)) {
		return true;
	} else if (shipped->value[0] == '\0') {
		og_doctor_say(doctor, OG_SICK, "exim",
		    "%.*s: %s must be empty: %s", name_len(head), head,
		    shipped->name, harm);
	} else if (is_telling(shipped->value)) {
		og_doctor_say(doctor, OG_SICK, "exim",
		    "%.*s: %s must be %s: %s", name_len(head), head,
		    shipped->name, shipped->value, harm);
	} else {
		og_doctor_say(doctor, OG_SICK, "exim",
		    "%.*s: %s is not as outgate ships it: %s", name_len(head),
		    head, shipped->name, harm);
	}
	return false;
}

/* One router, transport or authenticator of outgate's. */
static void
compare_driver(struct og_doctor *doctor, const struct og_view *site,
    const struct og_view *reference, const char *head)
{
	struct og_option shipped;
	const char *line = head;
	bool same = true;

	if (og_option(&site->drivers, head, "driver") == NULL) {
		og_doctor_say(doctor, OG_SICK, "exim",
		    "the %.*s is missing: include outgate's text",
		    (int)strlen(head) - 1, head);
		return;
	}
	while ((line = og_lines_next(&reference->drivers, line)) != NULL &&
	       line[0] != '\0') {
		if (og_option_read(line, &shipped))
			same &= compare_option(doctor, head, &shipped,
			    og_option(&site->drivers, head, shipped.name));
	}
	if (same)
		og_doctor_say(doctor, OG_HEALTHY, "exim",
		    "the %.*s is as outgate ships it", (int)strlen(head) - 1,
		    head);
}

static void
compare_drivers(struct og_doctor *doctor, const struct og_view *site,
    const struct og_view *reference)
{
	static const char *const kinds[] = { "router", "transport",
		"authenticator" };
	const char *head;
	size_t i, n;

	for (i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		for (n = 0; (head = og_driver(
				 &reference->drivers, kinds[i], n)) != NULL;
		     n++)
			compare_driver(doctor, site, reference, head);
	}
}

/* What an earlier router takes, outgate's never see. */
static void
compare_order(struct og_doctor *doctor, const struct og_view *site,
    const struct og_view *reference)
{
	const char *want, *have;
	size_t n;

	for (n = 0;
	     (want = og_driver(&reference->drivers, "router", n)) != NULL;
	     n++) {
		have = og_driver(&site->drivers, "router", n);
		if (have != NULL && strcmp(have, want) == 0)
			continue;
		og_doctor_say(doctor, OG_SICK, "exim",
		    "the router %.*s stands where %.*s must: outgate's come "
		    "first, in their order, or gateway mail leaves by another "
		    "way (P3)",
		    have != NULL ? name_len(have) : 4,
		    have != NULL ? have : "none", name_len(want), want);
		return;
	}
	og_doctor_say(
	    doctor, OG_HEALTHY, "exim", "outgate's %zu routers come first", n);
}

/* Other sections. */

static void
compare_retry_rules(struct og_doctor *doctor, const struct og_view *site,
    const struct og_view *reference)
{
	const char *want, *have;
	size_t n;

	for (n = 0;
	     (want = og_section_line(&reference->text, "retry", n)) != NULL;
	     n++) {
		have = og_section_line(&site->text, "retry", n);
		if (have != NULL && og_same_value(have, want))
			continue;
		og_doctor_say(doctor, OG_SICK, "exim",
		    "retry rule %zu must be '%s': outgate's come first, or a "
		    "user's gateway delays and bounces other people's mail "
		    "(P6)",
		    n + 1, want);
		return;
	}
	og_doctor_say(doctor, OG_HEALTHY, "exim",
	    "outgate's %zu retry rules come first", n);
}

static bool
has_line(const struct og_lines *text, const char *wanted)
{
	const char *line = NULL;

	while ((line = og_lines_next(text, line)) != NULL) {
		if (og_same_value(line, wanted))
			return true;
	}
	return false;
}

/* "addresslist NAME = ..." and the options; no macros: these have no blank. */
static bool
compare_main_line(struct og_doctor *doctor, const struct og_view *site,
    const struct og_view *reference, const char *line)
{
	struct og_option option;
	const char *want;

	if (strncmp(line, "addresslist ", 12) == 0) {
		if (has_line(&site->text, line))
			return true;
		og_doctor_say(doctor, OG_SICK, "exim",
		    "%.*s is not as outgate ships it: its retry rules then "
		    "fit other mail, or none (P6)",
		    12 + (int)strcspn(line + 12, " "), line);
		return false;
	}
	if (!og_option_read(line, &option) ||
	    !og_text_is_letter(option.name[0]) ||
	    og_text_lower(option.name[0]) != option.name[0] ||
	    is_among(option.name, other_main_options))
		return true;
	want = og_option(&reference->options, NULL, option.name);
	if (want == NULL)
		return true;
	option.value = want;
	return compare_option(doctor, "main", &option,
	    og_option(&site->options, NULL, option.name));
}

static void
compare_main(struct og_doctor *doctor, const struct og_view *site,
    const struct og_view *reference)
{
	const char *line;
	bool same = true;
	size_t n;

	for (n = 0;
	     (line = og_section_line(&reference->text, "main", n)) != NULL; n++)
		same &= compare_main_line(doctor, site, reference, line);
	if (same)
		og_doctor_say(doctor, OG_HEALTHY, "exim",
		    "the main section has what outgate ships");
}

/* Authenticators of the site's. */

/* Options that make an authenticator one for sending, but for their names. */
static bool
is_for_clients(const struct og_option *option)
{
	static const char *const neutral[] = { "client_condition",
		"client_set_id", "client_ignore_invalid_base64", NULL };

	return strncmp(option->name, "client_", 7) == 0 &&
	       option->value[0] != '\0' && !is_among(option->name, neutral);
}

/* It would be offered to gateways, with a login that is not the user's. */
static void
examine_authenticator(
    struct og_doctor *doctor, const struct og_view *site, const char *head)
{
	const char *condition =
	    og_option(&site->drivers, head, "client_condition");
	struct og_option option;
	const char *line = head;
	bool for_clients = false;

	while ((line = og_lines_next(&site->drivers, line)) != NULL &&
	       line[0] != '\0') {
		if (og_option_read(line, &option))
			for_clients |= is_for_clients(&option);
	}
	if (for_clients &&
	    (condition == NULL || strstr(condition, "^outgate_") == NULL))
		og_doctor_say(doctor, OG_SICK, "exim",
		    "the authenticator %.*s would log in at users' gateways: "
		    "give it client_condition = ${if !match "
		    "{$transport_name}{^outgate_}} (P5)",
		    name_len(head), head);
}

static void
examine_authenticators(struct og_doctor *doctor, const struct og_view *site,
    const struct og_view *reference)
{
	const char *head;
	size_t n;

	for (n = 0;
	     (head = og_driver(&site->drivers, "authenticator", n)) != NULL;
	     n++) {
		if (og_option(&reference->drivers, head, "driver") == NULL)
			examine_authenticator(doctor, site, head);
	}
}

void
og_doctor_compare(struct og_doctor *doctor, const struct og_view *site,
    const struct og_view *reference)
{
	compare_main(doctor, site, reference);
	compare_order(doctor, site, reference);
	compare_drivers(doctor, site, reference);
	compare_retry_rules(doctor, site, reference);
	examine_authenticators(doctor, site, reference);
}

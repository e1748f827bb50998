/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * doctor_acl.c - do the site's ACLs leave a submission to the module?
 *
 * Exim prints an ACL as it is written, a condition or modifier on a line; what
 * is looked for is what an administrator may have there, not every form that
 * Exim's grammar allows.
 */
#include "cli/doctor_exim.h"

#include <string.h>

/* One statement of an ACL: a verb with its conditions and modifiers. */
struct statement {
	bool authenticated;
	bool hosts;
	bool submission;
	bool retains; /* what the client says about the sender */
};

struct submissions {
	size_t n;
	size_t n_retaining;
};

/* Hosts that need no login: what they send is no submission. */
static void
end_statement(struct statement *statement, struct submissions *found)
{
	if (statement->submission &&
	    (statement->authenticated || !statement->hosts)) {
		found->n++;
		found->n_retaining += statement->retains;
	}
	*statement = (struct statement){ 0 };
}

static bool
begins_with_word(const char *line, const char *word)
{
	size_t len = strlen(word);

	return strncmp(line, word, len) == 0 &&
	       (line[len] == '\0' || line[len] == ' ' || line[len] == '=');
}

/* After the verb; NULL when the line begins with none. */
static const char *
skip_verb(const char *line)
{
	static const char *const verbs[] = { "accept", "defer", "deny",
		"discard", "drop", "require", "warn", NULL };
	size_t i;

	for (i = 0; verbs[i] != NULL; i++) {
		if (begins_with_word(line, verbs[i])) {
			line += strlen(verbs[i]);
			return line + strspn(line, " \t");
		}
	}
	return NULL;
}

static void
read_statement(struct statement *statement, const char *line)
{
	if (begins_with_word(line, "authenticated"))
		statement->authenticated = true;
	else if (begins_with_word(line, "hosts"))
		statement->hosts = true;
	else if (begins_with_word(line, "control") &&
		 strstr(line, "submission") != NULL) {
		statement->submission = true;
		statement->retains = strstr(line, "sender_retain") != NULL;
	}
}

static struct submissions
find_submissions(const struct og_view *site)
{
	struct submissions found = { 0 };
	struct statement statement = { 0 };
	const char *line, *rest;
	size_t n;

	for (n = 0; (line = og_section_line(&site->text, "acl", n)) != NULL;
	     n++) {
		rest = skip_verb(line);
		if (rest != NULL || line[strlen(line) - 1] == ':')
			end_statement(&statement, &found);
		read_statement(&statement, rest != NULL ? rest : line);
	}
	end_statement(&statement, &found);
	return found;
}

static void
examine_submission(struct og_doctor *doctor, const struct og_view *site)
{
	const struct submissions found = find_submissions(site);

	if (found.n == 0)
		og_doctor_say(doctor, OG_SICK, "exim",
		    "no ACL has control = submission/domain=... for those who "
		    "have logged in: bounces then go to the external address "
		    "(P1)");
	else if (found.n_retaining > 0)
		og_doctor_say(doctor, OG_SICK, "exim",
		    "an ACL has control = submission/sender_retain for those "
		    "who have logged in: bounces then go to the external "
		    "address (P1); write submission/domain=...");
	else
		og_doctor_say(doctor, OG_HEALTHY, "exim",
		    "the envelope sender of a submission is the user's "
		    "mailbox here");
}

static void
examine_cutthrough(struct og_doctor *doctor, const struct og_view *site)
{
	const char *line = NULL;

	while ((line = og_lines_next(&site->text, line)) != NULL) {
		if (line[0] == '#' ||
		    strstr(line, "cutthrough_delivery") == NULL)
			continue;
		og_doctor_say(doctor, OG_SICK, "exim",
		    "control = cutthrough_delivery: mail is sent on before "
		    "the module sees it (P3); take it out of the ACL");
		return;
	}
	og_doctor_say(doctor, OG_HEALTHY, "exim",
	    "no ACL sends mail on before the module sees it");
}

void
og_doctor_acl(struct og_doctor *doctor, const struct og_view *site)
{
	examine_submission(doctor, site);
	examine_cutthrough(doctor, site);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OG_CLI_DOCTOR_EXIM_H
#define OG_CLI_DOCTOR_EXIM_H

#include "cli/doctor.h"

/*
 * doctor_exim.h - what Exim says about a configuration.
 *
 * Two are compared: the site's, and a reference made of the text that outgate
 * ships and the site's macros.  Exim itself reads both, so what counts is what
 * Exim understood, defaults included, and no list of our own can fall behind
 * the text.
 */

/* Each line a C string, one after the other. */
struct og_lines {
	char *at;
	size_t len;
};

struct og_view {
	struct og_lines options; /* of the main section, each with its value */
	struct og_lines drivers; /* routers, transports, authenticators */
	struct og_lines text;	 /* the configuration itself, includes in it */
	struct og_lines macros;
};

/*
 * Ask Exim.
 *
 * file   the configuration to read instead of the site's, or NULL
 * view   zeroed unless OG_OK; end it by og_view_free
 *
 * OG_EINPUT   Exim refuses the configuration; err has its words
 * OG_ESYSTEM  Exim could not be asked
 */
OG_MUST_CHECK enum og_status og_view_read(const char *exim, const char *file,
    struct og_view *view, struct og_error *err);
void og_view_free(struct og_view *view);

/* Cut a text into lines; the text is the lines' from then on. */
struct og_lines og_lines_cut(char *text);

/* The line after this one, the first one for NULL; NULL at the end. */
const char *og_lines_next(const struct og_lines *lines, const char *line);

/*
 * The n-th "NAME kind:" of the drivers, or NULL.
 *
 * kind   "router", "transport" or "authenticator"
 */
const char *og_driver(
    const struct og_lines *drivers, const char *kind, size_t n);

#define OG_OPTION_SIZE 64
struct og_option {
	char name[OG_OPTION_SIZE];
	const char *value; /* "true" and "false" for a boolean */
};

/* Read a line that says "name = value", "name" or "no_name". */
bool og_option_read(const char *line, struct og_option *option);

/* The value of an option; head: "NAME kind:" or NULL; NULL when unknown. */
const char *og_option(
    const struct og_lines *lines, const char *head, const char *name);

/* The n-th line of a section of the text, without comments; or NULL. */
const char *og_section_line(
    const struct og_lines *text, const char *section, size_t n);

/* Are two values the same but for blanks? */
bool og_same_value(const char *a, const char *b);

/*
 * Write the reference configuration, ready for -C.
 *
 * macros   the site's
 * spool    an empty directory, where Exim may write
 * fd       a file in memory that a child inherits
 *
 * OG_ESYSTEM  the shipped text cannot be read, or the file not be made
 */
OG_MUST_CHECK enum og_status og_reference(const struct og_lines *macros,
    const char *spool, int *fd, struct og_error *err);

/* Compare the two: what outgate's promises need, and what is added to it. */
void og_doctor_compare(struct og_doctor *doctor, const struct og_view *site,
    const struct og_view *reference);

/*
 * Does Exim use the module?
 *
 * file   the reference configuration
 */
void og_doctor_module(struct og_doctor *doctor, const struct og_view *site,
    const struct og_view *reference, const char *file);

/* Look for what an ACL must have, and must not. */
void og_doctor_acl(struct og_doctor *doctor, const struct og_view *site);

#endif

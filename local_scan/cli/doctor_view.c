/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * doctor_view.c - ask Exim how it understands a configuration.
 *
 * The forms are those of Exim's -bP (specification, 5.2): "name = value" or
 * "name" and "no_name" for each option, "NAME router:" before the options of a
 * driver and an empty line after them.
 */
#include "cli/doctor_exim.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "core/text.h"

struct og_lines
og_lines_cut(char *text)
{
	const struct og_lines lines = { text, strlen(text) };
	char *newline = text;

	while ((newline = strchr(newline, '\n')) != NULL)
		*newline++ = '\0';
	return lines;
}

const char *
og_lines_next(const struct og_lines *lines, const char *line)
{
	line = line == NULL ? lines->at : line + strlen(line) + 1;
	return line < lines->at + lines->len ? line : NULL;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static const char *
skip_blanks(const char *at)
{
	while (is_blank(*at))
		at++;
	return at;
}

/* "NAME kind:" */
static bool
is_head(const char *line, const char *kind)
{
	const char *blank = strchr(line, ' ');
	size_t len = strlen(kind);

	return blank != NULL && strncmp(blank + 1, kind, len) == 0 &&
	       strcmp(blank + 1 + len, ":") == 0;
}

const char *
og_driver(const struct og_lines *drivers, const char *kind, size_t n)
{
	const char *line = NULL;

	while ((line = og_lines_next(drivers, line)) != NULL) {
		if (is_head(line, kind) && n-- == 0)
			return line;
	}
	return NULL;
}

bool
og_option_read(const char *line, struct og_option *option)
{
	size_t len = strcspn(line, " ");

	if (line[len] != '\0' && line[len + 1] != '=')
		return false;
	option->value = line[len] != '\0' ? skip_blanks(line + len + 2)
			: strncmp(line, "no_", 3) == 0 ? "false"
						       : "true";
	if (line[len] == '\0' && strncmp(line, "no_", 3) == 0) {
		line += 3;
		len -= 3;
	}
	return og_text_copy(option->name, sizeof option->name, line, len);
}

const char *
og_option(const struct og_lines *lines, const char *head, const char *name)
{
	bool here = head == NULL;
	struct og_option option;
	const char *line = NULL;

	while ((line = og_lines_next(lines, line)) != NULL) {
		if (head != NULL && strcmp(line, head) == 0)
			here = true;
		else if (head != NULL && here && line[0] == '\0')
			return NULL;
		else if (here && og_option_read(line, &option) &&
			 strcmp(option.name, name) == 0)
			return option.value;
	}
	return NULL;
}

const char *
og_section_line(const struct og_lines *text, const char *section, size_t n)
{
	bool here = strcmp(section, "main") == 0;
	const char *line = NULL;

	while ((line = og_lines_next(text, line)) != NULL) {
		const char *at = skip_blanks(line);

		if (strncmp(at, "begin ", 6) == 0)
			here = strcmp(skip_blanks(at + 6), section) == 0;
		else if (here && *at != '\0' && *at != '#' && n-- == 0)
			return at;
	}
	return NULL;
}

bool
og_same_value(const char *a, const char *b)
{
	for (;; a++, b++) {
		a = skip_blanks(a);
		b = skip_blanks(b);
		if (*a != *b)
			return false;
		if (*a == '\0')
			return true;
	}
}

/* The last line that holds words: Exim's reason comes after its log line. */
static const char *
last_words(struct og_lines *lines)
{
	const char *words = "no reason given";
	const char *line = NULL;

	while ((line = og_lines_next(lines, line)) != NULL) {
		if (*skip_blanks(line) != '\0')
			words = skip_blanks(line);
	}
	return words;
}

/* Run Exim with some words after -bP. */
static enum og_status
ask(const char *exim, const char *file, const char *const words[4],
    struct og_lines *lines, struct og_error *err)
{
	const char *argv[9] = { exim };
	struct og_output output;
	enum og_status status;
	size_t n = 1;
	size_t i;

	if (file != NULL) {
		argv[n++] = "-C";
		argv[n++] = file;
	}
	argv[n++] = "-bP";
	for (i = 0; i < 3 && words[i] != NULL; i++)
		argv[n++] = words[i];
	status = og_doctor_run(argv, "", &output, err);
	if (status != OG_OK)
		return status;
	if (WIFEXITED(output.status) && WEXITSTATUS(output.status) == 0) {
		*lines = og_lines_cut(output.out);
		output.out = NULL;
	} else {
		struct og_lines said = og_lines_cut(output.errors);

		status = og_fail(err, OG_EINPUT, "%s", last_words(&said));
	}
	og_output_free(&output);
	return status;
}

enum og_status
og_view_read(const char *exim, const char *file, struct og_view *view,
    struct og_error *err)
{
	const struct {
		const char *words[4];
		struct og_lines *lines;
	} row[] = {
		{ { NULL }, &view->options },
		{ { "routers", "transports", "authenticators" },
		    &view->drivers },
		{ { "config" }, &view->text },
		{ { "macros" }, &view->macros },
	};
	enum og_status status = OG_OK;
	size_t i;

	*view = (struct og_view){ 0 };
	for (i = 0; status == OG_OK && i < sizeof row / sizeof row[0]; i++)
		status = ask(exim, file, row[i].words, row[i].lines, err);
	if (status != OG_OK)
		og_view_free(view);
	return status;
}

void
og_view_free(struct og_view *view)
{
	free(view->options.at);
	free(view->drivers.at);
	free(view->text.at);
	free(view->macros.at);
	*view = (struct og_view){ 0 };
}

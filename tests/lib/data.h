/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OG_TESTS_DATA_H
#define OG_TESTS_DATA_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

/*
 * data.h - the test vectors of tests/data/.
 *
 * Tests run from the top of the checkout; OG_TESTS names the directory tests/
 * when they do not.  A file that cannot be read ends the program: without its
 * rows a test has nothing to say.
 */

/* An array of what the file holds: a JSON array, or one value after another. */
static inline json_t *
data_load(const char *file)
{
	const char *tests = getenv("OG_TESTS");
	json_t *all = json_array();
	json_error_t error;
	char path[1024];
	json_t *next;
	FILE *in;

	(void)snprintf(path, sizeof path, "%s/data/%s",
	    tests != NULL ? tests : "tests", file);
	in = fopen(path, "re");
	if (in == NULL) {
		perror(path);
		exit(1);
	}
	while ((next = json_loadf(in,
		    JSON_DISABLE_EOF_CHECK | JSON_ALLOW_NUL, &error)) != NULL) {
		if (json_is_array(next))
			json_array_extend(all, next);
		else
			json_array_append(all, next);
		json_decref(next);
	}
	if (json_error_code(&error) != json_error_premature_end_of_input ||
	    json_array_size(all) == 0) {
		fprintf(stderr, "%s: %s\n", path, error.text);
		exit(1);
	}
	fclose(in);
	return all;
}

/* "" when the row has no such string. */
static inline const char *
data_text(const json_t *row, const char *key)
{
	const char *text = json_string_value(json_object_get(row, key));

	return text != NULL ? text : "";
}

/*
 * A copy on the heap that is exactly len octets long, so that the address
 * sanitizer sees every step over the edge.
 */
static inline char *
data_exact(const char *at, size_t len)
{
	char *copy = malloc(len > 0 ? len : 1);

	if (copy == NULL)
		exit(1);
	memcpy(copy, at, len);
	return copy;
}

#endif

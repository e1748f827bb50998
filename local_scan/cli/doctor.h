/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OG_CLI_DOCTOR_H
#define OG_CLI_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>

#include "core/error.h"
#include "io/config.h"

/*
 * doctor.h - what the parts of `outgate doctor` share.
 */

/* One examination. */
struct og_doctor {
	const char *exim; /* Exim's binary; absolute */
	const char *path; /* of the settings; absolute */
	bool has_config;  /* the settings could be read: */
	struct og_config config;
	bool has_user; /* there is the user that they name */
	bool colour;
	unsigned n_failed;
};

enum og_health { OG_HEALTHY, OG_DOUBTFUL, OG_SICK };

/*
 * Print one line: "ok", "warning" or "FAILED", the area, and a sentence that
 * for the last two says what to mend.
 */
void og_doctor_say(struct og_doctor *doctor, enum og_health health,
    const char *area, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The parts; each says what it finds.  The last two need has_user. */
void og_doctor_exim(struct og_doctor *doctor);
void og_doctor_files(struct og_doctor *doctor);
void og_doctor_directory(struct og_doctor *doctor);

/*
 * May anybody but root change what a path names, by what it lies in?  Says so
 * if it is the case.
 *
 * path   absolute
 */
void og_doctor_parents(
    struct og_doctor *doctor, const char *area, const char *path);

/*
 * May the mail user do this (R_OK, W_OK, X_OK of access(2))?  Without has_user
 * there is nothing to ask, and the answer is yes.
 */
bool og_doctor_may(struct og_doctor *doctor, const char *path, int mode);

/* What a program said: C strings, to be freed; "" for nothing. */
struct og_output {
	char *out;
	char *errors;
	int status; /* as waitpid gives it */
};

/*
 * Run a program without a shell, in a minimal environment, and wait for its
 * end; it is killed after half a minute.
 *
 * argv     argv[0] is its absolute path
 * input    its standard input
 * output   zeroed unless OG_OK; end it by og_output_free
 *
 * OG_ESYSTEM  it could not be run, or did not end
 */
OG_MUST_CHECK enum og_status og_doctor_run(const char *const argv[],
    const char *input, struct og_output *output, struct og_error *err);
void og_output_free(struct og_output *output);

/*
 * Something to be done as the mail user, in a child process: what that user
 * cannot read, Exim cannot.
 */
struct og_errand {
	void (*run)(const void *in, void *out);
	const void *in;
	void *out; /* size octets; what the child made of them comes back */
	size_t size;
	int timeout_ms;
};

/*
 * Do it.  The child's environment is empty but for what keeps libldap from
 * reading files.
 *
 * OG_ESYSTEM  there is no such user, or no result in time; out is untouched
 */
OG_MUST_CHECK enum og_status og_doctor_as_user(
    const char *user, const struct og_errand *errand, struct og_error *err);

#endif

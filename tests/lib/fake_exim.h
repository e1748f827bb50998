/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OG_TESTS_FAKE_EXIM_H
#define OG_TESTS_FAKE_EXIM_H

#include <stdbool.h>

/*
 * fake_exim.h - the part of Exim that outgate.so calls, for tests that want
 * the module as it ships under the sanitizers, message by message.
 *
 * fake_exim.c defines Exim's own names; the test program exports them.
 */

struct fake_message {
	const char *login;  /* $authenticated_id; NULL: not authenticated */
	const char *sender; /* envelope sender */
	bool batched;	    /* -bS */
	bool checking;	    /* -bh */
	int nuls;	    /* how many NUL octets it has */
	/*
	 * header lines without their newline; NULL ends the list; one that
	 * begins with '*' has been deleted
	 */
	const char *header[8];
};

/* What local_scan() answered. */
struct fake_answer {
	int code;	  /* LOCAL_SCAN_... */
	const char *text; /* its return text, "" for none */
	const char *log;  /* all it wrote to the log, newline after each */
};

/* Load outgate.so; aborts the test program when it does not load. */
void fake_exim_load(const char *path);

/* A symbol of the module, or NULL. */
void *fake_exim_symbol(const char *name);

/* Show the module a message.  The texts live until the next call. */
struct fake_answer fake_exim_scan(const struct fake_message *message);

/*
 * Call a ${dlfunc} function with up to five arguments; NULL ends them.
 *
 * code   takes its return code
 * Returns what it yielded, "" for nothing, until the next call.
 */
const char *fake_exim_call(
    const char *function, int *code, const char *const argument[6]);

#endif

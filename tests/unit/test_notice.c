/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_notice.c - what a server said before the login is hidden, and nothing
 * else is.
 */
#include "rows.h"

#include <string.h>

#include "core/notice.h"

#define BOUNDARY "--1795382310-eximdsn-147886166"
#define INTRO "\n" BOUNDARY "\nContent-type: text/plain; charset=us-ascii\n\n" \
	"A message that you sent could not be delivered.\n\n"
#define ADDRESS "  x@outside.example\n    host a.example [192.0.2.1]\n"
#define SMTP "    SMTP error from remote mail server after "
#define STATUS "\n" BOUNDARY "\nContent-type: message/delivery-status\n\n" \
	"Reporting-MTA: dns; mail.org.example\n\n" \
	"Action: failed\nFinal-Recipient: rfc822;x@outside.example\n" \
	"Status: 5.0.0\nRemote-MTA: dns; a.example\n"
#define DIAGNOSTIC "Diagnostic-Code: smtp; "
/* A message may quote a bounce; it is the user's. */
#define MESSAGE "\n" BOUNDARY "\nContent-type: message/rfc822\n\n" \
	"Subject: x\n\n" ADDRESS SMTP "STARTTLS:\n    454 mine\n" \
	DIAGNOSTIC "454 mine\n\n" BOUNDARY "--\n"

struct notice {
	const char *name;
	const char *before, *after;
};

#define SHOWN(text) text, text

/* clang-format off */
static const struct notice notices[] = {
	{ "a banner is hidden, its digits are not",
		INTRO ADDRESS SMTP "initial connection:\n    554 no SECRET\n" STATUS DIAGNOSTIC "554 no SECRET\n" MESSAGE,
		INTRO ADDRESS SMTP "initial connection:\n    554 *********\n" STATUS DIAGNOSTIC "554 *********\n" MESSAGE },
	{ "a banner of many lines is hidden on every line",
		INTRO ADDRESS SMTP "initial connection:\n    554-no\n    554 SECRET\n" STATUS DIAGNOSTIC "554-no\n 554 SECRET\n" MESSAGE,
		INTRO ADDRESS SMTP "initial connection:\n    554***\n    **********\n" STATUS DIAGNOSTIC "554***\n **********\n" MESSAGE },
	{ "a banner without a number is hidden whole",
		INTRO ADDRESS SMTP "initial connection:\n    SECRET\n" STATUS DIAGNOSTIC "SECRET\n" MESSAGE,
		INTRO ADDRESS SMTP "initial connection:\n    ******\n" STATUS DIAGNOSTIC "******\n" MESSAGE },
	{ "a step that Exim does not name is before the login",
		INTRO ADDRESS SMTP "\n    : 421 SECRET\n" STATUS DIAGNOSTIC "421 SECRET\n" MESSAGE,
		INTRO ADDRESS SMTP "\n    : 421 ******\n" STATUS DIAGNOSTIC "421 ******\n" MESSAGE },
	{ "a delay reason is hidden",
		INTRO ADDRESS "    Delay reason: SMTP error from remote mail server after STARTTLS: 454 SECRET\n" STATUS DIAGNOSTIC "454 SECRET\n" MESSAGE,
		INTRO ADDRESS "    Delay reason: SMTP error from remote mail server after STARTTLS: 454 ******\n" STATUS DIAGNOSTIC "454 ******\n" MESSAGE },
	{ "EHLO, HELO and AUTH come before the login",
		INTRO ADDRESS SMTP "EHLO a.b:\n    550 X\n" ADDRESS SMTP "HELO a.b:\n    550 X\n" ADDRESS SMTP "AUTH PLAIN ****:\n    454 X\n" STATUS MESSAGE,
		INTRO ADDRESS SMTP "EHLO a.b:\n    550 *\n" ADDRESS SMTP "HELO a.b:\n    550 *\n" ADDRESS SMTP "AUTH PLAIN ****:\n    454 *\n" STATUS MESSAGE },
	{ "what a server says of the login does not make it later",
		INTRO ADDRESS SMTP "STARTTLS:\n    454 SMTP error from remote mail server after DATA: 454\n" STATUS MESSAGE,
		INTRO ADDRESS SMTP "STARTTLS:\n    454 **************************************************\n" STATUS MESSAGE },
	{ "an address that looks like an error does not make it later",
		INTRO "  \"SMTP error from remote mail server after DATA:\"@a.example\n    host a.example [192.0.2.1]\n" SMTP "STARTTLS:\n    454 X\n" STATUS DIAGNOSTIC "454 X\n" MESSAGE,
		INTRO "  \"SMTP error from remote mail server after DATA:\"@a.example\n    host a.example [192.0.2.1]\n" SMTP "STARTTLS:\n    454 *\n" STATUS DIAGNOSTIC "454 *\n" MESSAGE },
	{ "one hidden reply hides every diagnostic code",
		INTRO ADDRESS SMTP "DATA:\n    451 shown\n" ADDRESS SMTP "STARTTLS:\n    454 X\n" STATUS DIAGNOSTIC "451 shown\n" MESSAGE,
		INTRO ADDRESS SMTP "DATA:\n    451 shown\n" ADDRESS SMTP "STARTTLS:\n    454 *\n" STATUS DIAGNOSTIC "451 *****\n" MESSAGE },
	{ "what comes after the login is shown",
		SHOWN(INTRO ADDRESS SMTP "RCPT TO:<x@outside.example>:\n    550 5.1.1 who?\n" STATUS DIAGNOSTIC "550 5.1.1 who?\n" MESSAGE) },
	{ "so is what was sent ahead",
		SHOWN(INTRO ADDRESS SMTP "pipelined MAIL FROM:<a@b.example> SIZE=1:\n    550 no\n" STATUS DIAGNOSTIC "550 no\n" MESSAGE) },
	{ "so are DATA and what comes behind",
		SHOWN(INTRO ADDRESS SMTP "pipelined DATA:\n    451 a\n" ADDRESS SMTP "sending data block:\n    451 b\n" ADDRESS SMTP "end of data:\n    554 c\n" STATUS DIAGNOSTIC "554 c\n" MESSAGE) },
	{ "outgate's own reasons are shown",
		SHOWN(INTRO "  x@outside.example\n    a@b.example: outgateHost: is missing\n" STATUS MESSAGE) },
	{ "a text that is no report is left alone",
		SHOWN(ADDRESS SMTP "initial connection:\n    554 mine\n") },
	{ "a report that has been cut is hidden all the same",
		INTRO ADDRESS SMTP "initial connection:\n    554 SECRET",
		INTRO ADDRESS SMTP "initial connection:\n    554 ******" },
	{ "a report that ends within a step is hidden from there on",
		INTRO SMTP "initial connection", INTRO SMTP "******************" },
	{ "a report that ends behind a boundary", SHOWN(INTRO STATUS BOUNDARY) },
	{ "nothing", SHOWN("") },
};
/* clang-format on */

static void
check_notice(void **state)
{
	const struct notice *row = *state;
	size_t len = strlen(row->before);
	/* no NUL behind it: a sanitizer sees who reads on */
	char *body = malloc(len > 0 ? len : 1);

	assert_non_null(body);
	memcpy(body, row->before, len);
	og_notice_hide(body, len);
	assert_int_equal(len, strlen(row->after));
	assert_memory_equal(body, row->after, len);
	free(body);
}

/* A server's words may be anything; so may what a user's message holds. */
static void
whatever_comes_only_asterisks_are_put_in(void **state)
{
	static const char whole[] = INTRO ADDRESS SMTP
	    "initial connection:\n    554 SECRET\n" STATUS DIAGNOSTIC
	    "554 SECRET\n" MESSAGE;
	char before[sizeof whole], after[sizeof whole];
	unsigned seed = 1;
	int i, j;
	size_t k;

	(void)state;
	for (i = 0; i < 20000; i++) {
		memcpy(before, whole, sizeof whole);
		for (j = 0; j < 4; j++) {
			seed = seed * 1103515245 + 12345;
			k = (seed >> 8) % (sizeof whole - 1);
			seed = seed * 1103515245 + 12345;
			before[k] = "\n -:5\0S"[(seed >> 16) % 7];
		}
		memcpy(after, before, sizeof whole);
		og_notice_hide(after, sizeof whole - 1);
		for (k = 0; k < sizeof whole; k++) {
			if (after[k] != before[k]) {
				assert_int_equal(after[k], '*');
				assert_int_not_equal(before[k], '\n');
			}
		}
	}
}

int
main(void)
{
	struct CMUnitTest tests[N_ROWS(notices) + 1];
	struct CMUnitTest *end = ROWS_ADD(tests, notices, check_notice);

	*end++ = (struct CMUnitTest)cmocka_unit_test(
	    whatever_comes_only_asterisks_are_put_in);
	return _cmocka_run_group_tests(
	    "notice", tests, (size_t)(end - tests), NULL, NULL);
}

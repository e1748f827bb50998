/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * host.c - the names of an Exim with API version 7 that outgate.so wants.
 *
 * A library that a test loads before outgate.so; it takes a message's place
 * by setting the variables.  Compiled against the stand-in header, whose types
 * it thereby shares.
 */
#define LOCAL_SCAN
#define DLFUNC_IMPL
#include <local_scan.h>

#include <string.h>

header_line *header_list;
int body_zerocount;
BOOL host_checking;
const uschar *sender_address;
uschar *sender_host_authenticated;
BOOL smtp_batched_input;
BOOL smtp_input;

const uschar *
expand_string_2(const uschar *text, BOOL *is_text)
{
	(void)is_text;
	return strcmp((const char *)text, "$authenticated_id") == 0
	    ? (const uschar *)"jo"
	    : NULL;
}

uschar *
string_copy_function(const uschar *text)
{
	/* Exim's store ends with the process */
	return (uschar *)strdup((const char *)text);
}

void
log_write(unsigned int selector, int where, const char *format, ...)
{
	(void)selector;
	(void)where;
	(void)format;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef LOCAL_SCAN_H
#define LOCAL_SCAN_H

/*
 * local_scan.h - a stand-in for Exim's header of that name, API version 7.
 *
 * Debian 12 has version 6, so here is what upstream's specification (46.3 to
 * 46.5) and its 4.99 declare of the names that outgate uses, in the types they
 * have there.  New against 6: sender_address is const, and expand_string()
 * gives back what it was given, const or not.
 */

#define LOCAL_SCAN_ABI_VERSION_MAJOR 7
#define LOCAL_SCAN_ABI_VERSION_MINOR 0

typedef unsigned char uschar;
typedef unsigned BOOL;

/* ---- local_scan() ---- */

enum {
	LOCAL_SCAN_ACCEPT,
	LOCAL_SCAN_ACCEPT_FREEZE,
	LOCAL_SCAN_ACCEPT_QUEUE,
	LOCAL_SCAN_REJECT,
	LOCAL_SCAN_REJECT_NOLOGHDR,
	LOCAL_SCAN_TEMPREJECT,
	LOCAL_SCAN_TEMPREJECT_NOLOGHDR
};

int local_scan(int fd, uschar **return_text);

/* ---- functions for ${dlfunc} ---- */

#define OK 0
#define DEFER 1
#define FAIL 2
#define ERROR 3
#define FAIL_FORCED 4

typedef int exim_dlfunc_t(uschar **yield, int argc, uschar *argv[]);

/* ---- what they may look at ---- */

typedef struct header_line {
	struct header_line *next;
	int type;
	int slen;
	uschar *text;
} header_line;

extern header_line *header_list;
extern int body_zerocount;
extern BOOL host_checking;
extern const uschar *sender_address;
extern uschar *sender_host_authenticated;
extern BOOL smtp_batched_input;
extern BOOL smtp_input;

/* ---- what they may call ---- */

#define LOG_MAIN 1

void log_write(unsigned int selector, int where, const char *format, ...);

const uschar *expand_string_2(const uschar *text, BOOL *is_text);

static inline uschar *
expand_changeable(uschar *text)
{
	return (uschar *)expand_string_2(text, (BOOL *)0);
}

static inline const uschar *
expand_const(const uschar *text)
{
	return expand_string_2(text, (BOOL *)0);
}

#define expand_string(text) \
	_Generic((text), \
	    uschar *: expand_changeable, \
	    const uschar *: expand_const)(text)

#if defined(LOCAL_SCAN) || defined(DLFUNC_IMPL)
uschar *string_copy_function(const uschar *text);
#define string_copy(text) string_copy_function(text)
#endif

#endif

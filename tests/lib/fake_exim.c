/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fake_exim.c - the part of Exim that outgate.so calls.
 */
#define LOCAL_SCAN
#define DLFUNC_IMPL
#include <local_scan.h>

#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_exim.h"

/* ---- what Exim exports ---- */

header_line *header_list;
BOOL host_checking;
int body_zerocount;
unsigned char *sender_address;
uschar *sender_host_authenticated;
BOOL smtp_batched_input;
BOOL smtp_input;

static const char *authenticated_id;
static char logged[8192];

/* Exim's store lives until the message is done; so does this one. */
static void *kept[256];
static size_t n_kept;

static void
forget_all(void)
{
	while (n_kept > 0)
		free(kept[--n_kept]);
}

static uschar *
store_copy(const char *text)
{
	char *copy = strdup(text);

	if (copy == NULL || n_kept == sizeof kept / sizeof kept[0])
		abort();
	kept[n_kept++] = copy;
	return (uschar *)copy;
}

uschar *
string_copy_function(const uschar *text)
{
	return store_copy((const char *)text);
}

uschar *
expand_string(uschar *text)
{
	if (strcmp((const char *)text, "$authenticated_id") == 0)
		return store_copy(authenticated_id);
	if (strcmp((const char *)text, "$exim_uid") == 0 ||
	    strcmp((const char *)text, "$exim_gid") == 0)
		return store_copy("65534");
	return NULL;
}

void
log_write(unsigned int selector, int flags, const char *format, ...)
{
	size_t used = strlen(logged);
	va_list args;

	(void)selector;
	(void)flags;
	va_start(args, format);
	(void)vsnprintf(logged + used, sizeof logged - used, format, args);
	va_end(args);
	used = strlen(logged);
	(void)snprintf(logged + used, sizeof logged - used, "\n");
}

/* ---- what tests call ---- */

static void *module;

void
fake_exim_load(const char *path)
{
	module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (module == NULL) {
		fprintf(stderr, "%s\n", dlerror());
		abort();
	}
}

void *
fake_exim_symbol(const char *name)
{
	return dlsym(module, name);
}

static void
set_headers(const char *const header[])
{
	static header_line lines[8];
	static char text[8][70000];
	header_line **next = &header_list;
	size_t i;

	header_list = NULL;
	for (i = 0; i < 8 && header[i] != NULL; i++) {
		/* a star in front plays a header line that was deleted */
		bool deleted = header[i][0] == '*';
		int len = snprintf(text[i], sizeof text[i], "%s\n",
		    header[i] + (deleted ? 1 : 0));

		lines[i] = (header_line){ .type = deleted ? '*' : ' ',
			.slen = len,
			.text = (uschar *)text[i] };
		*next = &lines[i];
		next = &lines[i].next;
	}
}

struct fake_answer
fake_exim_scan(const struct fake_message *message)
{
	int (*scan)(int, uschar **);
	struct fake_answer answer;
	uschar *text = NULL;

	forget_all();
	logged[0] = '\0';
	*(void **)&scan = fake_exim_symbol("local_scan");
	authenticated_id = message->login;
	sender_host_authenticated =
	    message->login != NULL ? store_copy("server_plain") : NULL;
	sender_address = store_copy(message->sender);
	smtp_input = TRUE;
	smtp_batched_input = message->batched;
	host_checking = message->checking;
	body_zerocount = message->nuls;
	set_headers(message->header);
	answer.code = scan(-1, &text);
	answer.text = text != NULL ? (const char *)text : "";
	answer.log = logged;
	return answer;
}

const char *
fake_exim_call(
    const char *function, int *code, const char *const argument[6])
{
	exim_dlfunc_t *call;
	uschar *argv[6] = { NULL };
	uschar *yield = NULL;
	int argc;

	*(void **)&call = fake_exim_symbol(function);
	for (argc = 0; argument[argc] != NULL; argc++)
		argv[argc] = store_copy(argument[argc]);
	*code = call(&yield, argc, argv);
	return yield != NULL ? (const char *)yield : "";
}

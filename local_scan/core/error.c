/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * error.c - one line of text for one error.
 */
#include "core/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum og_status
og_fail(struct og_error *err, enum og_status status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(err->text, sizeof err->text, format, args);
	va_end(args);
	return status;
}

void
og_error_prefix(struct og_error *err, const char *format, ...)
{
	struct og_error was = *err;
	va_list args;
	size_t used;

	va_start(args, format);
	(void)vsnprintf(err->text, sizeof err->text, format, args);
	va_end(args);
	used = strlen(err->text);
	(void)snprintf(
	    err->text + used, sizeof err->text - used, ": %s", was.text);
}

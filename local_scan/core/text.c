/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * text.c - bounded text, and characters without a locale.
 */
#include "core/text.h"

#include <stdio.h>
#include <string.h>

void
og_text_start(struct og_text *text, char *buffer, size_t size)
{
	*text = (struct og_text){ .at = buffer, .size = size };
	buffer[0] = '\0';
}

void
og_text_put_octets(struct og_text *text, const char *at, size_t len)
{
	size_t room = text->size - 1 - text->len;

	if (len > room) {
		text->truncated = true;
		len = room;
	}
	memcpy(text->at + text->len, at, len);
	text->len += len;
	text->at[text->len] = '\0';
}

void
og_text_put(struct og_text *text, const char *string)
{
	og_text_put_octets(text, string, strlen(string));
}

void
og_text_putf(struct og_text *text, const char *format, ...)
{
	size_t room = text->size - text->len;
	va_list args;
	int wanted;

	va_start(args, format);
	wanted = vsnprintf(text->at + text->len, room, format, args);
	va_end(args);
	if (wanted < 0 || (size_t)wanted >= room) {
		text->truncated = true;
		text->len = strlen(text->at);
	} else {
		text->len += (size_t)wanted;
	}
}

void
og_text_put_word(struct og_text *text, const char *at, size_t len)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t i;

	for (i = 0; i < len; i++) {
		unsigned char c = (unsigned char)at[i];

		if (c > ' ' && c < 0x7f && c != '%') {
			og_text_put_octets(text, at + i, 1);
		} else {
			char code[3] = { '%', hex[c >> 4], hex[c & 15] };

			og_text_put_octets(text, code, sizeof code);
		}
	}
}

static int
hex_value(char c)
{
	if (og_text_is_digit(c))
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool
word_char(const char *at, size_t len, size_t *used, unsigned char *c)
{
	int high, low;

	*used = 1;
	*c = (unsigned char)*at;
	if (*c <= ' ' || *c >= 0x7f)
		return false;
	if (*c != '%')
		return true;
	if (len < 3)
		return false;
	high = hex_value(at[1]);
	low = hex_value(at[2]);
	if (high < 0 || low < 0)
		return false;
	*used = 3;
	*c = (unsigned char)(high << 4 | low);
	/* one spelling only: what needs no code must not carry one */
	return *c != '\0' && (*c <= ' ' || *c >= 0x7f || *c == '%');
}

bool
og_text_word_read(const char *word, size_t len, char *out, size_t size)
{
	size_t n = 0;
	size_t used;
	size_t i;

	out[0] = '\0';
	for (i = 0; i < len; i += used) {
		unsigned char c;

		if (!word_char(word + i, len - i, &used, &c) || n + 1 >= size) {
			out[0] = '\0';
			return false;
		}
		out[n++] = (char)c;
	}
	out[n] = '\0';
	return true;
}

char
og_text_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool
og_text_is_letter(char c)
{
	c = og_text_lower(c);
	return c >= 'a' && c <= 'z';
}

bool
og_text_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

bool
og_text_is_alnum(char c)
{
	return og_text_is_letter(c) || og_text_is_digit(c);
}

bool
og_text_same_octets(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t i;

	if (a_len != b_len)
		return false;
	for (i = 0; i < a_len; i++) {
		if (og_text_lower(a[i]) != og_text_lower(b[i]))
			return false;
	}
	return true;
}

bool
og_text_same(const char *a, const char *b)
{
	return og_text_same_octets(a, strlen(a), b, strlen(b));
}

bool
og_text_copy(char *out, size_t size, const char *at, size_t len)
{
	out[0] = '\0';
	if (len >= size || memchr(at, '\0', len) != NULL)
		return false;
	memcpy(out, at, len);
	out[len] = '\0';
	return true;
}

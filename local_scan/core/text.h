/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OG_CORE_TEXT_H
#define OG_CORE_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * text.h - bounded text, and characters without a locale.
 *
 * <ctype.h> asks the locale of the process, and the process is Exim's: the
 * functions here know ASCII only.
 */

/*
 * A writer into a buffer of the caller's.  Writing past the end is remembered,
 * not done; the buffer always holds a C string.
 */
struct og_text {
	char *at;	/* the caller's buffer */
	size_t size;	/* its size, 1 or more */
	size_t len;	/* octets written, without the NUL */
	bool truncated; /* something did not fit */
};

void og_text_start(struct og_text *text, char *buffer, size_t size);
void og_text_put(struct og_text *text, const char *string);
void og_text_put_octets(struct og_text *text, const char *at, size_t len);
void og_text_putf(struct og_text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Write octets so that they stay one blank-free word of printable ASCII:
 * everything else, and '%', becomes %XX.
 */
void og_text_put_word(struct og_text *text, const char *at, size_t len);

/*
 * Undo og_text_put_word.
 *
 * word   len octets
 * out    size octets; a C string on success, "" otherwise
 *
 * Returns false when the word is not one that og_text_put_word writes, when it
 * holds a NUL, or when it does not fit.
 */
bool og_text_word_read(
    const char *word, size_t len, char *out, size_t size);

char og_text_lower(char c);
bool og_text_is_letter(char c);
bool og_text_is_digit(char c);
bool og_text_is_alnum(char c);

/* The same but for ASCII case. */
bool og_text_same(const char *a, const char *b);
bool og_text_same_octets(
    const char *a, size_t a_len, const char *b, size_t b_len);

/*
 * Copy octets into a C string.
 *
 * Returns false, and leaves "" in out, when they do not fit or hold a NUL.
 */
bool og_text_copy(char *out, size_t size, const char *at, size_t len);

#endif

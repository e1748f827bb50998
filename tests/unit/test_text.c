/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_text.c - bounded text, words, and characters without a locale.
 */
#include "rows.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "core/text.h"
#include "data.h"

/* ---- the writer ---- */

/* A buffer on the heap, so that a step over its end is seen. */
static char *
start(struct og_text *text, size_t size)
{
	char *buffer = malloc(size);

	assert_non_null(buffer);
	memset(buffer, 'x', size);
	og_text_start(text, buffer, size);
	assert_string_equal(buffer, "");
	assert_int_equal(text->len, 0);
	assert_false(text->truncated);
	return buffer;
}

static void
check_text(const struct og_text *text, const char *expected, bool truncated)
{
	assert_string_equal(text->at, expected);
	assert_int_equal(text->len, strlen(expected));
	assert_int_equal(text->truncated, truncated);
}

static void
what_fits_is_written_in_order(void **state)
{
	struct og_text text;
	char *buffer = start(&text, 11);

	(void)state;
	og_text_put(&text, "ab");
	og_text_put_octets(&text, "cdef", 2);
	og_text_putf(&text, "%s%d", "e", 5);
	og_text_put_word(&text, "f ", 2);
	check_text(&text, "abcde5f%20", false);
	free(buffer);
}

static void
a_text_that_fills_the_buffer_is_not_cut(void **state)
{
	struct og_text text;
	char *buffer = start(&text, 5);

	(void)state;
	og_text_put(&text, "abcd");
	check_text(&text, "abcd", false);
	og_text_put(&text, "");
	og_text_putf(&text, "%s", "");
	check_text(&text, "abcd", false);
	og_text_put(&text, "e");
	check_text(&text, "abcd", true);
	free(buffer);
}

static void
octets_that_do_not_fit_are_cut_and_remembered(void **state)
{
	struct og_text text;
	char *buffer = start(&text, 5);

	(void)state;
	og_text_put(&text, "abcdef");
	check_text(&text, "abcd", true);
	free(buffer);
}

static void
a_format_that_does_not_fit_is_cut_and_remembered(void **state)
{
	struct og_text text;
	char *buffer = start(&text, 5);

	(void)state;
	og_text_put(&text, "a");
	og_text_putf(&text, "%s", "bcde");
	check_text(&text, "abcd", true);
	og_text_putf(&text, "%s", "f");
	check_text(&text, "abcd", true);
	free(buffer);
}

static void
a_format_that_just_fits_is_not_cut(void **state)
{
	struct og_text text;
	char *buffer = start(&text, 5);

	(void)state;
	og_text_put(&text, "a");
	og_text_putf(&text, "%s", "bcd");
	check_text(&text, "abcd", false);
	free(buffer);
}

static void
a_cut_stays_remembered_when_less_is_written_later(void **state)
{
	struct og_text text;
	char *buffer = start(&text, 3);

	(void)state;
	og_text_put(&text, "abc");
	og_text_put(&text, "");
	og_text_putf(&text, "%s", "");
	og_text_put_word(&text, "", 0);
	check_text(&text, "ab", true);
	free(buffer);
}

static void
a_buffer_of_one_octet_holds_the_empty_text(void **state)
{
	struct og_text text;
	char *buffer = start(&text, 1);

	(void)state;
	og_text_put(&text, "a");
	og_text_putf(&text, "%d", 1);
	og_text_put_word(&text, " ", 1);
	check_text(&text, "", true);
	free(buffer);
}

/* ---- words ---- */

static void
a_word_is_printable_ascii_without_blanks(void **state)
{
	struct og_text text;
	char buffer[64];

	(void)state;
	og_text_start(&text, buffer, sizeof buffer);
	og_text_put_word(&text, "a~! %\t\n\0\x7f\x80\xff=", 12);
	check_text(&text, "a~!%20%25%09%0A%00%7F%80%FF=", false);
}

static void
every_two_octets_survive_a_word(void **state)
{
	struct og_text text;
	char buffer[16];
	char back[16];
	unsigned i;

	(void)state;
	for (i = 0; i < 0x10000; i++) {
		const char octets[2] = { (char)(i >> 8), (char)(i & 0xff) };
		bool has_nul = octets[0] == '\0' || octets[1] == '\0';
		size_t k;

		og_text_start(&text, buffer, sizeof buffer);
		og_text_put_word(&text, octets, 2);
		for (k = 0; k < text.len; k++)
			assert_true(buffer[k] > ' ' && buffer[k] < 0x7f);
		assert_int_equal(og_text_word_read(buffer, text.len, back,
				     sizeof back),
		    !has_nul);
		if (has_nul)
			assert_string_equal(back, "");
		else
			assert_memory_equal(back, octets, 2);
	}
}

/* Whatever is read as a word is written the same way again. */
static void
every_four_characters_are_the_one_spelling_or_no_word(void **state)
{
	static const char set[] = "%0129aAfFgG ~";
	const unsigned n = sizeof set - 1;
	unsigned words = 0;
	char again[16];
	char back[5];
	unsigned i;

	(void)state;
	for (i = 0; i < n * n * n * n; i++) {
		const char word[4] = { set[i % n], set[i / n % n],
			set[i / n / n % n], set[i / n / n / n] };
		struct og_text text;

		if (!og_text_word_read(word, 4, back, sizeof back))
			continue;
		og_text_start(&text, again, sizeof again);
		og_text_put_word(&text, back, strlen(back));
		assert_int_equal(text.len, 4);
		assert_memory_equal(again, word, 4);
		words++;
	}
	assert_true(words > 1000);
}

struct no_word {
	const char *name;
	const char *text;
};

/* clang-format off */
static const struct no_word no_words[] = {
	{ "a blank is no word", "a b" },
	{ "a newline is no word", "a\n" },
	{ "a tab is no word", "\t" },
	{ "a delete is no word", "\x7f" },
	{ "a raw octet is no word", "\xc3\xbc" },
	{ "a percent sign alone is no word", "%" },
	{ "a code cut short is no word", "a%2" },
	{ "a code with other digits is no word", "%G0" },
	{ "a code in lower case is no word", "%0a" },
	{ "a sign in a code is no word", "%+1" },
	{ "a code for a NUL is no word", "%00" },
	{ "a code for what needs none is no word", "%41" },
};
/* clang-format on */

static void
check_no_word(void **state)
{
	const struct no_word *row = *state;
	size_t len = strlen(row->text);
	char *text = data_exact(row->text, len);
	char out[16] = "before";

	assert_false(og_text_word_read(text, len, out, sizeof out));
	assert_string_equal(out, "");
	free(text);
}

static void
a_word_that_fills_its_buffer_is_read_but_no_longer_one(void **state)
{
	char *out = malloc(4);

	(void)state;
	assert_non_null(out);
	assert_true(og_text_word_read("a%20b", 5, out, 4));
	assert_string_equal(out, "a b");
	assert_false(og_text_word_read("a%20bc", 6, out, 4));
	assert_string_equal(out, "");
	assert_true(og_text_word_read("", 0, out, 1));
	assert_string_equal(out, "");
	free(out);
}

/* ---- copies ---- */

static void
a_copy_fits_or_is_empty(void **state)
{
	char *out = malloc(4);

	(void)state;
	assert_non_null(out);
	assert_true(og_text_copy(out, 4, "abcdef", 3));
	assert_string_equal(out, "abc");
	assert_false(og_text_copy(out, 4, "abcdef", 4));
	assert_string_equal(out, "");
	assert_true(og_text_copy(out, 4, "abc", 0));
	assert_string_equal(out, "");
	free(out);
}

static void
a_copy_with_a_nul_inside_is_empty(void **state)
{
	char out[8];

	(void)state;
	assert_false(og_text_copy(out, sizeof out, "a\0b", 3));
	assert_string_equal(out, "");
}

/* ---- characters ---- */

struct character {
	char c;
	bool letter, digit;
	char lower;
};

static struct character
reference(int c)
{
	static const char upper[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	static const char lower[] = "abcdefghijklmnopqrstuvwxyz";
	const char *at = memchr(upper, c, 26);

	return (struct character){
		.c = (char)c,
		.letter = at != NULL || memchr(lower, c, 26) != NULL,
		.digit = memchr("0123456789", c, 10) != NULL,
		.lower = at != NULL ? lower[at - upper] : (char)c,
	};
}

static void
check_characters(void)
{
	int c;

	for (c = 0; c < 256; c++) {
		struct character is = reference(c);

		assert_int_equal(og_text_is_letter(is.c), is.letter);
		assert_int_equal(og_text_is_digit(is.c), is.digit);
		assert_int_equal(
		    og_text_is_alnum(is.c), is.letter || is.digit);
		assert_int_equal(og_text_lower(is.c), is.lower);
	}
}

/* Under the first ones, where installed, <ctype.h> knows more letters. */
static void
only_ascii_is_a_letter_or_a_digit_in_any_locale(void **state)
{
	static const char *const locales[] = { "tr_TR.ISO-8859-9", "tr_TR",
		"de_DE.ISO-8859-1", "de_DE", "en_US.ISO-8859-1", "en_US",
		"C.UTF-8", "C" };
	size_t i;

	(void)state;
	for (i = 0; i < N_ROWS(locales); i++) {
		if (setlocale(LC_ALL, locales[i]) != NULL)
			check_characters();
	}
}

static void
the_same_is_equal_but_for_ascii_case(void **state)
{
	(void)state;
	assert_true(og_text_same("aBc-9", "AbC-9"));
	assert_true(og_text_same("", ""));
	assert_false(og_text_same("abc", "abd"));
	assert_false(og_text_same("abc", "ab"));
	assert_false(og_text_same("ab", "abc"));
	/* these differ by the bit that makes ASCII letters lower case */
	assert_false(og_text_same("@", "`"));
	assert_false(og_text_same("[", "{"));
	assert_false(og_text_same("\xc4", "\xe4"));
	assert_true(og_text_same_octets("aBx", 2, "Aby", 2));
	assert_false(og_text_same_octets("ab", 2, "abc", 3));
	assert_true(og_text_same_octets("a\0B", 3, "A\0b", 3));
}

/* ---- errors ---- */

static void
an_error_is_described_and_its_status_returned(void **state)
{
	struct og_error err = { "before" };

	(void)state;
	assert_int_equal(
	    og_fail(&err, OG_ELIMIT, "%s has %d", "it", 7), OG_ELIMIT);
	assert_string_equal(err.text, "it has 7");
}

static void
a_prefix_stands_before_the_text(void **state)
{
	struct og_error err;

	(void)state;
	assert_int_equal(og_fail(&err, OG_EINPUT, "no 100%%"), OG_EINPUT);
	og_error_prefix(&err, "line %d", 3);
	og_error_prefix(&err, "%s", "file");
	assert_string_equal(err.text, "file: line 3: no 100%");
}

static void
a_long_error_is_cut_at_its_end(void **state)
{
	struct og_error *err = malloc(sizeof *err);
	char longer[OG_ERROR_SIZE + 100];
	size_t i;

	(void)state;
	assert_non_null(err);
	memset(longer, 'y', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	assert_int_equal(og_fail(err, OG_EINPUT, "a%s", longer), OG_EINPUT);
	assert_int_equal(strlen(err->text), OG_ERROR_SIZE - 1);
	for (i = 0; i < 3; i++)
		og_error_prefix(err, "b");
	assert_int_equal(strlen(err->text), OG_ERROR_SIZE - 1);
	assert_memory_equal(err->text, "b: b: b: ayy", 12);
	og_error_prefix(err, "%s", longer);
	assert_int_equal(strlen(err->text), OG_ERROR_SIZE - 1);
	assert_memory_equal(err->text, longer, OG_ERROR_SIZE - 1);
	free(err);
}

int
main(void)
{
	static const struct CMUnitTest plain[] = {
		cmocka_unit_test(what_fits_is_written_in_order),
		cmocka_unit_test(a_text_that_fills_the_buffer_is_not_cut),
		cmocka_unit_test(octets_that_do_not_fit_are_cut_and_remembered),
		cmocka_unit_test(
		    a_format_that_does_not_fit_is_cut_and_remembered),
		cmocka_unit_test(a_format_that_just_fits_is_not_cut),
		cmocka_unit_test(
		    a_cut_stays_remembered_when_less_is_written_later),
		cmocka_unit_test(a_buffer_of_one_octet_holds_the_empty_text),
		cmocka_unit_test(a_word_is_printable_ascii_without_blanks),
		cmocka_unit_test(every_two_octets_survive_a_word),
		cmocka_unit_test(
		    every_four_characters_are_the_one_spelling_or_no_word),
		cmocka_unit_test(
		    a_word_that_fills_its_buffer_is_read_but_no_longer_one),
		cmocka_unit_test(a_copy_fits_or_is_empty),
		cmocka_unit_test(a_copy_with_a_nul_inside_is_empty),
		cmocka_unit_test(
		    only_ascii_is_a_letter_or_a_digit_in_any_locale),
		cmocka_unit_test(the_same_is_equal_but_for_ascii_case),
		cmocka_unit_test(an_error_is_described_and_its_status_returned),
		cmocka_unit_test(a_prefix_stands_before_the_text),
		cmocka_unit_test(a_long_error_is_cut_at_its_end),
	};
	struct CMUnitTest tests[N_ROWS(plain) + N_ROWS(no_words)];

	memcpy(tests, plain, sizeof plain);
	(void)ROWS_ADD(tests + N_ROWS(plain), no_words, check_no_word);
	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}

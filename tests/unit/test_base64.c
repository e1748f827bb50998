/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_base64.c - one spelling for some octets, and every other is refused.
 */
#include "rows.h"

#include <string.h>

#include "core/base64.h"

struct spelling {
	const char *name;
	const char *octets;
	const char *plain;
	const char *url;
};

/* clang-format off */
static const struct spelling spellings[] = { /* RFC 4648, 10 */
	{ "no octets", "", "", "" },
	{ "one octet", "f", "Zg==", "Zg" },
	{ "two octets", "fo", "Zm8=", "Zm8" },
	{ "three octets", "foo", "Zm9v", "Zm9v" },
	{ "four octets", "foob", "Zm9vYg==", "Zm9vYg" },
	{ "five octets", "fooba", "Zm9vYmE=", "Zm9vYmE" },
	{ "six octets", "foobar", "Zm9vYmFy", "Zm9vYmFy" },
	{ "octets of the two last digits", "\xfb\xff\xbf", "+/+/", "-_-_" },
};

struct refused {
	const char *name;
	enum og_base64_form form;
	const char *text;
	size_t room;
};

static const struct refused refused[] = {
	{ "padding that is missing", OG_BASE64_PLAIN, "Zg", 8 },
	{ "half of the padding", OG_BASE64_PLAIN, "Zg=", 8 },
	{ "too much padding", OG_BASE64_PLAIN, "Zg===", 8 },
	{ "padding alone", OG_BASE64_PLAIN, "====", 8 },
	{ "padding in the middle", OG_BASE64_PLAIN, "Zg==Zg==", 8 },
	{ "padding behind whole groups", OG_BASE64_PLAIN, "Zm9v====", 8 },
	{ "spare bits in front of two signs", OG_BASE64_PLAIN, "Zh==", 8 },
	{ "spare bits in front of one sign", OG_BASE64_PLAIN, "Zm9=", 8 },
	{ "a blank inside", OG_BASE64_PLAIN, "Zm 9v", 8 },
	{ "a newline inside", OG_BASE64_PLAIN, "Zm9v\nZm9v", 8 },
	{ "a newline behind", OG_BASE64_PLAIN, "Zm9v\n", 8 },
	{ "a digit of the other alphabet", OG_BASE64_PLAIN, "-_-_", 8 },
	{ "an octet more than there is room for", OG_BASE64_PLAIN, "Zm9v", 2 },
	{ "padding in the form that has none", OG_BASE64_URL, "Zg==", 8 },
	{ "a single digit too many", OG_BASE64_URL, "Zm9vY", 8 },
	{ "a single digit too many, and zero", OG_BASE64_URL, "Zm9vA", 8 },
	{ "spare bits of two digits", OG_BASE64_URL, "Zh", 8 },
	{ "spare bits of three digits", OG_BASE64_URL, "Zm9", 8 },
	{ "a plus where a minus belongs", OG_BASE64_URL, "+/+/", 8 },
};
/* clang-format on */

static void
check_form(enum og_base64_form form, const char *octets, const char *text)
{
	size_t len = strlen(octets);
	struct og_text out;
	char buffer[16];
	uint8_t back[8];
	size_t n = 99;

	og_text_start(&out, buffer, sizeof buffer);
	og_base64_put(&out, form, (const uint8_t *)octets, len);
	assert_string_equal(buffer, text);
	assert_true(
	    og_base64_read(form, text, strlen(text), back, len, &n));
	assert_int_equal(n, len);
	assert_memory_equal(back, octets, len);
}

static void
check_spelling(void **state)
{
	const struct spelling *row = *state;

	check_form(OG_BASE64_PLAIN, row->octets, row->plain);
	check_form(OG_BASE64_URL, row->octets, row->url);
}

static void
check_refused(void **state)
{
	const struct refused *row = *state;
	uint8_t back[8];
	size_t n = 99;

	assert_false(og_base64_read(row->form, row->text, strlen(row->text),
	    back, row->room, &n));
	assert_int_equal(n, 99);
}

static void
nul_is_no_digit(void **state)
{
	uint8_t back[8];
	size_t n = 99;

	(void)state;
	assert_false(
	    og_base64_read(OG_BASE64_PLAIN, "Zm9\0", 4, back, sizeof back, &n));
}

/* Whatever is read at all is written again the same. */
static void
one_spelling_only(void **state)
{
	char text[4] = "AAAA";
	size_t read = 0;
	unsigned a, b;

	(void)state;
	for (a = 0; a < 256; a++) {
		for (b = 0; b < 256; b++) {
			struct og_text out;
			char buffer[8];
			uint8_t back[4];
			size_t n;

			text[2] = (char)a;
			text[3] = (char)b;
			if (!og_base64_read(OG_BASE64_PLAIN, text, 4, back,
				sizeof back, &n))
				continue;
			read++;
			og_text_start(&out, buffer, sizeof buffer);
			og_base64_put(&out, OG_BASE64_PLAIN, back, n);
			assert_memory_equal(buffer, text, 4);
		}
	}
	/* "AA==", 16 with one sign, 64 * 64 without */
	assert_int_equal(read, 1 + 16 + 64 * 64);
}

int
main(void)
{
	struct CMUnitTest tests[N_ROWS(spellings) + N_ROWS(refused) + 2];
	struct CMUnitTest *next = tests;

	next = ROWS_ADD(next, spellings, check_spelling);
	next = ROWS_ADD(next, refused, check_refused);
	*next++ = (struct CMUnitTest){
		.name = "NUL is no digit",
		.test_func = nul_is_no_digit,
	};
	*next++ = (struct CMUnitTest){
		.name = "what is read has one spelling only",
		.test_func = one_spelling_only,
	};
	return cmocka_run_group_tests_name("base64", tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_json.c - flat objects are read strictly, or not at all.
 */
#include "rows.h"

#include <string.h>

#include "core/json.h"

#define TEXT_SIZE 9 /* eight octets */
#define BOTH(a, n) "{\"a\":" a ",\"n\":" n "}"
#define TEXT(a) BOTH(a, "1")
#define NUMBER(n) BOTH("\"\"", n)

struct accepted {
	const char *name;
	const char *json;
	const char *a;
	int64_t n;
};

/* clang-format off */
static const struct accepted accepted[] = {
	{ "a string and a number", BOTH("\"x\"", "17"), "x", 17 },
	{ "the other order", "{\"n\":17,\"a\":\"x\"}", "x", 17 },
	{ "blanks of every kind between the parts", " \t\r\n{ \"a\" : \"x\" ,\n\"n\"\t:\r17 } \n", "x", 17 },
	{ "an empty string", TEXT("\"\""), "", 1 },
	{ "a string that just fits", TEXT("\"12345678\""), "12345678", 1 },
	{ "the two-letter escapes", TEXT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), "\"\\/\b\f\n\r\t", 1 },
	{ "an escaped letter", TEXT("\"\\u0041\""), "A", 1 },
	{ "hexadecimal digits of either case", TEXT("\"\\u00eF\""), "\xc3\xaf", 1 },
	{ "an escaped sign of three octets", TEXT("\"\\u20ac\""), "\xe2\x82\xac", 1 },
	{ "a pair of surrogates", TEXT("\"\\ud83d\\ude00\""), "\xf0\x9f\x98\x80", 1 },
	{ "the highest pair of surrogates", TEXT("\"\\udbff\\udfff\""), "\xf4\x8f\xbf\xbf", 1 },
	{ "UTF-8 of two, three and three octets", TEXT("\"\xc3\xa9\xe2\x82\xac\xed\x9f\xbf\""), "\xc3\xa9\xe2\x82\xac\xed\x9f\xbf", 1 },
	{ "UTF-8 of four octets", TEXT("\"\xf4\x8f\xbf\xbf\""), "\xf4\x8f\xbf\xbf", 1 },
	{ "DEL, which is no control character to JSON", TEXT("\"\x7f\""), "\x7f", 1 },
	{ "braces, colons and commas in a string", TEXT("\"{},:[]\""), "{},:[]", 1 },
	{ "an escaped name", "{\"\\u0061\":\"x\",\"n\":1}", "x", 1 },
	{ "zero", NUMBER("0"), "", 0 },
	{ "fifteen digits", NUMBER("999999999999999"), "", 999999999999999 },
};

struct refused {
	const char *name;
	const char *json;
	enum og_status status;
};

static const struct refused refused[] = {
	{ "nothing", "", OG_EINPUT },
	{ "blanks only", "  ", OG_EINPUT },
	{ "an array", "[]", OG_EINPUT },
	{ "a string alone", "\"a\"", OG_EINPUT },
	{ "an empty object, for its names are missing", "{}", OG_EINPUT },
	{ "a missing name", "{\"a\":\"x\"}", OG_EINPUT },
	{ "a repeated name", "{\"a\":\"x\",\"n\":1,\"a\":\"x\"}", OG_EINPUT },
	{ "a name repeated in other words", "{\"a\":\"x\",\"n\":1,\"\\u0061\":\"x\"}", OG_EINPUT },
	{ "an unknown name", "{\"a\":\"x\",\"n\":1,\"b\":\"x\"}", OG_EINPUT },
	{ "a name of the other case", "{\"A\":\"x\",\"n\":1}", OG_EINPUT },
	{ "an empty name", "{\"\":\"x\",\"a\":\"x\",\"n\":1}", OG_EINPUT },
	{ "a name beyond all bounds", "{\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\":\"x\",\"n\":1}", OG_EINPUT },
	{ "a name without quotes", "{a:\"x\",\"n\":1}", OG_EINPUT },
	{ "single quotes", "{'a':'x',\"n\":1}", OG_EINPUT },
	{ "no colon", "{\"a\" \"x\",\"n\":1}", OG_EINPUT },
	{ "no comma", "{\"a\":\"x\" \"n\":1}", OG_EINPUT },
	{ "a comma before the end", "{\"a\":\"x\",\"n\":1,}", OG_EINPUT },
	{ "a comma at the start", "{,\"a\":\"x\",\"n\":1}", OG_EINPUT },
	{ "an object without an end", "{\"a\":\"x\",\"n\":1", OG_EINPUT },
	{ "a second object", TEXT("\"x\"") "{}", OG_EINPUT },
	{ "letters behind the object", TEXT("\"x\"") "x", OG_EINPUT },
	{ "a comment", "/**/" TEXT("\"x\""), OG_EINPUT },
	{ "a byte order mark", "\xef\xbb\xbf" TEXT("\"x\""), OG_EINPUT },
	{ "a string without an end", "{\"n\":1,\"a\":\"x", OG_EINPUT },
	{ "a string that ends in a backslash", "{\"n\":1,\"a\":\"x\\", OG_EINPUT },
	{ "a newline in a string", TEXT("\"\n\""), OG_EINPUT },
	{ "a control character in a string", TEXT("\"\x1f\""), OG_EINPUT },
	{ "an unknown escape", TEXT("\"\\x41\""), OG_EINPUT },
	{ "an escaped NUL", TEXT("\"\\u0000\""), OG_EINPUT },
	{ "three hexadecimal digits", TEXT("\"\\u041\""), OG_EINPUT },
	{ "an end within hexadecimal digits", "{\"n\":1,\"a\":\"\\u00", OG_EINPUT },
	{ "a letter beyond hexadecimal", TEXT("\"\\u004g\""), OG_EINPUT },
	{ "a high surrogate alone", TEXT("\"\\ud83d\""), OG_EINPUT },
	{ "a low surrogate alone", TEXT("\"\\ude00\""), OG_EINPUT },
	{ "two high surrogates", TEXT("\"\\ud83d\\ud83d\""), OG_EINPUT },
	{ "a high surrogate and a letter", TEXT("\"\\ud83d\\u0041\""), OG_EINPUT },
	{ "a low surrogate first", TEXT("\"\\ude00\\ud83d\""), OG_EINPUT },
	{ "two low surrogates", TEXT("\"\\udc00\\udc00\""), OG_EINPUT },
	{ "a high surrogate and what is none any more", TEXT("\"\\ud83d\\ue000\""), OG_EINPUT },
	{ "an octet that begins nothing", TEXT("\"\x80\""), OG_EINPUT },
	{ "an overlong slash", TEXT("\"\xc0\xaf\""), OG_EINPUT },
	{ "an overlong sign of three octets", TEXT("\"\xe0\x9f\xbf\""), OG_EINPUT },
	{ "an overlong sign of four octets", TEXT("\"\xf0\x8f\xbf\xbf\""), OG_EINPUT },
	{ "a surrogate in UTF-8", TEXT("\"\xed\xa0\x80\""), OG_EINPUT },
	{ "a sign beyond U+10FFFF", TEXT("\"\xf4\x90\x80\x80\""), OG_EINPUT },
	{ "the octet f5", TEXT("\"\xf5\x80\x80\x80\""), OG_EINPUT },
	{ "a third octet that continues nothing", TEXT("\"\xe2\x82x\""), OG_EINPUT },
	{ "a sign cut off by the end of the text", "{\"n\":1,\"a\":\"\xe2\x82", OG_EINPUT },
	{ "a string for the number", NUMBER("\"1\""), OG_EINPUT },
	{ "a number for the string", TEXT("1"), OG_EINPUT },
	{ "null", TEXT("null"), OG_EINPUT },
	{ "true", TEXT("true"), OG_EINPUT },
	{ "an object inside", TEXT("{}"), OG_EINPUT },
	{ "an array inside", TEXT("[\"x\"]"), OG_EINPUT },
	{ "a fraction", NUMBER("1.0"), OG_EINPUT },
	{ "an exponent", NUMBER("1e3"), OG_EINPUT },
	{ "a minus", NUMBER("-1"), OG_EINPUT },
	{ "a plus", NUMBER("+1"), OG_EINPUT },
	{ "a leading zero", NUMBER("01"), OG_EINPUT },
	{ "sixteen digits", NUMBER("1000000000000000"), OG_EINPUT },
	{ "a number without digits", NUMBER(""), OG_EINPUT },
	{ "a string that does not fit", TEXT("\"123456789\""), OG_ELIMIT },
	{ "an escape that does not fit", TEXT("\"12345678\\n\""), OG_ELIMIT },
	{ "a code point that does not fit", TEXT("\"1234567\\u00e9\""), OG_ELIMIT },
};
/* clang-format on */

/* From a copy without a NUL behind it: the sanitizers see a step too far. */
static enum og_status
read_copy(const char *json, size_t len, struct og_json_member members[2],
    struct og_error *err)
{
	char *copy = test_malloc(len > 0 ? len : 1);
	enum og_status status;

	memcpy(copy, json, len);
	*err = (struct og_error){ "" };
	status = og_json_read(copy, len, members, 2, err);
	test_free(copy);
	return status;
}

static void
check_accepted(void **state)
{
	const struct accepted *row = *state;
	char text[TEXT_SIZE + 1] = { 0 };
	int64_t n = -1;
	struct og_json_member members[] = {
		og_json_want_text("a", text, TEXT_SIZE),
		og_json_want_number("n", &n),
	};
	struct og_error err;

	text[TEXT_SIZE] = '!';
	assert_int_equal(
	    read_copy(row->json, strlen(row->json), members, &err), OG_OK);
	assert_string_equal(text, row->a);
	assert_int_equal(members[0].text_len, strlen(row->a));
	assert_int_equal(n, row->n);
	assert_int_equal(text[TEXT_SIZE], '!');
}

static void
check_refused(void **state)
{
	const struct refused *row = *state;
	char text[TEXT_SIZE + 1] = { 0 };
	int64_t n = -1;
	struct og_json_member members[] = {
		og_json_want_text("a", text, TEXT_SIZE),
		og_json_want_number("n", &n),
	};
	struct og_error err;

	text[TEXT_SIZE] = '!';
	assert_int_equal(
	    read_copy(row->json, strlen(row->json), members, &err),
	    row->status);
	assert_true(err.text[0] != '\0');
	assert_int_equal(text[TEXT_SIZE], '!');
}

static void
every_beginning_is_refused(void **state)
{
	static const char json[] = BOTH("\"x\\u20ac\xc3\xa9\"", "17");
	char text[TEXT_SIZE];
	int64_t n;
	struct og_json_member members[] = {
		og_json_want_text("a", text, sizeof text),
		og_json_want_number("n", &n),
	};
	struct og_error err;
	size_t len;

	(void)state;
	for (len = 0; len < sizeof json - 1; len++)
		assert_int_equal(
		    read_copy(json, len, members, &err), OG_EINPUT);
	assert_int_equal(read_copy(json, len, members, &err), OG_OK);
}

static void
a_nul_is_no_blank(void **state)
{
	static const char json[] = TEXT("\"x\"");
	char text[TEXT_SIZE];
	int64_t n;
	struct og_json_member members[] = {
		og_json_want_text("a", text, sizeof text),
		og_json_want_number("n", &n),
	};
	struct og_error err;

	(void)state;
	assert_int_equal(read_copy(json, sizeof json, members, &err), OG_EINPUT);
}

static void
the_input_is_never_quoted(void **state)
{
	static const char *const json[] = {
		"{\"hunter2\":\"x\"}",
		"{\"a\":hunter2}",
		"{\"a\":\"hunter2hunter2\"}",
		"{\"a\":\"hunter2\",\"n\":1}hunter2",
	};
	char text[TEXT_SIZE];
	int64_t n;
	struct og_json_member members[] = {
		og_json_want_text("a", text, sizeof text),
		og_json_want_number("n", &n),
	};
	struct og_error err;
	size_t i;

	(void)state;
	for (i = 0; i < N_ROWS(json); i++) {
		assert_int_not_equal(
		    read_copy(json[i], strlen(json[i]), members, &err), OG_OK);
		assert_null(strstr(err.text, "hunter2"));
	}
}

/* Two buffers are compared whole where secrets are bound to a context. */
static void
nothing_is_written_behind_the_end(void **state)
{
	static const char json[] = TEXT("\"xy\"");
	char text[TEXT_SIZE];
	int64_t n;
	struct og_json_member members[] = {
		og_json_want_text("a", text, sizeof text),
		og_json_want_number("n", &n),
	};
	struct og_error err;

	(void)state;
	memset(text, '!', sizeof text);
	assert_int_equal(
	    read_copy(json, sizeof json - 1, members, &err), OG_OK);
	assert_memory_equal(text, "xy\0!!!!!!", TEXT_SIZE);
}

static void
a_written_string_is_read_back(void **state)
{
	char all[256 * 2] = { 0 };
	char json[2048], text[512];
	int64_t n;
	struct og_json_member members[] = {
		og_json_want_text("a", text, sizeof text),
		og_json_want_number("n", &n),
	};
	struct og_error err;
	struct og_text out;
	size_t len = 0;
	int c;

	(void)state;
	for (c = 1; c < 0x80; c++)
		all[len++] = (char)c;
	memcpy(all + len, "\xc3\xa9\xf0\x9f\x98\x80", 6);
	len += 6;
	og_text_start(&out, json, sizeof json);
	og_text_put(&out, "{\"n\":1,\"a\":");
	og_json_put_string(&out, all, len);
	og_text_put(&out, "}");
	assert_int_equal(og_json_read(json, out.len, members, 2, &err), OG_OK);
	assert_int_equal(members[0].text_len, len);
	assert_memory_equal(text, all, len);
}

static void
a_string_is_written_in_few_octets(void **state)
{
	char json[64];
	struct og_text out;

	(void)state;
	og_text_start(&out, json, sizeof json);
	og_json_put_string(&out, "\x01\t\"/\xc3\xa9", 6);
	assert_string_equal(json, "\"\\u0001\\t\\\"/\xc3\xa9\"");
}

int
main(void)
{
	struct CMUnitTest tests[N_ROWS(accepted) + N_ROWS(refused) + 6];
	struct CMUnitTest *next = tests;

	next = ROWS_ADD(next, accepted, check_accepted);
	next = ROWS_ADD(next, refused, check_refused);
	*next++ = (struct CMUnitTest)cmocka_unit_test(
	    every_beginning_is_refused);
	*next++ = (struct CMUnitTest)cmocka_unit_test(a_nul_is_no_blank);
	*next++ = (struct CMUnitTest)cmocka_unit_test(
	    the_input_is_never_quoted);
	*next++ = (struct CMUnitTest)cmocka_unit_test(
	    nothing_is_written_behind_the_end);
	*next++ = (struct CMUnitTest)cmocka_unit_test(
	    a_written_string_is_read_back);
	*next++ = (struct CMUnitTest)cmocka_unit_test(
	    a_string_is_written_in_few_octets);
	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}

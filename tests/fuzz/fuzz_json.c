/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_json.c - any octets as a flat object.
 *
 * Beyond "no crash": what is accepted another library accepts too, with the
 * same values, and it is read again when it is written.
 *
 * clang -g -O1 -fsanitize=fuzzer,address,undefined -Ilocal_scan -D_GNU_SOURCE
 *     tests/fuzz/fuzz_json.c local_scan/core/{json,text,error}.c -ljansson
 */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TEXT_SIZE 64

struct values {
	char a[TEXT_SIZE];
	int64_t n;
	size_t len;
};

static void
require(bool condition)
{
	if (!condition)
		abort();
}

static bool
read_values(const char *json, size_t len, struct values *values)
{
	struct og_json_member members[] = {
		og_json_want_text("a", values->a, sizeof values->a),
		og_json_want_number("n", &values->n),
	};
	struct og_error err;

	*values = (struct values){ .n = -1 };
	if (og_json_read(json, len, members, 2, &err) != OG_OK)
		return false;
	values->len = members[0].text_len;
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *json = (const void *)data;
	struct values values, again;
	struct og_text out;
	char text[1024];
	json_t *other;

	if (!read_values(json, size, &values))
		return 0;
	require(values.len < TEXT_SIZE && strlen(values.a) == values.len);
	require(og_json_is_utf8(values.a, values.len));
	require(values.n >= 0 && values.n <= 999999999999999);

	other = json_loadb(json, size, JSON_REJECT_DUPLICATES, NULL);
	require(json_object_size(other) == 2);
	require(json_integer_value(json_object_get(other, "n")) == values.n);
	require(strcmp(json_string_value(json_object_get(other, "a")),
		    values.a) == 0);
	json_decref(other);

	og_text_start(&out, text, sizeof text);
	og_text_putf(&out, "{\"n\":%lld,\"a\":", (long long)values.n);
	og_json_put_string(&out, values.a, values.len);
	og_text_put(&out, "}");
	require(read_values(text, out.len, &again));
	require(memcmp(&values, &again, sizeof values) == 0);
	return 0;
}

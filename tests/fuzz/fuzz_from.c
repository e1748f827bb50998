/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_from.c - any octets as a header, through the From reader.
 *
 * Beyond "no crash": what is read is an address, stands in the text, is
 * mentioned, and is read again when it is written plainly.
 *
 * clang -g -O1 -fsanitize=fuzzer,address,undefined -Ilocal_scan -D_GNU_SOURCE
 *     tests/fuzz/fuzz_from.c local_scan/core/{from,address,host,text,error}.c
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/from.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool condition)
{
	if (!condition)
		abort();
}

static void
check(const struct og_from *from, const char *text, size_t len)
{
	char line[OG_ADDRESS_SIZE + 16];
	struct og_from again = { 0 };
	int n;

	if (from->state != OG_FROM_READ) {
		require(from->address[0] == '\0');
		(void)og_from_mentions(from, "a@b.example");
		return;
	}
	require(og_address_valid(from->address, strlen(from->address)));
	require(memmem(text, len, from->address, strlen(from->address)) !=
		NULL);
	require(og_from_mentions(from, from->address));
	n = snprintf(line, sizeof line, "From: \"x\" <%s>\r\n", from->address);
	og_from_line(&again, line, (size_t)n);
	og_from_finish(&again);
	require(again.state == OG_FROM_READ);
	require(strcmp(again.address, from->address) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const void *)data;
	struct og_from block = { 0 };
	struct og_from whole = { 0 };
	struct og_span line;
	size_t at = 0;

	while (og_from_next_line(text, size, &at, &line))
		og_from_line(&block, line.at, line.len);
	og_from_finish(&block);
	check(&block, text, size);

	og_from_line(&whole, text, size);
	og_from_finish(&whole);
	check(&whole, text, size);
	return 0;
}

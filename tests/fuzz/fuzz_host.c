/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_host.c - any octets as a host, a pattern, a port or an address.
 *
 * Beyond "no crash": an accepted host is made of LDH labels and no number in
 * any notation the C library knows; an accepted port is written the same way
 * again.
 *
 * clang -g -O1 -fsanitize=fuzzer,address,undefined -Ilocal_scan -D_GNU_SOURCE
 *     tests/fuzz/fuzz_host.c local_scan/core/{address,host,text,error}.c
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/address.h"
#include "core/host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool condition)
{
	if (!condition)
		abort();
}

static void
check_name(const char *name)
{
	const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST };
	struct addrinfo *found = NULL;
	struct in_addr ip4;

	require(strlen(name) < OG_HOST_SIZE);
	require(strspn(name, "abcdefghijklmnopqrstuvwxyz"
			     "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.") ==
		strlen(name));
	require(strchr(name, '.') != NULL && strstr(name, "..") == NULL);
	require(strstr(name, "-.") == NULL && strstr(name, ".-") == NULL);
	require(inet_aton(name, &ip4) == 0);
	require(getaddrinfo(name, NULL, &hints, &found) != 0);
}

static void
check_port(const char *text)
{
	struct og_error err;
	char again[8];
	uint16_t port;

	if (og_host_port(text, &port, &err) != OG_OK)
		return;
	(void)snprintf(again, sizeof again, "%u", (unsigned)port);
	require(port != 0 && strcmp(again, text) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *octets = (const void *)data;
	char *text = malloc(size + 1);
	bool domain = og_host_is_domain(octets, size);
	bool host = og_host_valid(octets, size);
	bool pattern = og_host_pattern_valid(octets, size);
	bool address = og_address_valid(octets, size);

	require(text != NULL);
	memcpy(text, octets, size);
	text[size] = '\0';
	require(domain || !host);
	require(!host || pattern);
	require(!address || !domain);
	if (domain) {
		check_name(text);
		require(og_host_below(text, text));
	}
	if (host)
		require(og_host_matches(text, text));
	if (pattern && text[0] == '*')
		require(og_host_matches("a", text) == false);
	if (address)
		check_name(og_address_domain(text));
	check_port(text);
	free(text);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_sealed.c - any octets as a sealed value.
 *
 * An input that begins with 0 is an envelope as it stands.  Any other is a list
 * of changes, three octets each (where, where, what), to an envelope that was
 * sealed for a key of this run, so that changes get past the recipient.
 *
 * Beyond "no crash": nothing but the envelope itself ever opens.
 *
 * clang -g -O1 -fsanitize=fuzzer,address,undefined -Ilocal_scan -Itests/lib
 *     -D_GNU_SOURCE tests/fuzz/fuzz_sealed.c
 *     local_scan/core/{sealed,base64,json,gateway,host,text,error}.c
 *     local_scan/io/{seal,pem,keydir,file}.c -lcrypto
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base64.h"
#include "core/sealed.h"
#include "io/seal.h"
#include "scratch.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct og_gateway gateway = {
	.host = "smtp.partner.example",
	.port = 465,
	.login = "jo",
};

static char dir[SCRATCH_SIZE];
static uint8_t right[OG_SEALED_DER_MAX];
static size_t right_len;

static void
require(bool condition)
{
	if (!condition)
		abort();
}

static void
clean_up(void)
{
	(void)scratch_remove(dir);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	char value[OG_SEALED_SIZE];
	struct og_secret secret;
	struct og_error err;

	(void)argc;
	(void)argv;
	require(scratch_make(dir) == 0);
	require(atexit(clean_up) == 0);
	require(og_seal_keygen(dir, "a", -1, &err) == OG_OK);
	require(og_secret_set(&secret, "x", 1, &err) == OG_OK);
	require(
	    og_seal_close(dir, "jo", &gateway, &secret, value, &err) == OG_OK);
	require(og_sealed_decode(value, right, &right_len, &err) == OG_OK);
	return 0;
}

static size_t
envelope(const uint8_t *data, size_t size, uint8_t der[OG_SEALED_DER_MAX])
{
	size_t i;

	if (size > 0 && data[0] == 0) {
		size = size > OG_SEALED_DER_MAX ? OG_SEALED_DER_MAX : size - 1;
		memcpy(der, data + 1, size);
		return size;
	}
	memcpy(der, right, right_len);
	for (i = 0; i + 3 <= size; i += 3)
		der[(size_t)(data[i] << 8 | data[i + 1]) % right_len] =
		    data[i + 2];
	return right_len;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t der[OG_SEALED_DER_MAX];
	char value[OG_SEALED_SIZE];
	struct og_secret secret;
	enum og_status status;
	struct og_text text;
	struct og_error err;
	bool same;
	size_t n;

	if (size > OG_SEALED_DER_MAX)
		return 0;
	n = envelope(data, size, der);
	same = n == right_len && memcmp(der, right, n) == 0;
	og_text_start(&text, value, sizeof value);
	og_text_put(&text, OG_SEALED_PREFIX);
	og_base64_put(&text, OG_BASE64_PLAIN, der, n);
	status = og_seal_open(dir, "jo", &gateway, value, &secret, &err);
	require((status == OG_OK) == same);
	require((secret.len == 0) == !same);
	require(status != OG_EDENIED);
	require(og_sealed_shape_ok(der, n) || status == OG_EINPUT);
	return 0;
}

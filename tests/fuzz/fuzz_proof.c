/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_proof.c - any octets as a proof.
 *
 * An input that begins with 0 is a text as it stands; one with 1 is a claim
 * that gets a right signature; any other is a list of changes, three octets
 * each (where, where, what), to a proof that is right.
 *
 * Beyond "no crash": without a new signature nothing but the proof is one, and
 * with it nothing that does not hold the claim.
 *
 * clang -g -O1 -fsanitize=fuzzer,address,undefined -Ilocal_scan -Itests/lib
 *     -D_GNU_SOURCE tests/fuzz/fuzz_proof.c
 *     local_scan/core/{base64,json,text,error}.c
 *     local_scan/io/{proof,pem,keydir,file}.c -lcrypto
 */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base64.h"
#include "io/proof.h"
#include "scratch.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW 1790000000

static const struct og_claim claim = {
	.issuer = "o.example",
	.owner = "jo",
	.address = "jo@p.example",
	.host = "s.p.example",
	.port = 465,
};

static char dir[SCRATCH_SIZE];
static char right[OG_PROOF_SIZE];
static EVP_PKEY *key;

static void
require(bool condition)
{
	if (!condition)
		abort();
}

static void
clean_up(void)
{
	EVP_PKEY_free(key);
	(void)scratch_remove(dir);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	char path[SCRATCH_PATH_SIZE];
	struct og_error err;
	FILE *file;

	(void)argc;
	(void)argv;
	require(scratch_make(dir) == 0);
	require(atexit(clean_up) == 0);
	require(og_proof_keygen(dir, "a", &err) == OG_OK);
	require(og_proof_sign(dir, "a", &claim, NOW, NOW + 60, right, &err) ==
		OG_OK);
	(void)snprintf(path, sizeof path, "%s/a.key", dir);
	file = fopen(path, "r");
	require(file != NULL);
	key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
	(void)fclose(file);
	require(key != NULL);
	return 0;
}

static void
sign(const uint8_t *data, size_t size, char out[OG_PROOF_SIZE])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t signature[64];
	size_t n = sizeof signature;
	struct og_text text;

	og_text_start(&text, out, OG_PROOF_SIZE);
	og_text_put_octets(
	    &text, right, (size_t)(strchr(right, '.') - right) + 1);
	og_base64_put(&text, OG_BASE64_URL, data, size);
	require(EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) == 1);
	require(EVP_DigestSign(ctx, signature, &n,
		    (const unsigned char *)text.at, text.len) == 1);
	EVP_MD_CTX_free(ctx);
	og_text_put(&text, ".");
	og_base64_put(&text, OG_BASE64_URL, signature, n);
}

static void
change(const uint8_t *data, size_t size, char out[OG_PROOF_SIZE])
{
	size_t len = strlen(right);
	size_t i;

	memcpy(out, right, len + 1);
	for (i = 0; i + 3 <= size; i += 3)
		out[(size_t)(data[i] << 8 | data[i + 1]) % len] =
		    (char)data[i + 2];
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[OG_PROOF_SIZE] = "";
	enum og_status status;
	struct og_error err;

	if (size == 0 || size >= OG_PROOF_SIZE)
		return 0;
	if (data[0] == 0)
		memcpy(text, data + 1, size - 1);
	else if (data[0] == 1)
		sign(data + 1, size - 1, text);
	else
		change(data + 1, size - 1, text);
	status = og_proof_verify(dir, &claim, NOW, text, &err);
	require(status != OG_ESYSTEM);
	if (data[0] != 1)
		require((status == OG_OK) == (strcmp(text, right) == 0));
	else if (status == OG_OK)
		require(memmem(data, size, "o.example", 9) != NULL ||
			memchr(data, '\\', size) != NULL);
	return 0;
}

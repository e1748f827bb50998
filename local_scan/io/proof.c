/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * proof.c - signed statements that a user controls an external address.
 *
 * The order is the defence: the header is compared as octets with the few that
 * our own keys write, so nobody chooses an algorithm or a key; the signature
 * comes next; only what it covers is parsed at all.
 */
#include "io/proof.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/base64.h"
#include "core/json.h"
#include "io/keydir.h"
#include "io/pem.h"

/* RFC 8032, 5.1.6 */
#define SIGNATURE_OCTETS 64
/* {"alg":"EdDSA","kid":"name"} and its base64url */
#define HEADER_SIZE 96
#define HEADER_TEXT_SIZE 128
/* host, colon, port */
#define GATEWAY_SIZE (OG_HOST_SIZE + 6)

/* What a proof says. */
struct statement {
	char issuer[OG_HOST_SIZE];
	char owner[OG_OWNER_SIZE];
	char address[OG_ADDRESS_SIZE]; /* lower case */
	char gateway[GATEWAY_SIZE];    /* "host:port" */
	int64_t issued_s;
	int64_t expires_s;
};

/* One of the three parts of a compact JWS; points into the proof. */
struct part {
	const char *at;
	size_t len;
};

static bool
set(char *field, size_t size, const char *text)
{
	return og_text_copy(field, size, text, strlen(text));
}

/*
 * The statement that a claim amounts to.  The address may be written as the
 * user likes it; here it has its one form.
 */
static enum og_status
state(const struct og_claim *claim, struct statement *statement,
    struct og_error *err)
{
	struct og_text gateway;
	char *c;

	*statement = (struct statement){ 0 };
	og_text_start(&gateway, statement->gateway, sizeof statement->gateway);
	og_text_putf(&gateway, "%s:%u", claim->host, (unsigned)claim->port);
	if (gateway.truncated ||
	    !set(statement->issuer, sizeof statement->issuer, claim->issuer) ||
	    !set(statement->owner, sizeof statement->owner, claim->owner) ||
	    !set(statement->address, sizeof statement->address, claim->address))
		return og_fail(
		    err, OG_EINPUT, "a part of the claim is too long");
	for (c = statement->address; *c != '\0'; c++)
		*c = og_text_lower(*c);
	return OG_OK;
}

static void
put_header(struct og_text *out, const char *name)
{
	char header[HEADER_SIZE];

	(void)snprintf(
	    header, sizeof header, "{\"alg\":\"EdDSA\",\"kid\":\"%s\"}", name);
	og_base64_put(
	    out, OG_BASE64_URL, (const uint8_t *)header, strlen(header));
}

static void
put_member(struct og_text *out, const char *before, const char *text)
{
	og_text_put(out, before);
	og_json_put_string(out, text, strlen(text));
}

static void
put_payload(struct og_text *out, const struct statement *statement)
{
	char buffer[OG_PROOF_SIZE];
	struct og_text json;

	og_text_start(&json, buffer, sizeof buffer);
	put_member(&json, "{\"iss\":", statement->issuer);
	put_member(&json, ",\"sub\":", statement->owner);
	put_member(&json, ",\"email\":", statement->address);
	put_member(&json, ",\"gw\":", statement->gateway);
	og_text_putf(&json, ",\"iat\":%lld,\"exp\":%lld}",
	    (long long)statement->issued_s, (long long)statement->expires_s);
	/* one that was cut here does not fit into out either */
	og_base64_put(out, OG_BASE64_URL, (const uint8_t *)buffer, json.len);
}

static enum og_status
put_signature(EVP_PKEY *key, struct og_text *out, struct og_error *err)
{
	unsigned char signature[SIGNATURE_OCTETS];
	EVP_MD_CTX *signer = EVP_MD_CTX_new();
	size_t len = sizeof signature;
	enum og_status status = OG_OK;

	if (signer == NULL ||
	    EVP_DigestSignInit(signer, NULL, NULL, NULL, key) != 1 ||
	    EVP_DigestSign(signer, signature, &len,
		(const unsigned char *)out->at, out->len) != 1 ||
	    len != sizeof signature)
		status = og_fail(err, OG_ESYSTEM, "the claim cannot be signed");
	EVP_MD_CTX_free(signer);
	if (status != OG_OK)
		return status;
	og_text_put(out, ".");
	og_base64_put(out, OG_BASE64_URL, signature, len);
	return OG_OK;
}

static enum og_status
check_key(const EVP_PKEY *key, const char *dir, const char *name,
    const char *suffix, struct og_error *err)
{
	if (EVP_PKEY_is_a(key, "ED25519"))
		return OG_OK;
	return og_fail(
	    err, OG_ESYSTEM, "%s/%s%s: not an Ed25519 key", dir, name, suffix);
}

static enum og_status
check_life(int64_t issued_s, int64_t expires_s, struct og_error *err)
{
	if (issued_s < 0 || expires_s <= issued_s ||
	    expires_s - issued_s > OG_PROOF_LIFE_MAX_S)
		return og_fail(err, OG_EINPUT,
		    "a proof is valid for 1 second to %ld days",
		    OG_PROOF_LIFE_MAX_S / (24 * 60 * 60));
	return OG_OK;
}

static enum og_status
sign(const char *dir, const char *name, const struct statement *statement,
    char out[OG_PROOF_SIZE], struct og_error *err)
{
	EVP_PKEY *key = NULL;
	enum og_status status;
	struct og_text text;

	og_text_start(&text, out, OG_PROOF_SIZE);
	put_header(&text, name);
	og_text_put(&text, ".");
	put_payload(&text, statement);
	status = og_pem_private_key(dir, name, &key, err);
	if (status == OG_OK)
		status = check_key(key, dir, name, ".key", err);
	if (status == OG_OK)
		status = put_signature(key, &text, err);
	if (status == OG_OK && text.truncated)
		status = og_fail(err, OG_ELIMIT, "the proof would be too long");
	EVP_PKEY_free(key);
	return status;
}

enum og_status
og_proof_sign(const char *dir, const char *name, const struct og_claim *claim,
    int64_t issued_s, int64_t expires_s, char out[OG_PROOF_SIZE],
    struct og_error *err)
{
	struct statement statement;
	enum og_status status;

	out[0] = '\0';
	status = og_keydir_name_check(name, err);
	if (status == OG_OK)
		status = check_life(issued_s, expires_s, err);
	if (status == OG_OK)
		status = state(claim, &statement, err);
	if (status == OG_OK)
		status = og_pem_start(err);
	if (status == OG_OK) {
		statement.issued_s = issued_s;
		statement.expires_s = expires_s;
		status = sign(dir, name, &statement, out, err);
	}
	if (status != OG_OK)
		out[0] = '\0';
	ERR_clear_error();
	return status;
}

/* Cut "header.payload.signature". */
static bool
cut(const char *proof, struct part part[3])
{
	const char *first, *second;
	size_t len = strnlen(proof, OG_PROOF_SIZE);

	if (len == OG_PROOF_SIZE)
		return false;
	first = strchr(proof, '.');
	if (first == NULL)
		return false;
	second = strchr(first + 1, '.');
	if (second == NULL)
		return false;
	part[0] = (struct part){ proof, (size_t)(first - proof) };
	part[1] = (struct part){ first + 1, (size_t)(second - first - 1) };
	part[2] = (struct part){ second + 1, strlen(second + 1) };
	return true;
}

/* Find the key whose header this is. */
static enum og_status
find_key(const char *dir, const struct part *header, EVP_PKEY **key,
    struct og_error *err)
{
	struct og_keydir names;
	enum og_status status;
	size_t i;

	status = og_keydir_list(dir, ".pub", OG_FILE_PUBLIC, &names, err);
	if (status != OG_OK)
		return status;
	if (names.n == 0)
		return og_fail(
		    err, OG_ESYSTEM, "%s: no public key (*.pub) here", dir);
	for (i = 0; i < names.n; i++) {
		char wanted[HEADER_TEXT_SIZE];
		struct og_text text;

		og_text_start(&text, wanted, sizeof wanted);
		put_header(&text, names.name[i]);
		if (text.len != header->len ||
		    memcmp(wanted, header->at, header->len) != 0)
			continue;
		status = og_pem_public_key(dir, names.name[i], key, err);
		if (status == OG_OK)
			status =
			    check_key(*key, dir, names.name[i], ".pub", err);
		return status;
	}
	return og_fail(err, OG_EINPUT,
	    "not a proof, or its key is not among those in use");
}

/* As EVP_DigestVerify: 1 is right, 0 is wrong, less is "cannot say". */
static int
verify_signature(EVP_PKEY *key, const uint8_t signature[SIGNATURE_OCTETS],
    const char *text, size_t len)
{
	EVP_MD_CTX *verifier = EVP_MD_CTX_new();
	int right = -1;

	if (verifier != NULL &&
	    EVP_DigestVerifyInit(verifier, NULL, NULL, NULL, key) == 1)
		right = EVP_DigestVerify(verifier, signature, SIGNATURE_OCTETS,
		    (const unsigned char *)text, len);
	EVP_MD_CTX_free(verifier);
	return right;
}

static enum og_status
check_signature(EVP_PKEY *key, const char *proof, const struct part part[3],
    struct og_error *err)
{
	const size_t len = part[0].len + 1 + part[1].len;
	uint8_t signature[SIGNATURE_OCTETS];
	size_t n;
	int right;

	if (!og_base64_read(OG_BASE64_URL, part[2].at, part[2].len, signature,
		sizeof signature, &n) ||
	    n != sizeof signature)
		return og_fail(err, OG_EINPUT,
		    "the proof is damaged: its signature is not %d octets",
		    SIGNATURE_OCTETS);
	right = verify_signature(key, signature, proof, len);
	/*
	 * The library says "wrong" also for want of memory.  Asked again it
	 * begins by taking some, and without any that is "cannot say".
	 */
	if (right == 0)
		right = verify_signature(key, signature, proof, len);
	if (right == 1)
		return OG_OK;
	if (right < 0)
		return og_fail(
		    err, OG_ESYSTEM, "the crypto library cannot verify");
	return og_fail(
	    err, OG_EINPUT, "the proof is damaged: its signature is wrong");
}

static enum og_status
read_payload(const struct part *payload, struct statement *statement,
    struct og_error *err)
{
	struct og_json_member members[] = {
		og_json_want_text(
		    "iss", statement->issuer, sizeof statement->issuer),
		og_json_want_text(
		    "sub", statement->owner, sizeof statement->owner),
		og_json_want_text(
		    "email", statement->address, sizeof statement->address),
		og_json_want_text(
		    "gw", statement->gateway, sizeof statement->gateway),
		og_json_want_number("iat", &statement->issued_s),
		og_json_want_number("exp", &statement->expires_s),
	};
	uint8_t json[OG_PROOF_SIZE];
	enum og_status status;
	size_t n;

	*statement = (struct statement){ 0 };
	if (!og_base64_read(OG_BASE64_URL, payload->at, payload->len, json,
		sizeof json, &n))
		return og_fail(err, OG_EINPUT,
		    "the proof is damaged: its claims are not base64url");
	status = og_json_read((const char *)json, n, members,
	    sizeof members / sizeof members[0], err);
	if (status == OG_OK)
		return OG_OK;
	og_error_prefix(err, "the claims of the proof");
	return OG_EINPUT;
}

static enum og_status
compare(const struct statement *made, const struct statement *wanted,
    struct og_error *err)
{
	const struct {
		const char *word, *made, *wanted;
	} row[] = {
		{ "organisation", made->issuer, wanted->issuer },
		{ "user", made->owner, wanted->owner },
		{ "address", made->address, wanted->address },
		{ "host and port", made->gateway, wanted->gateway },
	};
	size_t i;

	for (i = 0; i < sizeof row / sizeof row[0]; i++) {
		if (strcmp(row[i].made, row[i].wanted) != 0)
			return og_fail(err, OG_EDENIED,
			    "a proof for another %s", row[i].word);
	}
	return OG_OK;
}

static enum og_status
check_time(const struct statement *made, int64_t now_s, struct og_error *err)
{
	if (made->expires_s <= now_s)
		return og_fail(err, OG_EDENIED, "the proof has expired");
	if (made->issued_s > now_s + OG_PROOF_SKEW_S)
		return og_fail(
		    err, OG_EDENIED, "the proof is dated in the future");
	if (check_life(made->issued_s, made->expires_s, err) != OG_OK)
		return OG_EDENIED;
	return OG_OK;
}

static enum og_status
verify(const char *dir, const struct og_claim *claim, int64_t now_s,
    const char *proof, struct og_error *err)
{
	struct statement made, wanted;
	EVP_PKEY *key = NULL;
	enum og_status status;
	struct part part[3];

	if (!cut(proof, part))
		return og_fail(err, OG_EINPUT,
		    "not a proof: not three parts of base64url");
	status = state(claim, &wanted, err);
	if (status == OG_OK)
		status = find_key(dir, &part[0], &key, err);
	if (status == OG_OK)
		status = check_signature(key, proof, part, err);
	if (status == OG_OK)
		status = read_payload(&part[1], &made, err);
	if (status == OG_OK)
		status = compare(&made, &wanted, err);
	if (status == OG_OK)
		status = check_time(&made, now_s, err);
	EVP_PKEY_free(key);
	return status;
}

enum og_status
og_proof_verify(const char *dir, const struct og_claim *claim, int64_t now_s,
    const char *proof, struct og_error *err)
{
	enum og_status status = og_pem_start(err);

	if (status == OG_OK)
		status = verify(dir, claim, now_s, proof, err);
	ERR_clear_error();
	return status;
}

enum og_status
og_proof_key_check(const char *dir, const char *name, struct og_error *err)
{
	EVP_PKEY *key = NULL;
	enum og_status status = og_pem_start(err);

	if (status == OG_OK)
		status = og_pem_public_key(dir, name, &key, err);
	if (status == OG_OK)
		status = check_key(key, dir, name, ".pub", err);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return status;
}

enum og_status
og_proof_keygen(const char *dir, const char *name, struct og_error *err)
{
	struct og_pem_pair pair = { .group = -1, .suffix = ".pub" };
	struct og_keydir others;
	enum og_status status;

	/* a key in a directory that others may change would not be read */
	status = og_keydir_name_check(name, err);
	if (status == OG_OK)
		status =
		    og_keydir_list(dir, ".key", OG_FILE_PUBLIC, &others, err);
	if (status == OG_OK)
		status = og_pem_start(err);
	if (status != OG_OK)
		return status;
	pair.key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	pair.text = BIO_new(BIO_s_mem());
	if (pair.key == NULL || pair.text == NULL ||
	    PEM_write_bio_PUBKEY(pair.text, pair.key) != 1)
		status = og_fail(err, OG_ESYSTEM, "no key could be made");
	else
		status = og_pem_create(dir, name, &pair, err);
	BIO_free(pair.text);
	EVP_PKEY_free(pair.key);
	ERR_clear_error();
	return status;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_proof.c - a proof holds for one user, address, host and port, for a
 * time, and nobody without the key can make one.
 *
 * Forgeries are signed here with the library itself: with our own key they
 * stand for mistakes of the signing host, with another for an attacker.
 */
#include "rows.h"

#include <stdbool.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>

#include "core/base64.h"
#include "io/proof.h"
#include "scratch.h"

#define NOW 1790000000L
#define DAY 86400L
#define OWNER "8d9bd5ba-0000-4000-8000-3d64a6d63d94"
#define HOST "smtp.partner.example"
#define ADDRESS "jo.doe@partner.example"

static char scratch[SCRATCH_SIZE];
static char signer[SCRATCH_PATH_SIZE]; /* the pair a, and the pair b */
static char mail[SCRATCH_PATH_SIZE];   /* a.pub and b.pub, as a mail host */
static char proof[OG_PROOF_SIZE];      /* by a, for the right claim */

static const struct og_claim right = {
	.issuer = "org.example",
	.owner = OWNER,
	.address = ADDRESS,
	.host = HOST,
	.port = 465,
};

static int
group_setup(void **state)
{
	struct og_error err;

	(void)state;
	if (scratch_make(scratch) != 0)
		return -1;
	(void)snprintf(signer, sizeof signer, "%s/signer", scratch);
	(void)snprintf(mail, sizeof mail, "%s/mail", scratch);
	if (scratch_run(scratch, "mkdir -m 750 signer && mkdir -m 755 mail") !=
		0 ||
	    og_proof_keygen(signer, "a", &err) != OG_OK ||
	    og_proof_keygen(signer, "b", &err) != OG_OK ||
	    scratch_run(scratch, "cp -p signer/*.pub mail/") != 0)
		return -1;
	return og_proof_sign(signer, "a", &right, NOW, NOW + DAY, proof,
		   &err) == OG_OK
		   ? 0
		   : -1;
}

static int
group_teardown(void **state)
{
	(void)state;
	return scratch_remove(scratch);
}

static enum og_status
verify(const char *text, struct og_error *err)
{
	enum og_status status;

	*err = (struct og_error){ "" };
	status = og_proof_verify(mail, &right, NOW, text, err);
	assert_int_equal(status != OG_OK, err->text[0] != '\0');
	return status;
}

/* ---- what it is for ---- */

struct claim {
	const char *name;
	struct og_claim claim;
	int64_t now_s;
	enum og_status status;
	const char *says;
};

#define CLAIM(issuer, owner, address, host, port) \
	{ issuer, owner, address, host, port }
#define ORG "org.example"

/* clang-format off */
static const struct claim claims[] = {
	{ "the right claim is proved", CLAIM(ORG, OWNER, ADDRESS, HOST, 465), NOW, OG_OK, "" },
	{ "an address in capitals is the same address", CLAIM(ORG, OWNER, "Jo.Doe@Partner.EXAMPLE", HOST, 465), NOW, OG_OK, "" },
	{ "another organisation is denied", CLAIM("other.example", OWNER, ADDRESS, HOST, 465), NOW, OG_EDENIED, "organisation" },
	{ "another owner is denied", CLAIM(ORG, "8d9bd5ba-0000-4000-8000-3d64a6d63d95", ADDRESS, HOST, 465), NOW, OG_EDENIED, "user" },
	{ "another address is denied", CLAIM(ORG, OWNER, "jo.roe@partner.example", HOST, 465), NOW, OG_EDENIED, "address" },
	{ "a longer address is denied", CLAIM(ORG, OWNER, ADDRESS "s", HOST, 465), NOW, OG_EDENIED, "address" },
	{ "another host is denied", CLAIM(ORG, OWNER, ADDRESS, "smtp.evil.example", 465), NOW, OG_EDENIED, "host and port" },
	{ "another port is denied", CLAIM(ORG, OWNER, ADDRESS, HOST, 587), NOW, OG_EDENIED, "host and port" },
	{ "a port moved into the host is denied", CLAIM(ORG, OWNER, ADDRESS, HOST ":4", 65), NOW, OG_EDENIED, "host and port" },
	{ "a part moved from the owner to the address is denied", CLAIM(ORG, "8d9bd5ba-0000-4000-8000-3d64a6d63d9", "4" ADDRESS, HOST, 465), NOW, OG_EDENIED, "user" },
	{ "the last second counts", CLAIM(ORG, OWNER, ADDRESS, HOST, 465), NOW + DAY - 1, OG_OK, "" },
	{ "the second of its end is too late", CLAIM(ORG, OWNER, ADDRESS, HOST, 465), NOW + DAY, OG_EDENIED, "expired" },
	{ "a day later is too late", CLAIM(ORG, OWNER, ADDRESS, HOST, 465), NOW + 2 * DAY, OG_EDENIED, "expired" },
	{ "the year 2038 is too late", CLAIM(ORG, OWNER, ADDRESS, HOST, 465), 2147483648L, OG_EDENIED, "expired" },
	{ "five minutes of another clock are forgiven", CLAIM(ORG, OWNER, ADDRESS, HOST, 465), NOW - 300, OG_OK, "" },
	{ "a second more is the future", CLAIM(ORG, OWNER, ADDRESS, HOST, 465), NOW - 301, OG_EDENIED, "future" },
	{ "the year 1970 sees the future", CLAIM(ORG, OWNER, ADDRESS, HOST, 465), 0, OG_EDENIED, "future" },
};
/* clang-format on */

static void
check_claim(void **state)
{
	const struct claim *row = *state;
	struct og_error err = { "" };

	assert_int_equal(
	    og_proof_verify(mail, &row->claim, row->now_s, proof, &err),
	    row->status);
	assert_non_null(strstr(err.text, row->says));
}

/* ---- its form ---- */

static void
a_proof_has_its_one_form(void **state)
{
	static const char claim[] =
	    "{\"iss\":\"org.example\",\"sub\":\"" OWNER "\","
	    "\"email\":\"" ADDRESS "\",\"gw\":\"" HOST ":465\","
	    "\"iat\":1790000000,\"exp\":1790086400}";
	static const char header[] = "{\"alg\":\"EdDSA\",\"kid\":\"a\"}";
	char wanted[OG_PROOF_SIZE];
	struct og_text text;

	(void)state;
	og_text_start(&text, wanted, sizeof wanted);
	og_base64_put(&text, OG_BASE64_URL, (const uint8_t *)header,
	    strlen(header));
	og_text_put(&text, ".");
	og_base64_put(
	    &text, OG_BASE64_URL, (const uint8_t *)claim, strlen(claim));
	og_text_put(&text, ".");
	assert_memory_equal(proof, wanted, text.len);
	/* 64 octets in base64url */
	assert_int_equal(strlen(proof), text.len + 86);
}

static void
no_character_can_be_changed(void **state)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	    "0123456789-_=. +/";
	char text[OG_PROOF_SIZE];
	struct og_error err;
	size_t i, k;

	(void)state;
	for (i = 0; i < strlen(proof); i++) {
		/* all of them where bits are spare, at the end */
		bool last = proof[i + 1] == '\0' || proof[i + 1] == '.';

		for (k = 0; k < sizeof digits - 1; k += last ? 1 : 9) {
			strcpy(text, proof);
			if (text[i] == digits[k])
				continue;
			text[i] = digits[k];
			assert_int_equal(verify(text, &err), OG_EINPUT);
		}
	}
	assert_int_equal(verify(proof, &err), OG_OK);
}

static void
nothing_can_be_cut_off_or_added(void **state)
{
	char text[OG_PROOF_SIZE + 16];
	struct og_error err;
	size_t i;

	(void)state;
	for (i = 0; i < strlen(proof); i++) {
		(void)snprintf(text, sizeof text, "%.*s", (int)i, proof);
		assert_int_equal(verify(text, &err), OG_EINPUT);
		assert_int_equal(verify(proof + i + 1, &err), OG_EINPUT);
	}
	for (i = 0; i < 5; i++) {
		(void)snprintf(
		    text, sizeof text, "%s%c", proof, "A=. \n"[i]);
		assert_int_equal(verify(text, &err), OG_EINPUT);
		(void)snprintf(
		    text, sizeof text, "%c%s", "A=. \n"[i], proof);
		assert_int_equal(verify(text, &err), OG_EINPUT);
	}
	(void)snprintf(
	    text, sizeof text, "%.*s", (int)strlen(proof) - 2, proof);
	assert_int_equal(verify(text, &err), OG_EINPUT);
	assert_non_null(strstr(err.text, "64 octets"));
	memset(text, 'A', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	assert_int_equal(verify(text, &err), OG_EINPUT);
}

/* ---- forgeries ---- */

enum hand { BY_A, BY_STRANGER, BY_HMAC, BY_NOBODY };

static EVP_PKEY *
key_of(enum hand hand)
{
	char path[SCRATCH_PATH_SIZE + 16];
	EVP_PKEY *key = NULL;
	FILE *file;

	if (hand == BY_STRANGER)
		return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	(void)snprintf(path, sizeof path, "%s/a.key", signer);
	file = fopen(path, "r");
	assert_non_null(file);
	key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
	(void)fclose(file);
	return key;
}

/* HS256 with what everybody knows, the octets of a.pub, as the secret. */
static size_t
sign_hmac(const struct og_text *text, uint8_t out[64])
{
	char path[SCRATCH_PATH_SIZE + 16];
	char secret[1024];
	unsigned n = 0;
	size_t len;

	(void)snprintf(path, sizeof path, "%s/a.pub", mail);
	len = scratch_read(path, secret, sizeof secret);
	assert_true(len > 0);
	assert_non_null(HMAC(EVP_sha256(), secret, (int)len,
	    (const unsigned char *)text->at, text->len, out, &n));
	return n;
}

static size_t
sign_eddsa(enum hand hand, const struct og_text *text, uint8_t out[64])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY *key = key_of(hand);
	size_t n = 64;

	assert_non_null(key);
	assert_int_equal(EVP_DigestSignInit(ctx, NULL, NULL, NULL, key), 1);
	assert_int_equal(EVP_DigestSign(ctx, out, &n,
			     (const unsigned char *)text->at, text->len),
	    1);
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
	return n;
}

static void
forge(const char *header, const char *claim, enum hand hand, char *out,
    size_t size)
{
	uint8_t signature[64];
	struct og_text text;
	size_t n = 0;

	og_text_start(&text, out, size);
	og_base64_put(
	    &text, OG_BASE64_URL, (const uint8_t *)header, strlen(header));
	og_text_put(&text, ".");
	og_base64_put(
	    &text, OG_BASE64_URL, (const uint8_t *)claim, strlen(claim));
	if (hand == BY_HMAC)
		n = sign_hmac(&text, signature);
	else if (hand != BY_NOBODY)
		n = sign_eddsa(hand, &text, signature);
	og_text_put(&text, ".");
	og_base64_put(&text, OG_BASE64_URL, signature, n);
	assert_false(text.truncated);
}

struct forgery {
	const char *name;
	const char *header;
	const char *claim;
	enum hand hand;
	enum og_status status;
};

#define HEADER "{\"alg\":\"EdDSA\",\"kid\":\"a\"}"
#define WHO "{\"iss\":\"org.example\",\"sub\":\"" OWNER "\","
#define WHAT "\"email\":\"" ADDRESS "\",\"gw\":\"" HOST ":465\","
#define WHEN "\"iat\":1790000000,\"exp\":1790086400}"
#define GOOD WHO WHAT WHEN

/* clang-format off */
static const struct forgery forgeries[] = {
	{ "the same by our own key is a proof", HEADER, GOOD, BY_A, OG_OK },
	{ "claims in another order are as good", HEADER, "{\"exp\":1790086400,\"iat\":1790000000,\"gw\":\"" HOST ":465\",\"email\":\"" ADDRESS "\",\"sub\":\"" OWNER "\",\"iss\":\"org.example\"}", BY_A, OG_OK },
	{ "a stranger's signature is refused", HEADER, GOOD, BY_STRANGER, OG_EINPUT },
	{ "no signature is refused", HEADER, GOOD, BY_NOBODY, OG_EINPUT },
	{ "alg none is refused", "{\"alg\":\"none\",\"kid\":\"a\"}", GOOD, BY_NOBODY, OG_EINPUT },
	{ "alg none with our signature is refused", "{\"alg\":\"none\",\"kid\":\"a\"}", GOOD, BY_A, OG_EINPUT },
	{ "HS256 with our public key as its secret is refused", "{\"alg\":\"HS256\",\"kid\":\"a\"}", GOOD, BY_HMAC, OG_EINPUT },
	{ "a MAC in the place of the signature is refused", HEADER, GOOD, BY_HMAC, OG_EINPUT },
	{ "a's signature under the name of b is refused", "{\"alg\":\"EdDSA\",\"kid\":\"b\"}", GOOD, BY_A, OG_EINPUT },
	{ "an unknown key is refused", "{\"alg\":\"EdDSA\",\"kid\":\"z\"}", GOOD, BY_A, OG_EINPUT },
	{ "a key that is a path is refused", "{\"alg\":\"EdDSA\",\"kid\":\"../mail/a\"}", GOOD, BY_A, OG_EINPUT },
	{ "a header that brings its own key is refused", "{\"alg\":\"EdDSA\",\"kid\":\"a\",\"jwk\":{}}", GOOD, BY_A, OG_EINPUT },
	{ "a header with a blank is refused", "{\"alg\":\"EdDSA\", \"kid\":\"a\"}", GOOD, BY_A, OG_EINPUT },
	{ "a header in another order is refused", "{\"kid\":\"a\",\"alg\":\"EdDSA\"}", GOOD, BY_A, OG_EINPUT },
	{ "a header without a key's name is refused", "{\"alg\":\"EdDSA\"}", GOOD, BY_A, OG_EINPUT },
	{ "no header is refused", "", GOOD, BY_A, OG_EINPUT },
	{ "a missing claim is refused", HEADER, WHO "\"email\":\"" ADDRESS "\"," WHEN, BY_A, OG_EINPUT },
	{ "an unknown claim is refused", HEADER, WHO WHAT "\"jti\":\"1\"," WHEN, BY_A, OG_EINPUT },
	{ "a claim that comes twice is refused", HEADER, WHO WHAT WHAT WHEN, BY_A, OG_EINPUT },
	{ "a time in quotes is refused", HEADER, WHO WHAT "\"iat\":\"1790000000\",\"exp\":1790086400}", BY_A, OG_EINPUT },
	{ "a time with an exponent is refused", HEADER, WHO WHAT "\"iat\":1790000000,\"exp\":1e15}", BY_A, OG_EINPUT },
	{ "a time before 1970 is refused", HEADER, WHO WHAT "\"iat\":-1,\"exp\":1790086400}", BY_A, OG_EINPUT },
	{ "an owner beyond all bounds is refused", HEADER, "{\"iss\":\"org.example\",\"sub\":\"" OWNER OWNER "\"," WHAT WHEN, BY_A, OG_EINPUT },
	{ "claims that are no JSON are refused", HEADER, "hello", BY_A, OG_EINPUT },
	{ "no claims are refused", HEADER, "", BY_A, OG_EINPUT },
	{ "a proof of an address in capitals is denied", HEADER, WHO "\"email\":\"Jo.Doe@partner.example\",\"gw\":\"" HOST ":465\"," WHEN, BY_A, OG_EDENIED },
	{ "a proof of a host in capitals is denied", HEADER, WHO "\"email\":\"" ADDRESS "\",\"gw\":\"SMTP.partner.example:465\"," WHEN, BY_A, OG_EDENIED },
	{ "a proof of an address with a dotless letter is denied", HEADER, WHO "\"email\":\"jo.doe@partner.examp\xc4\xb1" "e\",\"gw\":\"" HOST ":465\"," WHEN, BY_A, OG_EDENIED },
	{ "a proof of no address is denied", HEADER, WHO "\"email\":\"\",\"gw\":\"" HOST ":465\"," WHEN, BY_A, OG_EDENIED },
	{ "a proof without a port is denied", HEADER, WHO "\"email\":\"" ADDRESS "\",\"gw\":\"" HOST "\"," WHEN, BY_A, OG_EDENIED },
	{ "a proof for 400 days is a proof", HEADER, WHO WHAT "\"iat\":1790000000,\"exp\":1824560000}", BY_A, OG_OK },
	{ "a proof for a second more is denied", HEADER, WHO WHAT "\"iat\":1790000000,\"exp\":1824560001}", BY_A, OG_EDENIED },
	{ "a proof for ever is denied", HEADER, WHO WHAT "\"iat\":1790000000,\"exp\":999999999999999}", BY_A, OG_EDENIED },
	{ "a proof that ends before it begins is denied", HEADER, WHO WHAT "\"iat\":1790000200,\"exp\":1790000100}", BY_A, OG_EDENIED },
};
/* clang-format on */

static void
check_forgery(void **state)
{
	const struct forgery *row = *state;
	char text[OG_PROOF_SIZE];
	struct og_error err;

	forge(row->header, row->claim, row->hand, text, sizeof text);
	assert_int_equal(verify(text, &err), row->status);
}

/* Blanks behind the claims are JSON, and a proof still has its bound. */
static void
a_proof_has_1023_characters_at_most(void **state)
{
	char claim[OG_PROOF_SIZE], text[2 * OG_PROOF_SIZE];
	struct og_error err;
	size_t len = 0;
	int blanks;

	(void)state;
	for (blanks = 0; len <= OG_PROOF_SIZE; blanks++) {
		(void)snprintf(
		    claim, sizeof claim, "%s%*s", GOOD, blanks, "");
		forge(HEADER, claim, BY_A, text, sizeof text);
		len = strlen(text);
		assert_int_equal(verify(text, &err),
		    len < OG_PROOF_SIZE ? OG_OK : OG_EINPUT);
	}
}

static void
either_key_of_a_rotation_is_good(void **state)
{
	char text[OG_PROOF_SIZE];
	struct og_error err;

	(void)state;
	assert_int_equal(
	    og_proof_sign(signer, "b", &right, NOW, NOW + DAY, text, &err),
	    OG_OK);
	assert_int_equal(verify(text, &err), OG_OK);
	assert_int_equal(verify(proof, &err), OG_OK);
}

/* Another signature over a claim must not make it another one. */
static void
parts_of_two_proofs_make_none(void **state)
{
	struct og_claim other = right;
	char text[OG_PROOF_SIZE], second[OG_PROOF_SIZE];
	struct og_error err;

	(void)state;
	other.owner = "8d9bd5ba-0000-4000-8000-3d64a6d63d95";
	assert_int_equal(
	    og_proof_sign(signer, "a", &other, NOW, NOW + DAY, second, &err),
	    OG_OK);
	(void)snprintf(text, sizeof text, "%.*s%s",
	    (int)(strrchr(proof, '.') - proof), proof, strrchr(second, '.'));
	assert_int_equal(verify(text, &err), OG_EINPUT);
}

/* ---- files ---- */

struct spoilt {
	const char *name;
	const char *script;
	enum og_status status;
	const char *says;
};

/* clang-format off */
static const struct spoilt spoilt[] = {
	{ "without any public key nobody can say", "rm *.pub", OG_ESYSTEM, "no public key" },
	{ "without the directory nobody can say", "rm -r ../spoilt", OG_ESYSTEM, "/spoilt" },
	{ "a proof by a key that was taken away is refused", "rm a.pub", OG_EINPUT, "key" },
	{ "a key that is no key is told", "echo x >a.pub", OG_ESYSTEM, "a.pub" },
	{ "an empty key is told", ": >a.pub", OG_ESYSTEM, "a.pub" },
	{ "a key that others may write is refused", "chmod 666 a.pub", OG_ESYSTEM, "a.pub" },
	{ "a key that its group may write is refused", "chmod 664 a.pub", OG_ESYSTEM, "a.pub" },
	{ "a link in place of a key is refused", "mv a.pub real; ln -s real a.pub", OG_ESYSTEM, "a.pub" },
	{ "a directory in place of a key is refused", "rm a.pub; mkdir a.pub", OG_ESYSTEM, "a.pub" },
	{ "a key of another kind is refused", "openssl ecparam -genkey -name prime256v1 -noout | openssl ec -pubout -out a.pub", OG_ESYSTEM, "a.pub" },
	{ "a private key in place of a public one is refused", "cat ../signer/a.key >a.pub", OG_ESYSTEM, "a.pub" },
	{ "a directory that others may write is refused", "chmod 777 .", OG_ESYSTEM, "/spoilt" },
	{ "a broken key of another name does not matter", "echo x >b.pub", OG_OK, "" },
};
/* clang-format on */

static void
check_spoilt(void **state)
{
	const struct spoilt *row = *state;
	char dir[SCRATCH_PATH_SIZE];
	struct og_error err = { "" };

	(void)snprintf(dir, sizeof dir, "%s/spoilt", scratch);
	assert_int_equal(
	    scratch_run(scratch, "rm -rf spoilt; cp -pR mail spoilt"), 0);
	assert_int_equal(
	    og_proof_verify(dir, &right, NOW, proof, &err), OG_OK);
	assert_int_equal(scratch_run(dir, row->script), 0);
	assert_int_equal(
	    og_proof_verify(dir, &right, NOW, proof, &err), row->status);
	assert_non_null(strstr(err.text, row->says));
}

struct signing {
	const char *name;
	const char *key;
	int64_t issued_s, expires_s;
	const char *script; /* in a copy of the signer's directory */
	enum og_status status;
};

/* clang-format off */
static const struct signing signings[] = {
	{ "a key of its own is signed with", "a", NOW, NOW + 1, "true", OG_OK },
	{ "400 days are allowed", "a", NOW, NOW + 400 * DAY, "true", OG_OK },
	{ "a second more is not", "a", NOW, NOW + 400 * DAY + 1, "true", OG_EINPUT },
	{ "no time at all is not", "a", NOW, NOW, "true", OG_EINPUT },
	{ "an end before the beginning is not", "a", NOW, NOW - 1, "true", OG_EINPUT },
	{ "a beginning before 1970 is not", "a", -1, 1, "true", OG_EINPUT },
	{ "a missing key is told", "z", NOW, NOW + DAY, "true", OG_ESYSTEM },
	{ "a path is no name", "../signer/a", NOW, NOW + DAY, "true", OG_EINPUT },
	{ "a key that others may read does not sign", "a", NOW, NOW + DAY, "chmod 644 a.key", OG_ESYSTEM },
	{ "a key of another kind does not sign", "a", NOW, NOW + DAY, "openssl ecparam -genkey -name prime256v1 -noout >a.key", OG_ESYSTEM },
};
/* clang-format on */

static void
check_signing(void **state)
{
	const struct signing *row = *state;
	char dir[SCRATCH_PATH_SIZE], text[OG_PROOF_SIZE] = "x";
	struct og_error err;

	(void)snprintf(dir, sizeof dir, "%s/spoilt", scratch);
	assert_int_equal(
	    scratch_run(scratch, "rm -rf spoilt; cp -pR signer spoilt"), 0);
	assert_int_equal(scratch_run(dir, row->script), 0);
	assert_int_equal(og_proof_sign(dir, row->key, &right, row->issued_s,
			     row->expires_s, text, &err),
	    row->status);
	if (row->status != OG_OK)
		assert_string_equal(text, "");
}

static void
a_claim_that_does_not_fit_is_not_signed(void **state)
{
	char host[OG_HOST_SIZE], address[OG_ADDRESS_SIZE];
	struct og_claim claim = right;
	char text[OG_PROOF_SIZE] = "x", longer[300];
	struct og_error err;

	(void)state;
	memset(host, 'h', sizeof host - 1);
	host[sizeof host - 1] = '\0';
	memset(address, 'a', sizeof address - 1);
	address[sizeof address - 1] = '\0';
	claim.host = host;
	claim.issuer = host;
	claim.address = address;
	assert_int_equal(
	    og_proof_sign(signer, "a", &claim, NOW, NOW + DAY, text, &err),
	    OG_ELIMIT);
	assert_string_equal(text, "");
	memset(longer, 'x', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	claim = right;
	claim.host = longer;
	assert_int_equal(
	    og_proof_sign(signer, "a", &claim, NOW, NOW + DAY, text, &err),
	    OG_EINPUT);
	claim = right;
	claim.owner = longer;
	assert_int_equal(
	    og_proof_sign(signer, "a", &claim, NOW, NOW + DAY, text, &err),
	    OG_EINPUT);
	assert_string_equal(text, "");
}

static void
a_new_key_is_its_owners_alone(void **state)
{
	struct og_error err;

	(void)state;
	assert_int_equal(scratch_run(signer,
			     "test $(stat -c %a a.key) = 600 && "
			     "test $(stat -c %a a.pub) = 644 && "
			     "openssl pkey -in a.key -pubout | cmp - a.pub"),
	    0);
	assert_int_equal(og_proof_keygen(signer, "a", &err), OG_EDENIED);
	assert_int_equal(og_proof_keygen(signer, "A", &err), OG_EINPUT);
}

static void
no_key_is_made_where_others_may_write(void **state)
{
	char dir[SCRATCH_PATH_SIZE];
	struct og_error err;

	(void)state;
	(void)snprintf(dir, sizeof dir, "%s/writable", scratch);
	assert_int_equal(scratch_run(scratch, "mkdir -m 777 writable"), 0);
	assert_int_equal(og_proof_keygen(dir, "a", &err), OG_ESYSTEM);
	assert_int_equal(scratch_run(dir, "test -z \"$(ls -A)\""), 0);
}

int
main(void)
{
	static const struct CMUnitTest single[] = {
		cmocka_unit_test(a_proof_has_its_one_form),
		cmocka_unit_test(no_character_can_be_changed),
		cmocka_unit_test(nothing_can_be_cut_off_or_added),
		cmocka_unit_test(a_proof_has_1023_characters_at_most),
		cmocka_unit_test(either_key_of_a_rotation_is_good),
		cmocka_unit_test(parts_of_two_proofs_make_none),
		cmocka_unit_test(a_claim_that_does_not_fit_is_not_signed),
		cmocka_unit_test(a_new_key_is_its_owners_alone),
		cmocka_unit_test(no_key_is_made_where_others_may_write),
	};
	struct CMUnitTest
	    tests[N_ROWS(claims) + N_ROWS(forgeries) + N_ROWS(spoilt) +
		  N_ROWS(signings) + N_ROWS(single)];
	struct CMUnitTest *next = tests;

	next = ROWS_ADD(next, claims, check_claim);
	next = ROWS_ADD(next, forgeries, check_forgery);
	next = ROWS_ADD(next, spoilt, check_spoilt);
	next = ROWS_ADD(next, signings, check_signing);
	memcpy(next, single, sizeof single);
	return cmocka_run_group_tests_name(
	    "proof", tests, group_setup, group_teardown);
}

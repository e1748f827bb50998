/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_sealed.c - one shape of envelope is let through to the crypto library.
 *
 * Each row is the right envelope with one part replaced.  A part is written in
 * hexadecimal, tag and length included, as X.690 has it.
 */
#include "rows.h"

#include <stdbool.h>
#include <string.h>

#include "core/base64.h"
#include "core/sealed.h"
#include "sealed_sample.h"

#define X8 "1122334455667788"
#define X16 X8 X8
#define X32 X16 X16
#define X64 X32 X32
#define X128 X64 X64
#define X256 X128 X128

#define OID_AUTH "060b2a864886f70d0109100117"
#define OID_ENVELOPED "06092a864886f70d010703"
#define OID_DATA "06092a864886f70d010701"
#define OID_SIGNED "06092a864886f70d010702"
#define OID_GCM "060960864801650304012e"
#define OID_GCM_128 "0609608648016503040106"
#define OID_CBC "060960864801650304012a"
#define OID_EC "06072a8648ce3d0201"
#define OID_P256 "06082a8648ce3d030107"
#define OID_SHA256_KDF "06062b8104010b01"
#define OID_SHA1_KDF "06092b81051086483f0002"
#define OID_WRAP "060960864801650304012d"
#define OID_WRAP_128 "0609608648016503040105"

#define POINT "0342" "00" "04" X64
#define ORIGINATOR "a051" "a14f" "3009" OID_EC POINT
#define KEY_ENCRYPTION "3015" OID_SHA256_KDF "300b" OID_WRAP
#define ISSUER "300c310a3008" "0603550403" "0c0161"
#define SERIAL "020107"
#define WRAPPED "0428" X32 X8
#define RECIPIENT "3011" ISSUER SERIAL
#define KEYS "303f" "303d" RECIPIENT WRAPPED
#define NONCE "040c" X8 "11223344"
#define PARAMETERS "3011" NONCE "020110"
#define GCM "301e" OID_GCM PARAMETERS
#define CIPHERTEXT "8008" X8
#define TAG "0410" X16

/* A part that is NULL is the right one. */
struct envelope {
	const char *name;
	const char *type;
	const char *version;
	const char *before_recipients; /* originatorInfo would stand here */
	size_t recipients;	       /* 0: one */
	const char *recipient_tag;     /* "a1" */
	const char *recipient_version;
	const char *originator;
	const char *ukm;
	const char *key_encryption;
	const char *keys;
	const char *after_keys;
	const char *content_type;
	const char *algorithm;
	const char *ciphertext;
	const char *after_ciphertext;
	const char *before_tag; /* authAttrs would stand here */
	const char *tag;
	const char *after_tag; /* unauthAttrs would stand here */
	const char *after_data;
	const char *after_explicit;
	const char *after_info;
};

/* clang-format off */
static const struct envelope accepted[] = {
	{ "the profile itself", .type = NULL },
	{ "four recipients", .recipients = 4 },
	{ "an issuer without a name", .keys = "3033" "3031" "3005" "3000" SERIAL WRAPPED },
	{ "a serial number with its sign octet", .keys = "3040" "303e" "3012" ISSUER "02020080" WRAPPED },
	{ "a negative serial number, as some CA once made", .keys = "303f" "303d" "3011" ISSUER "0201ff" WRAPPED },
	{ "a serial number of zero", .keys = "303f" "303d" "3011" ISSUER "020100" WRAPPED },
	{ "a ciphertext with a length of two octets", .ciphertext = "808180" X128 },
};

static const struct envelope refused[] = {
	{ "EnvelopedData", .type = OID_ENVELOPED },
	{ "SignedData", .type = OID_SIGNED },
	{ "a longer content type", .type = "060c2a864886f70d010910011701" },
	{ "no content type", .type = "" },
	{ "version 2", .version = "020102" },
	{ "a version of no octets", .version = "0200" },
	{ "a version of two octets", .version = "02020000" },
	{ "a version with a long length", .version = "02810100" },
	{ "no version", .version = "" },
	{ "an originatorInfo", .before_recipients = "a000" },
	{ "five recipients", .recipients = 5 },
	{ "a key transport recipient, as RSA has", .recipient_tag = "30" },
	{ "a recipient with a shared key", .recipient_tag = "a2" },
	{ "a recipient with a password", .recipient_tag = "a3" },
	{ "a recipient of another kind", .recipient_tag = "a4" },
	{ "a recipient of version 2", .recipient_version = "020102" },
	{ "an originator without his key", .originator = "a002" "3000" },
	{ "an originator named by his certificate", .originator = "a013" "3011" ISSUER SERIAL },
	{ "two originators", .originator = "a053" "a14f" "3009" OID_EC POINT "a100" },
	{ "a key of another algorithm", .originator = "a04b" "a149" "3003" "060100" POINT },
	{ "a key with curve parameters", .originator = "a05b" "a159" "3013" OID_EC OID_P256 POINT },
	{ "a key with NULL parameters", .originator = "a053" "a151" "300b" OID_EC "0500" POINT },
	{ "something behind the key", .originator = "a053" "a151" "3009" OID_EC POINT "0500" },
	{ "a compressed point", .originator = "a031" "a12f" "3009" OID_EC "0322" "00" "02" X32 },
	{ "a hybrid point", .originator = "a051" "a14f" "3009" OID_EC "0342" "00" "06" X64 },
	{ "a point with unused bits", .originator = "a051" "a14f" "3009" OID_EC "0342" "01" "04" X64 },
	{ "a point of another curve", .originator = "a071" "a16f" "3009" OID_EC "0362" "00" "04" X64 X32 },
	{ "a point as an octet string", .originator = "a051" "a14f" "3009" OID_EC "0442" "00" "04" X64 },
	{ "user keying material", .ukm = "a10a" "0408" X8 },
	{ "a key derivation with SHA-1", .key_encryption = "3018" OID_SHA1_KDF "300b" OID_WRAP },
	{ "a key wrap of 128 bits", .key_encryption = "3015" OID_SHA256_KDF "300b" OID_WRAP_128 },
	{ "a key wrap with parameters", .key_encryption = "3017" OID_SHA256_KDF "300d" OID_WRAP "0500" },
	{ "a key derivation with more parameters", .key_encryption = "3017" OID_SHA256_KDF "300b" OID_WRAP "0500" },
	{ "no key wrap", .key_encryption = "3008" OID_SHA256_KDF },
	{ "no encrypted key", .keys = "3000" },
	{ "two encrypted keys", .keys = "307e" "303d" RECIPIENT WRAPPED "303d" RECIPIENT WRAPPED },
	{ "a recipient named by a key identifier", .keys = "3038" "3036" "a00a" "0408" X8 WRAPPED },
	{ "something behind the serial number", .keys = "3041" "303f" "3013" ISSUER SERIAL "0500" WRAPPED },
	{ "something behind the encrypted key", .keys = "3041" "303f" RECIPIENT WRAPPED "0500" },
	{ "an encrypted key of 24 octets", .keys = "302f" "302d" RECIPIENT "0418" X16 X8 },
	{ "an encrypted key of 48 octets", .keys = "3047" "3045" RECIPIENT "0430" X32 X16 },
	{ "a serial number without octets", .keys = "303e" "303c" "3010" ISSUER "0200" WRAPPED },
	{ "a serial number with a needless zero", .keys = "3040" "303e" "3012" ISSUER "02020007" WRAPPED },
	{ "a serial number with needless ones", .keys = "3040" "303e" "3012" ISSUER "0202ff80" WRAPPED },
	{ "a serial number of 22 octets", .keys = "3054" "3052" "3026" ISSUER "0216" X16 "112233445566" WRAPPED },
	{ "a name that is a set", .keys = "303f" "303d" "3011" "310c310a3008" "0603550403" "0c0161" SERIAL WRAPPED },
	{ "a part of a name that is a sequence", .keys = "303f" "303d" "3011" "300c300a3008" "0603550403" "0c0161" SERIAL WRAPPED },
	{ "a part of a name without attributes", .keys = "3035" "3033" "3007" "3002" "3100" SERIAL WRAPPED },
	{ "an attribute that is no sequence", .keys = "303f" "303d" "3011" "300c310a3108" "0603550403" "0c0161" SERIAL WRAPPED },
	{ "an attribute without a type", .keys = "303a" "3038" "300c" "300731053003" "0c0161" SERIAL WRAPPED },
	{ "an attribute with an empty type", .keys = "303c" "303a" "300e" "3009310730050600" "0c0161" SERIAL WRAPPED },
	{ "an attribute without a value", .keys = "303c" "303a" "300e" "300931073005" "0603550403" SERIAL WRAPPED },
	{ "an attribute with two values", .keys = "3042" "3040" "3014" "300f310d300b" "0603550403" "0c0161" "0c0161" SERIAL WRAPPED },
	{ "an attribute with a constructed value", .keys = "303f" "303d" "3011" "300c310a3008" "0603550403" "2c0161" SERIAL WRAPPED },
	{ "an attribute with a tag of several octets", .keys = "303f" "303d" "3011" "300c310a3008" "0603550403" "1f0161" SERIAL WRAPPED },
	{ "something behind the encrypted keys", .after_keys = "0500" },
	{ "a content that is signed", .content_type = OID_SIGNED },
	{ "AES-256-CBC", .algorithm = "301d" OID_CBC "0410" X16 },
	{ "AES-128-GCM", .algorithm = "301e" OID_GCM_128 PARAMETERS },
	{ "a nonce of 8 octets", .algorithm = "301a" OID_GCM "300d" "0408" X8 "020110" },
	{ "a nonce of 13 octets", .algorithm = "301f" OID_GCM "3012" "040d" X8 "1122334455" "020110" },
	{ "no nonce", .algorithm = "3010" OID_GCM "3003" "020110" },
	{ "no tag length, which means 12", .algorithm = "301b" OID_GCM "300e" NONCE },
	{ "a tag length of 12", .algorithm = "301e" OID_GCM "3011" NONCE "02010c" },
	{ "something behind the tag length", .algorithm = "3020" OID_GCM "3013" NONCE "020110" "0500" },
	{ "something behind the parameters", .algorithm = "3020" OID_GCM PARAMETERS "0500" },
	{ "no parameters", .algorithm = "300b" OID_GCM },
	{ "no ciphertext", .ciphertext = "" },
	{ "an empty ciphertext", .ciphertext = "8000" },
	{ "a ciphertext in pieces", .ciphertext = "a00a" "0408" X8 },
	{ "a ciphertext as an octet string", .ciphertext = "0408" X8 },
	{ "a ciphertext with a needlessly long length", .ciphertext = "808108" X8 },
	{ "a ciphertext with a length in two needless octets", .ciphertext = "80820008" X8 },
	{ "a ciphertext with a length of three octets", .ciphertext = "8083000008" X8 },
	{ "a ciphertext of indefinite length", .ciphertext = "a080" "0408" X8 "0000" },
	{ "a length octet of 80, although so many octets follow", .ciphertext = "8080" X128 },
	{ "a ciphertext longer than the value", .ciphertext = "807f" X8 },
	{ "a ciphertext that is said to be very long", .ciphertext = "8082ffff" X8 },
	{ "a length of 255 octets", .ciphertext = "80ff" X8 },
	{ "something behind the ciphertext", .after_ciphertext = "0500" },
	{ "authenticated attributes", .before_tag = "a100" },
	{ "filled authenticated attributes", .before_tag = "a11a" "3018" "06092a864886f70d010903" "310b" OID_DATA },
	{ "a tag of one octet", .tag = "040111" },
	{ "a tag of 12 octets", .tag = "040c" X8 "11223344" },
	{ "a tag of 17 octets", .tag = "0411" X16 "11" },
	{ "no tag", .tag = "" },
	{ "a tag in pieces", .tag = "2412" "0410" X16 },
	{ "unauthenticated attributes", .after_tag = "a200" },
	{ "something behind the tag", .after_tag = "0500" },
	{ "something behind the data", .after_data = "0500" },
	{ "something behind the content", .after_explicit = "0500" },
	{ "something behind the envelope", .after_info = "00" },
	{ "more than 4096 octets", .ciphertext = "80821000" X256 X256 X256 X256 X256 X256 X256 X256 X256 X256 X256 X256 X256 X256 X256 X256 },
};
/* clang-format on */

struct octets {
	size_t n;
	uint8_t at[8192];
};

static uint8_t
hex_digit(char c)
{
	return (uint8_t)(og_text_is_digit(c) ? c - '0' : c - 'a' + 10);
}

static void
put(struct octets *out, const char *hex, const char *otherwise)
{
	if (hex == NULL)
		hex = otherwise;
	for (; *hex != '\0'; hex += 2)
		out->at[out->n++] =
		    (uint8_t)(hex_digit(hex[0]) << 4 | hex_digit(hex[1]));
}

/* Put a tag and a length before all that is there from start on. */
static void
wrap(struct octets *out, size_t start, uint8_t tag)
{
	size_t len = out->n - start;
	uint8_t head[4] = { tag, (uint8_t)len };
	size_t n = 2;

	if (len >= 0x100) {
		head[1] = 0x82;
		head[2] = (uint8_t)(len >> 8);
		head[3] = (uint8_t)len;
		n = 4;
	} else if (len >= 0x80) {
		head[1] = 0x81;
		head[2] = (uint8_t)len;
		n = 3;
	}
	memmove(out->at + start + n, out->at + start, len);
	memcpy(out->at + start, head, n);
	out->n += n;
}

static void
put_recipients(struct octets *out, const struct envelope *e)
{
	size_t n = e->recipients == 0 ? 1 : e->recipients;
	size_t start = out->n;
	struct octets tag = { 0 };

	put(&tag, e->recipient_tag, "a1");
	while (n-- > 0) {
		size_t recipient = out->n;

		put(out, e->recipient_version, "020103");
		put(out, e->originator, ORIGINATOR);
		put(out, e->ukm, "");
		put(out, e->key_encryption, KEY_ENCRYPTION);
		put(out, e->keys, KEYS);
		put(out, e->after_keys, "");
		wrap(out, recipient, tag.at[0]);
	}
	wrap(out, start, 0x31);
}

static void
put_content(struct octets *out, const struct envelope *e)
{
	size_t start = out->n;

	put(out, e->content_type, OID_DATA);
	put(out, e->algorithm, GCM);
	put(out, e->ciphertext, CIPHERTEXT);
	put(out, e->after_ciphertext, "");
	wrap(out, start, 0x30);
}

static void
build(struct octets *out, const struct envelope *e)
{
	size_t data;

	out->n = 0;
	put(out, e->type, OID_AUTH);
	data = out->n;
	put(out, e->version, "020100");
	put(out, e->before_recipients, "");
	put_recipients(out, e);
	put_content(out, e);
	put(out, e->before_tag, "");
	put(out, e->tag, TAG);
	put(out, e->after_tag, "");
	wrap(out, data, 0x30);
	put(out, e->after_data, "");
	wrap(out, data, 0xa0);
	put(out, e->after_explicit, "");
	wrap(out, 0, 0x30);
	put(out, e->after_info, "");
}

/* From a copy of just this size: the sanitizers see a step too far. */
static bool
shape_ok(const struct octets *der)
{
	uint8_t *copy = test_malloc(der->n > 0 ? der->n : 1);
	bool ok;

	memcpy(copy, der->at, der->n);
	ok = og_sealed_shape_ok(copy, der->n);
	test_free(copy);
	return ok;
}

static void
check_accepted(void **state)
{
	struct octets der;

	build(&der, *state);
	assert_true(shape_ok(&der));
}

static void
check_refused(void **state)
{
	struct octets der;

	build(&der, *state);
	assert_false(shape_ok(&der));
}

static void
no_recipient_is_refused(void **state)
{
	struct octets der = { 0 };
	size_t data;

	(void)state;
	put(&der, OID_AUTH, "");
	data = der.n;
	put(&der, "020100" "3100", "");
	put_content(&der, &(struct envelope){ 0 });
	put(&der, TAG, "");
	wrap(&der, data, 0x30);
	wrap(&der, data, 0xa0);
	wrap(&der, 0, 0x30);
	assert_false(shape_ok(&der));
}

static void
an_envelope_of_indefinite_length_is_refused(void **state)
{
	struct octets der;

	(void)state;
	build(&der, &(struct envelope){ 0 });
	/* 30 82 xx xx ... -> 30 80 ... 00 00 */
	assert_int_equal(der.at[1], 0x82);
	der.at[1] = 0x80;
	memmove(der.at + 2, der.at + 4, der.n - 4);
	der.at[der.n - 2] = 0;
	der.at[der.n - 1] = 0;
	assert_false(shape_ok(&der));
}

static void
every_beginning_is_refused(void **state)
{
	struct octets der;
	size_t n;

	(void)state;
	build(&der, &(struct envelope){ 0 });
	n = der.n;
	for (der.n = 0; der.n < n; der.n++)
		assert_false(shape_ok(&der));
	assert_true(shape_ok(&der));
}

struct value {
	const char *name;
	const char *prefix; /* before the base64 of a right envelope */
	const char *cut;    /* characters to take from its end, one each */
	const char *behind;
};

/* clang-format off */
static const struct value values[] = {
	{ "a value without its prefix", "", "", "" },
	{ "a prefix of the other case", "{cms}", "", "" },
	{ "another prefix", "{SSHA}", "", "" },
	{ "half a prefix", "{CMS", "", "" },
	{ "a prefix alone", "{CMS}", NULL, "" },
	{ "a prefix twice", "{CMS}{CMS}", "", "" },
	{ "a blank before the prefix", " {CMS}", "", "" },
	{ "a blank behind the prefix", "{CMS} ", "", "" },
	{ "a newline behind the value", "{CMS}", "", "\n" },
	{ "a missing sign of padding", "{CMS}", "=", "" },
	{ "too much padding", "{CMS}", "", "=" },
	{ "a group behind the padding", "{CMS}", "", "AAAA" },
	{ "spare bits that say something", "{CMS}", "A==", "B==" },
};
/* clang-format on */

/* A right value whose base64 ends in "A==": 16 zero octets at its end. */
static void
right_value(char out[OG_SEALED_SIZE])
{
	static const struct envelope zero_tag[] = {
		{ .tag = "0410" "00000000000000000000000000000000" },
		{ .tag = "0410" "00000000000000000000000000000000",
		    .ciphertext = "8009" X8 "00" },
		{ .tag = "0410" "00000000000000000000000000000000",
		    .ciphertext = "800a" X8 "0000" },
	};
	struct octets der;
	struct og_text text;
	size_t i;

	for (i = 0; i < 3; i++) {
		build(&der, &zero_tag[i]);
		if (der.n % 3 == 1)
			break;
	}
	assert_int_equal(der.n % 3, 1);
	og_text_start(&text, out, OG_SEALED_SIZE);
	og_base64_put(&text, OG_BASE64_PLAIN, der.at, der.n);
	assert_false(text.truncated);
	assert_string_equal(out + text.len - 3, "A==");
}

static enum og_status
decode(const char *text, struct og_error *err)
{
	uint8_t der[OG_SEALED_DER_MAX];
	size_t n;

	*err = (struct og_error){ "" };
	return og_sealed_decode(text, der, &n, err);
}

static void
check_value(void **state)
{
	const struct value *row = *state;
	char base64[OG_SEALED_SIZE], value[OG_SEALED_SIZE + 64];
	struct og_error err;
	struct og_text text;

	right_value(base64);
	og_text_start(&text, value, sizeof value);
	og_text_put(&text, OG_SEALED_PREFIX);
	og_text_put(&text, base64);
	assert_int_equal(decode(value, &err), OG_OK);

	og_text_start(&text, value, sizeof value);
	og_text_put(&text, row->prefix);
	if (row->cut != NULL)
		og_text_put_octets(
		    &text, base64, strlen(base64) - strlen(row->cut));
	og_text_put(&text, row->behind);
	assert_int_equal(decode(value, &err), OG_EINPUT);
	assert_non_null(strstr(err.text, "not a sealed value"));
}

static void
what_openssl_made_is_decoded(void **state)
{
	uint8_t der[OG_SEALED_DER_MAX];
	struct og_error err;
	size_t n = 0;

	(void)state;
	assert_int_equal(
	    og_sealed_decode(SEALED_SAMPLE, der, &n, &err), OG_OK);
	assert_int_equal(n, (strlen(SEALED_SAMPLE) - 5) / 4 * 3 -
		(strstr(SEALED_SAMPLE, "==") != NULL	  ? 2
		    : strchr(SEALED_SAMPLE, '=') != NULL ? 1
							 : 0));
}

int
main(void)
{
	static const struct CMUnitTest single[] = {
		cmocka_unit_test(no_recipient_is_refused),
		cmocka_unit_test(an_envelope_of_indefinite_length_is_refused),
		cmocka_unit_test(every_beginning_is_refused),
		cmocka_unit_test(what_openssl_made_is_decoded),
	};
	struct CMUnitTest tests[N_ROWS(accepted) + N_ROWS(refused) +
				N_ROWS(values) + N_ROWS(single)];
	struct CMUnitTest *next = tests;

	next = ROWS_ADD(next, accepted, check_accepted);
	next = ROWS_ADD(next, refused, check_refused);
	next = ROWS_ADD(next, values, check_value);
	memcpy(next, single, sizeof single);
	return cmocka_run_group_tests_name("sealed", tests, NULL, NULL);
}

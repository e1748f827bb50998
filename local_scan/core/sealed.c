/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sealed.c - does this value have the one shape that a seal may have?
 *
 * One function per structure of RFC 5083 and RFC 5652, in their order, over a
 * cursor that knows definite, minimal lengths only.  It looks at the shape
 * alone: whether anything opens is for io/seal.c to find out.  The order of the
 * recipients, which DER fixes as well, is not looked at: it says nothing.
 */
#include "core/sealed.h"

#include <string.h>

#include "core/base64.h"

#define RECIPIENTS_MAX 4
/* RFC 5280, 4.1.2.2, and a leading zero */
#define SERIAL_MAX_OCTETS 21
#define WRAPPED_KEY_OCTETS 40
#define NONCE_OCTETS 12
#define TAG_OCTETS 16
/* 04, and two coordinates of 32 octets */
#define POINT_OCTETS 65

#define TAG_INTEGER 0x02
#define TAG_BIT_STRING 0x03
#define TAG_OCTET_STRING 0x04
#define TAG_OID 0x06
#define TAG_SEQUENCE 0x30
#define TAG_SET 0x31
#define TAG_CONTEXT(n) (0x80 | (n))
#define TAG_CONTEXT_CONSTRUCTED(n) (0xa0 | (n))

#define OID(name, ...) static const uint8_t name[] = { __VA_ARGS__ }
OID(auth_enveloped_data, /* 1.2.840.113549.1.9.16.1.23 */
    0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x17);
OID(id_data, /* 1.2.840.113549.1.7.1 */
    0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01);
OID(aes_256_gcm, /* 2.16.840.1.101.3.4.1.46 */
    0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2e);
OID(aes_256_wrap, /* 2.16.840.1.101.3.4.1.45 */
    0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2d);
OID(ec_public_key, /* 1.2.840.10045.2.1 */
    0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01);
OID(std_dh_sha256_kdf, /* 1.3.132.1.11.1 */
    0x2b, 0x81, 0x04, 0x01, 0x0b, 0x01);

/* The octets that have not been read yet. */
struct der {
	const uint8_t *at;
	size_t left;
};

/* The length octets behind a tag; lengths of 64 KiB and more cannot occur. */
static bool
take_length(struct der *in, size_t *length)
{
	size_t octets = 1;

	if (in->left < 1)
		return false;
	*length = in->at[0];
	if (in->at[0] == 0x81) {
		octets = 2;
		if (in->left < octets)
			return false;
		*length = in->at[1];
		if (*length < 0x80)
			return false;
	} else if (in->at[0] == 0x82) {
		octets = 3;
		if (in->left < octets)
			return false;
		*length = (size_t)in->at[1] << 8 | in->at[2];
		if (*length < 0x100)
			return false;
	} else if (in->at[0] >= 0x80) {
		return false;
	}
	in->at += octets;
	in->left -= octets;
	return *length <= in->left;
}

/* Take the element that comes next, if it has this tag. */
static bool
take(struct der *in, uint8_t tag, struct der *content)
{
	size_t length;

	if (in->left < 1 || in->at[0] != tag)
		return false;
	in->at++;
	in->left--;
	if (!take_length(in, &length))
		return false;
	*content = (struct der){ in->at, length };
	in->at += length;
	in->left -= length;
	return true;
}

static bool
take_oid(struct der *in, const uint8_t *oid, size_t size)
{
	struct der content;

	return take(in, TAG_OID, &content) && content.left == size &&
	       memcmp(content.at, oid, size) == 0;
}

static bool
take_small_integer(struct der *in, uint8_t value)
{
	struct der content;

	return take(in, TAG_INTEGER, &content) && content.left == 1 &&
	       content.at[0] == value;
}

static bool
take_octets(struct der *in, size_t length)
{
	struct der content;

	return take(in, TAG_OCTET_STRING, &content) && content.left == length;
}

/* A universal, primitive element of any one-octet tag: strings have many. */
static bool
take_any_primitive(struct der *in)
{
	struct der content;

	return in->left > 0 && in->at[0] < 0x1f &&
	       take(in, in->at[0], &content);
}

static bool
take_attribute(struct der *in)
{
	struct der attribute, type;

	return take(in, TAG_SEQUENCE, &attribute) &&
	       take(&attribute, TAG_OID, &type) && type.left > 0 &&
	       take_any_primitive(&attribute) && attribute.left == 0;
}

/* Name: the issuer of a recipient's certificate. */
static bool
take_name(struct der *in)
{
	struct der name, relative;

	if (!take(in, TAG_SEQUENCE, &name))
		return false;
	while (name.left > 0) {
		if (!take(&name, TAG_SET, &relative) || relative.left == 0)
			return false;
		while (relative.left > 0) {
			if (!take_attribute(&relative))
				return false;
		}
	}
	return true;
}

/* A serial number: an INTEGER in its shortest form. */
static bool
take_serial(struct der *in)
{
	struct der serial;

	if (!take(in, TAG_INTEGER, &serial) || serial.left == 0 ||
	    serial.left > SERIAL_MAX_OCTETS)
		return false;
	if (serial.left == 1)
		return true;
	/* the first nine bits must not be all the same (X.690, 8.3.2) */
	return !(serial.at[0] == 0x00 && serial.at[1] < 0x80) &&
	       !(serial.at[0] == 0xff && serial.at[1] >= 0x80);
}

/* OriginatorIdentifierOrKey: the ephemeral key, written out. */
static bool
take_originator(struct der *in)
{
	struct der explicit, originator, algorithm, point;

	return take(in, TAG_CONTEXT_CONSTRUCTED(0), &explicit) &&
	       take(&explicit, TAG_CONTEXT_CONSTRUCTED(1), &originator) &&
	       explicit.left == 0 &&
	       take(&originator, TAG_SEQUENCE, &algorithm) &&
	       take_oid(&algorithm, ec_public_key, sizeof ec_public_key) &&
	       algorithm.left == 0 &&
	       take(&originator, TAG_BIT_STRING, &point) &&
	       originator.left == 0 && point.left == 1 + POINT_OCTETS &&
	       point.at[0] == 0 && point.at[1] == 4;
}

static bool
take_key_encryption(struct der *in)
{
	struct der algorithm, wrap;

	return take(in, TAG_SEQUENCE, &algorithm) &&
	       take_oid(
		   &algorithm, std_dh_sha256_kdf, sizeof std_dh_sha256_kdf) &&
	       take(&algorithm, TAG_SEQUENCE, &wrap) && algorithm.left == 0 &&
	       take_oid(&wrap, aes_256_wrap, sizeof aes_256_wrap) &&
	       wrap.left == 0;
}

/* RecipientEncryptedKeys, of which there must be one. */
static bool
take_encrypted_keys(struct der *in)
{
	struct der keys, key, recipient;

	return take(in, TAG_SEQUENCE, &keys) &&
	       take(&keys, TAG_SEQUENCE, &key) && keys.left == 0 &&
	       take(&key, TAG_SEQUENCE, &recipient) && take_name(&recipient) &&
	       take_serial(&recipient) && recipient.left == 0 &&
	       take_octets(&key, WRAPPED_KEY_OCTETS) && key.left == 0;
}

/* KeyAgreeRecipientInfo; the optional ukm would stand behind the originator. */
static bool
take_recipient(struct der *in)
{
	struct der recipient;

	return take(in, TAG_CONTEXT_CONSTRUCTED(1), &recipient) &&
	       take_small_integer(&recipient, 3) &&
	       take_originator(&recipient) && take_key_encryption(&recipient) &&
	       take_encrypted_keys(&recipient) && recipient.left == 0;
}

static bool
take_recipients(struct der *in)
{
	struct der recipients;
	size_t n = 0;

	if (!take(in, TAG_SET, &recipients))
		return false;
	while (recipients.left > 0) {
		if (n == RECIPIENTS_MAX || !take_recipient(&recipients))
			return false;
		n++;
	}
	return n > 0;
}

/* EncryptedContentInfo: data under AES-256-GCM, its ciphertext inside. */
static bool
take_content(struct der *in)
{
	struct der content, algorithm, parameters, ciphertext;

	return take(in, TAG_SEQUENCE, &content) &&
	       take_oid(&content, id_data, sizeof id_data) &&
	       take(&content, TAG_SEQUENCE, &algorithm) &&
	       take_oid(&algorithm, aes_256_gcm, sizeof aes_256_gcm) &&
	       take(&algorithm, TAG_SEQUENCE, &parameters) &&
	       algorithm.left == 0 && take_octets(&parameters, NONCE_OCTETS) &&
	       take_small_integer(&parameters, TAG_OCTETS) &&
	       parameters.left == 0 &&
	       take(&content, TAG_CONTEXT(0), &ciphertext) &&
	       content.left == 0 && ciphertext.left > 0;
}

bool
og_sealed_shape_ok(const uint8_t *der, size_t n)
{
	struct der in = { der, n };
	struct der info, explicit, data;

	return n <= OG_SEALED_DER_MAX && take(&in, TAG_SEQUENCE, &info) &&
	       in.left == 0 &&
	       take_oid(
		   &info, auth_enveloped_data, sizeof auth_enveloped_data) &&
	       take(&info, TAG_CONTEXT_CONSTRUCTED(0), &explicit) &&
	       info.left == 0 && take(&explicit, TAG_SEQUENCE, &data) &&
	       explicit.left == 0 && take_small_integer(&data, 0) &&
	       take_recipients(&data) && take_content(&data) &&
	       /* the tag; attributes would stand before and behind it */
	       take_octets(&data, TAG_OCTETS) && data.left == 0;
}

enum og_status
og_sealed_decode(const char *text, uint8_t der[OG_SEALED_DER_MAX], size_t *n,
    struct og_error *err)
{
	static const char prefix[] = OG_SEALED_PREFIX;
	const size_t prefix_len = sizeof prefix - 1;
	size_t used;

	if (strncmp(text, prefix, prefix_len) != 0)
		return og_fail(err, OG_EINPUT,
		    "not a sealed value: it does not begin with %s", prefix);
	text += prefix_len;
	if (!og_base64_read(OG_BASE64_PLAIN, text, strlen(text), der,
		OG_SEALED_DER_MAX, &used))
		return og_fail(err, OG_EINPUT,
		    "not a sealed value: not canonical base64 of at most %d "
		    "octets",
		    OG_SEALED_DER_MAX);
	if (!og_sealed_shape_ok(der, used))
		return og_fail(err, OG_EINPUT,
		    "not a sealed value: not an envelope of profile "
		    "outgate-seal-1");
	*n = used;
	return OG_OK;
}

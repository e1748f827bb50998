/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * seal.c - passwords at rest: closed for the mail hosts, bound to their use.
 *
 * Opening runs inside Exim, on what anybody with write access to an entry of
 * the directory has put there.  So the shape is checked before the library
 * sees an octet, and nothing that the library has decrypted is looked at
 * before it has said that the tag is right.
 *
 * What the library keeps on its own stack while it works cannot be wiped here.
 */
#include "io/seal.h"

#include <openssl/asn1.h>
#include <openssl/cms.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/base64.h"
#include "core/json.h"
#include "core/sealed.h"
#include "io/keydir.h"
#include "io/pem.h"

#define RECIPIENTS_MAX 4
#define VERSION "1"
/*
 * Escaped, a password of 256 octets has 512 unless it holds control
 * characters; every shorter one takes the same room, and the whole is a
 * multiple of PAD_STEP.
 */
#define SECRET_ROOM 512
#define PAD_STEP 512
/* More than the longest of all fields at once. */
#define PLAIN_SIZE 3072
#define SERIAL_OCTETS 16
#define CERTIFICATE_DAYS 3650

/*
 * What a seal is bound to.  Arrays only and zeroed before they are filled, so
 * that two of them can be compared whole, in constant time.
 */
struct context {
	char owner[OG_OWNER_SIZE];
	char host[OG_HOST_SIZE];
	char port[sizeof "65535"];
	char tls[sizeof "implicit"];
	char login[OG_VALUE_SIZE];
};

/* All that a seal holds. */
struct content {
	struct context context;
	char version[sizeof VERSION];
	char secret[OG_SECRET_SIZE];
	char pad[PLAIN_SIZE];
};

void
og_secret_wipe(struct og_secret *secret)
{
	OPENSSL_cleanse(secret, sizeof *secret);
}

enum og_status
og_secret_set(
    struct og_secret *secret, const char *at, size_t len, struct og_error *err)
{
	og_secret_wipe(secret);
	if (len < 1)
		return og_fail(err, OG_EINPUT, "the password is empty");
	if (len > OG_SECRET_SIZE - 1)
		return og_fail(err, OG_EINPUT,
		    "the password is longer than %d octets",
		    OG_SECRET_SIZE - 1);
	if (memchr(at, '\0', len) != NULL || memchr(at, '\r', len) != NULL ||
	    memchr(at, '\n', len) != NULL)
		return og_fail(err, OG_EINPUT,
		    "the password holds a NUL or the end of a line");
	if (!og_json_is_utf8(at, len))
		return og_fail(err, OG_EINPUT, "the password is not UTF-8");
	memcpy(secret->text, at, len);
	secret->len = len;
	return OG_OK;
}

/* An owner as a directory gives it: it may not smuggle in another line. */
static enum og_status
check_owner(const char *owner, struct og_error *err)
{
	size_t len = strlen(owner);
	size_t i;

	if (len < 1 || len >= OG_OWNER_SIZE || !og_json_is_utf8(owner, len))
		return og_fail(err, OG_EINPUT,
		    "the owner is not 1 to %d octets of UTF-8",
		    OG_OWNER_SIZE - 1);
	for (i = 0; i < len; i++) {
		if ((unsigned char)owner[i] < ' ')
			return og_fail(err, OG_EINPUT,
			    "the owner holds a control character");
	}
	return OG_OK;
}

static void
set(char *field, size_t size, const char *text)
{
	(void)og_text_copy(field, size, text, strlen(text));
}

static void
set_context(const char *owner, const struct og_gateway *gateway,
    struct context *context)
{
	struct og_text port;

	*context = (struct context){ 0 };
	set(context->owner, sizeof context->owner, owner);
	set(context->host, sizeof context->host, gateway->host);
	og_text_start(&port, context->port, sizeof context->port);
	og_text_putf(&port, "%u", (unsigned)gateway->port);
	set(context->tls, sizeof context->tls, og_tls_word(gateway->tls));
	set(context->login, sizeof context->login, gateway->login);
}

static void
put_member(struct og_text *out, const char *before, const char *at, size_t len)
{
	og_text_put(out, before);
	og_json_put_string(out, at, len);
}

/* The object of seal.h; its length does not depend on the secret's. */
static void
put_content(struct og_text *out, const struct context *context,
    const struct og_secret *secret)
{
	static const char pad[] = ",\"pad\":\"";
	static const char end[] = "\"}";
	size_t before, room, total;

	put_member(out, "{\"v\":", VERSION, strlen(VERSION));
	put_member(out, ",\"owner\":", context->owner, strlen(context->owner));
	put_member(out, ",\"host\":", context->host, strlen(context->host));
	put_member(out, ",\"port\":", context->port, strlen(context->port));
	put_member(out, ",\"tls\":", context->tls, strlen(context->tls));
	put_member(out, ",\"login\":", context->login, strlen(context->login));
	before = out->len;
	put_member(out, ",\"secret\":", secret->text, secret->len);
	room = strlen(",\"secret\":\"\"") + SECRET_ROOM;
	if (room < out->len - before)
		room = out->len - before;
	total = before + room + strlen(pad) + strlen(end);
	total = (total + PAD_STEP - 1) / PAD_STEP * PAD_STEP;
	og_text_put(out, pad);
	while (!out->truncated && out->len + strlen(end) < total)
		og_text_put(out, " ");
	og_text_put(out, end);
}

struct recipients {
	size_t n;
	X509 *certificate[RECIPIENTS_MAX];
};

static bool
is_p256(const EVP_PKEY *key)
{
	char group[32];
	size_t len;

	return key != NULL && EVP_PKEY_is_a(key, "EC") &&
	       EVP_PKEY_get_group_name(key, group, sizeof group, &len) == 1 &&
	       strcmp(group, SN_X9_62_prime256v1) == 0;
}

static enum og_status
read_certificate(
    const char *dir, const char *name, X509 **certificate, struct og_error *err)
{
	enum og_status status = og_pem_certificate(dir, name, certificate, err);

	if (status == OG_OK && !is_p256(X509_get0_pubkey(*certificate))) {
		status = og_fail(err, OG_ESYSTEM,
		    "%s/%s.crt: the key is not of the curve P-256", dir, name);
		X509_free(*certificate);
		*certificate = NULL;
	}
	return status;
}

static enum og_status
read_recipients(
    const char *dir, struct recipients *recipients, struct og_error *err)
{
	struct og_keydir names;
	enum og_status status;
	size_t i;

	status = og_keydir_list(dir, ".crt", OG_FILE_PUBLIC, &names, err);
	if (status != OG_OK)
		return status;
	if (names.n < 1 || names.n > RECIPIENTS_MAX)
		return og_fail(err, OG_ESYSTEM,
		    "%s: 1 to %d certificates (*.crt) are needed, here are "
		    "%zu",
		    dir, RECIPIENTS_MAX, names.n);
	for (i = 0; i < names.n; i++) {
		status = read_certificate(
		    dir, names.name[i], &recipients->certificate[i], err);
		if (status != OG_OK)
			return status;
		recipients->n++;
	}
	return OG_OK;
}

static bool
add_recipient(CMS_ContentInfo *cms, X509 *certificate)
{
	CMS_RecipientInfo *info =
	    CMS_add1_recipient_cert(cms, certificate, CMS_KEY_PARAM);
	EVP_PKEY_CTX *how;

	if (info == NULL)
		return false;
	/* left alone, the library derives keys with SHA-1 */
	how = CMS_RecipientInfo_get0_pkey_ctx(info);
	return how != NULL &&
	       EVP_PKEY_CTX_set_ecdh_kdf_md(how, EVP_sha256()) == 1;
}

/* Let the plain text run through the envelope's cipher. */
static bool
fill_envelope(CMS_ContentInfo *cms, const char *plain, size_t len)
{
	BIO *chain = CMS_dataInit(cms, NULL);
	bool done;

	if (chain == NULL)
		return false;
	done = BIO_write(chain, plain, (int)len) == (int)len &&
	       BIO_flush(chain) == 1 && CMS_dataFinal(cms, chain) == 1;
	BIO_free_all(chain);
	return done;
}

static CMS_ContentInfo *
make_envelope(
    const struct recipients *recipients, const char *plain, size_t len)
{
	CMS_ContentInfo *cms = CMS_AuthEnvelopedData_create(EVP_aes_256_gcm());
	/* not detached: the ciphertext belongs inside */
	bool done = cms != NULL && CMS_set_detached(cms, 0) == 1;
	size_t i;

	for (i = 0; done && i < recipients->n; i++)
		done = add_recipient(cms, recipients->certificate[i]);
	if (done && fill_envelope(cms, plain, len))
		return cms;
	CMS_ContentInfo_free(cms);
	return NULL;
}

/* Write the value, and read it back as the opener will. */
static enum og_status
put_envelope(
    const CMS_ContentInfo *cms, char out[OG_SEALED_SIZE], struct og_error *err)
{
	uint8_t check[OG_SEALED_DER_MAX];
	unsigned char *der = NULL;
	enum og_status status;
	struct og_text text;
	size_t n;
	int len;

	len = i2d_CMS_ContentInfo(cms, &der);
	if (len <= 0)
		return og_fail(
		    err, OG_ESYSTEM, "the envelope cannot be encoded");
	og_text_start(&text, out, OG_SEALED_SIZE);
	og_text_put(&text, OG_SEALED_PREFIX);
	og_base64_put(&text, OG_BASE64_PLAIN, der, (size_t)len);
	OPENSSL_free(der);
	if (text.truncated)
		return og_fail(err, OG_ESYSTEM,
		    "the sealed value would be longer than %d octets: fewer "
		    "certificates, or ones with shorter names, are needed",
		    OG_SEALED_SIZE - 1);
	status = og_sealed_decode(out, check, &n, err);
	if (status != OG_OK) {
		og_error_prefix(err, "the crypto library made an envelope of "
				     "another shape");
		return OG_ESYSTEM;
	}
	return OG_OK;
}

static enum og_status
close_for(const struct recipients *recipients, const struct context *context,
    const struct og_secret *secret, char out[OG_SEALED_SIZE],
    struct og_error *err)
{
	CMS_ContentInfo *cms = NULL;
	char plain[PLAIN_SIZE];
	enum og_status status;
	struct og_text text;

	og_text_start(&text, plain, sizeof plain);
	put_content(&text, context, secret);
	if (text.truncated) {
		status = og_fail(err, OG_ELIMIT, "the settings are too long");
	} else {
		cms = make_envelope(recipients, text.at, text.len);
		if (cms == NULL)
			status = og_fail(
			    err, OG_ESYSTEM, "the password cannot be sealed");
		else
			status = put_envelope(cms, out, err);
	}
	CMS_ContentInfo_free(cms);
	OPENSSL_cleanse(plain, sizeof plain);
	return status;
}

enum og_status
og_seal_close(const char *dir, const char *owner,
    const struct og_gateway *gateway, const struct og_secret *secret,
    char out[OG_SEALED_SIZE], struct og_error *err)
{
	struct recipients recipients = { 0 };
	struct context context;
	enum og_status status;
	size_t i;

	out[0] = '\0';
	status = check_owner(owner, err);
	if (status == OG_OK && secret->len < 1)
		status = og_fail(err, OG_EINPUT, "the password is empty");
	if (status == OG_OK)
		status = og_pem_start(err);
	if (status == OG_OK)
		status = read_recipients(dir, &recipients, err);
	if (status == OG_OK) {
		set_context(owner, gateway, &context);
		status = close_for(&recipients, &context, secret, out, err);
	}
	if (status != OG_OK)
		out[0] = '\0';
	for (i = 0; i < recipients.n; i++)
		X509_free(recipients.certificate[i]);
	ERR_clear_error();
	return status;
}

/* Is the DER the same?  Names that only mean the same are another envelope. */
static bool
same_name(const X509_NAME *a, const X509_NAME *b)
{
	const unsigned char *a_der, *b_der;
	size_t a_len, b_len;

	return X509_NAME_get0_der(a, &a_der, &a_len) == 1 &&
	       X509_NAME_get0_der(b, &b_der, &b_len) == 1 && a_len == b_len &&
	       memcmp(a_der, b_der, a_len) == 0;
}

/* Is this recipient the holder of the certificate? */
static bool
is_holder(CMS_RecipientInfo *info, const X509 *certificate)
{
	STACK_OF(CMS_RecipientEncryptedKey) *keys =
	    CMS_RecipientInfo_kari_get0_reks(info);
	int i;

	for (i = 0; i < sk_CMS_RecipientEncryptedKey_num(keys); i++) {
		X509_NAME *issuer = NULL;
		ASN1_INTEGER *serial = NULL;

		if (CMS_RecipientEncryptedKey_get0_id(
			sk_CMS_RecipientEncryptedKey_value(keys, i), NULL, NULL,
			NULL, &issuer, &serial) == 1 &&
		    issuer != NULL && serial != NULL &&
		    same_name(issuer, X509_get_issuer_name(certificate)) &&
		    ASN1_INTEGER_cmp(
			serial, X509_get0_serialNumber(certificate)) == 0)
			return true;
	}
	return false;
}

static bool
is_recipient(CMS_ContentInfo *cms, const X509 *certificate)
{
	STACK_OF(CMS_RecipientInfo) *infos = CMS_get0_RecipientInfos(cms);
	int i;

	for (i = 0; i < sk_CMS_RecipientInfo_num(infos); i++) {
		if (is_holder(
			sk_CMS_RecipientInfo_value(infos, i), certificate))
			return true;
	}
	return false;
}

/* One key pair and what came of trying it. */
enum attempt {
	NOT_A_RECIPIENT = 0,
	OPENED,	 /* the plain text is whole and genuine */
	DAMAGED, /* a recipient, yet it does not open */
	BROKEN,	 /* a file, or the system: nothing can be said */
};

static enum attempt
try_key(const char *dir, const char *name, CMS_ContentInfo *cms,
    X509 *certificate, BIO *plain, struct og_error *err)
{
	EVP_PKEY *key = NULL;
	enum attempt attempt;

	if (og_pem_private_key(dir, name, &key, err) != OG_OK)
		return BROKEN;
	if (X509_check_private_key(certificate, key) != 1) {
		(void)og_fail(err, OG_ESYSTEM,
		    "%s/%s.key: not the key of %s.crt", dir, name, name);
		attempt = BROKEN;
	} else if (CMS_decrypt(cms, key, certificate, NULL, plain,
		       CMS_BINARY | CMS_DEBUG_DECRYPT) == 1) {
		/* DEBUG_DECRYPT: no made-up key for want of the right one */
		attempt = OPENED;
	} else {
		attempt = DAMAGED;
	}
	EVP_PKEY_free(key);
	return attempt;
}

struct envelope {
	size_t n;
	uint8_t der[OG_SEALED_DER_MAX];
};

static enum attempt
try_once(const char *dir, const char *name, const struct envelope *envelope,
    BIO *plain, struct og_error *err)
{
	const unsigned char *at = envelope->der;
	enum attempt attempt = NOT_A_RECIPIENT;
	CMS_ContentInfo *cms = NULL;
	X509 *certificate = NULL;

	/* a failed attempt may have left something that is not genuine */
	(void)BIO_reset(plain);
	if (read_certificate(dir, name, &certificate, err) != OG_OK)
		return BROKEN;
	/* parsed afresh: a failed attempt leaves its traces in there */
	cms = d2i_CMS_ContentInfo(NULL, &at, (long)envelope->n);
	if (cms == NULL || at != envelope->der + envelope->n)
		attempt = DAMAGED;
	else if (is_recipient(cms, certificate))
		attempt = try_key(dir, name, cms, certificate, plain, err);
	CMS_ContentInfo_free(cms);
	X509_free(certificate);
	return attempt;
}

/*
 * The library does not tell "damaged" from "out of memory", and what is damaged
 * costs its owner a bounce: so it has to be damaged twice.  When there still is
 * no memory the second attempt does not get as far as the value.
 */
static enum attempt
try_pair(const char *dir, const char *name, const struct envelope *envelope,
    BIO *plain, struct og_error *err)
{
	enum attempt attempt = try_once(dir, name, envelope, plain, err);

	if (attempt == DAMAGED)
		attempt = try_once(dir, name, envelope, plain, err);
	return attempt;
}

/* Try the pairs in turn; a pair that is broken does not stop the others. */
static enum og_status
decrypt(const char *dir, const struct envelope *envelope, BIO *plain,
    struct og_error *err)
{
	struct og_error problem = { "" };
	enum attempt worst = NOT_A_RECIPIENT;
	struct og_keydir names;
	enum og_status status;
	size_t i;

	status = og_keydir_list(dir, ".crt", OG_FILE_SECRET, &names, err);
	if (status != OG_OK)
		return status;
	for (i = 0; i < names.n; i++) {
		enum attempt attempt =
		    try_pair(dir, names.name[i], envelope, plain, &problem);

		if (attempt == OPENED)
			return OG_OK;
		if (attempt == BROKEN)
			*err = problem;
		if (attempt > worst)
			worst = attempt;
	}
	if (worst == BROKEN)
		return OG_ESYSTEM;
	if (worst == DAMAGED)
		return og_fail(err, OG_EINPUT, "the sealed value is damaged");
	return og_fail(
	    err, OG_ESYSTEM, "%s: no key here fits the sealed value", dir);
}

#define WANT(name, array) og_json_want_text(name, array, sizeof(array))

static enum og_status
read_content(BIO *plain, struct content *content, struct og_error *err)
{
	struct context *bound = &content->context;
	struct og_json_member members[] = {
		WANT("v", content->version),
		WANT("owner", bound->owner),
		WANT("host", bound->host),
		WANT("port", bound->port),
		WANT("tls", bound->tls),
		WANT("login", bound->login),
		WANT("secret", content->secret),
		WANT("pad", content->pad),
	};
	char *json = NULL;
	long len = BIO_get_mem_data(plain, &json);

	if (len <= 0 ||
	    og_json_read(json, (size_t)len, members,
		sizeof members / sizeof members[0], err) != OG_OK ||
	    strcmp(content->version, VERSION) != 0)
		return og_fail(err, OG_EINPUT,
		    "the content of the sealed value is malformed");
	return OG_OK;
}

/*
 * What the value was sealed for and is not any more, for its user to mend.  It
 * tells nothing of the secret.
 */
static enum og_status
fail_binding(const struct context *bound, const struct context *wanted,
    struct og_error *err)
{
	const char *what = "login";

	if (strcmp(bound->owner, wanted->owner) != 0)
		what = "owner";
	else if (strcmp(bound->host, wanted->host) != 0)
		what = "host";
	else if (strcmp(bound->port, wanted->port) != 0)
		what = "port";
	else if (strcmp(bound->tls, wanted->tls) != 0)
		what = "TLS mode";
	return og_fail(err, OG_EDENIED, "sealed for another %s", what);
}

static enum og_status
take_secret(const struct content *content, const struct context *wanted,
    struct og_secret *secret, struct og_error *err)
{
	if (CRYPTO_memcmp(&content->context, wanted, sizeof *wanted) != 0)
		return fail_binding(&content->context, wanted, err);
	return og_secret_set(
	    secret, content->secret, strlen(content->secret), err);
}

/*
 * OpenSSL hands on what it decrypts by way of a buffer on the stack
 * (cms_copy_content(), 4096 octets) and leaves it there.  Called where
 * CMS_decrypt() was called from, or above, this writes over it.
 */
__attribute__((noinline)) static void
wipe_stack(void)
{
	uint8_t below[32 * 1024];

	OPENSSL_cleanse(below, sizeof below);
}

static enum og_status
open_for(const char *dir, const struct context *wanted,
    const struct envelope *envelope, struct og_secret *secret,
    struct og_error *err)
{
	struct content content = { 0 };
	/* its memory is wiped when it is freed, whatever was written there */
	BIO *plain = BIO_new(BIO_s_secmem());
	enum og_status status;

	if (plain == NULL)
		return og_fail(err, OG_ESYSTEM, "out of memory");
	status = decrypt(dir, envelope, plain, err);
	if (status == OG_OK)
		status = read_content(plain, &content, err);
	if (status == OG_OK)
		status = take_secret(&content, wanted, secret, err);
	BIO_free(plain);
	OPENSSL_cleanse(&content, sizeof content);
	wipe_stack();
	return status;
}

enum og_status
og_seal_open(const char *dir, const char *owner,
    const struct og_gateway *gateway, const char *sealed,
    struct og_secret *secret, struct og_error *err)
{
	struct envelope envelope;
	struct context wanted;
	enum og_status status;

	og_secret_wipe(secret);
	status = og_sealed_decode(sealed, envelope.der, &envelope.n, err);
	if (status == OG_OK)
		status = check_owner(owner, err);
	if (status == OG_OK)
		status = og_pem_start(err);
	if (status == OG_OK) {
		set_context(owner, gateway, &wanted);
		status = open_for(dir, &wanted, &envelope, secret, err);
	}
	ERR_clear_error();
	return status;
}

static enum og_status
look_at(const char *dir, CMS_ContentInfo *cms, struct og_seal_holders *holders,
    struct og_error *err)
{
	int n_recipients =
	    sk_CMS_RecipientInfo_num(CMS_get0_RecipientInfos(cms));
	size_t n_known = 0;
	size_t i;

	for (i = 0; i < holders->n; i++) {
		X509 *certificate = NULL;
		enum og_status status = read_certificate(
		    dir, holders->name[i], &certificate, err);

		if (status != OG_OK)
			return status;
		holders->holds[i] = is_recipient(cms, certificate);
		n_known += holders->holds[i];
		X509_free(certificate);
	}
	if (n_recipients > 0 && (size_t)n_recipients > n_known)
		holders->n_others = (size_t)n_recipients - n_known;
	return OG_OK;
}

enum og_status
og_seal_look(const char *dir, const char *sealed,
    struct og_seal_holders *holders, struct og_error *err)
{
	struct envelope envelope;
	const unsigned char *at = envelope.der;
	CMS_ContentInfo *cms = NULL;
	struct og_keydir names;
	enum og_status status;

	*holders = (struct og_seal_holders){ 0 };
	status = og_sealed_decode(sealed, envelope.der, &envelope.n, err);
	if (status == OG_OK)
		status = og_pem_start(err);
	if (status == OG_OK)
		status =
		    og_keydir_list(dir, ".crt", OG_FILE_PUBLIC, &names, err);
	if (status != OG_OK)
		return status;
	holders->n = names.n;
	memcpy(holders->name, names.name, sizeof names.name);
	cms = d2i_CMS_ContentInfo(NULL, &at, (long)envelope.n);
	if (cms == NULL)
		status = og_fail(err, OG_EINPUT, "the sealed value is damaged");
	else
		status = look_at(dir, cms, holders, err);
	CMS_ContentInfo_free(cms);
	ERR_clear_error();
	return status;
}

enum og_status
og_seal_pair(const char *dir, const char *name, int64_t *expires_s,
    struct og_error *err)
{
	X509 *certificate = NULL;
	EVP_PKEY *key = NULL;
	struct tm end = { 0 };
	enum og_status status;

	status = og_pem_start(err);
	if (status == OG_OK)
		status = read_certificate(dir, name, &certificate, err);
	if (status == OG_OK)
		status = og_pem_private_key(dir, name, &key, err);
	if (status == OG_OK && X509_check_private_key(certificate, key) != 1)
		status = og_fail(err, OG_ESYSTEM,
		    "%s/%s.key: not the key of %s.crt", dir, name, name);
	else if (status == OG_OK &&
		 ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) != 1)
		status = og_fail(err, OG_ESYSTEM,
		    "%s/%s.crt: its end is no time", dir, name);
	if (status == OG_OK)
		*expires_s = (int64_t)timegm(&end);
	EVP_PKEY_free(key);
	X509_free(certificate);
	ERR_clear_error();
	return status;
}

static bool
set_serial(X509 *certificate)
{
	unsigned char octets[SERIAL_OCTETS];
	BIGNUM *number;
	bool done;

	if (RAND_bytes(octets, sizeof octets) != 1)
		return false;
	/* positive, and of one length */
	octets[0] = (unsigned char)((octets[0] & 0x3f) | 0x40);
	number = BN_bin2bn(octets, sizeof octets, NULL);
	done = number != NULL &&
	       BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) !=
		   NULL;
	BN_free(number);
	return done;
}

static bool
set_names(X509 *certificate, const char *name)
{
	char text[64];
	X509_NAME *subject = X509_get_subject_name(certificate);

	(void)snprintf(text, sizeof text, "outgate seal %s", name);
	return X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
		   (unsigned char *)text, -1, -1, 0) == 1 &&
	       X509_set_issuer_name(certificate, subject) == 1;
}

static bool
set_usage(X509 *certificate)
{
	X509_EXTENSION *usage = X509V3_EXT_conf_nid(
	    NULL, NULL, NID_key_usage, "critical,keyAgreement");
	bool done = usage != NULL && X509_add_ext(certificate, usage, -1) == 1;

	X509_EXTENSION_free(usage);
	return done;
}

/* Sign the key with itself: a certificate is but the form CMS wants. */
static X509 *
make_certificate(EVP_PKEY *key, const char *name)
{
	X509 *certificate = X509_new();

	if (certificate != NULL && X509_set_version(certificate, 2) == 1 &&
	    set_serial(certificate) && set_names(certificate, name) &&
	    X509_gmtime_adj(X509_getm_notBefore(certificate), 0) != NULL &&
	    X509_time_adj_ex(X509_getm_notAfter(certificate), CERTIFICATE_DAYS,
		0, NULL) != NULL &&
	    X509_set_pubkey(certificate, key) == 1 && set_usage(certificate) &&
	    X509_sign(certificate, key, EVP_sha256()) > 0)
		return certificate;
	X509_free(certificate);
	return NULL;
}

enum og_status
og_seal_keygen(
    const char *dir, const char *name, long group, struct og_error *err)
{
	struct og_pem_pair pair = { .group = group, .suffix = ".crt" };
	struct og_keydir others;
	X509 *certificate = NULL;
	enum og_status status;

	/* a key in a directory that is open to others would not be read */
	status = og_keydir_name_check(name, err);
	if (status == OG_OK)
		status =
		    og_keydir_list(dir, ".key", OG_FILE_SECRET, &others, err);
	if (status == OG_OK)
		status = og_pem_start(err);
	if (status != OG_OK)
		return status;
	pair.key = EVP_EC_gen(SN_X9_62_prime256v1);
	if (pair.key != NULL)
		certificate = make_certificate(pair.key, name);
	pair.text = BIO_new(BIO_s_mem());
	if (certificate == NULL || pair.text == NULL ||
	    PEM_write_bio_X509(pair.text, certificate) != 1)
		status = og_fail(err, OG_ESYSTEM, "no key could be made");
	else
		status = og_pem_create(dir, name, &pair, err);
	BIO_free(pair.text);
	X509_free(certificate);
	EVP_PKEY_free(pair.key);
	ERR_clear_error();
	return status;
}

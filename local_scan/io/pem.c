/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pem.c - keys and certificates in the files of a key directory.
 *
 * The files are read by file.c, which asks about owner and mode; the library
 * sees octets only.
 */
#include "io/pem.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdbool.h>
#include <sys/types.h>

#include "io/file.h"
#include "io/keydir.h"

/* A certificate with a chain of names; a key has about 250 octets. */
#define PEM_SIZE 16384

enum og_status
og_pem_start(struct og_error *err)
{
	if (OPENSSL_init_crypto(
		OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL))
		return OG_OK;
	return og_fail(
	    err, OG_ESYSTEM, "the crypto library cannot be initialised");
}

/* Asked for a passphrase: there is none.  Without this it opens the tty. */
static int
no_passphrase(char *buffer, int size, int writing, void *unused)
{
	(void)buffer;
	(void)size;
	(void)writing;
	(void)unused;
	return -1;
}

/* What a file may hold; one of the three. */
struct item {
	EVP_PKEY *private_key;
	EVP_PKEY *public_key;
	X509 *certificate;
};

enum item_kind { PRIVATE_KEY, PUBLIC_KEY, CERTIFICATE };

static const struct {
	const char *suffix;
	const char *word;
	enum og_file_kind file;
} known[] = {
	[PRIVATE_KEY] = { ".key", "private key", OG_FILE_SECRET },
	[PUBLIC_KEY] = { ".pub", "public key", OG_FILE_PUBLIC },
	[CERTIFICATE] = { ".crt", "certificate", OG_FILE_PUBLIC },
};

static bool
parse(enum item_kind kind, const char *pem, size_t len, struct item *item)
{
	BIO *bio = BIO_new_mem_buf(pem, (int)len);

	if (bio == NULL)
		return false;
	switch (kind) {
	case PRIVATE_KEY:
		item->private_key =
		    PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
		break;
	case PUBLIC_KEY:
		item->public_key =
		    PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL);
		break;
	case CERTIFICATE:
		item->certificate =
		    PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
		break;
	}
	BIO_free(bio);
	ERR_clear_error();
	return item->private_key != NULL || item->public_key != NULL ||
	       item->certificate != NULL;
}

static enum og_status
read_item(const char *dir, const char *name, enum item_kind kind,
    struct item *item, struct og_error *err)
{
	char path[OG_KEYDIR_PATH_SIZE];
	char pem[PEM_SIZE];
	enum og_status status;
	size_t len;

	status = og_keydir_path(dir, name, known[kind].suffix, path, err);
	if (status == OG_OK)
		status = og_file_read(
		    path, known[kind].file, pem, sizeof pem, &len, err);
	if (status != OG_OK)
		return OG_ESYSTEM;
	if (!parse(kind, pem, len, item))
		status = og_fail(err, OG_ESYSTEM, "%s: not a %s in PEM", path,
		    known[kind].word);
	OPENSSL_cleanse(pem, sizeof pem);
	return status;
}

enum og_status
og_pem_private_key(
    const char *dir, const char *name, EVP_PKEY **key, struct og_error *err)
{
	struct item item = { 0 };
	enum og_status status = read_item(dir, name, PRIVATE_KEY, &item, err);

	*key = item.private_key;
	return status;
}

enum og_status
og_pem_public_key(
    const char *dir, const char *name, EVP_PKEY **key, struct og_error *err)
{
	struct item item = { 0 };
	enum og_status status = read_item(dir, name, PUBLIC_KEY, &item, err);

	*key = item.public_key;
	return status;
}

enum og_status
og_pem_certificate(
    const char *dir, const char *name, X509 **certificate, struct og_error *err)
{
	struct item item = { 0 };
	enum og_status status = read_item(dir, name, CERTIFICATE, &item, err);

	*certificate = item.certificate;
	return status;
}

static struct og_keydir_file
file_of(BIO *bio, const char *suffix, mode_t mode, long group)
{
	char *content = NULL;
	long len = BIO_get_mem_data(bio, &content);

	return (struct og_keydir_file){
		.suffix = suffix,
		.content = content,
		.len = len > 0 ? (size_t)len : 0,
		.mode = mode,
		.group = group,
	};
}

enum og_status
og_pem_create(const char *dir, const char *name, const struct og_pem_pair *pair,
    struct og_error *err)
{
	struct og_keydir_file file[2];
	enum og_status status;
	BIO *secret;

	status = og_keydir_name_check(name, err);
	if (status != OG_OK)
		return status;
	/* its memory is wiped when it is freed */
	secret = BIO_new(BIO_s_secmem());
	if (secret == NULL || PEM_write_bio_PKCS8PrivateKey(secret, pair->key,
				  NULL, NULL, 0, NULL, NULL) != 1) {
		status =
		    og_fail(err, OG_ESYSTEM, "the key cannot be written out");
	} else {
		file[0] = file_of(secret, ".key",
		    pair->group >= 0 ? 0640 : 0600, pair->group);
		file[1] = file_of(pair->text, pair->suffix, 0644, -1);
		status = og_keydir_create(dir, name, file, err);
	}
	BIO_free(secret);
	ERR_clear_error();
	return status;
}

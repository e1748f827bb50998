/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OG_IO_PEM_H
#define OG_IO_PEM_H

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "core/error.h"

/*
 * pem.h - keys and certificates in the files of a key directory.
 *
 * For seal.c and proof.c, the two that know the crypto library.
 */

/*
 * Make the crypto library ready, as a guest: it reads no openssl.cnf, whose
 * engines and providers would be loaded into the host's process, and leaves no
 * exit handler behind.
 *
 * OG_ESYSTEM  it would not start
 */
OG_MUST_CHECK enum og_status og_pem_start(struct og_error *err);

/*
 * Read dir/name.key (a private key), dir/name.crt or dir/name.pub (a public
 * key).  The file must be as io/file.h wants a secret, or a public file.  A
 * key under a passphrase is not read: nobody is there to type it.
 *
 * The result is the caller's to free; NULL on failure.
 *
 * OG_ESYSTEM  the file cannot be read, is not as it must be, or is no such PEM;
 *             err names it
 */
OG_MUST_CHECK enum og_status og_pem_private_key(
    const char *dir, const char *name, EVP_PKEY **key, struct og_error *err);
OG_MUST_CHECK enum og_status og_pem_public_key(
    const char *dir, const char *name, EVP_PKEY **key, struct og_error *err);
OG_MUST_CHECK enum og_status og_pem_certificate(const char *dir,
    const char *name, X509 **certificate, struct og_error *err);

/*
 * Make dir/name.key (PKCS #8) and, next to it, a public file.
 *
 * group     may read the key (0640), or -1: nobody but the owner (0600)
 * suffix    of the public file, whose PEM is in text; its mode is 0644
 *
 * OG_EINPUT   the name is not allowed
 * OG_EDENIED  one of the files exists already
 * OG_ESYSTEM  a file could not be written; none is left behind
 */
struct og_pem_pair {
	EVP_PKEY *key;
	long group;
	const char *suffix;
	BIO *text;
};
OG_MUST_CHECK enum og_status og_pem_create(const char *dir, const char *name,
    const struct og_pem_pair *pair, struct og_error *err);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OG_IO_KEYED_H
#define OG_IO_KEYED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/text.h"

/*
 * keyed.h - directories of small files whose names tell nothing.
 *
 * A name is a hash of what the file stands for, keyed with random octets in
 * the file "key" beside it.  Who gets hold of the names alone can try neither
 * users nor passwords against them.
 */

#define OG_KEYED_KEY_SIZE 32
/* 64 hexadecimal digits and a NUL */
#define OG_KEYED_NAME_SIZE 65

struct og_keyed {
	int fd; /* of the directory */
	uint8_t key[OG_KEYED_KEY_SIZE];
};

/*
 * Open a directory and read its key.
 *
 * make   make the directory (0750) and the key (0640) when they are missing:
 *        their group may read them
 *
 * Returns false with errno when that cannot be done.  End a true one by
 * og_keyed_close.
 */
bool og_keyed_open(const char *dir, bool make, struct og_keyed *keyed);
void og_keyed_close(struct og_keyed *keyed);

/* Write a part of what a file stands for, with its length in front. */
void og_keyed_put(struct og_text *text, const char *at, size_t len);

/*
 * The name of what is in text.
 *
 * Returns false when the text was cut or the crypto library failed.
 */
bool og_keyed_name(const struct og_keyed *keyed, const struct og_text *text,
    char name[OG_KEYED_NAME_SIZE]);

#endif

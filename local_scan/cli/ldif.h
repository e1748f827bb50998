/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OG_CLI_LDIF_H
#define OG_CLI_LDIF_H

#include <stdio.h>

/*
 * ldif.h - changes that ldapmodify takes as they are (RFC 2849).
 */

/*
 * Write "name: value", or "name:: base64" for a value that is not a
 * SAFE-STRING, folded at 76 columns.
 */
void og_ldif_put(FILE *to, const char *name, const char *value);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OG_CLI_TTY_H
#define OG_CLI_TTY_H

#include "core/error.h"
#include "io/seal.h"

/*
 * tty.h - a password from whoever is there to give one.
 */

/*
 * Read a password: from a terminal, asked for twice and not shown, when
 * standard input is one; else all of standard input, which must be one line,
 * whose newline is taken off.
 *
 * what   for the question: "the password of jo at smtp.partner.example"
 *
 * A signal that ends the program does so after the terminal shows again what
 * is typed.
 *
 * OG_EINPUT   not a password (og_secret_set), or the two differ
 * OG_ESYSTEM  it could not be read
 */
OG_MUST_CHECK enum og_status og_cli_read_secret(
    const char *what, struct og_secret *secret, struct og_error *err);

#endif

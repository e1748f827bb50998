/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OG_CLI_CLI_H
#define OG_CLI_CLI_H

#include <limits.h>
#include <stdbool.h>

#include "core/error.h"
#include "io/config.h"

/*
 * cli.h - the subcommands of `outgate`, and what they share.
 *
 * Results go to standard output, everything said to people to standard error.
 * Exit statuses are those of <sysexits.h>.
 */

/*
 * A subcommand.
 *
 * argv[0]   its own name; the options follow
 *
 * Returns the exit status.  It parses with getopt_long after setting optind
 * to 0; its option string begins with ':', which keeps getopt from printing
 * messages of its own: they quote the argument, and that may be a password.
 */
int og_cli_keygen(int argc, char **argv);
int og_cli_seal(int argc, char **argv);
int og_cli_reseal(int argc, char **argv);
int og_cli_explain(int argc, char **argv);
int og_cli_probe(int argc, char **argv);
int og_cli_doctor(int argc, char **argv);
int og_cli_agent(int argc, char **argv);

/*
 * Read the configuration that -C named, else OG_CONFIG_PATH.
 *
 * config    zeroed when *present is false
 * present   false when there is none at OG_CONFIG_PATH and -C named none; a
 *           caller that needs one passes NULL and gets a failure then
 *
 * On failure the reason has been told; the exit status is EX_CONFIG.
 */
OG_MUST_CHECK bool og_cli_config(struct og_config *config, bool *present);

/*
 * The same for a caller that tells the reason itself.
 *
 * path   which file it is, also on failure
 */
OG_MUST_CHECK enum og_status og_cli_read_config(
    struct og_config *config, char path[PATH_MAX], struct og_error *err);

/*
 * Say "outgate: " and one line on standard error.
 *
 * What is said may quote anybody: a control character becomes "?", so that
 * nobody forges a line of a log, nor speaks to the terminal that shows it.
 * What is longer than 8 KiB is cut.
 */
void og_cli_complain(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* The same, and return EX_USAGE. */
int og_cli_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * Make a path absolute and free of links; what it names must exist.
 *
 * OG_ESYSTEM  it does not
 */
OG_MUST_CHECK enum og_status og_cli_real_path(
    const char *path, char out[PATH_MAX], struct og_error *err);

/* What a status means as an exit status. */
int og_cli_exit_status(enum og_status status);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OG_EXIM_HOST_H
#define OG_EXIM_HOST_H

/*
 * host.h - the host this code is a guest of: Exim's local_scan API.
 *
 * The only file that knows which version of the API it is compiled for:
 * major 6 (Exim 4.96 to 4.98, Debian 12) and major 7 (upstream since 4.99).
 * Of what changed between them outgate touches two things: sender_address
 * became const, and expand_string a macro that chooses by the argument's
 * constness.
 */

#define LOCAL_SCAN
#define DLFUNC_IMPL
#include <local_scan.h>

#if LOCAL_SCAN_ABI_VERSION_MAJOR != 6 && LOCAL_SCAN_ABI_VERSION_MAJOR != 7
#error "outgate knows the local_scan API of major versions 6 and 7"
#endif

#if LOCAL_SCAN_ABI_VERSION_MAJOR >= 7
typedef const uschar *og_expansion;
#else
typedef uschar *og_expansion;
#endif

/*
 * Expand a text of ours.
 *
 * Returns text in Exim's store, or NULL when the expansion failed.
 */
static inline const char *
og_host_expand(const char *text)
{
	/* API 6 takes what it does not change as non-const */
	og_expansion source = (og_expansion)string_copy(
	    (const uschar *)text);

	return (const char *)expand_string(source);
}

/* A copy in Exim's store, not tainted: only for what has been checked. */
static inline uschar *
og_host_copy(const char *text)
{
	return string_copy((const uschar *)text);
}

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OG_CORE_NOTICE_H
#define OG_CORE_NOTICE_H

#include <stddef.h>

/*
 * notice.h - a bounce or delay warning shows no word that a server said before
 * the login.
 *
 * Any user may name any server.  What it says to a stranger, a banner above
 * all, is the network's affair and not the user's; what it says to him after
 * the login is told.
 */

/*
 * Hide such words: asterisks take their place, the three digits of the reply
 * stay.
 *
 * body   len octets: the text of a bounce or warning as Exim writes them, that
 *        is multipart/report of a text, a delivery status (RFC 3464) and the
 *        message; changed in place, the message never.  What is in front of
 *        the first boundary does not matter.
 *
 * Where one reply was given before the login, all Diagnostic-Code fields are
 * hidden: they do not say after which command.
 */
void og_notice_hide(char *body, size_t len);

#endif

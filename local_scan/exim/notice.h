/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OG_EXIM_NOTICE_H
#define OG_EXIM_NOTICE_H

/*
 * For local_scan(): hide a server's words from before the login when the
 * message that comes in is a bounce or warning of Exim's for a gateway's
 * message; leave every other message alone.
 *
 * fd   what local_scan() got: the spooled text, open for reading and writing
 */
void og_notice_receive(int fd);

#endif

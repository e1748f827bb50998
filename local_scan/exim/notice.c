/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * notice.c - Exim's bounces and warnings pass through local_scan() too.
 *
 * It is the only place where their text can be had: Exim prints a server's
 * words into them itself.  bounce.txt and warn.txt mark those of gateway
 * messages.  The text is changed octet for octet in the spool: its length and
 * lines, which Exim has counted, stay, and so does the returned message.
 */
#include "exim/host.h"

#include "exim/notice.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "core/notice.h"

/* What bounce.txt and warn.txt set. */
#define MARK "Outgate-Notice:"

/* Whoever else sets the mark hides words in a message of his own. */
static bool
is_notice(void)
{
	const header_line *h;

	if (smtp_input || sender_address == NULL || *sender_address != '\0')
		return false;
	for (h = header_list; h != NULL; h = h->next) {
		if (h->type != '*' && h->text != NULL &&
		    strncasecmp(
			(const char *)h->text, MARK, sizeof MARK - 1) == 0)
			return true;
	}
	return false;
}

void
og_notice_receive(int fd)
{
	struct stat file;
	size_t size;
	char *text;

	if (!is_notice())
		return;
	if (fstat(fd, &file) != 0 || file.st_size <= 0)
		return;
	size = (size_t)file.st_size;
	text = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (text == MAP_FAILED) {
		/* P1: a bounce that tells too much is better than none */
		log_write(0, LOG_MAIN,
		    "outgate: a notice keeps the server's words: %s",
		    strerror(errno));
		return;
	}
	/* the message's name, which Exim has in front, is no boundary */
	og_notice_hide(text, size);
	(void)msync(text, size, MS_SYNC);
	(void)munmap(text, size);
}

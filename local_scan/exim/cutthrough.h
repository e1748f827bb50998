/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OG_EXIM_CUTTHROUGH_H
#define OG_EXIM_CUTTHROUGH_H

#include <stdbool.h>

/*
 * Is the message that is coming in being passed on meanwhile?  For
 * local_scan(): before its answer the final dot is not sent on.
 */
bool og_cutthrough_is_on(void);

#endif

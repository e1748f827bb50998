/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OG_EXIM_WATCH_H
#define OG_EXIM_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"

/*
 * watch.h - no gateway's server keeps a delivery process for as long as it
 * likes.
 *
 * One watch for one process, which has one connection at a time.
 */

/*
 * Begin to watch the connections of this process to a port, or begin anew:
 * when the time is over each of them is shut down, and whoever reads or writes
 * there is told so.
 *
 * limit_s   1 to 86400, as text; in real time, not counted while asleep
 * port      of the other end
 *
 * OG_EINPUT   the limit is no such number
 * OG_ESYSTEM  there is no timer or no signal to be had
 */
OG_MUST_CHECK enum og_status og_watch_start(
    const char *limit_s, uint16_t port, struct og_error *err);

/*
 * End it; without a watch this does nothing.
 *
 * Returns the limit in seconds when the watch has shut a connection down,
 * else 0.
 */
unsigned og_watch_stop(void);

#endif

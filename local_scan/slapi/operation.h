/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OG_SLAPI_OPERATION_H
#define OG_SLAPI_OPERATION_H

#include "slapi/host.h"
#include "slapi/sealer.h"

/*
 * operation.h - what the plug-in does before and after an ADD or a MODIFY.
 *
 * Called by the server.  Before an operation 0 lets it go on; anything else
 * ends it, and the answer has been sent.
 */

/* Once, before any operation. */
void og_operation_start(const struct og_sealer *sealer);

int og_operation_before_add(Slapi_PBlock *pb);
int og_operation_before_modify(Slapi_PBlock *pb);
int og_operation_after_modify(Slapi_PBlock *pb);

#endif

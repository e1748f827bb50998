# SPDX-License-Identifier: GPL-2.0-or-later
# exim-static.mk: local_scan() compiled into Exim, for an Exim without dlopen.
#
#	make static EXIM_SRC=DIR
#
# DIR is an unpacked Exim source with its Local/Makefile.  What comes of it:
#
#	DIR/build-*/exim                Exim with local_scan() inside
#	DIR/Local/outgate/outgate.so    what ${dlfunc} calls: Exim cannot dlopen
#	                                itself, so these stay a module, built
#	                                against the same tree
#
# Objects lie in DIR too: two trees can have two versions of the API.

STATIC_PACKAGES := dpkg-dev libdb5.3-dev libgnutls28-dev libpcre2-dev patch

EXIM_TREE := $(abspath $(EXIM_SRC))
STATIC    := $(EXIM_TREE)/Local/outgate
STATIC_MAKE = $(MAKE) -f $(firstword $(MAKEFILE_LIST)) BUILD=$(STATIC)

# Exim compiles one file of ours, with LOCAL_SCAN defined, as we do ourselves.
define STATIC_SOURCE
/* Written by outgate's "make static". */
#undef LOCAL_SCAN
#include "exim/scan.c"
#include "exim/settings.c"
#include "exim/cutthrough.c"
#include "exim/notice.c"
endef

define STATIC_BLOCK
# BEGIN outgate: written by its "make static"
HAVE_LOCAL_SCAN=yes
LOCAL_SCAN_SOURCE=Local/outgate_scan.c
EXPAND_DLFUNC=yes
INCLUDE += -I$(CURDIR)/local_scan
EXTRALIBS_EXIM += ../Local/outgate/liboutgate.a $(LIBS) -ldl -rdynamic
# END outgate
endef
export STATIC_SOURCE STATIC_BLOCK

# Where Exim's make builds and gathers its headers; its Makefile has the name.
EXIM_BUILD = $$(cd $(EXIM_TREE) && echo $(EXIM_TREE)/build-$\
	$${build:-`scripts/os-type`-`scripts/arch-type`}$\
	$${EXIM_BUILD_SUFFIX:+.$$EXIM_BUILD_SUFFIX})

# Our variables are none of Exim's business, the job server is: MAKEFLAGS has
# the variables last, after "--".
.PHONY: static
static: static-tree
	+$(STATIC_MAKE) $(EXIM_TREE)/Local/outgate_scan.c
	+cd $(EXIM_TREE) && MAKEFLAGS="$${MAKEFLAGS%%-- *}" $(MAKE)
	+$(STATIC_MAKE) EXIM_INCLUDE="$(EXIM_BUILD)" $(STATIC)/outgate.so
	$(check_exports)
	@printf '%s\n' "$(EXIM_BUILD)/exim: with local_scan()" \
	    "$(STATIC)/outgate.so: install it as well, for \$${dlfunc}"

.PHONY: static-tree
static-tree:
	@test -n "$(EXIM_SRC)" || \
	    { echo 'static: which Exim? make static EXIM_SRC=DIR' >&2; exit 1; }
	@test -f $(EXIM_TREE)/src/local_scan.h || \
	    { echo 'static: $(EXIM_SRC) is no Exim source' >&2; exit 1; }
	@test -f $(EXIM_TREE)/Local/Makefile || \
	    { echo 'static: $(EXIM_SRC) has no Local/Makefile yet' >&2; \
	    exit 1; }
	$(call put_block,$(EXIM_TREE)/Local/Makefile)

# Left alone when nothing changes: a new Local/Makefile makes Exim build anew.
# Debian's option local_scan_path would be accepted and do nothing.
define put_block
@sed -e '/^# BEGIN outgate/,/^# END outgate/d' \
    -e 's/^[[:blank:]]*DLOPEN_LOCAL_SCAN[[:blank:]]*=/# by outgate: &/' \
    -e '$$a\' $(1) >$(1).outgate
@! grep '^[[:blank:]]*LOCAL_SCAN_SOURCE' $(1).outgate || \
    { echo 'static: $(1) has a local_scan() already' >&2; \
    rm $(1).outgate; exit 1; }
@printf '%s\n' "$$STATIC_BLOCK" >>$(1).outgate
@cmp -s $(1).outgate $(1) || cp $(1).outgate $(1)
@rm $(1).outgate
endef

# Without them Exim cannot load outgate.so and defers what has a gateway.
define check_exports
@nm -D --defined-only "$(EXIM_BUILD)/exim" | sed 's/.* //' >$(STATIC)/exports
@! nm -D -u $(STATIC)/outgate.so | sed -n 's/^ *U \([^@]*\)$$/\1/p' | \
    grep -vxFf $(STATIC)/exports >&2 || \
    { echo 'static: exim hides these names; is -fvisibility in its CFLAGS?' \
    >&2; exit 1; }
endef

# Written anew with every change: Exim's make looks at this file only.
$(EXIM_TREE)/Local/outgate_scan.c: $(BUILD)/liboutgate.a \
		local_scan/exim/scan.c local_scan/exim/settings.c \
		local_scan/exim/cutthrough.c local_scan/exim/notice.c \
		exim-static.mk \
		$(wildcard local_scan/*/*.h)
	printf '%s\n' "$$STATIC_SOURCE" >$@

# Exim's headers count as the system's, which -MMD leaves out.
$(EXIM_OBJECTS): $(wildcard $(addprefix $(EXIM_INCLUDE)/, \
	config.h local_scan.h mytypes.h store.h))

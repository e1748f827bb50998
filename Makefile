# outgate: see README.md; "make help" lists the targets.

VERSION := 0.1.0
BUILD   ?= build
PREFIX  ?= /usr
DESTDIR ?=
CC      ?= cc
CFLAGS  ?= -O2 -g
EXIM_INCLUDE ?= /usr/include/exim4

HARDEN := -D_FORTIFY_SOURCE=3 -fstack-protector-strong \
	-fstack-clash-protection -fcf-protection=full \
	-ftrivial-auto-var-init=zero -fzero-call-used-regs=used-gpr \
	-fno-delete-null-pointer-checks -fno-strict-overflow \
	-fno-strict-aliasing
WARN := -Wall -Wextra -Werror -Wformat=2 -Wconversion -Wshadow -Wvla \
	-Wcast-qual -Wstrict-prototypes -Wmissing-prototypes -Wundef
OG_CPPFLAGS = -Ilocal_scan -D_GNU_SOURCE -DOG_VERSION='"$(VERSION)"' $(CPPFLAGS)
OG_CFLAGS = -std=c11 -fPIC $(WARN) $(HARDEN) $(CFLAGS)
OG_LDFLAGS = -Wl,-z,relro,-z,now,-z,noexecstack,--as-needed $(LDFLAGS)
LIBS := -lldap -llber -lcrypto

# The whole tree with the sanitizers: make SANITIZE=1 BUILD=build/asan
ifdef SANITIZE
OG_CFLAGS += -O1 -fno-omit-frame-pointer -fsanitize=address,undefined \
	-fno-sanitize-recover=all -U_FORTIFY_SOURCE
OG_LDFLAGS += -fsanitize=address,undefined
endif

objects = $(patsubst %.c,$(BUILD)/%.o,$(wildcard $(1)/*.c))
LIB_OBJECTS  := $(call objects,local_scan/core) $(call objects,local_scan/io)
EXIM_OBJECTS := $(call objects,local_scan/exim)
CLI_OBJECTS  := $(call objects,local_scan/cli)
SLAPI_OBJECTS := $(call objects,local_scan/slapi)
# The plug-in for 389 is the same source with that server's header.
DIRSRV_OBJECTS := $(SLAPI_OBJECTS:.o=.dirsrv.o)
SLAPI_INCLUDE ?= /usr/include
DIRSRV_INCLUDE ?= /usr/include/dirsrv
NSPR_INCLUDE ?= /usr/include/nspr
ifneq ($(wildcard $(SLAPI_INCLUDE)/slapi-plugin.h),)
PLUGIN := $(BUILD)/outgate-seal.so
endif
TEST_OBJECTS := $(call objects,tests/lib)
UNIT_TESTS   := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/test_*.c))

.PHONY: all
all: $(BUILD)/outgate.so $(BUILD)/outgate $(BUILD)/outgate.include \
	$(BUILD)/bounce.txt $(BUILD)/warn.txt $(BUILD)/others-warn.txt \
	$(BUILD)/outgate-agent.service $(PLUGIN)

# ---- what is built ----

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(OG_CPPFLAGS) $(OG_CFLAGS) -MMD -MP -c -o $@ $<

# Exim's own headers are not written for our warnings.
$(EXIM_OBJECTS): OG_CPPFLAGS += -isystem $(EXIM_INCLUDE)
$(BUILD)/tests/%.o: OG_CPPFLAGS += -Itests/lib -isystem $(EXIM_INCLUDE)

$(BUILD)/liboutgate.a: $(LIB_OBJECTS)
	rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/outgate.so: $(EXIM_OBJECTS) $(BUILD)/liboutgate.a local_scan/exim/outgate.map
	$(CC) -shared $(OG_LDFLAGS) $(OG_CFLAGS) -Wl,--exclude-libs,ALL \
	    -Wl,--version-script=local_scan/exim/outgate.map -o $@ \
	    $(EXIM_OBJECTS) $(BUILD)/liboutgate.a $(LIBS)

# -z nodelete: OpenSSL, which it brings, must not be unloaded from a server.
LINK_SEAL = $(CC) -shared $(OG_LDFLAGS) $(OG_CFLAGS) -Wl,-z,nodelete \
	-Wl,--exclude-libs,ALL \
	-Wl,--version-script=local_scan/slapi/outgate-seal.map

$(BUILD)/outgate-seal.so: $(SLAPI_OBJECTS) $(BUILD)/liboutgate.a local_scan/slapi/outgate-seal.map
	$(LINK_SEAL) -o $@ $(SLAPI_OBJECTS) $(BUILD)/liboutgate.a $(LIBS)

$(BUILD)/%.dirsrv.o: %.c
	@mkdir -p $(@D)
	$(CC) $(OG_CPPFLAGS) -DDIRSRV -isystem $(DIRSRV_INCLUDE) \
	    -isystem $(NSPR_INCLUDE) $(OG_CFLAGS) -MMD -MP -c -o $@ $<

.PHONY: dirsrv
dirsrv: $(BUILD)/outgate-seal-389.so

$(BUILD)/outgate-seal-389.so: $(DIRSRV_OBJECTS) $(BUILD)/liboutgate.a local_scan/slapi/outgate-seal.map
	$(LINK_SEAL) -o $@ $(DIRSRV_OBJECTS) $(BUILD)/liboutgate.a $(LIBS)

$(BUILD)/outgate: $(CLI_OBJECTS) $(BUILD)/liboutgate.a
	$(CC) $(OG_LDFLAGS) $(OG_CFLAGS) -o $@ $^ $(LIBS) -ljansson -lcurl

$(BUILD)/outgate.include: exim-config/include.sh $(wildcard exim-config/conf.d/*/*)
	@mkdir -p $(@D)
	exim-config/include.sh >$@.new
	mv $@.new $@

# Exim expands the text of a bounce or warning, but no macros in it.
$(BUILD)/%.txt: exim-config/%.txt
	@mkdir -p $(@D)
	sed -e 's|OUTGATE_MODULE|$(PREFIX)/lib/exim4/local_scan/outgate.so|' \
	    -e 's|OUTGATE_PATIENCE|172800|' $< >$@

$(BUILD)/outgate-agent.service: local_scan/cli/outgate-agent.service
	@mkdir -p $(@D)
	sed -e 's|@PREFIX@|$(PREFIX)|' $< >$@

$(BUILD)/libtests.a: $(TEST_OBJECTS)
	rm -f $@
	$(AR) rcs $@ $^

# -rdynamic: outgate.so finds the fake Exim's names in the test program
$(BUILD)/tests/test_%: $(BUILD)/tests/unit/test_%.o $(BUILD)/libtests.a $(BUILD)/liboutgate.a
	$(CC) $(OG_LDFLAGS) $(OG_CFLAGS) -rdynamic -o $@ $^ $(LIBS) -lcmocka -ljansson

.PHONY: unit
unit: $(UNIT_TESTS) $(BUILD)/outgate.so

# ---- where it goes ----

SHARE := $(DESTDIR)$(PREFIX)/share/outgate
MODULE_DIR := $(DESTDIR)$(PREFIX)/lib/exim4/local_scan
PLUGIN_DIR := $(DESTDIR)$(PREFIX)/lib/ldap
DIRSRV_DIR := $(DESTDIR)$(PREFIX)/lib/$(shell $(CC) -print-multiarch)/dirsrv/plugins
MAN := $(DESTDIR)$(PREFIX)/share/man
UNITS := $(DESTDIR)$(PREFIX)/lib/systemd/system

.PHONY: install install-dirsrv uninstall
install: all
	install -D -m 0755 -t $(DESTDIR)$(PREFIX)/bin $(BUILD)/outgate
	install -D -m 0644 -t $(MODULE_DIR) $(BUILD)/outgate.so
	$(if $(PLUGIN),install -D -m 0644 -t $(PLUGIN_DIR) $(PLUGIN))
	install -D -m 0644 -t $(SHARE) outgate.conf.example
	install -D -m 0644 -t $(UNITS) $(BUILD)/outgate-agent.service
	install -D -m 0644 -t $(SHARE)/exim-config $(BUILD)/outgate.include \
	    $(BUILD)/bounce.txt $(BUILD)/warn.txt $(BUILD)/others-warn.txt
	cd exim-config && find conf.d -type f \
	    -exec install -D -m 0644 {} $(SHARE)/exim-config/{} \;
	install -D -m 0644 -t $(MAN)/man1 docs/man/outgate.1
	install -D -m 0644 -t $(MAN)/man5 docs/man/outgate.conf.5 \
	    docs/man/outgate-schema.5
	install -D -m 0644 -t $(SHARE)/ldap-schema ldap-schema/*.schema ldap-schema/*.ldif \
	    ldap-schema/*.sddl
	cd ldap-schema/tools && find . -type f \
	    -exec install -D -m 0644 {} $(SHARE)/tools/{} \;
	chmod 0755 $(SHARE)/tools/ldif/gateway.sh \
	    $(SHARE)/tools/python/gateway.py

# For a host where 389 runs; nothing else of outgate is needed there.
install-dirsrv: dirsrv
	install -D -m 0755 $(BUILD)/outgate-seal-389.so $(DIRSRV_DIR)/outgate-seal.so

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/outgate $(MODULE_DIR)/outgate.so \
	    $(PLUGIN_DIR)/outgate-seal.so $(DIRSRV_DIR)/outgate-seal.so \
	    $(UNITS)/outgate-agent.service \
	    $(MAN)/man1/outgate.1 $(MAN)/man5/outgate.conf.5 \
	    $(MAN)/man5/outgate-schema.5
	rm -rf $(SHARE)
	-rmdir --ignore-fail-on-non-empty $(MODULE_DIR)

# ---- trying and testing it ----

# What a fresh Debian 12 lacks: to build and run it, and to test it.
PACKAGES := gcc make libc6-dev libldap-dev libssl-dev libjansson-dev \
	libcurl4-openssl-dev slapi-dev \
	exim4-daemon-heavy exim4-dev slapd ldap-utils swaks openssl \
	iproute2 util-linux mount python3
TEST_PACKAGES := libcmocka-dev binutils perl faketime strace \
	dovecot-pop3d fetchmail getmail6 \
	389-ds-base libnss3-tools samba-ad-dc samba-ad-provision \
	python3-samba ldb-tools \
	chromium chromium-driver python3-selenium python3-ldap \
	php-cli php-ldap php-xml php-curl php-gd php-gmp php-mbstring php-zip
# Not installed but unpacked: tests/lib/debs.sh says why.
UNPACKED_PACKAGES := phpldapadmin ldap-account-manager

# The plug-in for 389, and that server.
DIRSRV_PACKAGES := 389-ds-base 389-ds-base-dev

.PHONY: packages test-packages
packages:
	@tests/lib/packages.sh $(PACKAGES)

test-packages:
	@tests/lib/packages.sh $(PACKAGES) $(TEST_PACKAGES) $(STATIC_PACKAGES) \
	    $(DIRSRV_PACKAGES)
	@tests/lib/debs.sh $(BUILD)/debs $(UNPACKED_PACKAGES)

.PHONY: demo
demo: packages
	@$(MAKE) --no-print-directory -s all
	@BUILD=$(BUILD) exec tests/demo/demo.py

# What needs no server and no sweep over a seal's every octet: seconds.
CORE_TESTS := $(filter-out $(addprefix $(BUILD)/tests/test_, \
	directory module allocation proof seal diary),$(UNIT_TESTS))
SCRIPTS = $(wildcard tests/build/test_*.py tests/schema/test_*.py \
	tests/slapi/test_*.py tests/cli/test_*.py tests/agent/test_*.py \
	tests/tools/test_*.py tests/e2e/test_*.py tests/demo/test_*.py \
	tests/static/test_*.py tests/abi7/test_*.py tests/docs/test_*.py)
ASAN := $(BUILD)/asan
PROVE := CMOCKA_MESSAGE_OUTPUT=TAP prove -e ''

.PHONY: check-core
check-core: $(CORE_TESTS)
	$(PROVE) -j 2 $(CORE_TESTS)

.PHONY: check-layers
check-layers: all
	BUILD=$(BUILD) tests/build/test_layers.py

.PHONY: check
check: test-packages
	@$(MAKE) --no-print-directory -s all unit
	@$(MAKE) --no-print-directory -s SANITIZE=1 BUILD=$(ASAN) unit
	BUILD=$(BUILD) $(PROVE) $(UNIT_TESTS)
	BUILD=$(ASAN) $(PROVE) $(patsubst $(BUILD)/%,$(ASAN)/%,$(UNIT_TESTS))
	BUILD=$(BUILD) prove -e '' --failures --comments --timer -j 2 $(SCRIPTS)

.PHONY: format
format:
	clang-format -i local_scan/*/*.[ch]

.PHONY: clean
clean:
	rm -rf $(BUILD)

.PHONY: help
help:
	@echo 'make            build the module, the command and the include file'
	@echo 'make install    DESTDIR and PREFIX (/usr) as usual; make uninstall'
	@echo 'make demo       real messages through real servers, explained'
	@echo 'make check      every test; make check-core: those without servers'
	@echo 'make static     EXIM_SRC=DIR: compile the module into Exim'
	@echo 'make format, make check-layers, make clean'

include exim-static.mk

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

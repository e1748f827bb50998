#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# include.sh - print Debian's split files as the one file that a hand-written
# configuration includes in each of its sections.
set -eu
cd "$(dirname "$0")/conf.d"
cat <<'TEXT'
# outgate: per-user outbound gateways for a configuration written by hand.
# Made from exim-config/conf.d; do not edit.  Include this file five times; a
# macro says which part is meant (Exim cannot set one in the retry section):
#
#   .include /etc/exim4/outgate.include      # main section
#   begin routers
#   OUTGATE_ROUTERS = yes
#   .include /etc/exim4/outgate.include      # before all other routers
#   begin transports
#   OUTGATE_TRANSPORTS = yes
#   .include /etc/exim4/outgate.include
#   OUTGATE_RETRIES = yes
#   begin retry
#   .include /etc/exim4/outgate.include      # before all other rules
#   begin authenticators
#   OUTGATE_AUTHENTICATORS = yes
#   .include /etc/exim4/outgate.include
#
# with the sections in this order.

TEXT
echo '.ifdef OUTGATE_AUTHENTICATORS'
cat auth/050_outgate_authenticators
echo '.elifdef OUTGATE_RETRIES'
cat retry/050_outgate_retry
echo '.elifdef OUTGATE_TRANSPORTS'
cat transport/050_outgate_transports
echo '.elifdef OUTGATE_ROUTERS'
cat router/050_outgate_routers
echo '.else'
cat main/005_outgate_main
echo '.endif'

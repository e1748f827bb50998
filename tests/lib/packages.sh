#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# packages.sh NAME... - install the Debian packages that are missing, if any.
set -eu
missing=
for name; do
    state=$(dpkg-query -W -f '${db:Status-Abbrev}' "$name" 2>/dev/null || :)
    [ "$state" = 'ii ' ] || missing="$missing $name"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ]; then
    echo "these packages are missing, and only root can install them:$missing" >&2
    exit 1
fi
# Exim's packages would replace another mail server, and its mail would stop.
case "$missing" in
*exim4-daemon*)
    other=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package} ${Provides}\n' |
        awk '/^ii / && /mail-transport-agent/ && $2 !~ /^exim4/ { print $2 }')
    if [ -n "$other" ]; then
        echo "this machine has another mail server ($other); use one without" >&2
        exit 1
    fi ;;
esac
# What is installed here is for tests, which start servers of their own: no
# service of the machine's is started by it.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
fi
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086 # one word a package
apt-get install -y -qq --no-install-recommends $missing >/dev/null

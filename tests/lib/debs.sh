#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# debs.sh DIR NAME... - the files of Debian packages, downloaded to DIR.
#
# For web tools.  Installed, they would pull in a web server, and be published
# by the one this machine may have; tests unpack them in their sandbox instead.
set -eu
dir=$1
shift
mkdir -p "$dir"
for name; do
    for deb in "$dir/${name}_"*.deb; do
        [ ! -e "$deb" ] || continue 2
    done
    echo "downloading: $name"
    # apt-get would say that its own user cannot write here: it need not.
    (cd "$dir" && apt-get -qq -o APT::Sandbox::User=root download "$name")
done

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# gateway.sh - send as another address: asks for the settings, one by one.
#
#	gateway.sh [-H URI] [-b BASE] [USER]
#	gateway.sh -r ...	give it up, password included
#
# Enter keeps what stands in brackets.  It needs nothing but ldap-utils; without
# -H and -b ldap.conf(5) says where the directory is.  Passwords are asked for
# and travel through pipes: arguments can be read by everybody on the machine.
set -eu
uri=
base=
remove=
while getopts H:b:r option; do
    case $option in
    H) uri=$OPTARG ;;
    b) base=$OPTARG ;;
    r) remove=yes ;;
    *) echo "usage: $0 [-r] [-H URI] [-b BASE] [USER]" >&2; exit 64 ;;
    esac
done
shift $((OPTIND - 1))
user=${1:-$(id -un)}
case $user in
'' | *[!A-Za-z0-9._@-]*) echo "$user: not a login name" >&2; exit 64 ;;
esac

# Over a network only with TLS; -ZZ is for ldap:, the others have it or need it
# not.  So it has to be known which it is.
conf=/etc/ldap/ldap.conf
uri=${uri:-${LDAPURI:-}}
[ -n "$uri" ] || [ ! -r $conf ] || uri=$(
    sed -n 's/^[ \t]*[Uu][Rr][Ii][ \t]\{1,\}\([^ \t]*\).*/\1/p' $conf |
        tail -n 1)
[ -n "$uri" ] || { echo "which directory? name it with -H" >&2; exit 64; }
set -- -x -o ldif-wrap=no -H "$uri"
case $uri in ldap:*) set -- "$@" -ZZ ;; esac

restore() { stty echo 2>/dev/null || :; }
trap restore EXIT
trap 'exit 130' INT TERM HUP

# ask_secret PROMPT: into $answer, without showing it
ask_secret() {
    stty -echo
    printf '%s: ' "$1"
    IFS= read -r answer
    stty echo
    echo
}

# ask PROMPT ATTRIBUTE [DEFAULT]: a change of the attribute, if it is another
ask() {
    now=$(printf '%s\n' "$entry" | sed -n "s/^$2: //p" | head -n 1)
    printf '%s [%s]: ' "$1" "${now:-${3:-}}"
    IFS= read -r answer
    answer=${answer:-${now:-${3:-}}}
    if [ -n "$answer" ] && [ "$answer" != "$now" ]; then
        changes="$changes
replace: $2
$2:: $(encode "$answer")
-"
    fi
}

# LDIF in base64: a value may begin with a blank or a colon.
encode() { printf %s "$1" | base64 -w 0; }

found=$(ldapsearch "$@" -LLL ${base:+-b "$base"} "(uid=$user)" 1.1 |
    grep '^dn:' || :)
case $found in
'' | *"
"*) echo "the directory knows no user $user" >&2; exit 1 ;;
dn::*) dn=$(printf %s "${found#dn:: }" | base64 -d) ;;
*) dn=${found#dn: } ;;
esac
ask_secret "$user's password for the directory"
secret=$answer
log_in() {
    command=$1
    shift
    printf %s "$secret" | "$command" "$@" -D "$dn" -y /dev/stdin
}
entry=$(log_in ldapsearch "$@" -LLL -b "$dn" -s base)

changes=
if [ -n "$remove" ]; then
    for name in Address Host Port TLS Login Password Proof Enabled Status; do
        # "replace" by nothing: nobody can see whether there is a password
        changes="$changes
replace: outgate$name
-"
    done
    changes="$changes
delete: objectClass
objectClass: outgateAccount
-"
else
    printf '%s\n' "$entry" | grep -qix 'objectClass: outgateAccount' ||
        changes="
add: objectClass
objectClass: outgateAccount
-"
    ask 'Send as this address' outgateAddress
    ask 'Server' outgateHost
    ask 'Encryption (implicit: TLS from the start, or starttls)' outgateTLS \
        implicit
    ask 'Port (empty: 465, or 587 with starttls)' outgatePort
    ask 'Login there' outgateLogin
    ask 'Proof (from the mail you got)' outgateProof
    ask_secret 'Password there (empty: as it is)'
    [ -z "$answer" ] || changes="$changes
replace: outgatePassword
outgatePassword:: $(encode "$answer")
-"
fi
[ -n "$changes" ] || { echo 'nothing changed'; exit 0; }
log_in ldapmodify "$@" -f /dev/fd/3 3<<LDIF
dn:: $(encode "$dn")
changetype: modify$changes
LDIF
log_in ldapsearch "$@" -LLL -b "$dn" -s base outgateStatus |
    sed -n 's/^outgateStatus: /status: /p'

#!/bin/sh
# Installs those of the named Debian packages that are missing, and keeps them
# from starting services: now, by a policy that is taken away again, and at the
# next boot, by disabling what they enabled.
#
#   packages.sh postgresql keystone gunicorn python3-psycopg2
#
# Exit code 3: something is missing and cannot be installed from here.
set -eu

policy=/usr/sbin/policy-rc.d

missing() {
	for package in "$@"; do
		dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || echo "$package"
	done
}

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
	echo "this is not Debian or a relative of it; install what belongs to: $*" >&2
	exit 3
fi
wanted=$(missing "$@" | tr '\n' ' ')
[ -n "$wanted" ] || exit 0
if [ "$(id -u)" -ne 0 ]; then
	echo "run: sudo apt-get install --no-install-recommends $wanted" >&2
	exit 3
fi

if [ -e "$policy" ] || [ -e "$policy.rollcall" ]; then
	# One that is set aside already is the machine's own: we were killed.
	[ -e "$policy.rollcall" ] || mv "$policy" "$policy.rollcall"
	trap 'mv -f "$policy.rollcall" "$policy"' EXIT
else
	trap 'rm -f "$policy"' EXIT
fi
# An EXIT trap alone is not run when a signal ends the shell.
trap 'exit 130' INT TERM HUP
printf '#!/bin/sh\nexit 101\n' >"$policy"
chmod 755 "$policy"

export DEBIAN_FRONTEND=noninteractive
apt-get update
# shellcheck disable=SC2086 # the names are separate words
apt-get install --yes --no-install-recommends $wanted

for service in postgresql keystone; do
	case " $wanted" in
	*" $service "*) if command -v systemctl >/dev/null; then systemctl disable "$service" || true; fi ;;
	esac
done

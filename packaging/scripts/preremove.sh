#!/bin/sh
# Run before the files go: by dpkg as "remove" or "upgrade", by rpm with the number of versions that stay. An upgrade stops nothing.
# packaging/build replaces @PROGRAM@.
set -e

case "$1" in
remove | 0) ;;
*) exit 0 ;;
esac

# Those of instances are found by their links, as systemctl disable takes no pattern.
units=@PROGRAM@.service
for link in /etc/systemd/system/*.wants/@PROGRAM@@*; do
	[ -L "$link" ] && units="$units ${link##*/}"
done
if [ -d /run/systemd/system ]; then
	systemctl stop '@PROGRAM@@*.socket' '@PROGRAM@@*.service' @PROGRAM@.service
fi
if command -v systemctl >/dev/null; then
	# shellcheck disable=SC2086 # the names of units have no spaces
	systemctl --no-reload disable $units
fi

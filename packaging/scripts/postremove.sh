#!/bin/sh
# Run after the files went: by dpkg as "remove", "purge" or "upgrade", by rpm with the number of versions that stay. packaging/build
# replaces @PROGRAM@.
#
# What was not delivered, and the logs, stay when the package is removed. A purge, which dpkg alone knows, deletes the state in
# /var/lib/@PROGRAM@. It leaves the logs themselves, and the user whom they belong to.
set -e

case "$1" in
remove | 0)
	rm -rf /run/@PROGRAM@
	if [ -d /run/systemd/system ]; then
		systemctl daemon-reload
	fi
	;;
purge) rm -rf /var/lib/@PROGRAM@ ;;
esac

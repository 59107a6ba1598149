#!/bin/sh
# Run after the installation: by dpkg as "configure [OLD VERSION]", by rpm with the number of versions that there are from now
# on. packaging/build replaces @PROGRAM@. Nothing is started or enabled at first, for the settings must say where to send to; an
# upgrade restarts what runs. Without a running systemd, as in a container, only the user is made.
set -e

case "$1" in
configure) old=$2 ;;
1) old= ;;
[0-9]*) old=some ;;
*) exit 0 ;; # dpkg gives something up, and nothing has changed
esac

systemd-sysusers @PROGRAM@.conf

if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	if [ -n "$old" ]; then
		# A start may take as long as the repair of a spool, which is nothing to wait for here.
		systemctl --no-block try-restart @PROGRAM@.service '@PROGRAM@@*.service' || echo "@PROGRAM@ could not be restarted" >&2
		echo "@PROGRAM@ is restarted if it runs; see: systemctl status @PROGRAM@"
	fi
fi
if [ -z "$old" ]; then
	echo "Set up /etc/scribe, then start @PROGRAM@ with: systemctl enable --now @PROGRAM@"
fi

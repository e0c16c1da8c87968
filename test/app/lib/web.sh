#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# web.sh - nginx, its files and its clients, for tests that serve it
#
# Sourced after net.sh (and own_link.sh). The caller defines client CMD: CMD at the far side, as a client of the link.
#
#   web_files BYTES...                        $web/BYTES each, random
#   nginx_conf MASTER WORKERS DAEMON          $S7_TMP/nginx.conf; MASTER and DAEMON are on or off
#   same_bytes FILE                           the far side gets it byte for byte
#   load TEXT FILE WRK-ARGS                   requests are served, none fails
#   idle_turns LINK PID                       hardly anybody wakes up while nothing happens

S7_CLI=${S7_CLI:-$(dirname "$S7_LIB")/sock7}
web=$S7_TMP/web
mkdir -p "$web"

web_files()
{
	local size
	for size in "$@"; do head -c "$size" /dev/urandom >"$web/$size"; done
}

# The accept queue has room for all who come at once: what overflows it waits for its own retransmission, here as on Linux.
# multi_accept: else nginx takes one connection a turn, and on a busy machine the last of a thousand waits for seconds.
nginx_conf()
{
	cat >"$S7_TMP/nginx.conf" <<-CONF
	master_process $1; worker_processes $2; daemon $3; pid $S7_TMP/nginx.pid; error_log $S7_TMP/error.log notice;
	user root; worker_rlimit_nofile 8192;
	events { worker_connections 4096; multi_accept on; }
	http { access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;
	  server { listen 80 backlog=4096; root $web; location / { default_type application/octet-stream; } } }
	CONF
}

same_bytes() { client curl -sS --max-time 60 "http://$S7_IP_S/$1" | cmp - "$web/$1"; }

load()
{
	local text=$1 file=$2 got
	shift 2
	client timeout 30 wrk "$@" "http://$S7_IP_S/$file" >"$S7_TMP/wrk.out" 2>&1
	got=$(awk '/requests in/ {r=$1} /Socket errors/ {e=$4+$6+$8+$10} /Non-2xx/ {e+=$NF} END {print r+0, e+0}' \
		"$S7_TMP/wrk.out" | tr -d ,)
	if [ "${got% *}" -gt 0 ] && [ "${got#* }" = 0 ]; then
		ok "$text ($got)"
	else
		not_ok "$text ($got): $(grep -E 'Socket errors|Non-2xx|unable' "$S7_TMP/wrk.out") $(grep -vF '[notice]' "$S7_TMP/error.log" | tail -2)"
	fi
}

# the server's counter, all instances together
counted() { "$S7_CLI" ss -s -p "$1" 2>/dev/null | awk -v name="$2" '$2 == name { n += $3 } END { print n + 0 }'; }

# Other work on the machine makes a turn dearer, but does not make more of them. A sleep and what follows costs some 30 us:
# 250 a second are under 1 % of a core, a loop that does not sleep makes 50,000.
idle_turns()
{
	local link=$1 pid=$2 before turns
	turns() { echo $(($(counted "$pid" SLEEPS) + $(counted "$pid" KEEPER_DRIVES))); }
	sleep 3
	before=$(turns)
	sleep 5
	turns=$((($(turns) - before) / 5))
	[ $turns -lt 250 ] && ok "$link: an idle nginx sleeps ($turns turns a second)" ||
		not_ok "$link: an idle nginx makes $turns turns a second"
}

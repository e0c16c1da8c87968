#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# run.sh - every case on the kernel and on sock7 (loopback = stack), transcripts compared
#
# usage: run.sh [-u] [CASE]...     default: all; -u writes results.txt, of which docs/compliance.md is made
# Prints "ok - CASE" or "not ok - CASE: FIRST DIFFERING LINE", likewise an option of the generated cases (gen.c), and last
# "diff: N equal, J justified, D different". justified.txt: "PATTERN reason", see compare.c.
# S7_BUILD names the build directory, S7_KEEP keeps the transcripts. Needs root: two namespaces, each with lo only.
cd "$(dirname "$0")/../.." || exit 1
build=$(realpath "${S7_BUILD:-build/release}")
prog=$build/test/diff/s7diff
lib=$build/libsock7.so
cmp=$build/test/diff/s7diffcmp
update=
[ "${1:-}" != -u ] || { update=1; shift; }
[ -x "$prog" ] && [ -e "$lib" ] || { echo "not ok - $prog or $lib is missing"; exit 1; }
tmp=$(mktemp -d "${TMPDIR:-/tmp}/s7diff.XXXXXX")
# The cases mostly wait: LANES of them at a time on each side, each lane in namespaces of its own.
LANES=3
namespaces=$(for lane in $(seq $LANES); do echo "s7dk$lane-$$ s7ds$lane-$$"; done)

down()
{
	local ns pid
	for ns in $namespaces; do
		for pid in $(ip netns pids "$ns" 2>/dev/null); do kill -9 "$pid" 2>/dev/null; done
		ip netns del "$ns" 2>/dev/null
	done
	[ -n "${S7_KEEP:-}" ] || rm -rf "$tmp"
}
trap down EXIT

for ns in $namespaces; do
	ip netns add "$ns" && ip -n "$ns" link set lo up || { echo "not ok - no namespace"; exit 1; }
	# both sides have it, and every namespace allows it
	ip netns exec "$ns" sysctl -qw net.ipv4.tcp_congestion_control=reno
	# ping sockets for everybody; the case that is about that changes it, and comes last of its kind
	ip netns exec "$ns" sysctl -qw net.ipv4.ping_group_range="0 2147483647"
done
mkdir "$tmp/kernel" "$tmp/sock7"
printf '[global]\nloopback = stack\nlog = warn\nmemory = 64M\ntcp_congestion = reno\n' >"$tmp/sock7.conf"

# side DIRECTORY LANE NAMESPACE COMMAND...: every case of that lane
side()
{
	local dir=$1 ns=$3 cases
	cases=$(echo "$names" | awk -v lane="$2" -v of=$LANES 'NR % of == lane % of')
	shift 3
	# shellcheck disable=SC2086
	[ -z "$cases" ] || timeout 560 ip netns exec "$ns" "$@" "$prog" -o "$tmp/$dir" $cases 2>>"$tmp/$dir.log"
}

[ -z "${S7_KEEP:-}" ] || echo "# transcripts: $tmp"
names=$(printf '%s\n' "$@")
[ $# -gt 0 ] || names=$("$prog" -l)
for lane in $(seq $LANES); do
	side kernel "$lane" "s7dk$lane-$$" env &
	side sock7 "$lane" "s7ds$lane-$$" env LD_PRELOAD="$lib" SOCK7_CONF="$tmp/sock7.conf" &
done
wait
# shellcheck disable=SC2086
"$cmp" "$tmp/kernel" "$tmp/sock7" test/diff/justified.txt "$tmp/results.txt" $names
rc=$?
[ -z "$update" ] || cp "$tmp/results.txt" test/diff/results.txt
exit $rc

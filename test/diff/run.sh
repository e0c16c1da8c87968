#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# run.sh - every case on the kernel and on sock7 (loopback = stack), transcripts compared
#
# usage: run.sh [CASE]...     default: all
# Prints "ok - CASE", "not ok - CASE: FIRST DIFFERING LINE" and last "diff: N equal, J justified, D different".
# justified.txt: "CASE reason"; such a case may differ (and is said when it no longer does).
# S7_BUILD names the build directory, S7_KEEP keeps the transcripts. Needs root: two namespaces, each with lo only.
cd "$(dirname "$0")/../.." || exit 1
build=$(realpath "${S7_BUILD:-build/release}")
prog=$build/test/diff/s7diff
lib=$build/libsock7.so
[ -x "$prog" ] && [ -e "$lib" ] || { echo "not ok - $prog or $lib is missing"; exit 1; }
tmp=$(mktemp -d "${TMPDIR:-/tmp}/s7diff.XXXXXX")
ns_k=s7dk$$ ns_s=s7ds$$

down()
{
	local ns pid
	for ns in "$ns_k" "$ns_s"; do
		for pid in $(ip netns pids "$ns" 2>/dev/null); do kill -9 "$pid" 2>/dev/null; done
		ip netns del "$ns" 2>/dev/null
	done
	[ -n "${S7_KEEP:-}" ] || rm -rf "$tmp"
}
trap down EXIT

for ns in "$ns_k" "$ns_s"; do
	ip netns add "$ns" && ip -n "$ns" link set lo up || { echo "not ok - no namespace"; exit 1; }
done
mkdir "$tmp/kernel" "$tmp/sock7"
printf '[global]\nloopback = stack\nlog = warn\nmemory = 64M\n' >"$tmp/sock7.conf"

# both NAME...: the cases on the kernel and on sock7 at the same time
both()
{
	local k
	timeout 100 ip netns exec "$ns_k" "$prog" -o "$tmp/kernel" "$@" &
	k=$!
	timeout 100 ip netns exec "$ns_s" env LD_PRELOAD="$lib" SOCK7_CONF="$tmp/sock7.conf" \
		"$prog" -o "$tmp/sock7" "$@" 2>>"$tmp/sock7.log"
	wait "$k"
}

names=${*:-$("$prog" -l)}
both "$@"

equal=0 justified=0 different=0
for name in $names; do
	reason=$(sed -n "s/^$name //p" test/diff/justified.txt)
	if cmp -s "$tmp/kernel/$name" "$tmp/sock7/$name"; then
		equal=$((equal + 1))
		echo "ok - $name${reason:+ (justified.txt may forget it)}"
	elif [ -n "$reason" ]; then
		justified=$((justified + 1))
		echo "ok - $name (differs: $reason)"
	else
		different=$((different + 1))
		echo "not ok - $name: $(diff "$tmp/kernel/$name" "$tmp/sock7/$name" 2>&1 | grep -m2 '^[<>]' | tr '\n' ' ')"
	fi
done
[ -z "${S7_KEEP:-}" ] || echo "transcripts: $tmp"
echo "diff: $equal equal, $justified justified, $different different"
[ $different = 0 ]

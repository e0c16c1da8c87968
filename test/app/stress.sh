#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# stress-ng's stressors of sockets and of waiting for them, loopback = stack, S7_STRESS_SECONDS (5) each.
. "$(dirname "$0")/lib/net.sh"
. "$(dirname "$0")/lib/own_link.sh"
seconds=${S7_STRESS_SECONDS:-5}
if ! command -v stress-ng >/dev/null; then
	skip "stress-ng is not installed"
	finish
fi
bare_up
printf '[global]\nloopback = stack\nhugepages = no\nlog = warn\n' >"$S7_TMP/s.conf"
for stressor in sock sockmany udp udp-flood epoll poll sockdiag; do
	if server timeout -k 5 $((seconds + 30)) stress-ng --temp-path "$S7_TMP" "--$stressor" 2 -t "$seconds" --metrics-brief \
		>"$S7_TMP/$stressor.out" 2>&1 && ! grep -qE 'fail:|error:|unsuccessful' "$S7_TMP/$stressor.out"; then
		ok "stress-ng $stressor: $(awk -v s=$stressor '$4 == s { print $5 " bogo operations"; exit }' "$S7_TMP/$stressor.out")"
	else
		not_ok "stress-ng $stressor: $(grep -E 'fail:|error:|sock7' "$S7_TMP/$stressor.out" | head -n 3 | tr '\n' ' ')"
	fi
done
finish

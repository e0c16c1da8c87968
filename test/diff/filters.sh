#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# filters.sh - random filter programs on the kernel and on our engines (filters.c)
#
# usage: filters.sh [SEED]     default: another one each day
# S7_FILTER_PROGRAMS: how many classic ones (3000), and a tenth as many of the machine's own. Needs root: a namespace with lo only.
cd "$(dirname "$0")/../.." || exit 1
prog=$(realpath "${S7_BUILD:-build/release}")/test/diff/s7filters
count=${S7_FILTER_PROGRAMS:-3000}
seed=${1:-$(date +%Y%m%d)}
ns=s7df$$

[ -x "$prog" ] || { echo "not ok - $prog is missing"; exit 1; }
trap 'ip netns del $ns 2>/dev/null' EXIT
ip netns add $ns && ip -n $ns link set lo up || { echo "not ok - no namespace"; exit 1; }
echo "# seed $seed"
timeout 400 ip netns exec $ns "$prog" "$count" $((count / 10)) "$seed"

#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# own_link.sh - two namespaces with lo alone, and links between two programs on sock7
#
# Sourced after net.sh by test/app/links.sh and loopback.sh. The server's configuration is $S7_TMP/s.conf, the client's c.conf.
#
#   bare_up, veth_up             the namespaces; a veth pair between them, as in net.sh
#   conf_write SIDE NAME DRIVER DEVICE DEVARGS [adopt]
#   link_write memif|vhost [reversed]   both files; reversed: the server takes the client's end of the link
#   server CMD, client CMD, bg_server NAME CMD     on sock7 with that side's file
#   link_answers PORT            until the server answers over the link (at most 10 s)

S7_CLI=${S7_CLI:-$(dirname "$S7_LIB")/sock7}

bare_up()
{
	ip netns add "$S7_NS_S"
	ip netns add "$S7_NS_C"
	in_s ip link set lo up
	in_c ip link set lo up
}

veth_up()
{
	ip link add "$S7_DEV_S" netns "$S7_NS_S" type veth peer name "$S7_DEV_C" netns "$S7_NS_C"
	in_s ip addr add "$S7_IP_S/24" dev "$S7_DEV_S"
	in_c ip addr add "$S7_IP_C/24" dev "$S7_DEV_C"
	in_s ip link set "$S7_DEV_S" up
	in_c ip link set "$S7_DEV_C" up
}

conf_write()
{
	local side=$1 name=$2 driver=$3 device=$4 devargs=$5 ip
	[ "$side" = s ] && ip=$S7_IP_S || ip=$S7_IP_C
	{
		printf '[global]\nhugepages = no\nlog = warn\n'
		printf '[interface %s]\ndriver = %s\n' "$name" "$driver"
		[ -z "$device" ] || printf 'device = %s\n' "$device"
		[ -z "$devargs" ] || printf 'devargs = %s\n' "$devargs"
		[ -n "${6:-}" ] || printf 'address = %s/24\n' "$ip"
	} >"$S7_TMP/$side.conf"
}

link_write()
{
	local sock=$S7_TMP/$1.sock first=s second=c
	[ -z "${2:-}" ] || first=c second=s
	case $1 in
	memif)
		conf_write $first memif0 memif "$sock" role=server
		conf_write $second memif0 memif "$sock" role=client
		;;
	vhost)
		conf_write $first vhost0 vhost "$sock" ""
		conf_write $second virtio0 virtio_user "$sock" ""
		;;
	esac
}

server() { in_s env LD_PRELOAD="$S7_LIB" SOCK7_CONF="$S7_TMP/s.conf" "$@"; }
client() { in_c env LD_PRELOAD="$S7_LIB" SOCK7_CONF="$S7_TMP/c.conf" "$@"; }
bg_server()
{
	local name=$1
	shift
	bg_s "$name" env LD_PRELOAD="$S7_LIB" SOCK7_CONF="$S7_TMP/s.conf" "$@"
}

link_answers()
{
	local i
	sleep 0.3
	for i in $(seq 20); do
		client timeout 5 /usr/bin/python3 -c "
import socket, sys
socket.create_connection(('$S7_IP_S', $1), 3).close()" 2>/dev/null && return 0
		sleep 0.3
	done
	return 1
}

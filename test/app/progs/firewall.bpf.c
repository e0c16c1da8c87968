// SPDX-License-Identifier: BSD-3-Clause
/*
 * firewall.bpf.c - for test/app/firewall.sh: drops what is for port 5401 or 5403 over IPv4, and
 * counts in an array what it saw of each IP protocol
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, __u64);
} by_proto SEC(".maps");

SEC("socket")
int not_two_ports(struct __sk_buff *skb)
{
	__u16 ports[2];
	__u8 head[20];
	__u32 proto;
	__u64 *count;

	if (skb->protocol != bpf_htons(ETH_P_IP) || bpf_skb_load_bytes(skb, ETH_HLEN, head, 20))
		return -1;
	proto = head[9];
	count = bpf_map_lookup_elem(&by_proto, &proto);
	if (count)
		__sync_fetch_and_add(count, 1);
	if (proto != 6 && proto != 17)
		return -1;
	if (bpf_skb_load_bytes(skb, ETH_HLEN + (head[0] & 15) * 4, ports, 4))
		return 0;
	return ports[1] == bpf_htons(5401) || ports[1] == bpf_htons(5403) ? 0 : -1;
}

char _license[] SEC("license") = "Dual BSD/GPL";

// SPDX-License-Identifier: BSD-3-Clause
/*
 * ebpf.bpf.c - the programs of ebpf.sh, as anybody writes them: maps in an ELF object, for libbpf
 *
 * `keep`: a socket filter that counts datagrams by their first byte, cuts those with a capital, and
 * drops '!'. `by_hash`, `by_cpu`: which of four workers gets a datagram. Compiled for the target
 * bpf.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define PAYLOAD 8 /* behind the UDP header */
#define WORKERS 4

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, __u64);
} by_byte SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u64);
} by_length SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_REUSEPORT_SOCKARRAY);
	__uint(max_entries, WORKERS);
	__type(key, __u32);
	__type(value, __u64);
} workers SEC(".maps");

__u64 seen, dropped;
const volatile __u32 cut_to = 3;

static __attribute__((noinline)) int is_capital(__u32 byte)
{
	return byte >= 'A' && byte <= 'Z';
}

static __attribute__((noinline)) void count_length(__u32 len)
{
	__u64 one = 1, *count = bpf_map_lookup_elem(&by_length, &len);

	if (count)
		__sync_fetch_and_add(count, 1);
	else
		bpf_map_update_elem(&by_length, &len, &one, BPF_NOEXIST);
}

SEC("socket")
int keep(struct __sk_buff *skb)
{
	__u8 byte = 0;
	__u32 key;
	__u64 *count;

	__sync_fetch_and_add(&seen, 1);
	if (bpf_skb_load_bytes(skb, PAYLOAD, &byte, sizeof(byte)))
		return 0;
	key = byte;
	count = bpf_map_lookup_elem(&by_byte, &key);
	if (count)
		__sync_fetch_and_add(count, 1);
	count_length(skb->len - PAYLOAD);
	if (byte == '!') {
		dropped++;
		return 0;
	}
	return is_capital(byte) ? PAYLOAD + cut_to : -1;
}

SEC("sk_reuseport")
int by_hash(struct sk_reuseport_md *md)
{
	__u32 key = md->hash % WORKERS;

	bpf_sk_select_reuseport(md, &workers, &key, 0);
	return SK_PASS;
}

SEC("sk_reuseport")
int by_byte_of_payload(struct sk_reuseport_md *md)
{
	void *data = md->data, *end = md->data_end;
	__u32 key;

	if (data + PAYLOAD + 1 > end)
		return SK_DROP;
	key = *(__u8 *)(data + PAYLOAD) - '0';
	return bpf_sk_select_reuseport(md, &workers, &key, 0) ? SK_DROP : SK_PASS;
}

SEC("socket")
int by_cpu(struct __sk_buff *skb)
{
	return bpf_get_smp_processor_id() % WORKERS;
}

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} ring SEC(".maps");

/* Only the kernel can run it. */
SEC("socket")
int into_ring(struct __sk_buff *skb)
{
	__u32 len = skb->len;

	bpf_ringbuf_output(&ring, &len, sizeof(len), 0);
	return -1;
}

char _license[] SEC("license") = "Dual BSD/GPL";

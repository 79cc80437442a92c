/* The C side of switch.bench.ts: the decision of a card's switch with a hash table, for the switch of
 * switch-scene.ts, where every fact is known: VFs with a port VLAN and spoof check, no bridge, VEB.
 * Same frames in the same columns, same results: fates, tags inside, deliveries with certainty, and
 * counters. Reads one file, decides it often enough, and prints CPU time and a hash of the results.
 *
 * switch-decision FILE TIMES: prints nanoseconds of CPU a frame, the least of 5 rounds, and the hash.
 * The file is 32-bit integers: VFs, addresses, frames, flags; by VF: MAC high, low, VLAN tag;
 * by address: high, low; by frame: from, destination high, low, source high, low, tag, type, size.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { FORWARDED = 0, SPOOFED = 2, REFUSED_TYPE = 3, REFUSED_TAG = 4, LOST = 5 };
enum { MAYBE = 2, YES = 3 };
enum { LARGEST = 1514, UNTAGGED = -1 };

struct entry { int32_t high, low, port, pf; };
struct vf { int32_t high, low, tag, next; };

static int32_t vfs, addresses, frames;
static struct vf *vf;
static struct entry *table;
static uint32_t mask;
/* Ports of a VLAN in their order: an index into members. */
static int32_t *members, first_member[4097];
static int32_t *from, *dst_high, *dst_low, *src_high, *src_low, *frame_tag, *type, *size;
static uint8_t *fate, *certainty;
static int32_t *tag, *start, *port;
static uint32_t *sent, *dropped, *spoofed, *received, *perhaps;

static inline struct entry *find(int32_t high, int32_t low)
{
	uint32_t at = ((uint32_t)low ^ (uint32_t)high * 0x9e3779b1u) * 0x85ebca6bu;

	at = (at ^ (at >> 15)) & mask;
	while (table[at].port != -1 && (table[at].high != high || table[at].low != low))
		at = (at + 1) & mask;
	return &table[at];
}

static inline void deliver(int32_t *length, int32_t sender, int32_t to, uint8_t sure)
{
	if (to == sender)
		return;
	port[*length] = to;
	certainty[(*length)++] = sure;
	if (sure == YES)
		received[to]++;
	else
		perhaps[to]++;
}

static inline uint8_t decide(int32_t at, int32_t *length)
{
	int32_t sender = from[at], before = *length, id, own;
	struct entry *hit;

	tag[at] = frame_tag[at];
	if (type[at] == 0x8808 || type[at] == 0x88cc)
		return REFUSED_TYPE;
	if (src_high[at] != vf[sender].high || src_low[at] != vf[sender].low)
		return SPOOFED;
	if (frame_tag[at] != UNTAGGED)
		return REFUSED_TAG;
	own = vf[sender].tag;
	tag[at] = own;
	id = own & 0xfff;
	if (dst_high[at] & 0x0100) {
		for (int32_t nth = first_member[id]; nth < first_member[id + 1]; nth++)
			deliver(length, sender, members[nth], YES);
		deliver(length, sender, vfs, MAYBE);
		deliver(length, sender, vfs + 1, YES);
		return FORWARDED;
	}
	hit = find(dst_high[at], dst_low[at]);
	if (hit->port == -1) {
		deliver(length, sender, vfs + 1, YES);
	} else if (hit->pf) {
		deliver(length, sender, vfs, MAYBE);
	} else {
		for (int32_t to = hit->port; to >= 0; to = vf[to].next)
			if ((vf[to].tag & 0xfff) == id)
				deliver(length, sender, to, YES);
	}
	return *length == before ? LOST : FORWARDED;
}

static void run(void)
{
	int32_t length = 0;

	for (int32_t at = 0; at < frames; at++) {
		start[at] = length;
		fate[at] = decide(at, &length);
		sent[from[at]]++;
		if (fate[at] != FORWARDED)
			dropped[from[at]]++;
		if (fate[at] == SPOOFED)
			spoofed[from[at]]++;
	}
	start[frames] = length;
}

static int32_t *read_column(FILE *file, int32_t length)
{
	int32_t *column = malloc((size_t)length * sizeof *column);

	if (column == NULL || fread(column, sizeof *column, length, file) != (size_t)length)
		exit(2);
	return column;
}

static void *zeroed(size_t count, size_t bytes)
{
	void *memory = calloc(count, bytes);

	if (memory == NULL)
		exit(2);
	return memory;
}

static void load(const char *path)
{
	FILE *file = fopen(path, "rb");
	int32_t *head, *rows, *macs;

	if (file == NULL)
		exit(2);
	head = read_column(file, 3);
	vfs = head[0], addresses = head[1], frames = head[2];
	rows = read_column(file, vfs * 3);
	macs = read_column(file, addresses * 2);
	int32_t **columns[] = { &from, &dst_high, &dst_low, &src_high, &src_low, &frame_tag, &type, &size };
	for (size_t at = 0; at < sizeof columns / sizeof *columns; at++)
		*columns[at] = read_column(file, frames);
	fclose(file);
	vf = zeroed(vfs, sizeof *vf);
	for (mask = 1; mask < (uint32_t)(vfs + addresses + 1) * 2;)
		mask *= 2;
	table = zeroed(mask, sizeof *table);
	for (uint32_t at = 0; at < mask; at++)
		table[at].port = -1;
	mask--;
	for (int32_t at = vfs - 1; at >= 0; at--) {
		struct entry *own;

		vf[at] = (struct vf){ rows[at * 3], rows[at * 3 + 1], rows[at * 3 + 2], -2 };
		own = find(vf[at].high, vf[at].low);
		if (own->port >= 0)
			vf[at].next = own->port;
		*own = (struct entry){ vf[at].high, vf[at].low, at, 0 };
	}
	for (int32_t at = 0; at < addresses; at++)
		*find(macs[at * 2], macs[at * 2 + 1]) =
			(struct entry){ macs[at * 2], macs[at * 2 + 1], -2, 1 };
	members = zeroed(vfs, sizeof *members);
	for (int32_t id = 0, nth = 0; id <= 4096; id++) {
		first_member[id] = nth;
		for (int32_t at = 0; at < vfs; at++)
			if ((vf[at].tag & 0xfff) == id)
				members[nth++] = at;
	}
	fate = zeroed(frames, 1);
	tag = zeroed(frames, sizeof *tag);
	start = zeroed(frames + 1, sizeof *start);
	port = zeroed((size_t)frames * 16, sizeof *port);
	certainty = zeroed((size_t)frames * 16, 1);
	uint32_t **counters[] = { &sent, &dropped, &spoofed, &received, &perhaps };
	for (size_t at = 0; at < sizeof counters / sizeof *counters; at++)
		*counters[at] = zeroed(vfs + 2, sizeof **counters[at]);
}

static uint32_t hash(uint32_t before, uint32_t value)
{
	return (before ^ value) * 16777619u;
}

/* Of one run: fates, tags, deliveries; then the counters. */
static uint32_t hash_of_run(void)
{
	uint32_t sum = 2166136261u;

	for (int32_t at = 0; at < frames; at++) {
		sum = hash(hash(sum, fate[at]), (uint32_t)tag[at]);
		for (int32_t nth = start[at]; nth < start[at + 1]; nth++)
			sum = hash(hash(sum, (uint32_t)port[nth]), certainty[nth]);
	}
	for (int32_t at = 0; at < vfs + 2; at++)
		sum = hash(hash(hash(hash(hash(sum, sent[at]), dropped[at]), spoofed[at]), received[at]),
			   perhaps[at]);
	return sum;
}

static double cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

int main(int argc, char **argv)
{
	double best = 1e18;
	uint32_t sum;
	int times;

	if (argc != 3)
		return 2;
	load(argv[1]);
	times = atoi(argv[2]);
	run();
	sum = hash_of_run();
	for (int round = 0; round < 5; round++) {
		double before = cpu_ns(), took;

		for (int time = 0; time < times; time++)
			run();
		took = (cpu_ns() - before) / times / frames;
		if (took < best)
			best = took;
	}
	printf("%.3f %08x\n", best, sum);
	return 0;
}

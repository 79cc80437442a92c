/* The inventory of host/linux in C: the peer that bench/inventory.bench.ts measures against. It makes
 * the same system calls for the same facts (src/host/linux/scan.ts, inventory.ts) and ends each round
 * with one record a VF, hashed, so that both sides can be compared.
 *
 *   inventory-reader read ROOT ROUNDS NETDEVS   rounds in this process: CPU us of the best, hash
 *   inventory-reader run COMMAND ...            one command: CPU us of the child
 */

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { name_max = 64, entries_max = 1 << 17 };

typedef struct { char address[20]; char value[name_max]; } pair;
typedef struct { pair *rows; int count; } table;

static char root[1024];
static int with_netdevs;
static uint64_t hash;

static int compare_pairs(const void *left, const void *right)
{
    return strcmp(((const pair *)left)->address, ((const pair *)right)->address);
}

static void add(table *t, const char *address, const char *value)
{
    if (t->count == entries_max) exit(3);
    snprintf(t->rows[t->count].address, sizeof t->rows[0].address, "%s", address);
    snprintf(t->rows[t->count].value, name_max, "%s", value);
    t->count++;
}

static const char *find(const table *t, const char *address)
{
    const pair *row = bsearch(address, t->rows, t->count, sizeof(pair), compare_pairs);
    return row ? row->value : "";
}

static int read_text(const char *folder, const char *name, char *text, int size)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) return -1;
    int length = read(fd, text, size - 1);
    close(fd);
    if (length > 0 && text[length - 1] == '\n') length--;
    text[length < 0 ? 0 : length] = 0;
    return length;
}

static long number(const char *folder, const char *name, int base)
{
    char text[4096];
    return read_text(folder, name, text, sizeof text) < 0 ? -1 : strtol(text, NULL, base);
}

static int read_link(const char *path, char *target, int size)
{
    int length = readlink(path, target, size - 1);
    target[length < 0 ? 0 : length] = 0;
    return length;
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

typedef void (*visitor)(const char *name, void *context);

static void each_name(const char *folder, visitor visit, void *context)
{
    DIR *stream = opendir(folder);
    if (!stream) return;
    for (struct dirent *entry; (entry = readdir(stream));)
        if (entry->d_name[0] != '.') visit(entry->d_name, context);
    closedir(stream);
}

typedef struct { table *drivers; const char *driver; } driver_visit;

static void visit_bound(const char *name, void *context)
{
    driver_visit *visit = context;
    if (strlen(name) >= 12 && strchr(name, ':')) add(visit->drivers, name, visit->driver);
}

static void visit_driver(const char *name, void *context)
{
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s/sys/bus/pci/drivers/%s", root, name);
    driver_visit visit = { context, name };
    each_name(folder, visit_bound, &visit);
}

static void visit_netdev(const char *name, void *context)
{
    char path[PATH_MAX], target[PATH_MAX];
    snprintf(path, sizeof path, "%s/sys/class/net/%s", root, name);
    if (read_link(path, target, sizeof target) < 0) return;
    char *net = strstr(target, "/net/");
    if (!net) return;
    *net = 0;
    add(context, last_part(target), name);
}

static void visit_function(const char *name, void *context) { add(context, name, ""); }

typedef struct { int virtfns; int has_totalvfs; } folder_facts;

static void visit_file(const char *name, void *context)
{
    folder_facts *facts = context;
    facts->virtfns += !strncmp(name, "virtfn", 6);
    facts->has_totalvfs |= !strcmp(name, "sriov_totalvfs");
}

static void mix(const char *text)
{
    for (; *text; text++) hash = (hash ^ (unsigned char)*text) * 1099511628211u;
}

static void record_vf(const char *parent, const char *address, const table *drivers,
                      const table *netdevs)
{
    char path[PATH_MAX], group[PATH_MAX], line[PATH_MAX + 256];
    snprintf(path, sizeof path, "%s/%s/iommu_group", parent, address);
    read_link(path, group, sizeof group);
    const char *netdev = find(netdevs, address);
    snprintf(line, sizeof line, "%s %s %s %s\n", address, find(drivers, address),
             last_part(group), netdev);
    mix(line);
}

static void format_address(char *text, long domain, int routing_id)
{
    sprintf(text, "%04lx:%02x:%02x.%d", domain, routing_id >> 8, (routing_id >> 3) & 31,
            routing_id & 7);
}

static void read_pf(const char *folder, const char *address, int virtfns, table *functions,
                    const table *drivers, const table *netdevs)
{
    static unsigned char config[4096];
    char path[PATH_MAX], target[PATH_MAX], text[4096], parent[PATH_MAX], vf[24];
    number(folder, "sriov_totalvfs", 10);
    long offset = number(folder, "sriov_offset", 10), stride = number(folder, "sriov_stride", 10);
    number(folder, "sriov_vf_device", 16);
    number(folder, "sriov_drivers_autoprobe", 10);
    number(folder, "numa_node", 10);
    const char *const speeds[] = { "current_link_speed", "current_link_width", "max_link_speed",
                                   "max_link_width" };
    for (int i = 0; i < 4; i++) read_text(folder, speeds[i], text, sizeof text);
    for (int i = 0; i < virtfns; i += virtfns > 1 ? virtfns - 1 : 1) {
        snprintf(path, sizeof path, "%s/virtfn%d", folder, i);
        read_link(path, target, sizeof target);
    }
    snprintf(path, sizeof path, "%s/config", folder);
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (fd >= 0) {
        if (pread(fd, config, sizeof config, 0) < 0) exit(4);
        close(fd);
    }
    const char *netdev = find(netdevs, address);
    if (with_netdevs && *netdev) {
        snprintf(path, sizeof path, "%s/sys/class/net/%s", root, netdev);
        each_name(path, visit_file, &(folder_facts){ 0 });
        const char *const files[] = { "flags", "address", "operstate", "ifindex", "mtu",
                                      "phys_port_name" };
        for (int i = 0; i < 6; i++) read_text(path, files[i], text, sizeof text);
    }
    snprintf(path, sizeof path, "%s/iommu_group", folder);
    read_link(path, target, sizeof target);
    snprintf(path, sizeof path, "%s/sys/kernel/iommu_groups/%s", root, last_part(target));
    read_text(path, "type", text, sizeof text);
    snprintf(parent, sizeof parent, "%s", folder);
    *strrchr(parent, '/') = 0;
    unsigned long domain;
    unsigned bus, device, fn;
    if (sscanf(address, "%lx:%x:%x.%u", &domain, &bus, &device, &fn) != 4) exit(5);
    int routing_id = (int)(bus << 8 | device << 3 | fn);
    for (int i = 0; i < virtfns; i++) {
        format_address(vf, (long)domain, routing_id + (int)(offset + i * stride));
        pair *row = bsearch(vf, functions->rows, functions->count, sizeof(pair), compare_pairs);
        if (!row) exit(6);
        strcpy(row->value, "vf");
        record_vf(parent, vf, drivers, netdevs);
    }
}

static void read_function(const char *address, table *functions, const table *drivers,
                          const table *netdevs)
{
    char link[PATH_MAX], target[PATH_MAX], folder[PATH_MAX], text[4096];
    snprintf(link, sizeof link, "%s/sys/bus/pci/devices/%s", root, address);
    if (read_link(link, target, sizeof target) < 0) return;
    char *below = strstr(target, "devices/");
    snprintf(folder, sizeof folder, "%s/sys/%s", root, below ? below : target);
    folder_facts facts = { 0 };
    each_name(folder, visit_file, &facts);
    if (read_text(folder, "modalias", text, sizeof text) < 0) return;
    if (facts.has_totalvfs) {
        read_pf(folder, address, facts.virtfns, functions, drivers, netdevs);
    } else if (strstr(text, "bc06sc04")) {
        number(folder, "secondary_bus_number", 10);
        number(folder, "subordinate_bus_number", 10);
        snprintf(link, sizeof link, "%s/iommu_group", folder);
        read_link(link, target, sizeof target);
    }
}

static void read_inventory(table *drivers, table *netdevs, table *functions)
{
    char folder[PATH_MAX];
    drivers->count = netdevs->count = functions->count = 0;
    hash = 14695981039346656037u;
    snprintf(folder, sizeof folder, "%s/sys/bus/pci/drivers", root);
    each_name(folder, visit_driver, drivers);
    qsort(drivers->rows, drivers->count, sizeof(pair), compare_pairs);
    snprintf(folder, sizeof folder, "%s/sys/class/net", root);
    if (with_netdevs) each_name(folder, visit_netdev, netdevs);
    qsort(netdevs->rows, netdevs->count, sizeof(pair), compare_pairs);
    snprintf(folder, sizeof folder, "%s/sys/bus/pci/devices", root);
    each_name(folder, visit_function, functions);
    qsort(functions->rows, functions->count, sizeof(pair), compare_pairs);
    for (int i = 0; i < functions->count; i++)
        if (!*functions->rows[i].value)
            read_function(functions->rows[i].address, functions, drivers, netdevs);
}

static long cpu_us(const struct rusage *usage)
{
    return (usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1000000L + usage->ru_utime.tv_usec +
           usage->ru_stime.tv_usec;
}

static int run_command(char **arguments)
{
    pid_t child = fork();
    if (child == 0) {
        int null = open("/dev/null", O_RDWR);
        dup2(null, 1);
        dup2(null, 2);
        execvp(arguments[0], arguments);
        _exit(127);
    }
    int status;
    struct rusage usage;
    if (wait4(child, &status, 0, &usage) < 0 || status != 0) return 1;
    printf("%ld\n", cpu_us(&usage));
    return 0;
}

int main(int count, char **arguments)
{
    if (count > 2 && !strcmp(arguments[1], "run")) return run_command(arguments + 2);
    if (count < 5) return 2;
    snprintf(root, sizeof root, "%s", arguments[2]);
    with_netdevs = atoi(arguments[4]);
    table drivers = { malloc(sizeof(pair) * entries_max), 0 };
    table netdevs = { malloc(sizeof(pair) * entries_max), 0 };
    table functions = { malloc(sizeof(pair) * entries_max), 0 };
    long best = LONG_MAX;
    for (int round = 0; round < atoi(arguments[3]); round++) {
        struct rusage before, after;
        getrusage(RUSAGE_SELF, &before);
        read_inventory(&drivers, &netdevs, &functions);
        getrusage(RUSAGE_SELF, &after);
        long spent = cpu_us(&after) - cpu_us(&before);
        if (spent < best) best = spent;
    }
    printf("%ld %016lx\n", best, (unsigned long)hash);
    return 0;
}

#pragma once

/*
 * The host's trouble (P12): a full disk, too little memory, a host that is busy with other things. That is
 * not the release's fault, unless it has used up the room or the memory itself; then it is no trouble of the
 * host's, and the release's failures count.
 */

#include "watchdog/transaction/context.h"

struct trouble_disk {
    const char *path;                /* borrowed */
    uint64_t size, available;        /* bytes, to whoever is not root */
    uint64_t files, files_available; /* inodes; 0 of 0: the file system has no limit */
};

struct trouble_facts {
    struct trouble_disk disks[8];
    size_t disks_count;
    uint64_t grown; /* bytes that the release has added since the switch: layers, logs, files, databases */

    uint64_t memory, memory_available; /* bytes */
    uint64_t memory_release;           /* of the application's containers but the database */
    uint64_t memory_before;            /* of those of the old release, at the baseline; 0: not known */
    double memory_stalled;             /* percent of the last 10 s in which nothing ran for want of it */

    double cpu_waited;  /* percent of the last 10 s in which something waited for a processor */
    double cpu_release; /* percent of the processors' time that the application has, while measured */
};

/* Pure. A sentence owned by the caller, NULL: none. */
char *trouble_of_disks(const struct trouble_facts *facts);
bool trouble_memory_is_short(const struct trouble_facts *facts); /* whoever has taken it */
char *trouble_of_memory(const struct trouble_facts *facts);
/* The host is too busy to judge how fast the release is. */
char *trouble_of_processors(const struct trouble_facts *facts);

/* Bytes of memory that the application's containers (but the database's) use now; 0 when Docker does not
 * tell. */
uint64_t trouble_memory(struct context *context, usec_t deadline);

/* struct probe_view's @look_at_host: in a child of the round, where something did not pass. @userdata: the
 * struct context. */
void trouble_find(void *userdata, bool slow, usec_t deadline, char **ret_trouble, char **ret_busy);

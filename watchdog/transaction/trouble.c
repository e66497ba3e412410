/* What is wrong with the host, and whose fault it is. See trouble.h. */

#include "watchdog/transaction/trouble.h"

#include <inttypes.h>

#include "watchdog/base/memory.h"

#define MIB ((uint64_t)1024 * 1024)
/* So little is left when writes begin to fail: file systems keep some blocks back, and databases panic. */
#define DISK_LEAST (64 * MIB)
#define FILES_LEAST 64
#define MEMORY_LEAST (32 * MIB)
#define MEMORY_LEAST_SHARE 50 /* one of so many parts */
#define MEMORY_STALLED 20.0
/* A release may need more than the one before; twice as much and this is what a leak looks like. */
#define MEMORY_MORE (64 * MIB)
#define CPU_WAITED 80.0
#define CPU_OWN 50.0

char *trouble_of_disks(const struct trouble_facts *facts) {
    for (size_t i = 0; i < facts->disks_count; i++) {
        const struct trouble_disk *disk = &facts->disks[i];
        uint64_t least = disk->size / 20 < DISK_LEAST ? disk->size / 20 : DISK_LEAST;
        if (disk->files && disk->files_available < FILES_LEAST)
            return xasprintf("the file system of \"%s\" has no more files to give", disk->path);
        if (disk->available >= least || disk->available + facts->grown >= 2 * least)
            continue; /* there is room, or there would be without what the release has added */
        return xasprintf("the disk of \"%s\" is full (%" PRIu64 " MiB left)", disk->path,
                         disk->available / MIB);
    }
    return NULL;
}

bool trouble_memory_is_short(const struct trouble_facts *facts) {
    uint64_t share = facts->memory / MEMORY_LEAST_SHARE, least = share < MEMORY_LEAST ? share : MEMORY_LEAST;
    return facts->memory && (facts->memory_available < least || facts->memory_stalled >= MEMORY_STALLED);
}

char *trouble_of_memory(const struct trouble_facts *facts) {
    uint64_t used = facts->memory - facts->memory_available;
    bool is_own = facts->memory_before ? facts->memory_release >= 2 * facts->memory_before + MEMORY_MORE
                                       : facts->memory_release >= used / 2;
    if (!trouble_memory_is_short(facts) || is_own)
        return NULL;
    return xasprintf("the machine is short of memory (%" PRIu64 " MiB left)", facts->memory_available / MIB);
}

char *trouble_of_processors(const struct trouble_facts *facts) {
    if (facts->cpu_waited < CPU_WAITED || facts->cpu_release >= CPU_OWN)
        return NULL;
    return xasprintf("the machine is busy with other things (the application has %.0f%% of its processors)",
                     facts->cpu_release);
}

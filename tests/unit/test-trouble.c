/* Whose fault a full disk, too little memory or a busy host is. */

#include "tests/unit/unit.h"

#include <string.h>

#include "watchdog/base/memory.h"
#include "watchdog/transaction/trouble.h"

#define MIB ((uint64_t)1024 * 1024)
#define GIB (1024 * MIB)

static void expect(const char *name, char *found, const char *words) {
    if (words ? !found || !strstr(found, words) : found != NULL)
        fail_msg("%s: %s", name, found ? found : "no trouble");
    free(found);
}

static void a_full_disk_is_the_hosts_unless_the_release_filled_it(void **state) {
    (void)state;
    static const struct {
        const char *name;
        uint64_t size, available, files, files_available, grown;
        const char *words;
    } cases[] = {
        { "room", 100 * GIB, 5 * GIB, 1000000, 900000, 0, NULL },
        { "full", 100 * GIB, 10 * MIB, 1000000, 900000, 0, "\"/data\" is full (10 MiB left)" },
        { "full, and the release wrote a little", 100 * GIB, 10 * MIB, 1000000, 900000, 20 * MIB, "is full" },
        { "full of what the release wrote", 100 * GIB, 10 * MIB, 1000000, 900000, 2 * GIB, NULL },
        { "a small disk with room", 100 * MIB, 20 * MIB, 0, 0, 0, NULL },
        { "a small disk, full", 100 * MIB, 1 * MIB, 0, 0, 0, "is full (1 MiB left)" },
        { "no inodes", 100 * GIB, 5 * GIB, 1000000, 3, 0, "has no more files to give" },
        { "a file system that does not count them", 100 * GIB, 5 * GIB, 0, 0, 0, NULL },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        struct trouble_facts facts = { .grown = cases[i].grown, .disks_count = 1 };
        facts.disks[0] = (struct trouble_disk){ "/data", cases[i].size, cases[i].available, cases[i].files,
                                                cases[i].files_available };
        expect(cases[i].name, trouble_of_disks(&facts), cases[i].words);
    }
}

static void too_little_memory_is_the_hosts_unless_the_release_has_taken_it(void **state) {
    (void)state;
    static const struct {
        const char *name;
        struct trouble_facts facts;
        const char *words;
    } cases[] = {
        { "plenty", { .memory = 8 * GIB, .memory_available = 4 * GIB, .memory_release = 3 * GIB }, NULL },
        { "none, taken by others",
          { .memory = 8 * GIB,
            .memory_available = 8 * MIB,
            .memory_release = 300 * MIB,
            .memory_before = 290 * MIB },
          "short of memory (8 MiB left)" },
        { "none, taken by the release",
          { .memory = 8 * GIB,
            .memory_available = 8 * MIB,
            .memory_release = 5 * GIB,
            .memory_before = 290 * MIB },
          NULL },
        { "none, and what was before is not known",
          { .memory = 8 * GIB, .memory_available = 8 * MIB, .memory_release = 5 * GIB },
          NULL },
        { "swapping all the time",
          { .memory = 8 * GIB,
            .memory_available = 1 * GIB,
            .memory_release = 300 * MIB,
            .memory_before = 290 * MIB,
            .memory_stalled = 40 },
          "short of memory" },
        { "nothing could be told", { .memory = 0 }, NULL },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++)
        expect(cases[i].name, trouble_of_memory(&cases[i].facts), cases[i].words);
}

static void a_busy_host_excuses_only_who_does_not_make_it_busy(void **state) {
    (void)state;
    expect("idle", trouble_of_processors(&(struct trouble_facts){ .cpu_waited = 10 }), NULL);
    expect("busy", trouble_of_processors(&(struct trouble_facts){ .cpu_waited = 95, .cpu_release = 7 }),
           "busy with other things (the application has 7% of its processors)");
    expect("busy by itself",
           trouble_of_processors(&(struct trouble_facts){ .cpu_waited = 95, .cpu_release = 70 }), NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_disk_is_the_hosts_unless_the_release_filled_it),
        cmocka_unit_test(too_little_memory_is_the_hosts_unless_the_release_has_taken_it),
        cmocka_unit_test(a_busy_host_excuses_only_who_does_not_make_it_busy),
    };
    return RUN(tests);
}

/* Trees copied, compared and put back: what is there afterwards is what was there before. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/unit/trees.h"
#include "watchdog/base/durable.h"
#include "watchdog/base/memory.h"
#include "watchdog/snapshot/beneath.h"
#include "watchdog/snapshot/entry.h"
#include "watchdog/snapshot/tree.h"

static char *scratch;

static int enter(void **state) {
    (void)state;
    scratch = trees_scratch("tree");
    umask(022);
    return chdir(scratch);
}

static int leave(void **state) {
    (void)state;
    int r = chdir("/") < 0 ? -1 : durable_remove_tree(AT_FDCWD, scratch, NULL);
    free(scratch);
    return r;
}

static char *at(const char *name) {
    return xasprintf("%s/%s", scratch, name);
}

static int copy(const char *to, const char *previous, struct manifest **ret, struct error *err) {
    _cleanup_free_ char *live = at("live"), *directory = at(to), *earlier = previous ? at(previous) : NULL;
    const struct tree_source source = { "data", live };
    return tree_copy(&source, directory, earlier, NULL, ret, err);
}

static int second(const char *to, struct tree_changes *ret, struct error *err) {
    _cleanup_free_ char *live = at("live"), *directory = at(to);
    const struct tree_source source = { "data", live };
    return tree_second_pass(&source, directory, NULL, ret, NULL, err);
}

static int restore(const char *from, const char *quarantine, struct tree_restored *ret, struct error *err) {
    _cleanup_free_ char *live = at("live"), *directory = at(from), *aside = at(quarantine);
    const struct tree_restore what = { directory, live, aside, "T-1" };
    return tree_restore(&what, NULL, ret, err);
}

static size_t differences(const char *from) {
    _cleanup_free_ char *live = at("live"), *path = xasprintf("%s/%s/manifest.jsonl", scratch, from);
    _cleanup_manifest_ struct manifest *manifest = NULL;
    _cleanup_error_ struct error err = ERROR_NONE;
    struct tree_difference *list = NULL;
    size_t count = 0;
    if (manifest_read(path, &manifest, &err) < 0 ||
        tree_compare(manifest, live, NULL, &list, &count, &err) < 0)
        fail_msg("%s", error_text(&err));
    tree_differences_free(list, count);
    return count;
}

static size_t faults(const char *from, char **ret_first) {
    _cleanup_free_ char *directory = at(from);
    struct tree_fault *list;
    size_t count;
    assert_int_equal(tree_verify(directory, NULL, &list, &count, NULL), 0);
    if (ret_first)
        *ret_first = count ? xasprintf("%s: %s", list[0].path, list[0].what) : NULL;
    tree_faults_free(list, count);
    return count;
}

#define assert_done(call, err)                                                                               \
    do {                                                                                                     \
        if ((call) < 0)                                                                                      \
            fail_msg("%s", error_text(err));                                                                 \
    } while (0)

static void assert_same(const char *what, unsigned seed, const char *a, const char *b) {
    if (strcmp(a, b) == 0)
        return;
    size_t i = 0;
    while (a[i] == b[i])
        i++;
    while (i > 0 && a[i - 1] != '\n')
        i--;
    fail_msg("%s, seed %u:\n%.300s\n---\n%.300s", what, seed, a + i, b + i);
}

static void a_copy_is_exact_in_everything(void **state) {
    (void)state;
    for (unsigned seed = 0; seed < trees_rounds(4); seed++) {
        _cleanup_error_ struct error err = ERROR_NONE;
        trees_make("live", seed, 60);
        assert_done(copy("snapshot", NULL, NULL, &err), &err);
        _cleanup_free_ char *live = trees_describe("live"), *content = trees_describe("snapshot/content");
        assert_same("copy", seed, live, content);
        assert_int_equal(differences("snapshot"), 0);
        assert_int_equal(faults("snapshot", NULL), 0);
        assert_int_equal(durable_remove_tree(AT_FDCWD, "live", NULL), 0);
    }
}

static void holes_stay_holes(void **state) {
    (void)state;
    _cleanup_error_ struct error err = ERROR_NONE;
    mkdir("live", 0755);
    int fd = open("live/sparse", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    assert_int_equal(pwrite(fd, "x", 1, 50 * 1024 * 1024), 1);
    assert_int_equal(ftruncate(fd, 100 * 1024 * 1024), 0);
    close(fd);
    assert_done(copy("snapshot", NULL, NULL, &err), &err);
    struct stat status;
    assert_int_equal(stat("snapshot/content/sparse", &status), 0);
    assert_int_equal(status.st_size, 100 * 1024 * 1024);
    assert_true(status.st_blocks < 2048);
    unlink("live/sparse");
    assert_done(restore("snapshot", "quarantine", NULL, &err), &err);
    assert_int_equal(stat("live/sparse", &status), 0);
    assert_true(status.st_blocks < 2048);
}

static void an_unchanged_file_is_shared_with_the_previous_snapshot_never_with_a_live_file(void **state) {
    (void)state;
    _cleanup_error_ struct error err = ERROR_NONE;
    mkdir("live", 0755);
    trees_write("live/old", "old");
    trees_write("live/touched", "touched");
    link("live/old", "live/old-too");
    sleep(3); /* or the files count as just written */
    trees_write("live/young", "young");
    assert_done(copy("one", NULL, NULL, &err), &err);
    assert_int_equal(chmod("live/touched", 0600), 0);
    _cleanup_manifest_ struct manifest *manifest = NULL;
    assert_done(copy("two", "one", &manifest, &err), &err);
    struct stat live, one, two;
    assert_int_equal(stat("live/old", &live) | stat("one/content/old", &one) | stat("two/content/old", &two),
                     0);
    assert_true(one.st_ino == two.st_ino && one.st_ino != live.st_ino);
    assert_int_equal(two.st_nlink, 4);
    assert_int_equal(live.st_nlink, 2);
    assert_int_equal(stat("one/content/touched", &one) | stat("two/content/touched", &two), 0);
    assert_true(one.st_ino != two.st_ino);
    assert_int_equal(one.st_mode & 07777, 0644);
    assert_int_equal(two.st_mode & 07777, 0600);
    assert_int_equal(stat("one/content/young", &one) | stat("two/content/young", &two), 0);
    assert_true(one.st_ino != two.st_ino);
    assert_int_equal(manifest_shared_bytes(manifest), 3);
    assert_int_equal(manifest_bytes(manifest), 3 + 7 + 5);
    assert_int_equal(faults("one", NULL) + faults("two", NULL), 0);
    /* A restored file is a file of its own. */
    unlink("live/old");
    assert_done(restore("two", "quarantine", NULL, &err), &err);
    trees_write("live/old", "written after the restore");
    assert_int_equal(faults("one", NULL) + faults("two", NULL), 0);
}

static void the_room_of_a_copy_is_that_of_what_is_not_shared(void **state) {
    (void)state;
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_free_ char *live = at("live"), *one = at("one"), *text = xcalloc(3 * 1024 * 1024 + 1, 1);
    const struct tree_run late = { .deadline = 1 };
    uint64_t first, second_time, after, unknown = 7;
    mkdir("live", 0755);
    memset(text, 'x', 3 * 1024 * 1024);
    trees_write("live/old", text);
    link("live/old", "live/old-too");
    int fd = open("live/sparse", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    assert_int_equal(ftruncate(fd, (off_t)1024 * 1024 * 1024), 0);
    close(fd);
    sleep(3);
    assert_done(tree_estimate(live, NULL, NULL, &first, &err), &err);
    assert_in_range(first, 3 * 1024 * 1024, 3 * 1024 * 1024 + 65536);
    assert_done(copy("one", NULL, NULL, &err), &err);
    assert_done(tree_estimate(live, one, NULL, &second_time, &err), &err);
    assert_in_range(second_time, 0, 65536);
    trees_write("live/young", text);
    assert_done(tree_estimate(live, one, NULL, &after, &err), &err);
    assert_in_range(after, 3 * 1024 * 1024, 3 * 1024 * 1024 + 65536);
    assert_int_equal(tree_estimate(live, one, &late, &unknown, &err), -ETIME);
    assert_int_equal(unknown, 7);
}

static void sockets_are_listed_and_no_difference(void **state) {
    (void)state;
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_manifest_ struct manifest *manifest = NULL;
    mkdir("live", 0755);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "live/socket" };
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_done(copy("snapshot", NULL, &manifest, &err), &err);
    assert_string_equal(manifest->skipped[0], "socket");
    assert_int_equal(differences("snapshot"), 0);
    assert_done(restore("snapshot", "quarantine", NULL, &err), &err);
    assert_int_equal(access("live/socket", F_OK), 0);
    close(fd);
}

static void a_single_file_is_a_tree_too(void **state) {
    (void)state;
    _cleanup_error_ struct error err = ERROR_NONE;
    struct tree_restored counts;
    trees_write("real", "configuration");
    symlink("real", "live");
    assert_done(copy("snapshot", NULL, NULL, &err), &err);
    trees_write("live", "changed");
    assert_int_equal(differences("snapshot"), 1);
    assert_done(restore("snapshot", "quarantine", &counts, &err), &err);
    assert_int_equal(counts.restored, 1);
    assert_int_equal(counts.displaced, 1);
    _cleanup_free_ char *text = NULL, *aside = NULL;
    assert_int_equal(file_read(AT_FDCWD, "real", 100, &text, NULL, NULL), 0);
    assert_string_equal(text, "configuration");
    assert_int_equal(file_read(AT_FDCWD, "quarantine/content", 100, &aside, NULL, NULL), 0);
    assert_string_equal(aside, "changed");
    struct stat status;
    assert_int_equal(lstat("live", &status), 0);
    assert_true(S_ISLNK(status.st_mode));
    unlink("real");
    assert_done(second("snapshot", NULL, &err) == -ENOENT ? 0 : -1, &err);
    assert_int_equal(unlink("live"), 0);
    assert_int_equal(restore("snapshot", "quarantine-2", NULL, &err), -ESTALE); /* not where it was */
    trees_write("real", "made again");
    assert_int_equal(symlink("real", "live"), 0);
    assert_done(restore("snapshot", "quarantine-2", NULL, &err), &err);
    assert_int_equal(access("live", F_OK), 0);
    trees_write("live", "changed while running");
    struct tree_changes changes;
    assert_done(second("snapshot", &changes, &err), &err);
    assert_int_equal(changes.copied, 1);
    assert_int_equal(differences("snapshot"), 0);
}

static void the_second_pass_makes_the_copy_exact(void **state) {
    (void)state;
    for (unsigned seed = 0; seed < trees_rounds(8); seed++) {
        _cleanup_error_ struct error err = ERROR_NONE;
        unsigned random = seed;
        trees_make("live", seed, 50);
        assert_done(copy("snapshot", NULL, NULL, &err), &err);
        trees_mutate("live", &random, 1 + (int)seed * 5 % 40);
        assert_done(second("snapshot", NULL, &err), &err);
        _cleanup_free_ char *live = trees_describe("live"), *content = trees_describe("snapshot/content");
        assert_same("second pass", seed, live, content);
        assert_int_equal(differences("snapshot"), 0);
        assert_int_equal(faults("snapshot", NULL), 0);
        assert_int_equal(access("snapshot/staging", F_OK), -1);
        assert_int_equal(durable_remove_tree(AT_FDCWD, "live", NULL), 0);
    }
}

static void a_second_pass_over_a_quiet_tree_copies_nothing(void **state) {
    (void)state;
    _cleanup_error_ struct error err = ERROR_NONE;
    trees_make("live", 7, 60);
    mkdir("live/moved", 0755);
    trees_write("live/moved/file", "in a directory that is renamed");
    sleep(3);
    assert_done(copy("snapshot", NULL, NULL, &err), &err);
    struct tree_changes changes;
    assert_done(second("snapshot", &changes, &err), &err);
    assert_int_equal(changes.copied + changes.removed + changes.linked, 0);
    rename("live/moved", "live/elsewhere");
    assert_done(second("snapshot", &changes, &err), &err);
    assert_int_equal(changes.copied, 0);
    assert_int_equal(changes.linked, 1);
    assert_int_equal(differences("snapshot"), 0);
}

static void rewrite(const char *path, const char *text) {
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    trees_write(path, text);
    const struct timespec times[2] = { status.st_atim, status.st_mtim };
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void write_once(void *userdata, uint64_t files, uint64_t bytes) {
    bool *done = userdata;
    (void)files, (void)bytes;
    if (!*done)
        rewrite("live/file", "later!");
    *done = true;
}

/* With files old enough that their ctime alone decides. */
static void a_change_that_leaves_size_and_mtime_is_seen_by_its_ctime(void **state) {
    (void)state;
    _cleanup_error_ struct error err = ERROR_NONE;
    mkdir("live", 0755);
    trees_write("live/file", "before");
    sleep(3);
    assert_done(copy("snapshot", NULL, NULL, &err), &err);
    rewrite("live/file", "after!");
    assert_int_equal(differences("snapshot"), 1);
    assert_done(second("snapshot", NULL, &err), &err);
    _cleanup_free_ char *text = NULL;
    assert_int_equal(file_read(AT_FDCWD, "snapshot/content/file", 100, &text, NULL, NULL), 0);
    assert_string_equal(text, "after!");
    /* A write behind the back of the second pass, after it has looked at the file. */
    sleep(3);
    assert_done(copy("snapshot", NULL, NULL, &err), &err);
    bool done = false;
    const struct tree_run run = { deadline_in(USEC_PER_MINUTE), write_once, &done };
    _cleanup_free_ char *live = at("live"), *directory = at("snapshot");
    const struct tree_source source = { "data", live };
    assert_int_equal(tree_second_pass(&source, directory, &run, NULL, NULL, &err), -ESTALE);
    assert_true(done);
}

static void a_restore_ends_at_the_exact_state_and_loses_nothing(void **state) {
    (void)state;
    for (unsigned seed = 0; seed < trees_rounds(10); seed++) {
        _cleanup_error_ struct error err = ERROR_NONE;
        unsigned random = seed + 1000;
        trees_make("live", seed, 50);
        assert_done(copy("snapshot", NULL, NULL, &err), &err);
        _cleanup_free_ char *before = trees_describe("live");
        trees_mutate("live", &random, 1 + (int)seed % 40);
        _cleanup_strings_ char **digests = trees_digests("live");
        assert_done(restore("snapshot", "quarantine", NULL, &err), &err);
        _cleanup_free_ char *after = trees_describe("live");
        assert_same("restore", seed, before, after);
        assert_int_equal(differences("snapshot"), 0);
        assert_int_equal(faults("snapshot", NULL), 0);
        _cleanup_strings_ char **live = trees_digests("live"), **aside = trees_digests("quarantine");
        for (char **digest = digests; digest && *digest; digest++)
            assert_true(strings_contain(live, *digest) || strings_contain(aside, *digest));
        /* A second restore finds nothing to do, and makes no quarantine. */
        struct tree_restored counts;
        assert_done(restore("snapshot", "quarantine-2", &counts, &err), &err);
        assert_int_equal(counts.restored + counts.metadata + counts.displaced, 0);
        assert_int_equal(access("quarantine-2", F_OK), -1);
        assert_int_equal(durable_remove_tree(AT_FDCWD, "live", NULL), 0);
        assert_int_equal(durable_remove_tree(AT_FDCWD, "quarantine", NULL), 0);
    }
}

/* The structure of links counts, also where contents and metadata are the same. */
static void hard_links_are_restored_as_they_were(void **state) {
    (void)state;
    static const struct {
        const char *name, *from, *to;
    } cases[] = {
        { "two files made one", "live/single", "live/alike" },
        { "a link of a pair moved to another file", "live/single", "live/pair-too" },
        { "a third name outside of the tree", "live/pair", "outside" },
        { "a second name outside of the tree", "live/single", "outside" },
        { "a third name in the tree", "live/pair", "live/third" },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_error_ struct error err = ERROR_NONE;
        static const char *const files[] = { "live/single", "live/alike", "live/pair" };
        const struct timespec times[2] = { { 1500000000, 0 }, { 1500000000, 0 } };
        mkdir("live", 0755);
        for (size_t j = 0; j < ELEMENTS(files); j++) {
            trees_write(files[j], "the same");
            assert_int_equal(utimensat(AT_FDCWD, files[j], times, 0), 0);
        }
        link("live/pair", "live/pair-too");
        assert_done(copy("snapshot", NULL, NULL, &err), &err);
        _cleanup_free_ char *before = trees_describe("live");
        unlink(cases[i].to);
        assert_int_equal(link(cases[i].from, cases[i].to), 0);
        utimensat(AT_FDCWD, "live", times, 0);
        assert_true(differences("snapshot") > 1);
        assert_done(restore("snapshot", "quarantine", NULL, &err), &err);
        _cleanup_free_ char *after = trees_describe("live");
        assert_same(cases[i].name, 0, before, after);
        struct stat single, alike, pair;
        assert_int_equal(stat(files[0], &single) | stat(files[1], &alike) | stat(files[2], &pair), 0);
        if (single.st_nlink != 1 || alike.st_nlink != 1 || pair.st_nlink != 2)
            fail_msg("%s: %lu %lu %lu links", cases[i].name, single.st_nlink, alike.st_nlink, pair.st_nlink);
        assert_int_equal(differences("snapshot"), 0);
        unlink("outside");
        assert_int_equal(durable_remove_tree(AT_FDCWD, "live", NULL), 0);
        assert_int_equal(durable_remove_tree(AT_FDCWD, "quarantine", NULL), 0);
    }
}

/* A link to a name outside that was there when the copy was made is no difference. */
static void a_hard_link_that_leads_outside_is_left_alone(void **state) {
    (void)state;
    _cleanup_error_ struct error err = ERROR_NONE;
    mkdir("live", 0755);
    trees_write("live/file", "shared");
    link("live/file", "outside");
    assert_done(copy("snapshot", NULL, NULL, &err), &err);
    assert_int_equal(differences("snapshot"), 0);
    struct tree_restored counts;
    assert_done(restore("snapshot", "quarantine", &counts, &err), &err);
    assert_int_equal(counts.restored + counts.displaced, 0);
    trees_write("live/file", "broken");
    assert_done(restore("snapshot", "quarantine", &counts, &err), &err);
    assert_int_equal(differences("snapshot"), 0);
}

static void what_is_unchanged_keeps_its_inode(void **state) {
    (void)state;
    _cleanup_error_ struct error err = ERROR_NONE;
    mkdir("live", 0755);
    trees_write("live/same", "same");
    trees_write("live/mode", "mode");
    trees_write("live/gone", "gone");
    assert_done(copy("snapshot", NULL, NULL, &err), &err);
    struct stat same, mode, after;
    assert_int_equal(stat("live/same", &same) | stat("live/mode", &mode), 0);
    unlink("live/gone");
    chmod("live/mode", 0600);
    trees_write("live/new", "new");
    struct tree_restored counts;
    assert_done(restore("snapshot", "quarantine", &counts, &err), &err);
    assert_int_equal(counts.restored, 1);
    assert_int_equal(counts.metadata, 2); /* the file and the directory's time */
    assert_int_equal(counts.displaced, 1);
    assert_int_equal(stat("live/same", &after), 0);
    assert_true(after.st_ino == same.st_ino && after.st_ctim.tv_nsec == same.st_ctim.tv_nsec);
    assert_int_equal(stat("live/mode", &after), 0);
    assert_true(after.st_ino == mode.st_ino);
    _cleanup_free_ char *list = NULL, *text = NULL;
    assert_int_equal(file_read(AT_FDCWD, "quarantine/content/new", 100, &text, NULL, NULL), 0);
    assert_string_equal(text, "new");
    assert_int_equal(file_read(AT_FDCWD, "quarantine/displaced.jsonl", 10000, &list, NULL, NULL), 0);
    assert_non_null(strstr(list, "mode 0600, was 0644"));
}

/* Children are killed at random moments; each attempt has a quarantine of its own. */
static void a_restore_killed_anywhere_and_repeated_ends_at_the_exact_state(void **state) {
    (void)state;
    unsigned killed = 0;
    for (unsigned seed = 0; seed < trees_rounds(5); seed++) {
        _cleanup_error_ struct error err = ERROR_NONE;
        unsigned random = seed;
        trees_make("live", seed, 80);
        assert_done(copy("snapshot", NULL, NULL, &err), &err);
        _cleanup_free_ char *before = trees_describe("live");
        trees_mutate("live", &random, 60);
        _cleanup_strings_ char **digests = trees_digests("live");
        for (int attempt = 0; attempt < 6; attempt++) {
            _cleanup_free_ char *quarantine = xasprintf("quarantine/%d", attempt);
            mkdir("quarantine", 0700);
            pid_t pid = fork();
            if (pid == 0)
                _exit(restore("snapshot", quarantine, NULL, NULL) < 0 ? 1 : 0);
            usleep((useconds_t)(rand_r(&random) % 6000));
            kill(pid, SIGKILL);
            int status;
            assert_int_equal(waitpid(pid, &status, 0), pid);
            killed += WIFSIGNALED(status) != 0;
            assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
        }
        assert_done(restore("snapshot", "quarantine/last", NULL, &err), &err);
        _cleanup_free_ char *after = trees_describe("live");
        assert_same("restore", seed, before, after);
        _cleanup_strings_ char **live = trees_digests("live"), **aside = trees_digests("quarantine");
        for (char **digest = digests; digest && *digest; digest++)
            assert_true(strings_contain(live, *digest) || strings_contain(aside, *digest));
        assert_int_equal(durable_remove_tree(AT_FDCWD, "live", NULL), 0);
        assert_int_equal(durable_remove_tree(AT_FDCWD, "quarantine", NULL), 0);
    }
    assert_true(killed > 3);
}

static int chattr(const char *path, int flags) {
    int fd = open(path, O_RDONLY | O_CLOEXEC), now = 0;
    int r = ioctl(fd, FS_IOC_GETFLAGS, &now);
    now = (now & ~(FS_IMMUTABLE_FL | FS_APPEND_FL)) | flags;
    r |= ioctl(fd, FS_IOC_SETFLAGS, &now);
    close(fd);
    return r;
}

static void immutable_files_and_directories_are_restored_with_their_flags(void **state) {
    (void)state;
    _cleanup_error_ struct error err = ERROR_NONE;
    mkdir("live", 0755);
    mkdir("live/fixed", 0755);
    trees_write("live/fixed/file", "fixed");
    trees_write("live/log", "append");
    assert_int_equal(chattr("live/fixed/file", FS_IMMUTABLE_FL) | chattr("live/fixed", FS_IMMUTABLE_FL) |
                         chattr("live/log", FS_APPEND_FL),
                     0);
    assert_done(copy("snapshot", NULL, NULL, &err), &err);
    chattr("live/fixed", 0);
    chattr("live/fixed/file", 0);
    trees_write("live/fixed/file", "broken");
    chattr("live/fixed/file", FS_IMMUTABLE_FL);
    trees_write("live/fixed/new", "added");
    chattr("live/fixed/new", FS_IMMUTABLE_FL);
    chattr("live/log", 0);
    int r = restore("snapshot", "quarantine", NULL, &err);
    size_t left = differences("snapshot");
    chattr("live/fixed", 0);
    int again = restore("snapshot", "quarantine-2", NULL, &err);
    struct statx status;
    statx(AT_FDCWD, "live/fixed", 0, STATX_BASIC_STATS, &status);
    chattr("live/fixed", 0);
    chattr("live/fixed/file", 0);
    chattr("live/log", 0);
    assert_done(r, &err);
    assert_int_equal(left, 0);
    assert_int_equal(again, 0);
    assert_true(status.stx_attributes & STATX_ATTR_IMMUTABLE);
}

static void a_mounted_file_system_is_refused_before_anything_is_touched(void **state) {
    (void)state;
    _cleanup_error_ struct error err = ERROR_NONE;
    mkdir("live", 0755);
    mkdir("live/mnt", 0755);
    trees_write("live/file", "one");
    assert_done(copy("snapshot", NULL, NULL, &err), &err);
    _cleanup_free_ char *point = at("live/mnt");
    trees_write("live/file", "changed");
    assert_int_equal(mount("none", point, "tmpfs", 0, NULL), 0);
    int first = copy("other", NULL, NULL, &err), last = restore("snapshot", "quarantine", NULL, &err);
    umount(point);
    assert_int_equal(first, -EXDEV);
    assert_int_equal(last, -EXDEV);
    assert_non_null(strstr(err.text, "live/mnt"));
    assert_int_equal(access("quarantine", F_OK), -1);
    /* The root itself may be one. */
    _cleanup_free_ char *live = at("live");
    assert_int_equal(mount("none", live, "tmpfs", 0, NULL), 0);
    trees_write("live/file", "inside");
    first = copy("other", NULL, NULL, &err);
    trees_write("live/file", "changed");
    last = restore("other", "quarantine", NULL, &err); /* to another file system: copied there */
    _cleanup_free_ char *text = NULL, *aside = NULL;
    int r = file_read(AT_FDCWD, "live/file", 100, &text, NULL, NULL);
    umount(live);
    assert_done(first, &err);
    assert_done(last, &err);
    assert_int_equal(r, 0);
    assert_string_equal(text, "inside");
    assert_int_equal(file_read(AT_FDCWD, "quarantine/content/file", 100, &aside, NULL, NULL), 0);
    assert_string_equal(aside, "changed");
}

/* What is under a mount point looks like data that somebody has emptied, or replaced. */
static void a_file_system_that_is_not_mounted_is_no_emptied_data(void **state) {
    (void)state;
    _cleanup_error_ struct error err = ERROR_NONE;
    mkdir("live", 0755);
    _cleanup_free_ char *live = at("live");
    trees_write("live/below", "under the mount point");
    assert_int_equal(mount("none", live, "tmpfs", 0, NULL), 0);
    trees_write("live/file", "one");
    int first = copy("snapshot", NULL, NULL, &err);
    umount(live);
    assert_done(first, &err);
    assert_int_equal(second("snapshot", NULL, &err), -ENXIO);
    assert_non_null(strstr(err.text, "is not mounted on"));
    assert_int_equal(access("snapshot/manifest.jsonl", F_OK), 0); /* it is as good as before */
    assert_int_equal(restore("snapshot", "quarantine", NULL, &err), -ENXIO);
    assert_int_equal(access("quarantine", F_OK) | access("live/file", F_OK), -1);
    assert_int_equal(access("live/below", F_OK), 0);
    /* Nor is a root made there that was on it. */
    assert_int_equal(rename("live", "aside") | mkdir("live", 0755), 0);
    assert_int_equal(rmdir("live"), 0);
    assert_int_equal(restore("snapshot", "quarantine", NULL, &err), -ENXIO);
    assert_int_equal(access("live", F_OK), -1);
}

/* Of the same device: only that something was mounted tells it. */
static void a_bind_mount_that_is_gone_is_no_emptied_data(void **state) {
    (void)state;
    static const char *const points[] = { "live", "app" }; /* the root itself, and a directory above */
    for (size_t i = 0; i < ELEMENTS(points); i++) {
        _cleanup_error_ struct error err = ERROR_NONE;
        _cleanup_free_ char *point = at(points[i]), *from = at("from"), *directory = at("snapshot"),
                            *live = at(i == 0 ? "live" : "app/live"), *aside = at("quarantine");
        const struct tree_source source = { "data", live };
        const struct tree_restore what = { directory, live, aside, "T-1" };
        assert_int_equal(mkdir("from", 0755) | mkdir("from/live", 0755) | mkdir(points[i], 0755), 0);
        trees_write(i == 0 ? "from/file" : "from/live/file", "one");
        assert_int_equal(mount(from, point, NULL, MS_BIND, NULL), 0);
        int first = tree_copy(&source, directory, NULL, NULL, NULL, &err);
        int again = tree_second_pass(&source, directory, NULL, NULL, NULL, &err);
        umount(point);
        assert_done(first, &err);
        assert_done(again, &err);
        assert_int_equal(tree_second_pass(&source, directory, NULL, NULL, NULL, &err), -ENXIO);
        assert_int_equal(tree_restore(&what, NULL, NULL, &err), -ENXIO);
        assert_non_null(strstr(err.text, "is not mounted on"));
        assert_int_equal(access(i == 0 ? "live/file" : "app/live", F_OK) | access("quarantine", F_OK), -1);
        /* In another mount namespace the same files may be there without a mount. */
        assert_int_equal(rmdir(points[i]) | rename("from", points[i]), 0);
        assert_done(tree_restore(&what, NULL, NULL, &err), &err);
        static const char *const made[] = { "app", "live", "snapshot" };
        for (size_t k = 0; k < ELEMENTS(made); k++)
            assert_int_equal(durable_remove_tree(AT_FDCWD, made[k], NULL), 0);
    }
}

static void a_file_system_that_hides_the_data_is_not_taken_for_it(void **state) {
    (void)state;
    _cleanup_error_ struct error err = ERROR_NONE;
    mkdir("live", 0755);
    _cleanup_free_ char *live = at("live");
    trees_write("live/file", "one");
    assert_done(copy("snapshot", NULL, NULL, &err), &err);
    assert_int_equal(mount("none", live, "tmpfs", 0, NULL), 0);
    int later = second("snapshot", NULL, &err);
    _cleanup_free_ char *says = xstrdup(error_text(&err));
    int back = restore("snapshot", "quarantine", NULL, &err);
    umount(live);
    assert_int_equal(later, -ENXIO);
    assert_non_null(strstr(says, "hides"));
    assert_int_equal(back, -ENXIO);
    assert_done(second("snapshot", NULL, &err), &err);
}

static void a_root_that_was_replaced_is_no_second_pass_but_can_be_restored(void **state) {
    (void)state;
    _cleanup_error_ struct error err = ERROR_NONE;
    mkdir("live", 0755);
    trees_write("live/file", "one");
    assert_done(copy("snapshot", NULL, NULL, &err), &err);
    assert_int_equal(rename("live", "moved") | mkdir("live", 0755), 0);
    assert_int_equal(second("snapshot", NULL, &err), -ESTALE);
    assert_non_null(strstr(err.text, "another directory"));
    assert_done(restore("snapshot", "quarantine", NULL, &err), &err);
    assert_int_equal(access("live/file", F_OK), 0);
}

/* As root, over a link that a bad release has planted: the host's files would be moved away. */
static void a_place_that_leads_elsewhere_is_not_touched(void **state) {
    (void)state;
    static const char *const ways[] = { "app", "app/live" }; /* its parent, and itself */
    for (size_t i = 0; i < ELEMENTS(ways); i++) {
        _cleanup_error_ struct error err = ERROR_NONE;
        assert_int_equal(mkdir("app", 0755) | mkdir("app/live", 0755), 0);
        assert_int_equal(mkdir("etc", 0755) | mkdir("etc/live", 0755), 0);
        trees_write("app/live/file", "one");
        trees_write("etc/live/passwd", "of the host");
        _cleanup_free_ char *live = at("app/live"), *directory = at("snapshot"), *aside = at("quarantine");
        const struct tree_source source = { "data", live };
        const struct tree_restore what = { directory, live, aside, "T-1" };
        assert_done(tree_copy(&source, directory, NULL, NULL, NULL, &err), &err);
        assert_int_equal(rename(ways[i], "moved"), 0);
        _cleanup_free_ char *etc = at(i == 0 ? "etc" : "etc/live");
        assert_int_equal(symlink(etc, ways[i]), 0);
        assert_int_equal(tree_second_pass(&source, directory, NULL, NULL, NULL, &err), -ESTALE);
        assert_int_equal(tree_can_restore(directory, live, &err), -ESTALE);
        assert_int_equal(tree_restore(&what, NULL, NULL, &err), -ESTALE);
        assert_non_null(strstr(err.text, "leads to"));
        assert_int_equal(access("etc/live/passwd", F_OK), 0);
        assert_int_equal(access("quarantine", F_OK) | access("etc/live/file", F_OK), -1);
        assert_int_equal(unlink(ways[i]) | rename("moved", ways[i]), 0);
        assert_done(tree_can_restore(directory, live, &err), &err);
        assert_done(tree_restore(&what, NULL, NULL, &err), &err);
        static const char *const made[] = { "app", "etc", "snapshot" };
        for (size_t k = 0; k < ELEMENTS(made); k++)
            assert_int_equal(durable_remove_tree(AT_FDCWD, made[k], NULL), 0);
    }
}

/* A link that was always there is one of the user's; what is restored from a moved application is asked for.
 */
static void links_that_stay_and_applications_that_move_are_no_other_place(void **state) {
    (void)state;
    _cleanup_error_ struct error err = ERROR_NONE;
    mkdir("disk", 0755);
    trees_write("disk/file", "one");
    assert_int_equal(symlink("disk", "live"), 0);
    assert_done(copy("snapshot", NULL, NULL, &err), &err);
    assert_done(second("snapshot", NULL, &err), &err);
    unlink("disk/file");
    assert_done(restore("snapshot", "quarantine", NULL, &err), &err);
    assert_int_equal(access("disk/file", F_OK), 0);
    assert_int_equal(mkdir("elsewhere", 0755), 0);
    _cleanup_free_ char *elsewhere = at("elsewhere"), *directory = at("snapshot"), *aside = at("aside");
    const struct tree_restore what = { directory, elsewhere, aside, "T-1" };
    assert_done(tree_restore(&what, NULL, NULL, &err), &err);
    assert_int_equal(access("elsewhere/file", F_OK), 0);
}

static void quarantine_on_another_file_system_holds_all_of_it(void **state) {
    (void)state;
    _cleanup_free_ char *point = at("aside");
    mkdir("aside", 0755);
    for (unsigned seed = 0; seed < trees_rounds(3); seed++) {
        _cleanup_error_ struct error err = ERROR_NONE;
        unsigned random = seed;
        trees_make("live", seed, 50);
        assert_done(copy("snapshot", NULL, NULL, &err), &err);
        _cleanup_free_ char *before = trees_describe("live");
        trees_mutate("live", &random, 30);
        _cleanup_strings_ char **digests = trees_digests("live");
        assert_int_equal(mount("none", point, "tmpfs", 0, "size=64m"), 0);
        int r = restore("snapshot", "aside/quarantine", NULL, &err);
        _cleanup_strings_ char **live = trees_digests("live"), **aside = trees_digests("aside");
        umount(point);
        assert_done(r, &err);
        _cleanup_free_ char *after = trees_describe("live");
        assert_same("restore", seed, before, after);
        for (char **digest = digests; digest && *digest; digest++)
            assert_true(strings_contain(live, *digest) || strings_contain(aside, *digest));
        assert_int_equal(durable_remove_tree(AT_FDCWD, "live", NULL), 0);
    }
}

static void a_quarantine_elsewhere_makes_room_on_a_full_disk(void **state) {
    (void)state;
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_free_ char *live = at("live"), *block = xcalloc(1, 1024 * 1024 + 1);
    memset(block, 'x', 1024 * 1024);
    mkdir("live", 0755);
    assert_int_equal(mount("none", live, "tmpfs", 0, "size=4m"), 0);
    trees_write("live/a", block);
    trees_write("live/b", block);
    _cleanup_free_ char *before = trees_describe("live");
    int first = copy("snapshot", NULL, NULL, &err);
    block[0] = 'y';
    trees_write("live/a", block);
    trees_write("live/b", block);
    trees_write("live/c", block);
    mkdir("live/more", 0755);
    trees_write("live/more/c", block);
    int full = restore("snapshot", "quarantine", NULL, &err);
    _cleanup_free_ char *after = trees_describe("live");
    umount(live);
    assert_done(first, &err);
    assert_done(full, &err);
    assert_same("restore", 0, before, after);
}

static void on_a_full_disk_a_restore_fails_and_can_be_repeated(void **state) {
    (void)state;
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_free_ char *point = at("disk"), *block = xcalloc(1, 1024 * 1024 + 1);
    memset(block, 'x', 1024 * 1024);
    mkdir("disk", 0755);
    assert_int_equal(mount("none", point, "tmpfs", 0, "size=5m"), 0);
    mkdir("disk/live", 0755);
    symlink("disk/live", "live");
    trees_write("live/a", block);
    trees_write("live/b", block);
    int first = copy("snapshot", NULL, NULL, &err);
    block[0] = 'y';
    trees_write("live/a", block);
    trees_write("live/b", block);
    trees_write("disk/filler", block);
    trees_write("disk/filler-too", block);
    int full = restore("snapshot", "disk/quarantine", NULL, &err);
    _cleanup_free_ char *why = xstrdup(error_text(&err));
    unlink("disk/filler");
    unlink("disk/filler-too");
    int again = restore("snapshot", "disk/quarantine-2", NULL, &err);
    size_t left = differences("snapshot");
    int aside = access("disk/quarantine/content/a", F_OK) | access("disk/quarantine/content/b", F_OK);
    umount(point);
    assert_done(first, &err);
    assert_int_equal(full, -ENOSPC);
    assert_non_null(strstr(why, "No space left"));
    assert_done(again, &err);
    assert_int_equal(left, 0);
    assert_int_equal(aside, 0);
}

static void a_copy_to_a_full_disk_says_which_file(void **state) {
    (void)state;
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_free_ char *point = at("disk"), *block = xcalloc(1, 2 * 1024 * 1024 + 1);
    memset(block, 'x', 2 * 1024 * 1024);
    mkdir("live", 0755);
    trees_write("live/large", block);
    mkdir("disk", 0755);
    assert_int_equal(mount("none", point, "tmpfs", 0, "size=1m"), 0);
    int r = copy("disk/snapshot", NULL, NULL, &err);
    int there = access("disk/snapshot/manifest.jsonl", F_OK);
    umount(point);
    assert_int_equal(r, -ENOSPC);
    assert_non_null(strstr(err.text, "live/large"));
    assert_int_equal(there, -1);
}

static void a_flipped_byte_is_found_and_never_restored(void **state) {
    (void)state;
    _cleanup_error_ struct error err = ERROR_NONE;
    mkdir("live", 0755);
    trees_write("live/file", "contents");
    trees_write("live/other", "other");
    assert_done(copy("snapshot", NULL, NULL, &err), &err);
    int fd = open("snapshot/content/file", O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "C", 1, 0), 1);
    close(fd);
    _cleanup_free_ char *first = NULL;
    assert_int_equal(faults("snapshot", &first), 1);
    assert_string_equal(first, "file: contents are not those that were copied");
    assert_int_equal(differences("snapshot"), 0);
    unlink("live/file");
    assert_int_equal(restore("snapshot", "quarantine", NULL, &err), -EBADMSG);
    assert_non_null(strstr(err.text, "\"file\""));
    assert_int_equal(access("live/file", F_OK), -1);
    unlink("snapshot/content/other");
    trees_write("snapshot/content/more", "");
    assert_int_equal(faults("snapshot", NULL), 3);
    trees_write("snapshot/manifest.jsonl", "{}\n");
    replace_string(first, NULL);
    assert_int_equal(faults("snapshot", &first), 1);
    assert_non_null(strstr(first, "manifest.jsonl"));
}

/* What a running application could put in the way between two calls. */
static void no_way_leads_over_a_link_or_out_of_the_root(void **state) {
    (void)state;
    mkdir("live", 0755);
    mkdir("outside", 0755);
    mkdir("outside/sub", 0755);
    trees_write("outside/sub/file", "secret of the host");
    symlink("../outside", "live/link");
    symlink("../outside/sub/file", "live/file");
    mkfifo("live/fifo", 0600);
    _cleanup_beneath_ struct beneath root = BENEATH_NONE;
    assert_int_equal(beneath_open("live", &root, NULL), 0);
    const char *name;
    static const struct {
        const char *path;
        int r;
    } ways[] = {
        { "link/file", -ENOTDIR },     { "link/sub/file", -ELOOP },
        { "../outside/file", -EXDEV }, { "../live/../outside/sub/file", -EXDEV },
        { "/etc/passwd", -ENOENT },    { "none/file", -ENOENT },
        { "fifo/file", -ENOTDIR },
    };
    for (size_t i = 0; i < ELEMENTS(ways); i++) {
        int r = beneath_parent(&root, ways[i].path, &name);
        if (r >= 0 || (ways[i].r != r && r != -ELOOP && r != -EXDEV))
            fail_msg("%s gave %d", ways[i].path, r);
    }
    /* A file that has become a link or a fifo since the walk saw it: gone, not followed, not waited for. */
    static const char *const names[] = { "file", "fifo" };
    for (size_t i = 0; i < ELEMENTS(names); i++) {
        struct manifest_entry entry = { .path = xstrdup(names[i]), .mode = S_IFREG | 0644 };
        struct work work = { 0 };
        assert_int_equal(entry_copy(&root, &entry, AT_FDCWD, "copy", &work, NULL), 1);
        assert_int_equal(access("copy", F_OK), -1);
        manifest_entry_done(&entry);
    }
}

/* An application that swaps directories for links while they are copied gets nothing of the outside copied.
 */
static void nothing_outside_is_copied_while_links_are_planted(void **state) {
    (void)state;
    mkdir("outside", 0755);
    trees_write("outside/file", "secret of the host");
    mkdir("live", 0755);
    pid_t pid = fork();
    if (pid == 0) {
        for (;;) {
            mkdir("live/a", 0755);
            trees_write("live/a/file", "inside");
            rename("live/a", "live/b");
            symlink("../outside", "live/a");
            unlink("live/a");
            unlink("live/b/file");
            symlink("../../outside/file", "live/b/file");
            unlink("live/b/file");
            rmdir("live/b");
        }
    }
    for (int i = 0; i < 60; i++) {
        _cleanup_error_ struct error err = ERROR_NONE;
        assert_done(copy("snapshot", NULL, NULL, &err), &err);
        const char *places[] = { "snapshot/content/a/file", "snapshot/content/b/file" };
        for (size_t j = 0; j < ELEMENTS(places); j++) {
            struct stat status;
            char content[32] = "";
            if (lstat(places[j], &status) < 0 || !S_ISREG(status.st_mode))
                continue;
            int fd = open(places[j], O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
            assert_true(read(fd, content, sizeof(content) - 1) >= 0);
            close(fd);
            assert_null(strstr(content, "secret"));
        }
        assert_int_equal(faults("snapshot", NULL), 0);
    }
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    _cleanup_error_ struct error err = ERROR_NONE;
    assert_done(second("snapshot", NULL, &err), &err);
    assert_int_equal(differences("snapshot"), 0);
}

static void a_first_pass_beside_a_busy_writer_and_a_quiet_second_one_are_exact(void **state) {
    (void)state;
    trees_make("live", 3, 60);
    pid_t pid = fork();
    if (pid == 0) {
        unsigned random = 99;
        for (;;)
            trees_mutate("live", &random, 1);
    }
    for (int i = 0; i < 4; i++) {
        _cleanup_error_ struct error err = ERROR_NONE;
        kill(pid, SIGCONT);
        usleep(20000);
        assert_done(copy("snapshot", NULL, NULL, &err), &err);
        kill(pid, SIGSTOP);
        usleep(20000);
        int r = second("snapshot", NULL, &err);
        if (r == -ESTALE) /* the writer had a child that was not stopped with it */
            continue;
        assert_done(r, &err);
        _cleanup_free_ char *live = trees_describe("live"), *content = trees_describe("snapshot/content");
        assert_same("second pass", (unsigned)i, live, content);
    }
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void a_writer_in_the_second_pass_is_found(void **state) {
    (void)state;
    mkdir("live", 0755);
    for (int i = 0; i < 2000; i++) {
        _cleanup_free_ char *path = xasprintf("live/%d", i);
        trees_write(path, "x");
    }
    _cleanup_error_ struct error err = ERROR_NONE;
    assert_done(copy("snapshot", NULL, NULL, &err), &err);
    pid_t pid = fork();
    if (pid == 0)
        for (int i = 0;; i++) {
            _cleanup_free_ char *path = xasprintf("live/%d", i % 2000);
            trees_write(path, "y");
        }
    usleep(50000);
    int r = second("snapshot", NULL, &err);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    assert_int_equal(r, -ESTALE);
    assert_non_null(strstr(err.text, "still writes"));
    assert_int_equal(access("snapshot/manifest.jsonl", F_OK), -1);
    assert_int_equal(second("snapshot", NULL, &err), -ENOENT);
}

static void deep_trees_and_deadlines(void **state) {
    (void)state;
    _cleanup_error_ struct error err = ERROR_NONE;
    mkdir("live", 0755);
    int fd = open("live", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char name[201];
    memset(name, 'd', 200);
    name[200] = '\0';
    for (int i = 0; i < 60; i++) { /* 12,000 bytes of path */
        assert_int_equal(mkdirat(fd, name, 0755), 0);
        int next = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        close(fd);
        fd = next;
    }
    int file = openat(fd, "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    assert_int_equal(write(file, "deep", 4), 4);
    close(file);
    assert_done(copy("snapshot", NULL, NULL, &err), &err);
    assert_int_equal(differences("snapshot"), 0);
    assert_int_equal(unlinkat(fd, "file", 0), 0);
    close(fd);
    assert_done(restore("snapshot", "quarantine", NULL, &err), &err);
    assert_int_equal(differences("snapshot"), 0);
    _cleanup_free_ char *live = at("live"), *directory = at("other");
    const struct tree_source source = { "data", live };
    const struct tree_run run = { .deadline = 1 };
    assert_int_equal(tree_copy(&source, directory, NULL, &run, NULL, &err), -ETIME);
    const struct tree_source missing = { "data", "/none/such" };
    assert_int_equal(tree_copy(&missing, directory, NULL, NULL, NULL, &err), -ENOENT);
    assert_non_null(strstr(err.text, "/none/such"));
}

static void a_quarantine_that_holds_something_is_refused(void **state) {
    (void)state;
    _cleanup_error_ struct error err = ERROR_NONE;
    mkdir("live", 0755);
    trees_write("live/file", "one");
    assert_done(copy("snapshot", NULL, NULL, &err), &err);
    trees_write("live/file", "two");
    mkdir("quarantine", 0700);
    trees_write("quarantine/kept", "of an earlier attempt");
    assert_int_equal(restore("snapshot", "quarantine", NULL, &err), -EEXIST);
    _cleanup_free_ char *text = NULL;
    assert_int_equal(file_read(AT_FDCWD, "live/file", 100, &text, NULL, NULL), 0);
    assert_string_equal(text, "two");
}

static void a_tree_is_not_copied_into_itself(void **state) {
    (void)state;
    _cleanup_error_ struct error err = ERROR_NONE;
    mkdir("live", 0755);
    symlink("live", "link");
    assert_int_equal(copy("live/snapshot", NULL, NULL, &err), -EINVAL);
    assert_int_equal(copy("link/snapshot", NULL, NULL, &err), -EINVAL);
    mkdir("live-too", 0755);
    assert_done(copy("live-too/snapshot", NULL, NULL, &err), &err);
}

static void directory_names_are_safe(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        { "data", "data" },
        { "data/uploads", "data%2Fuploads" },
        { "volume:caddy-data", "volume%3Acaddy-data" },
        { "..", "%2E." },
        { "web:/var/lib/x y", "web%3A%2Fvar%2Flib%2Fx%20y" },
        { "\xFF", "%FF" },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_free_ char *name = tree_directory_name(cases[i][0]);
        assert_string_equal(name, cases[i][1]);
    }
    char longest[1001];
    memset(longest, '/', 1000);
    longest[1000] = '\0';
    _cleanup_free_ char *name = tree_directory_name(longest);
    assert_true(strlen(name) <= 200);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, enter, leave)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_copy_is_exact_in_everything),
        CASE(holes_stay_holes),
        CASE(an_unchanged_file_is_shared_with_the_previous_snapshot_never_with_a_live_file),
        CASE(the_room_of_a_copy_is_that_of_what_is_not_shared),
        CASE(sockets_are_listed_and_no_difference),
        CASE(a_single_file_is_a_tree_too),
        CASE(the_second_pass_makes_the_copy_exact),
        CASE(a_second_pass_over_a_quiet_tree_copies_nothing),
        CASE(a_change_that_leaves_size_and_mtime_is_seen_by_its_ctime),
        CASE(a_restore_ends_at_the_exact_state_and_loses_nothing),
        CASE(hard_links_are_restored_as_they_were),
        CASE(a_hard_link_that_leads_outside_is_left_alone),
        CASE(what_is_unchanged_keeps_its_inode),
        CASE(a_restore_killed_anywhere_and_repeated_ends_at_the_exact_state),
        CASE(immutable_files_and_directories_are_restored_with_their_flags),
        CASE(a_mounted_file_system_is_refused_before_anything_is_touched),
        CASE(a_file_system_that_is_not_mounted_is_no_emptied_data),
        CASE(a_bind_mount_that_is_gone_is_no_emptied_data),
        CASE(a_file_system_that_hides_the_data_is_not_taken_for_it),
        CASE(a_root_that_was_replaced_is_no_second_pass_but_can_be_restored),
        CASE(a_place_that_leads_elsewhere_is_not_touched),
        CASE(links_that_stay_and_applications_that_move_are_no_other_place),
        CASE(quarantine_on_another_file_system_holds_all_of_it),
        CASE(a_quarantine_elsewhere_makes_room_on_a_full_disk),
        CASE(on_a_full_disk_a_restore_fails_and_can_be_repeated),
        CASE(a_copy_to_a_full_disk_says_which_file),
        CASE(a_flipped_byte_is_found_and_never_restored),
        CASE(no_way_leads_over_a_link_or_out_of_the_root),
        CASE(nothing_outside_is_copied_while_links_are_planted),
        CASE(a_first_pass_beside_a_busy_writer_and_a_quiet_second_one_are_exact),
        CASE(a_writer_in_the_second_pass_is_found),
        CASE(deep_trees_and_deadlines),
        CASE(a_quarantine_that_holds_something_is_refused),
        CASE(a_tree_is_not_copied_into_itself),
        CASE(directory_names_are_safe),
    };
    return RUN(tests);
}

/* Snapshots that are whole, kept as long as they should, verified byte by byte, and copied elsewhere. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "tests/unit/trees.h"
#include "watchdog/base/digest.h"
#include "watchdog/base/durable.h"
#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"
#include "watchdog/base/process.h"
#include "watchdog/snapshot/images.h"
#include "watchdog/snapshot/offhost.h"
#include "watchdog/snapshot/store.h"
#include "watchdog/snapshot/tar.h"

static char *scratch;

static int enter(void **state) {
    (void)state;
    scratch = trees_scratch("store");
    umask(022);
    return chdir(scratch) < 0 ? -1 : mkdir("state", 0700);
}

static int leave(void **state) {
    (void)state;
    int r = chdir("/") < 0 ? -1 : durable_remove_tree(AT_FDCWD, scratch, NULL);
    free(scratch);
    return r;
}

#define assert_done(call)                                                                                    \
    do {                                                                                                     \
        _cleanup_error_ struct error err = ERROR_NONE;                                                       \
        if ((call) < 0)                                                                                      \
            fail_msg("%s", error_text(&err));                                                                \
    } while (0)

static char *state_path(void) {
    return xasprintf("%s/state", scratch);
}

/* A snapshot with a dump, roles, a tree and a Compose file. */
static void make(const char *id, const char *verified) {
    _cleanup_free_ char *state = state_path(), *live = xasprintf("%s/live", scratch);
    _cleanup_snapshot_ struct snapshot *snapshot = NULL;
    char digest[DIGEST_TEXT_SIZE];
    if (access("live", F_OK) < 0) {
        trees_make("live", 5, 60);
        trees_write("compose.yaml", "services: {}\n");
    }
    assert_done(snapshot_create(state, "qaid", id, &snapshot, &err));
    _cleanup_free_ char *dump = snapshot_dump_path(snapshot, "a/b"),
                        *globals = snapshot_globals_path(snapshot);
    trees_write(dump, "the dump");
    trees_write(globals, "the roles");
    snapshot_add_dump(snapshot, "a/b", 8, digest_memory("the dump", 8, digest), NULL);
    snapshot_add_globals(snapshot, 9, digest_memory("the roles", 9, digest));
    _cleanup_free_ char *directory = snapshot_tree_path(snapshot, "data");
    _cleanup_free_ char *previous = snapshots_previous_tree(state, "qaid", id, "data");
    _cleanup_manifest_ struct manifest *manifest = NULL;
    const struct tree_source source = { "data", live };
    assert_done(tree_copy(&source, directory, previous, NULL, &manifest, &err));
    snapshot_add_tree(snapshot, manifest);
    _cleanup_free_ char *compose = xasprintf("%s/compose.yaml", scratch);
    assert_done(snapshot_add_file(snapshot, compose, &err));
    snapshot_add_image(snapshot, "web", "qaid/web:1", "sha256:aa", false);
    if (verified)
        snapshot_set_verified(snapshot, verified, clock_realtime());
    assert_done(snapshot_finish(snapshot, &err));
}

static struct snapshot *load(const char *id) {
    _cleanup_free_ char *state = state_path();
    struct snapshot *snapshot = NULL;
    assert_done(snapshot_load(state, "qaid", id, &snapshot, &err));
    return snapshot;
}

static char *first_fault(const char *id) {
    _cleanup_free_ char *state = state_path();
    _cleanup_snapshot_ struct snapshot *snapshot = load(id);
    struct snapshot_fault *faults;
    size_t count;
    assert_done(snapshot_verify(snapshot, state, NULL, &faults, &count, &err));
    char *first = count ? xasprintf("%s %s", faults[0].file, faults[0].what) : NULL;
    snapshot_faults_free(faults, count);
    return first;
}

static void flip(const char *path, off_t where) {
    int fd = open(path, O_RDWR | O_CLOEXEC);
    char byte;
    assert_int_equal(pread(fd, &byte, 1, where), 1);
    byte = (char)(byte ^ 1);
    assert_int_equal(pwrite(fd, &byte, 1, where), 1);
    close(fd);
}

static void a_finished_snapshot_is_listed_loaded_and_verified(void **state) {
    (void)state;
    make("20260101T000000Z-0001", NULL);
    _cleanup_free_ char *fault = first_fault("20260101T000000Z-0001");
    assert_null(fault);
    _cleanup_snapshot_ struct snapshot *snapshot = load("20260101T000000Z-0001");
    assert_string_equal(snapshot_verified(snapshot), "");
    snapshot_set_verified(snapshot, "checksums", clock_realtime());
    assert_done(snapshot_finish(snapshot, &err));
    _cleanup_snapshot_ struct snapshot *again = load("20260101T000000Z-0001");
    assert_string_equal(snapshot_verified(again), "checksums");
    _cleanup_json_ json_t *row = snapshot_summary(again);
    assert_string_equal(json_get_string(row, "id", ""), "20260101T000000Z-0001");
    assert_true(json_get_boolean(row, "complete", 0));
    assert_true(json_get_integer(row, "bytes", 0) > 8);
    assert_string_equal(json_string_value(json_array_get(json_object_get(row, "databases"), 0)), "a/b");
    /* What is put in anew has not been verified. */
    snapshot_add_dump(again, "a/b", 8, "", NULL);
    assert_string_equal(snapshot_verified(again), "");
    assert_int_equal(json_array_size(json_object_get(again->document, "databases")), 1);
    struct stat status;
    assert_int_equal(stat(again->directory, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0700);
}

static void a_flipped_byte_anywhere_is_found_and_named(void **state) {
    (void)state;
    static const struct {
        const char *file, *said;
        off_t where;
    } cases[] = {
        { "databases/a%2Fb.dump.zst", "databases/a%2Fb.dump.zst is not what", 3 },
        { "databases/globals.sql", "databases/globals.sql is not what", 0 },
        { "configuration/0-compose.yaml", "configuration/0-compose.yaml is not what", 2 },
        { "files/data/manifest.jsonl", "files/data", 200 },
        { "files/data/content/large", "files/data/content/large contents", 1 },
    };
    trees_make("live", 5, 20);
    trees_write("live/large", "something large");
    trees_write("compose.yaml", "services: {}\n");
    make("20260101T000000Z-0001", NULL);
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_free_ char *path =
            xasprintf("%s/state/snapshots/20260101T000000Z-0001/%s", scratch, cases[i].file);
        flip(path, cases[i].where);
        _cleanup_free_ char *fault = first_fault("20260101T000000Z-0001");
        if (!fault || !strstr(fault, cases[i].said))
            fail_msg("%s: %s", cases[i].file, fault ? fault : "no fault");
        flip(path, cases[i].where);
    }
    _cleanup_free_ char *fault = first_fault("20260101T000000Z-0001");
    assert_null(fault);
    unlink("state/snapshots/20260101T000000Z-0001/databases/globals.sql");
    fault = first_fault("20260101T000000Z-0001");
    assert_string_equal(fault, "databases/globals.sql is missing");
}

static void a_damaged_partial_or_foreign_snapshot_is_refused(void **state) {
    (void)state;
    _cleanup_free_ char *directory = state_path();
    _cleanup_snapshot_ struct snapshot *snapshot = NULL, *partial = NULL;
    make("20260101T000000Z-0001", NULL);
    const char *document = "state/snapshots/20260101T000000Z-0001/snapshot.json";
    assert_int_equal(snapshot_load(directory, "other", "20260101T000000Z-0001", &snapshot, NULL), -EINVAL);
    assert_int_equal(snapshot_load(directory, "qaid", "../qaid", &snapshot, NULL), -EINVAL);
    assert_int_equal(snapshot_load(directory, "qaid", "20260101T000000Z-0002", &snapshot, NULL), -ENOENT);
    struct stat status;
    assert_int_equal(stat(document, &status), 0);
    for (off_t at = 0; at < status.st_size; at += 7) {
        flip(document, at);
        assert_true(snapshot_load(directory, "qaid", "20260101T000000Z-0001", &snapshot, NULL) < 0);
        flip(document, at);
    }
    /* The second pass was cut: its tree has no manifest. */
    assert_int_equal(rename("state/snapshots/20260101T000000Z-0001/files/data/manifest.jsonl", "manifest"),
                     0);
    assert_int_equal(snapshot_load(directory, "qaid", "20260101T000000Z-0001", &snapshot, NULL), -EBADMSG);
    trees_write(document, "{\"format\": 2, \"checksum\": \"\"}");
    assert_int_equal(snapshot_load(directory, "qaid", "20260101T000000Z-0001", &snapshot, NULL), -ENOTSUP);
    assert_done(snapshot_create(directory, "qaid", "20260101T000000Z-0003", &partial, &err));
    assert_int_equal(snapshot_load(directory, "qaid", "20260101T000000Z-0003", &snapshot, NULL), -ENOENT);
    assert_int_equal(snapshot_create(directory, "qaid", "20260101T000000Z-0001", &snapshot, NULL), -EEXIST);
    struct snapshot **list;
    size_t count;
    assert_done(snapshots_list(directory, "qaid", &list, &count, &err));
    assert_int_equal(count, 2);
    assert_string_equal(list[0]->id, "20260101T000000Z-0003");
    assert_false(list[0]->complete || list[1]->complete);
    assert_non_null(strstr(list[0]->problem, "was not finished"));
    snapshots_free(list, count);
}

static void retention_keeps_what_is_needed_and_the_last_verified_one(void **state) {
    (void)state;
    /* v: verified, c: complete, p: partial, d: damaged, f: of a newer format; oldest first; * needed. */
    static const struct {
        const char *before, *after;
        unsigned keep;
    } cases[] = {
        { "vvvv", "  vv", 2 }, { "cccc", "cccc", 2 }, { "vccc", "vccc", 2 },   { "cvcc", " vcc", 2 },
        { "ccvc", "  vc", 2 }, { "ccvc", "  vc", 1 }, { "pvpv", " v v", 7 },   { "vdvv", "  vv", 2 },
        { "dvd", " vd", 1 },   { "fvvv", "f vv", 2 }, { "v*vvv", "v*  v", 1 }, { "p*v", "p*v", 1 },
        { "", "", 1 },         { "vvv", "  v", 0 },
    };
    _cleanup_free_ char *directory = state_path();
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_strings_ char **needed = NULL, **removed = NULL;
        int day = 10;
        for (const char *at = cases[i].before; *at; at++) {
            _cleanup_free_ char *id = xasprintf("202601%02dT000000Z-0001", day);
            _cleanup_free_ char *document = xasprintf("state/snapshots/%s/snapshot.json", id);
            if (*at == '*') {
                _cleanup_free_ char *last = xasprintf("202601%02dT000000Z-0001", day - 1);
                strings_append(&needed, last);
                continue;
            }
            _cleanup_snapshot_ struct snapshot *snapshot = NULL;
            assert_done(snapshot_create(directory, "qaid", id, &snapshot, &err));
            if (*at == 'v')
                snapshot_set_verified(snapshot, "restore", 1);
            if (*at != 'p')
                assert_done(snapshot_finish(snapshot, &err));
            if (*at == 'd')
                flip(document, 30);
            if (*at == 'f')
                trees_write(document, "{\"format\": 9}");
            day++;
        }
        assert_done(snapshots_retain(directory, "qaid", cases[i].keep, needed, &removed, &err));
        day = 10;
        for (const char *at = cases[i].after; *at; at++) {
            if (*at == '*')
                continue;
            _cleanup_free_ char *path = xasprintf("state/snapshots/202601%02dT000000Z-0001", day);
            if ((access(path, F_OK) == 0) != (*at != ' '))
                fail_msg("%s, keep %u: day %d", cases[i].before, cases[i].keep, day);
            _cleanup_free_ char *id = xasprintf("202601%02dT000000Z-0001", day);
            assert_int_equal(strings_contain(removed, id), *at == ' ');
            day++;
        }
        assert_int_equal(durable_remove_tree(AT_FDCWD, "state/snapshots", NULL), 0);
    }
}

static void removing_a_snapshot_leaves_the_files_that_others_share(void **state) {
    (void)state;
    _cleanup_free_ char *directory = state_path();
    trees_make("live", 5, 40);
    trees_write("compose.yaml", "services: {}\n");
    sleep(3);
    make("20260101T000000Z-0001", "checksums");
    make("20260102T000000Z-0001", "checksums");
    _cleanup_snapshot_ struct snapshot *second = load("20260102T000000Z-0001");
    _cleanup_json_ json_t *row = snapshot_summary(second);
    assert_true(json_get_integer(row, "shared_bytes", 0) > 0);
    assert_done(snapshots_retain(directory, "qaid", 1, NULL, NULL, &err));
    assert_int_equal(access("state/snapshots/20260101T000000Z-0001", F_OK), -1);
    _cleanup_free_ char *fault = first_fault("20260102T000000Z-0001");
    assert_null(fault);
    assert_int_equal(snapshot_remove(directory, "20260101T000000Z-0001", NULL), 0);
    assert_int_equal(snapshot_remove(directory, "../state", NULL), -EINVAL);
}

static void archives_are_found_checked_and_collected(void **state) {
    (void)state;
    _cleanup_free_ char *directory = state_path();
    char digest[DIGEST_TEXT_SIZE], other[DIGEST_TEXT_SIZE];
    digest_memory("archive", 7, digest);
    digest_memory("other", 5, other);
    _cleanup_free_ char *id = xasprintf("sha256:%s", digest),
                        *archive = xasprintf("state/images/sha256-%s.tar.zst", digest);
    _cleanup_free_ char *record = xasprintf("state/images/sha256-%s.json", digest);
    _cleanup_free_ char *left = xasprintf("state/images/sha256-%s.partial", digest);
    _cleanup_free_ char *over = xasprintf("state/images/sha256-%s.tar.zst", other);
    _cleanup_free_ char *text =
        xasprintf("{\"image_id\":\"%s\",\"size\":7,\"uncompressed\":9,\"sha256\":\"%s\"}", id, digest);
    mkdir("state/images", 0700);
    struct image_archive found = { 0 };
    assert_int_equal(image_archive_find(directory, id, &found, NULL), -ENOENT);
    assert_int_equal(image_archive_find(directory, "web:1", &found, NULL), -EINVAL);
    trees_write(archive, "archive");
    assert_int_equal(image_archive_find(directory, id, &found, NULL), -ENOENT);
    trees_write(record, text);
    assert_done(image_archive_find(directory, id, &found, &err));
    assert_done(image_archive_check(&found, NULL, &err));
    flip(archive, 2);
    assert_int_equal(image_archive_check(&found, NULL, NULL), -EBADMSG);
    flip(archive, 2);
    image_archive_done(&found);
    trees_write(left, "half");
    trees_write(over, "not needed any more");
    char *needed[] = { id, NULL };
    assert_done(image_archives_collect(directory, needed, &err));
    assert_int_equal(access(archive, F_OK) | access(record, F_OK), 0);
    assert_int_equal(access(left, F_OK), -1);
    assert_int_equal(access(over, F_OK), -1);
    trees_write(archive, "archiv");
    assert_int_equal(image_archive_find(directory, id, &found, NULL), -EBADMSG);
    make("20260101T000000Z-0001", NULL);
    _cleanup_strings_ char **ids = NULL;
    assert_done(image_archives_needed(directory, "qaid", &ids, &err));
    assert_int_equal(strings_count(ids), 1);
    assert_string_equal(ids[0], "sha256:aa");
}

static void a_copy_off_the_host_holds_everything_and_is_proved(void **state) {
    (void)state;
    mkdir("disk", 0755);
    make("20260101T000000Z-0001", NULL);
    _cleanup_free_ char *disk = xasprintf("%s/disk", scratch);
    _cleanup_snapshot_ struct snapshot *snapshot = load("20260101T000000Z-0001");
    uint64_t bytes;
    mkdir("disk/qaid", 0700);
    mkdir("disk/qaid/20260101T000000Z-0001.partial", 0700);
    assert_done(offhost_copy(snapshot, disk, NULL, &bytes, &err));
    assert_true(bytes > 17);
    assert_done(offhost_verify(disk, "qaid", "20260101T000000Z-0001", NULL, &err));
    assert_int_equal(access("disk/qaid/20260101T000000Z-0001.partial", F_OK), -1);
    /* Another program gives back what was there. */
    mkdir("out", 0755);
    char *const arguments[] = { "tar",
                                "--zstd",
                                "--acls",
                                "--xattrs",
                                "--xattrs-include=*",
                                "--numeric-owner",
                                "-xpf",
                                "disk/qaid/20260101T000000Z-0001/files.tar.zst",
                                "-C",
                                "out",
                                NULL };
    const struct process process = { .argv = arguments, .deadline = deadline_in(USEC_PER_MINUTE) };
    _cleanup_process_result_ struct process_result result = { 0 };
    assert_int_equal(process_run(&process, &result, NULL), 0);
    _cleanup_free_ char *live = trees_describe("live"), *out = trees_describe("out/data");
    assert_string_equal(live, out);
    _cleanup_free_ char *text = NULL;
    assert_int_equal(file_read(AT_FDCWD, "out/configuration/0-compose.yaml", 100, &text, NULL, NULL), 0);
    assert_string_equal(text, "services: {}\n");
    /* Again: checked and kept. */
    assert_done(offhost_copy(snapshot, disk, NULL, &bytes, &err));
    assert_int_equal(bytes, 0);
    static const char *const files[] = { "files.tar.zst", "databases/a%2Fb.dump.zst", "snapshot.json" };
    for (size_t i = 0; i < ELEMENTS(files); i++) {
        _cleanup_error_ struct error err = ERROR_NONE;
        _cleanup_free_ char *path = xasprintf("disk/qaid/20260101T000000Z-0001/%s", files[i]);
        flip(path, 4);
        assert_true(offhost_verify(disk, "qaid", "20260101T000000Z-0001", NULL, &err) < 0);
        assert_non_null(strstr(err.text, files[i]));
        flip(path, 4);
    }
}

static void only_another_file_system_is_a_second_place(void **state) {
    (void)state;
    _cleanup_free_ char *disk = xasprintf("%s/disk", scratch), *here = state_path(),
                        *unmade = xasprintf("%s/unmade/state", scratch);
    _cleanup_error_ struct error err = ERROR_NONE;
    uint64_t available = 0;
    mkdir("disk", 0755);
    /* As it is where the other disk is not mounted. */
    assert_int_equal(offhost_look(disk, here, &available, &err), -EXDEV);
    assert_non_null(strstr(err.text, "is on the same file system as"));
    assert_int_equal(offhost_look(disk, unmade, &available, NULL), -EXDEV);
    assert_int_equal(mount("none", disk, "tmpfs", 0, "size=1m"), 0);
    int r = offhost_look(disk, here, &available, &err);
    umount(disk);
    assert_int_equal(r, 0);
    assert_int_equal(available, 1024 * 1024);
    assert_int_equal(offhost_look("/none/such", here, &available, NULL), -ENOENT);
    assert_int_equal(offhost_look("/etc/passwd", here, &available, NULL), -ENOTDIR);
}

/* The ways in which the files of the next test differ, and the name that is said then. */
static const char *const differences[] = { "data/link" /* in the place of what is gone */,
                                           "data/mode",
                                           "data/text",
                                           "data/time",
                                           "data/link",
                                           "data/more",
                                           "data/text-too",
                                           "configuration" };

static int differ(size_t which) {
    const struct timespec times[2] = { { 1500000000, 0 }, { 1500000000, 0 } };
    const struct timespec later[2] = { { 1500000000, 1 }, { 1500000000, 1 } };
    switch (which) {
    case 0:
        return unlink("live/gone");
    case 1:
        return chmod("live/mode", 0600);
    case 2:
        trees_write("live/text", "after!");
        return utimensat(AT_FDCWD, "live/text", times, 0);
    case 3:
        return utimensat(AT_FDCWD, "live/time", later, 0);
    case 4:
        return unlink("live/link") | symlink("mode", "live/link");
    case 5:
        return mkdir("live/more", 0755);
    case 6:
        return unlink("live/text-too") | link("live/mode", "live/text-too");
    default:
        trees_write("compose.yaml", "services: []\n");
        return 0;
    }
}

static void make_plain_files(void) {
    static const char *const names[] = { "live/gone", "live/mode", "live/text", "live/time" };
    const struct timespec times[2] = { { 1500000000, 0 }, { 1500000000, 0 } };
    mkdir("live", 0755);
    trees_write("compose.yaml", "services: {}\n");
    for (size_t i = 0; i < ELEMENTS(names); i++) {
        trees_write(names[i], "before");
        assert_int_equal(utimensat(AT_FDCWD, names[i], times, 0), 0);
    }
    assert_int_equal(symlink("gone", "live/link") | link("live/text", "live/text-too"), 0);
    assert_int_equal(utimensat(AT_FDCWD, "live/link", times, AT_SYMLINK_NOFOLLOW), 0);
}

static void an_archive_of_other_files_is_found(void **state) {
    (void)state;
    const struct timespec times[2] = { { 1500000000, 0 }, { 1500000000, 0 } };
    make_plain_files();
    assert_int_equal(utimensat(AT_FDCWD, "live", times, 0), 0);
    make("20260101T000000Z-0001", NULL);
    _cleanup_snapshot_ struct snapshot *snapshot = load("20260101T000000Z-0001");
    struct work work = { 0 };
    struct tar_file tar;
    assert_done(tar_write(snapshot, "files.tar.zst", &work, &tar, &err));
    assert_done(tar_check(snapshot, "files.tar.zst", &work, &err));
    for (size_t i = 0; i < ELEMENTS(differences); i++) {
        _cleanup_free_ char *id = xasprintf("20260102T000000Z-%04zu", i);
        _cleanup_error_ struct error problem = ERROR_NONE;
        assert_int_equal(durable_remove_tree(AT_FDCWD, "live", NULL), 0);
        make_plain_files();
        assert_int_equal(differ(i) | utimensat(AT_FDCWD, "live", times, 0), 0);
        make(id, NULL);
        _cleanup_snapshot_ struct snapshot *other = load(id);
        if (tar_check(other, "files.tar.zst", &work, &problem) != -EBADMSG ||
            !strstr(problem.text, differences[i]))
            fail_msg("%s: %s", differences[i], error_text(&problem));
    }
    assert_int_equal(truncate("files.tar.zst", (off_t)tar.size - 20), 0);
    assert_int_equal(tar_check(snapshot, "files.tar.zst", &work, NULL), -EBADMSG);
}

static void a_damaged_snapshot_is_not_copied_off_the_host(void **state) {
    (void)state;
    mkdir("disk", 0755);
    trees_make("live", 5, 20);
    trees_write("live/file", "contents");
    trees_write("compose.yaml", "services: {}\n");
    make("20260101T000000Z-0001", NULL);
    _cleanup_free_ char *disk = xasprintf("%s/disk", scratch);
    _cleanup_snapshot_ struct snapshot *snapshot = load("20260101T000000Z-0001");
    static const char *const files[] = { "files/data/content/file", "databases/globals.sql" };
    uint64_t bytes;
    for (size_t i = 0; i < ELEMENTS(files); i++) {
        _cleanup_free_ char *path = xasprintf("state/snapshots/20260101T000000Z-0001/%s", files[i]);
        flip(path, 0);
        assert_int_equal(offhost_copy(snapshot, disk, NULL, &bytes, NULL), -EBADMSG);
        assert_int_equal(access("disk/qaid/20260101T000000Z-0001", F_OK), -1);
        flip(path, 0);
    }
    assert_int_equal(mount("none", disk, "tmpfs", 0, "size=16k"), 0);
    _cleanup_error_ struct error err = ERROR_NONE;
    int r = offhost_copy(snapshot, disk, NULL, &bytes, &err);
    umount(disk);
    assert_int_equal(r, -ENOSPC);
}

static void old_copies_off_the_host_go(void **state) {
    (void)state;
    mkdir("disk", 0755);
    _cleanup_free_ char *disk = xasprintf("%s/disk", scratch);
    for (int day = 1; day <= 4; day++) {
        _cleanup_free_ char *id = xasprintf("2026010%dT000000Z-0001", day);
        uint64_t bytes;
        make(id, NULL);
        _cleanup_snapshot_ struct snapshot *snapshot = load(id);
        assert_done(offhost_copy(snapshot, disk, NULL, &bytes, &err));
    }
    mkdir("disk/qaid/20260105T000000Z-0001.partial", 0700);
    mkdir("disk/qaid/somebody-elses", 0700);
    assert_done(offhost_retain(disk, "qaid", 2, &err));
    static const struct {
        const char *name;
        int there;
    } cases[] = {
        { "20260101T000000Z-0001", -1 },         { "20260102T000000Z-0001", -1 },
        { "20260103T000000Z-0001", 0 },          { "20260104T000000Z-0001", 0 },
        { "20260105T000000Z-0001.partial", -1 }, { "somebody-elses", 0 },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_free_ char *path = xasprintf("disk/qaid/%s", cases[i].name);
        assert_int_equal(access(path, F_OK), cases[i].there);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, enter, leave)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_finished_snapshot_is_listed_loaded_and_verified),
        CASE(a_flipped_byte_anywhere_is_found_and_named),
        CASE(a_damaged_partial_or_foreign_snapshot_is_refused),
        CASE(retention_keeps_what_is_needed_and_the_last_verified_one),
        CASE(removing_a_snapshot_leaves_the_files_that_others_share),
        CASE(archives_are_found_checked_and_collected),
        CASE(a_copy_off_the_host_holds_everything_and_is_proved),
        CASE(an_archive_of_other_files_is_found),
        CASE(a_damaged_snapshot_is_not_copied_off_the_host),
        CASE(only_another_file_system_is_a_second_place),
        CASE(old_copies_off_the_host_go),
    };
    return RUN(tests);
}

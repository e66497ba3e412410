/* A manifest comes back as it was written, or not at all. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "watchdog/base/durable.h"
#include "watchdog/base/memory.h"
#include "watchdog/snapshot/manifest-text.h"
#include "watchdog/snapshot/manifest.h"

static char path[64];

static int enter(void **state) {
    (void)state;
    strcpy(path, "/tmp/test-manifest.XXXXXX");
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int leave(void **state) {
    (void)state;
    return unlink(path);
}

static void add(struct manifest *manifest, const char *name, mode_t mode, const char *target,
                const char *link) {
    struct manifest_entry entry = {
        .path = xstrdup(name),
        .mode = mode,
        .uid = 4294967294U,
        .gid = 7,
        .size = S_ISREG(mode) ? 1ULL << 40 : 0,
        .inode = UINT64_MAX - 5,
        .links = link ? 2 : 1,
        .mtime = { -5, 999999999 },
        .ctime = { 4102444800, 1 },
        .atime = { 0, 0 },
        .device = S_ISCHR(mode) ? makedev(4095, 1048575) : 0,
        .target = target ? xstrdup(target) : NULL,
        .link = link ? xstrdup(link) : NULL,
        .flags = S_ISREG(mode) ? MANIFEST_APPEND | MANIFEST_IMMUTABLE : 0,
        .unstable = S_ISREG(mode),
    };
    if (S_ISREG(mode) && !link)
        memset(entry.digest, 'a', 64);
    if (S_ISREG(mode) && !link) {
        entry.xattrs = xcalloc(2, sizeof(struct manifest_xattr));
        entry.xattrs_count = 2;
        entry.xattrs[0] =
            (struct manifest_xattr){ xstrdup("security.capability"), xstrdup("\x01\x02\xFF"), 3 };
        entry.xattrs[1] = (struct manifest_xattr){ xstrdup("user.\xFF\"x"), xcalloc(1, 1), 0 };
    }
    manifest_append(manifest, &entry);
}

static struct manifest *sample(void) {
    struct manifest *manifest = xcalloc(1, sizeof(*manifest));
    manifest->name = xstrdup("volume:caddy-data");
    manifest->host_path = xstrdup("/var/lib/docker/volumes/caddy-data/_data");
    manifest->real_path = xstrdup("/mnt/\xFF/caddy-data/_data");
    manifest->file_system = xstrdup("/mnt/\xFF");
    manifest->mount_point = xstrdup("/mnt/\xFF");
    manifest->mount_inode = UINT64_MAX - 7;
    manifest->started = (struct timespec){ 1700000000, 5 };
    strings_append(&manifest->skipped, "dir/\xFFsocket");
    add(manifest, "dir/file", S_IFREG | 04755, NULL, NULL);
    add(manifest, "dir-b", S_IFREG | 0600, NULL, "dir/file");
    add(manifest, "", S_IFDIR | 01777, NULL, NULL);
    add(manifest, "dir", S_IFDIR | 0755, NULL, NULL);
    add(manifest, "dir/\xFF\n\"%\\\x01", S_IFLNK | 0777, "../\xFE target", NULL);
    add(manifest, "dir.c", S_IFCHR | 0600, NULL, NULL);
    add(manifest, "\xC3\xA4", S_IFIFO | 0600, NULL, NULL);
    manifest_sort(manifest);
    return manifest;
}

static void a_manifest_comes_back_equal_in_every_field(void **state) {
    (void)state;
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_manifest_ struct manifest *manifest = sample(), *back = NULL;
    assert_int_equal(manifest_write(manifest, path, &err), 0);
    if (manifest_read(path, &back, &err) < 0)
        fail_msg("%s", error_text(&err));
    assert_string_equal(back->name, manifest->name);
    assert_string_equal(back->host_path, manifest->host_path);
    assert_string_equal(back->real_path, manifest->real_path);
    assert_string_equal(back->file_system, manifest->file_system);
    assert_string_equal(back->mount_point, manifest->mount_point);
    assert_true(back->mount_inode == manifest->mount_inode);
    assert_string_equal(back->skipped[0], manifest->skipped[0]);
    assert_int_equal(back->started.tv_nsec, 5);
    assert_int_equal(back->entries_count, manifest->entries_count);
    for (size_t i = 0; i < back->entries_count; i++) {
        _cleanup_buffer_ struct buffer a = { 0 }, b = { 0 };
        assert_string_equal(back->entries[i].path, manifest->entries[i].path);
        manifest_entry_format(&a, &manifest->entries[i]);
        manifest_entry_format(&b, &back->entries[i]);
        assert_string_equal(a.text, b.text);
    }
    const struct manifest_entry *file = manifest_find(back, "dir/file");
    assert_int_equal(file->mode, S_IFREG | 04755);
    assert_true(file->inode == UINT64_MAX - 5);
    assert_int_equal(file->mtime.tv_sec, -5);
    assert_int_equal(file->xattrs[0].size, 3);
    assert_memory_equal(file->xattrs[0].value, "\x01\x02\xFF", 3);
    assert_string_equal(manifest_find(back, "dir/\xFF\n\"%\\\x01")->target, "../\xFE target");
    assert_true(manifest_find(back, "dir.c")->device == makedev(4095, 1048575));
    assert_null(manifest_find(back, "none"));
}

static void a_manifest_of_an_earlier_version_says_less(void **state) {
    (void)state;
    _cleanup_manifest_ struct manifest *manifest = sample(), *back = NULL;
    replace_string(manifest->real_path, NULL); /* as it was written then */
    replace_string(manifest->mount_point, NULL);
    assert_int_equal(manifest_write(manifest, path, NULL), 0);
    assert_int_equal(manifest_read(path, &back, NULL), 0);
    assert_null(back->real_path);
    assert_null(back->file_system);
    assert_null(back->mount_point);
    assert_int_equal(back->entries_count, manifest->entries_count);
}

static void a_directory_comes_directly_before_its_contents(void **state) {
    (void)state;
    static const char *const ordered[] = { "",    "a",   "a/b", "a/b/c", "a/b c", "a b",
                                           "a-b", "a.b", "ab",  "b",     "\xFF" };
    for (size_t i = 0; i < ELEMENTS(ordered); i++)
        for (size_t j = 0; j < ELEMENTS(ordered); j++) {
            int order = manifest_path_compare(ordered[i], ordered[j]);
            assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
        }
}

static void every_flipped_byte_and_every_cut_is_found(void **state) {
    (void)state;
    _cleanup_manifest_ struct manifest *manifest = sample();
    _cleanup_free_ char *text = NULL;
    size_t size;
    assert_int_equal(manifest_write(manifest, path, NULL), 0);
    assert_int_equal(file_read(AT_FDCWD, path, 1 << 20, &text, &size, NULL), 0);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    for (size_t i = 0; i < size; i++)
        for (unsigned bit = 0; bit < 8; bit += 3) {
            struct manifest *back = NULL;
            _cleanup_error_ struct error err = ERROR_NONE;
            char byte = (char)(text[i] ^ (1 << bit));
            assert_int_equal(pwrite(fd, &byte, 1, (off_t)i), 1);
            if (manifest_read(path, &back, &err) >= 0)
                fail_msg("byte %zu, bit %u", i, bit);
            assert_non_null(strstr(err.text, path));
            assert_int_equal(pwrite(fd, text + i, 1, (off_t)i), 1);
        }
    for (size_t i = size; i-- > 0;) {
        struct manifest *back = NULL;
        assert_int_equal(ftruncate(fd, (off_t)i), 0);
        assert_true(manifest_read(path, &back, NULL) < 0);
    }
    close(fd);
}

#define META                                                                                                 \
    "\"mode\":\"0644\",\"uid\":0,\"gid\":0,\"size\":0,\"inode\":1,\"links\":1,\"mtime\":\"0.000000000\","    \
    "\"ctime\":\"0.000000000\",\"atime\":\"0.000000000\""
#define SHA "\"sha256\":\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\""

static void what_cannot_be_is_refused_with_its_place(void **state) {
    (void)state;
    static const struct {
        const char *line, *reason;
    } cases[] = {
        { "{\"path\":\"/etc/passwd\",\"type\":\"file\"," META "," SHA "}", "leads out" },
        { "{\"path\":\"../a\",\"type\":\"file\"," META "," SHA "}", "leads out" },
        { "{\"path\":\"a/../../b\",\"type\":\"file\"," META "," SHA "}", "leads out" },
        { "{\"path\":\"a//b\",\"type\":\"file\"," META "," SHA "}", "leads out" },
        { "{\"path\":\"./a\",\"type\":\"file\"," META "," SHA "}", "leads out" },
        { "{\"path\":\"a/\",\"type\":\"file\"," META "," SHA "}", "leads out" },
        { "{\"path\":\"%00\",\"type\":\"file\"," META "," SHA "}", "odd bytes" },
        { "{\"path\":\"a\\u0000b\",\"type\":\"file\"," META "," SHA "}", "odd bytes" },
        { "{\"path\":\"%2E%2E/a\",\"type\":\"file\"," META "," SHA "}", "odd bytes" },
        { "{\"path\":\"none/a\",\"type\":\"file\"," META "," SHA "}", "no directory" },
        { "{\"path\":\"\",\"type\":\"file\"," META "," SHA "}", "out of order" },
        { "{\"type\":\"file\"," META "," SHA "}", "\"path\" is missing" },
        { "{\"path\":\"a\",\"type\":\"door\"," META "," SHA "}", "type of file" },
        { "{\"path\":\"a\",\"type\":\"file\"," META "}", "64 hexadecimal" },
        { "{\"path\":\"a\",\"type\":\"fifo\"," META "," SHA "}", "regular file only" },
        { "{\"path\":\"a\",\"type\":\"link\"," META "}", "symbolic link" },
        { "{\"path\":\"a\",\"type\":\"file\",\"target\":\"b\"," META "," SHA "}", "symbolic link" },
        { "{\"path\":\"a\",\"type\":\"file\",\"link\":\"b\"," META "}", "no earlier file" },
        { "{\"path\":\"a\",\"type\":\"character\"," META "}", "two numbers" },
        { "{\"path\":\"a\",\"type\":\"file\",\"xattrs\":{\"user.a\":\"0\"}," META "," SHA "}",
          "hexadecimal" },
        { "[]", "an object" },
        { "{", "JSON" },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_error_ struct error err = ERROR_NONE;
        _cleanup_free_ char *text = xasprintf(
            "{\"manifest\":1,\"name\":\"n\",\"host_path\":\"/p\",\"started\":\"0.000000000\",\"entries\":2}\n"
            "{\"path\":\"\",\"type\":\"directory\"," META "}\n%s\n{\"sha256\":\"\"}\n",
            cases[i].line);
        struct manifest *back = NULL;
        assert_int_equal(durable_write(AT_FDCWD, path, text, strlen(text), 0600, NULL), 0);
        int r = manifest_read(path, &back, &err);
        if (r != -EBADMSG || !strstr(error_text(&err), cases[i].reason) || !strstr(err.text, "line 3"))
            fail_msg("%s gave %d: %s", cases[i].line, r, error_text(&err));
    }
}

static void a_newer_format_is_said_to_be_one(void **state) {
    (void)state;
    struct manifest *back = NULL;
    const char *text = "{\"manifest\":2}\n";
    assert_int_equal(durable_write(AT_FDCWD, path, text, strlen(text), 0600, NULL), 0);
    assert_int_equal(manifest_read(path, &back, NULL), -ENOTSUP);
    assert_int_equal(manifest_read("/none/such", &back, NULL), -ENOENT);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, enter, leave)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_manifest_comes_back_equal_in_every_field),
        CASE(a_manifest_of_an_earlier_version_says_less),
        CASE(a_directory_comes_directly_before_its_contents),
        CASE(every_flipped_byte_and_every_cut_is_found),
        CASE(what_cannot_be_is_refused_with_its_place),
        CASE(a_newer_format_is_said_to_be_one),
    };
    return RUN(tests);
}

/* zstd files: what went in comes out, and no damaged byte goes unseen. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "watchdog/base/compressed.h"
#include "watchdog/base/durable.h"
#include "watchdog/base/memory.h"

static int enter(void **state) {
    char *directory = xstrdup("/tmp/test-compressed.XXXXXX");
    *state = mkdtemp(directory);
    return *state && chdir(directory) == 0 ? 0 : -1;
}

static int leave(void **state) {
    _cleanup_free_ char *directory = *state;
    return durable_remove_tree(AT_FDCWD, directory, NULL);
}

static char *sample(size_t size) {
    char *text = xcalloc(size + 1, 1);
    unsigned random = 1;
    for (size_t i = 0; i < size; i++) {
        random = random * 1103515245 + 12345;
        text[i] = (char)(i % 3 ? 'a' + (random >> 28) : 'x');
    }
    return text;
}

static void write_file(const char *data, size_t size, struct compressed_file *ret) {
    _cleanup_compressed_writer_ struct compressed_writer *writer = NULL;
    assert_int_equal(compressed_writer_new(AT_FDCWD, "file", 0600, &writer, NULL), 0);
    for (size_t at = 0; at < size; at += 70000)
        assert_int_equal(compressed_write(writer, data + at, size - at < 70000 ? size - at : 70000, NULL), 0);
    assert_int_equal(compressed_writer_bytes(writer), size);
    assert_int_equal(compressed_finish(writer, ret, NULL), 0);
}

/* 0 when it reads whole and is what was expected. */
static int read_file(const struct compressed_file *expected, struct buffer *ret) {
    _cleanup_compressed_reader_ struct compressed_reader *reader = NULL;
    _cleanup_error_ struct error err = ERROR_NONE;
    struct compressed_file found;
    int r = compressed_reader_new(AT_FDCWD, "file", &reader, &err);
    for (ssize_t size = 1; r == 0 && size > 0;) {
        char block[5000];
        size = compressed_read(reader, block, sizeof(block), &err);
        if (size < 0)
            r = (int)size;
        else if (ret)
            buffer_append(ret, block, (size_t)size);
    }
    if (r < 0) {
        assert_non_null(strstr(err.text, "\"file\""));
        return r;
    }
    assert_int_equal(compressed_reader_finish(reader, &found, NULL), 0);
    return found.bytes == expected->bytes && found.compressed == expected->compressed &&
                   string_equal(found.sha256, expected->sha256)
               ? 0
               : -EBADMSG;
}

static void what_went_in_comes_out(void **state) {
    (void)state;
    static const size_t sizes[] = { 0, 1, 1000, 3000000 };
    for (size_t i = 0; i < ELEMENTS(sizes); i++) {
        struct compressed_file file;
        _cleanup_free_ char *data = sample(sizes[i]);
        _cleanup_buffer_ struct buffer back = { 0 };
        write_file(data, sizes[i], &file);
        struct stat status;
        char digest[DIGEST_TEXT_SIZE];
        assert_int_equal(stat("file", &status), 0);
        assert_int_equal(status.st_size, file.compressed);
        assert_int_equal(status.st_mode & 07777, 0600);
        assert_int_equal(digest_file(AT_FDCWD, "file", digest, NULL, NULL), 0);
        assert_string_equal(digest, file.sha256);
        assert_int_equal(read_file(&file, &back), 0);
        assert_int_equal(back.size, sizes[i]);
        assert_int_equal(memcmp(data, back.size ? back.text : "", sizes[i]), 0);
        unlink("file");
    }
}

static void every_cut_flip_and_addition_is_seen(void **state) {
    (void)state;
    struct compressed_file file;
    _cleanup_free_ char *data = sample(20000);
    write_file(data, 20000, &file);
    _cleanup_free_ char *bytes = NULL;
    size_t size;
    assert_int_equal(file_read(AT_FDCWD, "file", 1 << 20, &bytes, &size, NULL), 0);
    for (size_t i = 0; i <= size; i += i < 20 || i + 20 > size ? 1 : 97) {
        assert_int_equal(durable_write(AT_FDCWD, "file", bytes, i, 0600, NULL), 0);
        assert_true(i == size ? read_file(&file, NULL) == 0 : read_file(&file, NULL) < 0);
    }
    for (size_t i = 0; i < size; i += i < 20 || i + 20 > size ? 1 : 97) {
        bytes[i] = (char)(bytes[i] ^ 4);
        assert_int_equal(durable_write(AT_FDCWD, "file", bytes, size, 0600, NULL), 0);
        assert_true(read_file(&file, NULL) < 0);
        bytes[i] = (char)(bytes[i] ^ 4);
    }
    assert_int_equal(durable_write(AT_FDCWD, "file", bytes, size + 1, 0600, NULL), 0);
    assert_true(read_file(&file, NULL) < 0);
}

static void what_is_no_zstd_file_is_refused(void **state) {
    (void)state;
    struct compressed_file none = { 0 };
    assert_int_equal(durable_write(AT_FDCWD, "file", "plain text", 10, 0600, NULL), 0);
    assert_int_equal(read_file(&none, NULL), -EBADMSG);
    assert_int_equal(durable_write(AT_FDCWD, "file", "", 0, 0600, NULL), 0);
    assert_int_equal(read_file(&none, NULL), -EBADMSG);
}

static void an_unfinished_file_is_removed_and_an_old_one_never_replaced(void **state) {
    (void)state;
    struct compressed_writer *writer = NULL;
    assert_int_equal(compressed_writer_new(AT_FDCWD, "new", 0600, &writer, NULL), 0);
    assert_int_equal(compressed_write(writer, "text", 4, NULL), 0);
    compressed_writer_free(writer);
    assert_int_equal(access("new", F_OK), -1);
    assert_int_equal(durable_write(AT_FDCWD, "old", "x", 1, 0600, NULL), 0);
    assert_int_equal(compressed_writer_new(AT_FDCWD, "old", 0600, &writer, NULL), -EEXIST);
    assert_int_equal(access("old", F_OK), 0);
}

static void a_full_disk_is_said_as_such(void **state) {
    (void)state;
    struct compressed_writer *writer = NULL;
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_free_ char *data = xcalloc(1 << 20, 1);
    assert_int_equal(symlink("/dev/full", "full"), 0);
    assert_true(compressed_writer_new(AT_FDCWD, "full", 0600, &writer, &err) < 0);
    /* a file size limit is the nearest thing without a file system of its own */
    assert_int_equal(compressed_writer_new(AT_FDCWD, "new", 0600, &writer, NULL), 0);
    for (size_t i = 0; i < 1 << 20; i++)
        data[i] = (char)((i * i * 2654435761u) >> 13);
    struct rlimit old, limit = { .rlim_cur = 1000, .rlim_max = RLIM_INFINITY };
    getrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    struct compressed_file file;
    int r = compressed_write(writer, data, 1 << 20, &err);
    if (r == 0)
        r = compressed_finish(writer, &file, &err);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(r, -EFBIG);
    compressed_writer_free(writer);
    assert_int_equal(access("new", F_OK), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_went_in_comes_out, enter, leave),
        cmocka_unit_test_setup_teardown(every_cut_flip_and_addition_is_seen, enter, leave),
        cmocka_unit_test_setup_teardown(what_is_no_zstd_file_is_refused, enter, leave),
        cmocka_unit_test_setup_teardown(an_unfinished_file_is_removed_and_an_old_one_never_replaced, enter,
                                        leave),
        cmocka_unit_test_setup_teardown(a_full_disk_is_said_as_such, enter, leave),
    };
    return RUN(tests);
}

/* SHA-256 against the vectors of FIPS 180-4 and RFC 6234. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "watchdog/base/digest.h"
#include "watchdog/base/memory.h"

static const struct {
    const char *text;
    const char *digest;
} vectors[] = {
    { "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
    { "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
    { "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
};

static void known_texts_have_their_digests(void **state) {
    (void)state;
    char text[DIGEST_TEXT_SIZE];
    for (size_t i = 0; i < ELEMENTS(vectors); i++)
        assert_string_equal(digest_memory(vectors[i].text, strlen(vectors[i].text), text), vectors[i].digest);
}

static void pieces_give_the_digest_of_the_whole(void **state) {
    (void)state;
    char text[DIGEST_TEXT_SIZE];
    _cleanup_digest_ struct digest digest = { 0 };
    for (int round = 0; round < 2; round++) {
        digest_init(&digest);
        for (const char *at = vectors[2].text; *at; at++)
            digest_update(&digest, at, 1);
        assert_string_equal(digest_final(&digest, text), vectors[2].digest);
    }
}

static void a_file_is_read_whole_and_counted(void **state) {
    (void)state;
    char path[] = "/tmp/test-digest.XXXXXX", text[DIGEST_TEXT_SIZE];
    uint64_t size = 0;
    _cleanup_close_ int fd = mkostemp(path, O_CLOEXEC);
    assert_true(fd >= 0);
    for (int i = 0; i < 1000; i++) {
        char thousand[1000];
        memset(thousand, 'a', sizeof(thousand));
        assert_int_equal(write(fd, thousand, sizeof(thousand)), sizeof(thousand));
    }
    assert_int_equal(digest_file(AT_FDCWD, path, text, &size, NULL), 0);
    assert_int_equal(size, 1000000);
    assert_string_equal(text, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    unlink(path);
    _cleanup_error_ struct error err = ERROR_NONE;
    assert_int_equal(digest_file(AT_FDCWD, path, text, NULL, &err), -ENOENT);
    assert_non_null(strstr(err.text, path));
    assert_int_equal(digest_file(AT_FDCWD, "/proc/self", text, NULL, &err), -EISDIR);
}

static void only_64_lower_case_digits_are_a_digest(void **state) {
    (void)state;
    _cleanup_free_ char *longer = xasprintf("%s0", vectors[0].digest);
    _cleanup_free_ char *upper = xstrdup(vectors[0].digest);
    upper[0] = 'E';
    assert_true(digest_valid(vectors[0].digest));
    assert_false(digest_valid(NULL));
    assert_false(digest_valid(""));
    assert_false(digest_valid(longer));
    assert_false(digest_valid(longer + 2));
    assert_false(digest_valid(upper));
}

static void random_texts_differ(void **state) {
    (void)state;
    char first[33], second[33];
    random_text(first, 16);
    random_text(second, 16);
    assert_int_equal(strlen(first), 32);
    assert_string_not_equal(first, second);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_texts_have_their_digests),
        cmocka_unit_test(pieces_give_the_digest_of_the_whole),
        cmocka_unit_test(a_file_is_read_whole_and_counted),
        cmocka_unit_test(only_64_lower_case_digits_are_a_digest),
        cmocka_unit_test(random_texts_differ),
    };
    return RUN(tests);
}

/* Image references: one grammar for all ways of writing them. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "watchdog/base/memory.h"
#include "watchdog/docker/reference.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define DIGEST "sha256:" HEX

static void references_are_taken_apart(void **state) {
    (void)state;
    static const struct {
        const char *text, *written, *host, *path, *tag, *digest, *familiar;
    } cases[] = {
        { "postgres", "postgres", "docker.io", "library/postgres", "", "", "postgres" },
        { "postgres:15", "postgres", "docker.io", "library/postgres", "15", "", "postgres" },
        { "qaid/server:1", "qaid/server", "docker.io", "qaid/server", "1", "", "qaid/server" },
        { "docker.io/postgres", "docker.io/postgres", "docker.io", "library/postgres", "", "", "postgres" },
        { "index.docker.io/a/b", "index.docker.io/a/b", "docker.io", "a/b", "", "", "a/b" },
        { "localhost/a", "localhost/a", "localhost", "a", "", "", "localhost/a" },
        { "127.0.0.1:5000/a/b/c:x_1.2-3", "127.0.0.1:5000/a/b/c", "127.0.0.1:5000", "a/b/c", "x_1.2-3", "",
          "127.0.0.1:5000/a/b/c" },
        { "[::1]:5000/a:1", "[::1]:5000/a", "[::1]:5000", "a", "1", "", "[::1]:5000/a" },
        { "example.org/a@" DIGEST, "example.org/a", "example.org", "a", "", DIGEST, "example.org/a" },
        { "example.org:8443/a:1@" DIGEST, "example.org:8443/a", "example.org:8443", "a", "1", DIGEST,
          "example.org:8443/a" },
        { "a__b/c--d.e_f", "a__b/c--d.e_f", "docker.io", "a__b/c--d.e_f", "", "", "a__b/c--d.e_f" },
        { "Upper.example/a", "Upper.example/a", "Upper.example", "a", "", "", "Upper.example/a" },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_reference_ struct reference reference = { 0 };
        _cleanup_error_ struct error err = ERROR_NONE;
        assert_int_equal(reference_parse(cases[i].text, &reference, &err), 0);
        assert_string_equal(reference.written, cases[i].written);
        assert_string_equal(reference.host, cases[i].host);
        assert_string_equal(reference.path, cases[i].path);
        assert_string_equal(reference.tag, cases[i].tag);
        assert_string_equal(reference.digest, cases[i].digest);
        _cleanup_free_ char *familiar = reference_familiar(&reference);
        assert_string_equal(familiar, cases[i].familiar);
    }
}

static void what_is_no_reference_is_refused(void **state) {
    (void)state;
    static const char *const cases[] = {
        "",           ":",           "a:",
        "a@",         "a@sha256:12", "a@sha256:" HEX "0",
        "A",          "a/B",         "a//b",
        "/a",         "a/",          "-a",
        "a-",         "a..b",        "a___b",
        "a b",        "a:b c",       "a:.b",
        "a:-b",       "a\nb",        "ä",
        HEX,          DIGEST,        "host:port/a",
        "host:/a",    "[::1/a",      "a.b:1x/c",
        "a@md5:" HEX, ".a/b",        "a:b:c",
        "${IMAGE}",   "a:${TAG}",    "a@" DIGEST ":1",
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        struct reference reference = { 0 };
        _cleanup_error_ struct error err = ERROR_NONE;
        int r = reference_parse(cases[i], &reference, &err);
        if (r != -EINVAL)
            fail_msg("\"%s\" was taken", cases[i]);
        assert_non_null(strstr(err.text, "expected"));
    }
    _cleanup_free_ char *tag = xcalloc(1, 200), *name = xcalloc(1, 400);
    memset(name, 'a', 300);
    memcpy(tag, "a:", 2);
    memset(tag + 2, 'b', 129);
    struct reference reference = { 0 };
    assert_int_equal(reference_parse(tag, &reference, NULL), -EINVAL);
    assert_int_equal(reference_parse(name, &reference, NULL), -EINVAL);
    tag[2 + 128] = '\0';
    assert_int_equal(reference_parse(tag, &reference, NULL), 0);
    reference_done(&reference);
}

static void different_ways_of_writing_are_the_same(void **state) {
    (void)state;
    static const struct {
        const char *a, *b;
        bool same;
    } cases[] = {
        { "postgres", "docker.io/library/postgres:latest", true },
        { "postgres:15", "index.docker.io/library/postgres:15", true },
        { "postgres:15", "postgres:16", false },
        { "postgres:15@" DIGEST, "postgres:15", true },
        { "postgres@" DIGEST, "postgres", false },
        { "example.org/postgres", "postgres", false },
        { DIGEST, DIGEST, true },
        { DIGEST, "postgres", false },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++)
        assert_int_equal(reference_same(cases[i].a, cases[i].b), cases[i].same);
}

static void a_digest_is_put_on_what_was_written(void **state) {
    (void)state;
    static const struct {
        const char *text, *with;
    } cases[] = {
        { "127.0.0.1:5000/a:1", "127.0.0.1:5000/a:1@" DIGEST },
        { "postgres", "postgres@" DIGEST },
        { "a:1@sha256:"
          "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
          "a:1@" DIGEST },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_reference_ struct reference reference = { 0 };
        assert_int_equal(reference_parse(cases[i].text, &reference, NULL), 0);
        _cleanup_free_ char *with = reference_with_digest(&reference, DIGEST);
        assert_string_equal(with, cases[i].with);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(references_are_taken_apart),
        cmocka_unit_test(what_is_no_reference_is_refused),
        cmocka_unit_test(different_ways_of_writing_are_the_same),
        cmocka_unit_test(a_digest_is_put_on_what_was_written),
    };
    return RUN(tests);
}

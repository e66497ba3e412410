/* Secrets: where they are read from, and what is refused. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "watchdog/base/durable.h"
#include "watchdog/base/memory.h"
#include "watchdog/config/credentials.h"

struct place {
    char path[64];
    struct settings settings;
};

static int place_make(void **state) {
    struct place *place = xcalloc(1, sizeof(*place));
    strcpy(place->path, "/tmp/test-credentials-XXXXXX");
    assert_non_null(mkdtemp(place->path));
    place->settings.app = xstrdup("qaid");
    place->settings.config_directory = xstrdup(place->path);
    _cleanup_free_ char *own = xasprintf("%s/credentials/qaid", place->path);
    assert_int_equal(durable_mkdir(own, 0700, NULL), 0);
    _cleanup_free_ char *systemd = xasprintf("%s/systemd", place->path);
    assert_int_equal(durable_mkdir(systemd, 0700, NULL), 0);
    unsetenv("CREDENTIALS_DIRECTORY");
    *state = place;
    return 0;
}

static int place_done(void **state) {
    struct place *place = *state;
    int r = durable_remove_tree(AT_FDCWD, place->path, NULL);
    free(place->settings.app);
    free(place->settings.config_directory);
    free(place);
    unsetenv("CREDENTIALS_DIRECTORY");
    return r;
}

static void put(const struct place *place, const char *directory, const char *text, size_t size,
                mode_t mode) {
    _cleanup_free_ char *path = xasprintf("%s/%s/database-password", place->path, directory);
    assert_int_equal(durable_write(AT_FDCWD, path, text, size, mode, NULL), 0);
}

static void use_systemd(const struct place *place) {
    _cleanup_free_ char *path = xasprintf("%s/systemd", place->path);
    setenv("CREDENTIALS_DIRECTORY", path, 1);
}

static void assert_secret(const struct place *place, const char *expected) {
    _cleanup_credential_ char *secret = NULL;
    _cleanup_error_ struct error err = ERROR_NONE;
    if (credential_read(&place->settings, "database-password", &secret, &err) < 0)
        fail_msg("%s", error_text(&err));
    assert_string_equal(secret, expected);
}

static void assert_refused(const struct place *place, const char *name, int number, const char *expected) {
    _cleanup_credential_ char *secret = NULL;
    _cleanup_error_ struct error err = ERROR_NONE;
    assert_int_equal(credential_read(&place->settings, name, &secret, &err), -number);
    assert_null(secret);
    assert_non_null(strstr(error_text(&err), expected));
    assert_null(strstr(error_text(&err), "geheim"));
}

static void systemd_comes_before_the_own_directory(void **state) {
    struct place *place = *state;
    put(place, "credentials/qaid", "geheim\n", 7, 0600);
    assert_secret(place, "geheim");
    use_systemd(place);
    assert_secret(place, "geheim");
    put(place, "systemd", "of systemd", 10, 0400);
    assert_secret(place, "of systemd");
}

static void one_newline_at_the_end_is_taken_off(void **state) {
    struct place *place = *state;
    static const char *const cases[][2] = {
        { "", "" }, { "\n", "" }, { "a\n", "a" }, { "a\n\n", "a\n" }, { " a ", " a " }, { "a\r\n", "a\r" },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        put(place, "credentials/qaid", cases[i][0], strlen(cases[i][0]), 0600);
        assert_secret(place, cases[i][1]);
    }
}

static void the_longest_secret_is_read_and_a_longer_one_is_refused(void **state) {
    struct place *place = *state;
    _cleanup_free_ char *text = xcalloc(1, CREDENTIAL_LIMIT + 2);
    memset(text, 'x', CREDENTIAL_LIMIT + 1);
    put(place, "credentials/qaid", text, CREDENTIAL_LIMIT + 1, 0600);
    assert_refused(place, "database-password", EINVAL, "is longer than 65536 bytes");
    text[CREDENTIAL_LIMIT] = '\0';
    put(place, "credentials/qaid", text, CREDENTIAL_LIMIT, 0600);
    assert_secret(place, text);
}

static void a_missing_one_is_named_with_its_place(void **state) {
    struct place *place = *state;
    _cleanup_free_ char *expected =
        xasprintf("there is no credential \"database-password\", expected it from systemd or in "
                  "\"%s/credentials/qaid/database-password\"",
                  place->path);
    assert_refused(place, "database-password", ENOENT, expected);
    use_systemd(place);
    assert_refused(place, "database-password", ENOENT, expected);
}

static void what_others_could_read_is_refused(void **state) {
    struct place *place = *state;
    static const mode_t modes[] = { 0604, 0640, 0644, 0620, 0601 };
    for (size_t i = 0; i < ELEMENTS(modes); i++) {
        put(place, "credentials/qaid", "geheim", 6, modes[i]);
        _cleanup_free_ char *expected = xasprintf("has mode %04o, expected 0600", modes[i]);
        assert_refused(place, "database-password", EPERM, expected);
    }
    put(place, "systemd", "geheim", 6, 0444);
    use_systemd(place);
    assert_refused(place, "database-password", EPERM, "has mode 0444");
}

static void what_is_to_do_is_said(void **state) {
    struct place *place = *state;
    put(place, "credentials/qaid", "geheim", 6, 0644);
    _cleanup_free_ char *expected =
        xasprintf("chmod 600 \"%s/credentials/qaid/database-password\"", place->path);
    assert_refused(place, "database-password", EPERM, expected);
}

/* Each directory above it, whose writer could put another file in its place. */
static void what_others_could_replace_is_refused(void **state) {
    struct place *place = *state;
    static const char *const above[] = { "/credentials/qaid", "/credentials", "" };
    put(place, "credentials/qaid", "geheim", 6, 0600);
    for (size_t i = 0; i < ELEMENTS(above); i++) {
        static const mode_t modes[] = { 0770, 0702, 0777 };
        _cleanup_free_ char *directory = xasprintf("%s%s", place->path, above[i]);
        for (size_t k = 0; k < ELEMENTS(modes); k++) {
            _cleanup_free_ char *mode = xasprintf("the directory \"%s\" above the credential", directory),
                                *cure = xasprintf("has mode %04o, others could put another in its place: "
                                                  "chmod go-w \"%s\"",
                                                  modes[k], directory);
            assert_int_equal(chmod(directory, modes[k]), 0);
            assert_refused(place, "database-password", EPERM, mode);
            assert_refused(place, "database-password", EPERM, cure);
        }
        assert_int_equal(chmod(directory, 0755), 0);
        assert_secret(place, "geheim");
    }
}

static void what_belongs_to_another_user_is_refused(void **state) {
    struct place *place = *state;
    if (geteuid() != 0)
        return; /* root alone can give a file away */
    _cleanup_free_ char *file = xasprintf("%s/credentials/qaid/database-password", place->path),
                        *directory = xasprintf("%s/credentials", place->path);
    put(place, "credentials/qaid", "geheim", 6, 0600);
    assert_int_equal(chown(file, 12345, 0), 0);
    assert_refused(place, "database-password", EPERM, "belongs to user 12345, expected root: chown root");
    assert_int_equal(chown(file, 0, 12345), 0);
    assert_secret(place, "geheim");
    assert_int_equal(chown(directory, 12345, 0), 0);
    assert_refused(place, "database-password", EPERM, "belongs to user 12345, who could put another");
}

/* Also the directories that a symbolic link leads through. */
static void where_a_link_leads_to_is_looked_at(void **state) {
    struct place *place = *state;
    put(place, "systemd", "geheim", 6, 0600);
    _cleanup_free_ char *target = xasprintf("%s/systemd/database-password", place->path),
                        *link = xasprintf("%s/credentials/qaid/database-password", place->path),
                        *directory = xasprintf("%s/systemd", place->path);
    assert_int_equal(symlink(target, link), 0);
    assert_secret(place, "geheim");
    assert_int_equal(chmod(directory, 0777), 0);
    assert_refused(place, "database-password", EPERM, "/systemd\" above the credential");
    /* the sticky bit keeps the entries of others, as in /tmp */
    assert_int_equal(chmod(directory, 01777), 0);
    assert_secret(place, "geheim");
}

static void what_is_no_secret_file_is_refused(void **state) {
    struct place *place = *state;
    put(place, "credentials/qaid", "geh\0eim", 7, 0600);
    assert_refused(place, "database-password", EINVAL, "holds a NUL byte");
    _cleanup_free_ char *directory = xasprintf("%s/credentials/qaid/directory", place->path);
    assert_int_equal(mkdir(directory, 0700), 0);
    assert_refused(place, "directory", EINVAL, "is not a regular file");
    _cleanup_free_ char *fifo = xasprintf("%s/credentials/qaid/fifo", place->path);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_refused(place, "fifo", EINVAL, "is not a regular file");
    static const char *const names[] = { "", ".", "..", "../x", "a/b", "/etc/shadow", "a\nb" };
    for (size_t i = 0; i < ELEMENTS(names); i++)
        assert_refused(place, names[i], EINVAL, "is not the name of a credential");
}

int main(void) {
#define IN_PLACE(test) cmocka_unit_test_setup_teardown(test, place_make, place_done)
    const struct CMUnitTest tests[] = {
        IN_PLACE(systemd_comes_before_the_own_directory),
        IN_PLACE(one_newline_at_the_end_is_taken_off),
        IN_PLACE(the_longest_secret_is_read_and_a_longer_one_is_refused),
        IN_PLACE(a_missing_one_is_named_with_its_place),
        IN_PLACE(what_others_could_read_is_refused),
        IN_PLACE(what_is_to_do_is_said),
        IN_PLACE(what_others_could_replace_is_refused),
        IN_PLACE(what_belongs_to_another_user_is_refused),
        IN_PLACE(where_a_link_leads_to_is_looked_at),
        IN_PLACE(what_is_no_secret_file_is_refused),
    };
    return RUN(tests);
}

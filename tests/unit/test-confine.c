/* What a child of a round still has when it looks: its own credentials and captured values, and nobody
 * else's. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probes/look.h"
#include "watchdog/base/durable.h"
#include "watchdog/base/memory.h"
#include "watchdog/config/credentials.h"
#include "watchdog/config/settings.h"

static char place[] = "/tmp/test-confine-XXXXXX";

static void put(const char *name, const char *text) {
    _cleanup_free_ char *path = xasprintf("%s/credentials/%s", place, name), *directory = xstrdup(path);
    *strrchr(directory, '/') = '\0';
    assert_int_equal(durable_mkdir(directory, 0700, NULL), 0);
    assert_int_equal(durable_write(AT_FDCWD, path, text, strlen(text), 0600, NULL), 0);
}

static int place_make(void **state) {
    (void)state;
    if (!mkdtemp(place))
        return -1;
    put("app/one", "secret of one");
    put("app/two", "secret of two");
    put("other/password", "another application's");
    unsetenv("CREDENTIALS_DIRECTORY");
    return 0;
}

static int place_remove(void **state) {
    (void)state;
    return durable_remove_tree(AT_FDCWD, place, NULL);
}

static const char configuration[] =
    "[App]\nDirectory=/tmp\nBaseUrl=http://127.0.0.1:1\n[Database]\nService=db\nName=app\nUser=app\n"
    "[Probe one]\nKind=http\nRequest=GET /%{one}\nCapture=token=.token\n"
    "[Probe after]\nKind=http\nAfter=one\nRequest=GET /%{token}\n"
    "[Probe two]\nKind=http\nRequest=GET /%{two}/%{none}\n"
    "[Probe rows]\nKind=sql\nQuery=SELECT 1 AS one\n"
    "[Probe program]\nKind=command\nCommand=/bin/true\nInput=%{two}\n";

enum { ONE, AFTER, TWO, ROWS, PROGRAM };

static int forgotten;
static void forget(void *host) {
    (void)host;
    forgotten = 1;
}

static bool can_open(const char *name) {
    _cleanup_free_ char *path = xasprintf("%s/credentials/%s", place, name);
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd >= 0;
}

static bool has(const struct look_job *job, const char *name, const char *expected) {
    _cleanup_credential_ char *value = NULL;
    return credentials_get(job->credentials, name, &value, NULL) == 0 && string_equal(value, expected);
}

/* In the child; returns the number of the line that is wrong. */
#define EXPECT(condition)                                                                                    \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            return __LINE__ % 256;                                                                           \
    } while (0)

static int as_one(struct look_job *job, int other) {
    EXPECT(has(job, "one", "secret of one"));
    EXPECT(!has(job, "two", "secret of two"));
    EXPECT(!can_open("app/one") && !can_open("app/two") && !can_open("other/password"));
    EXPECT(job->memory->entries[ONE].last.session && !job->memory->entries[TWO].last.session);
    EXPECT(fcntl(other, F_GETFD) < 0 && fcntl(job->fd, F_GETFD) >= 0);
    EXPECT(forgotten);
    return 0;
}

static int as_two(struct look_job *job, int other) {
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_credential_ char *value = NULL;
    (void)other;
    EXPECT(has(job, "two", "secret of two"));
    EXPECT(!has(job, "one", "secret of one"));
    /* what is wrong with a credential is known still when its directory is closed */
    EXPECT(credentials_get(job->credentials, "none", &value, &err) == -ENOENT);
    EXPECT(strstr(error_text(&err), "there is no credential \"none\", expected it from systemd or in"));
    EXPECT(!job->memory->entries[ONE].last.session && job->memory->entries[TWO].last.session);
    EXPECT(!can_open("app/two"));
    return 0;
}

/* It goes into the container by a way that a closed file system shuts. */
static int as_rows(struct look_job *job, int other) {
    EXPECT(!has(job, "one", "secret of one"));
    EXPECT(can_open("app/one"));
    EXPECT(execl("/bin/true", "true", NULL) != 0 && false);
    (void)other;
    return 0;
}

static int as_program(struct look_job *job, int other) {
    (void)other;
    EXPECT(has(job, "two", "secret of two"));
    execl("/bin/true", "true", NULL);
    return 1;
}

static int as_host(struct look_job *job, int other) {
    EXPECT(!has(job, "one", "secret of one") && !has(job, "two", "secret of two"));
    EXPECT(!job->memory->entries[ONE].last.session && !job->memory->entries[TWO].last.session);
    EXPECT(!forgotten && fcntl(other, F_GETFD) >= 0);
    return 0;
}

/* The wait status of a child that is confined to the lane of the probe @index. */
static int run_as(size_t index, int (*check)(struct look_job *job, int other)) {
    struct settings *settings;
    struct probe_set *set;
    _cleanup_free_ char *path = xasprintf("%s/app.conf", place);
    assert_int_equal(settings_parse("app", path, configuration, strlen(configuration), &settings, NULL), 0);
    assert_int_equal(probe_set_new(settings, &set, NULL), 0);
    struct probe_memory *memory = probe_memory_new();
    memory_fit(memory, set);
    memory->entries[ONE].last.session =
        json_pack("{s:{s:s}, s:[s]}", "captures", "token", "of one", "cookies", "a");
    memory->entries[TWO].last.session =
        json_pack("{s:{s:s}, s:[s]}", "captures", "x", "of two", "cookies", "b");
    const struct probe_view view = { .settings = settings, .forget = forget };
    int other = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), own = dup(other), later = dup(other), status;
    struct look_job job = { .set = set,
                            .view = &view,
                            .memory = memory,
                            .fd = own,
                            .lane = index < set->count ? set->lane[index] : set->lanes };
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        look_confine(&job);
        _exit(check(&job, index % 2 ? other : later));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    close(other);
    close(own);
    close(later);
    probe_memory_free(memory);
    probe_set_free(set);
    settings_free(settings);
    return status;
}

static void a_look_has_what_its_probes_use_and_no_more(void **state) {
    (void)state;
    assert_int_equal(run_as(ONE, as_one), 0);
    assert_int_equal(run_as(AFTER, as_one), 0); /* the same lane */
    assert_int_equal(run_as(TWO, as_two), 0);
    assert_int_equal(run_as(SIZE_MAX, as_host), 0);
}

static void a_look_that_runs_a_program_can_run_it_and_another_dies_of_it(void **state) {
    (void)state;
    assert_int_equal(run_as(PROGRAM, as_program), 0);
    int status = run_as(ROWS, as_rows);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_look_has_what_its_probes_use_and_no_more),
        cmocka_unit_test(a_look_that_runs_a_program_can_run_it_and_another_dies_of_it),
    };
    return cmocka_run_group_tests(tests, place_make, place_remove);
}

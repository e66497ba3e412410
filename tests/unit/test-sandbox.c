/* What each kind of process has given up, tried in a child; and that what looks need still works there. */

#include "tests/unit/unit.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/openat2.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probes/jq.h"
#include "probes/pattern.h"
#include "probes/set.h"
#include "watchdog/base/durable.h"
#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"
#include "watchdog/base/process.h"
#include "watchdog/base/sandbox.h"

#define DIED 1000 /* by SIGSYS */

static char place[] = "/tmp/test-sandbox-XXXXXX";

static int place_make(void **state) {
    (void)state;
    return mkdtemp(place) ? 0 : -1;
}

static int place_remove(void **state) {
    (void)state;
    return durable_remove_tree(AT_FDCWD, place, NULL);
}

/* What @attempt returned, 0 or an errno, in a child that has entered @sandbox; DIED where that ended it. */
static int attempt_in(const struct sandbox *sandbox, int (*attempt)(void)) {
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        const struct rlimit none = { 0, 0 };
        setrlimit(RLIMIT_CORE, &none);
        _exit(sandbox_enter(sandbox, NULL) < 0 ? 255 : attempt());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status))
        return WTERMSIG(status) == SIGSYS ? DIED : -WTERMSIG(status);
    assert_int_not_equal(WEXITSTATUS(status), 255);
    return WEXITSTATUS(status);
}

static int attempt(enum sandbox_kind kind, int (*function)(void)) {
    return attempt_in(&(struct sandbox){ .kind = kind }, function);
}

static int failure(long r) {
    return r < 0 ? errno : 0;
}

static int load_module(void) {
    return failure(syscall(SYS_init_module, NULL, 0, ""));
}
static int boot_another_kernel(void) {
    return failure(syscall(SYS_kexec_load, 0, 0, NULL, 0));
}
static int set_clock(void) {
    return failure(syscall(SYS_clock_settime, CLOCK_REALTIME, NULL));
}
static int mount_something(void) {
    return failure(syscall(SYS_mount, "none", "/nowhere", "tmpfs", 0, NULL));
}
static int new_user_namespace(void) {
    return failure(syscall(SYS_unshare, CLONE_NEWUSER));
}
static int clone_into_namespace(void) {
    long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, 0);
    if (pid == 0)
        _exit(0);
    return failure(pid);
}
static int enter_namespace(void) {
    return failure(syscall(SYS_setns, -1, 0));
}
static int trace(void) {
    return failure(syscall(SYS_ptrace, PTRACE_PEEKDATA, getppid(), NULL, NULL));
}
static int load_program_into_kernel(void) {
    return failure(syscall(SYS_bpf, 0, NULL, 0));
}
static int count_events(void) {
    return failure(syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0));
}
static int use_key_ring(void) {
    return failure(syscall(SYS_keyctl, 0, -3, 0));
}
static int make_ring(void) {
    return failure(syscall(SYS_io_uring_setup, 1, NULL));
}
static int clone_by_memory(void) {
    return failure(syscall(SYS_clone3, NULL, 0));
}
static int type_into_terminal(void) {
    return failure(syscall(SYS_ioctl, 0, TIOCSTI, "x"));
}
/* the upper half of the argument does not count */
static int type_into_terminal_slyly(void) {
    return failure(syscall(SYS_ioctl, 0, 0x500000000L | TIOCSTI, "x"));
}
static int run_program(void) {
    char *argv[] = { (char *)"/bin/true", NULL };
    execv("/bin/true", argv);
    return errno;
}
static int serve(void) {
    return failure(listen(-1, 1));
}
static int become_somebody(void) {
    return failure(syscall(SYS_setuid, geteuid()));
}
static int write_file(void) {
    _cleanup_free_ char *path = xasprintf("%s/written", place);
    return failure(open(path, O_WRONLY | O_CLOEXEC));
}
static int make_file(void) {
    _cleanup_free_ char *path = xasprintf("%s/made", place);
    return failure(open(path, O_CREAT | O_RDONLY | O_CLOEXEC, 0600));
}
static int remove_file(void) {
    _cleanup_free_ char *path = xasprintf("%s/none", place);
    return failure(unlink(path));
}
static int change_mode(void) {
    return failure(chmod(place, 0700));
}
static int open_by_memory(void) {
    return failure(syscall(SYS_openat2, AT_FDCWD, "/", NULL, 0));
}
static int gain_privileges(void) {
    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? EPERM : 0;
}

static void what_is_given_up_cannot_be_called(void **state) {
    (void)state;
    /* PASSES: not a matter of the filter; the call itself may fail for another reason */
    enum { PASSES = -1 };
    static const struct {
        const char *name;
        int (*function)(void);
        int expected[SANDBOX_KINDS]; /* programs, database, host, look */
    } cases[] = {
        { "init_module", load_module, { DIED, DIED, DIED, DIED } },
        { "kexec_load", boot_another_kernel, { DIED, DIED, DIED, DIED } },
        { "clock_settime", set_clock, { EPERM, EPERM, EPERM, EPERM } },
        { "mount", mount_something, { EPERM, DIED, DIED, DIED } },
        { "unshare", new_user_namespace, { EPERM, DIED, DIED, DIED } },
        { "clone into a namespace", clone_into_namespace, { EPERM, DIED, DIED, DIED } },
        { "setns", enter_namespace, { EPERM, DIED, DIED, DIED } },
        { "ptrace", trace, { EPERM, DIED, DIED, DIED } },
        { "bpf", load_program_into_kernel, { EPERM, DIED, DIED, DIED } },
        { "perf_event_open", count_events, { EPERM, DIED, DIED, DIED } },
        { "keyctl", use_key_ring, { EPERM, EPERM, EPERM, EPERM } },
        { "io_uring_setup", make_ring, { EPERM, EPERM, EPERM, EPERM } },
        { "clone3", clone_by_memory, { ENOSYS, ENOSYS, ENOSYS, ENOSYS } },
        { "TIOCSTI", type_into_terminal, { EPERM, EPERM, EPERM, EPERM } },
        { "TIOCSTI with more bits", type_into_terminal_slyly, { EPERM, EPERM, EPERM, EPERM } },
        { "no_new_privs", gain_privileges, { EPERM, EPERM, EPERM, EPERM } },
        { "execve", run_program, { 0, DIED, DIED, DIED } },
        { "listen", serve, { EBADF, EPERM, EPERM, EPERM } },
        { "setuid", become_somebody, { 0, EPERM, EPERM, EPERM } },
        { "open for writing", write_file, { ENOENT, EPERM, EPERM, EPERM } },
        { "open to make", make_file, { 0, EPERM, EPERM, EPERM } },
        { "unlink", remove_file, { ENOENT, EPERM, EPERM, EPERM } },
        { "chmod", change_mode, { 0, EPERM, EPERM, EPERM } },
        { "openat2", open_by_memory, { PASSES, PASSES, ENOSYS, ENOSYS } },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++)
        for (int kind = 0; kind < SANDBOX_KINDS; kind++) {
            int seen = attempt((enum sandbox_kind)kind, cases[i].function),
                expected = cases[i].expected[kind];
            if (expected == PASSES ? seen == ENOSYS || seen == EPERM || seen == DIED : seen != expected)
                fail_msg("%s as \"%s\": %d, expected %d", cases[i].name,
                         sandbox_kind_name((enum sandbox_kind)kind), seen, expected);
        }
}

/* A bit for each of the first 32. */
static uint32_t capabilities(void) {
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct data[2];
    return syscall(SYS_capget, &header, data) < 0 ? UINT32_MAX : data[0].permitted | data[0].effective;
}
static uint32_t had;

static int keeps_all_capabilities(void) {
    return capabilities() != had;
}
static int keeps_no_capability(void) {
    return capabilities() != 0;
}
static int keeps_what_leads_into_containers(void) {
    return (capabilities() & ~(1U << CAP_SYS_PTRACE | 1U << CAP_DAC_OVERRIDE | 1U << CAP_DAC_READ_SEARCH)) !=
           0;
}
static int keeps_what_reads(void) {
    return (capabilities() & ~(1U << CAP_SYS_PTRACE | 1U << CAP_DAC_READ_SEARCH)) != 0;
}

static void capabilities_go_but_for_what_the_kind_needs(void **state) {
    (void)state;
    had = capabilities();
    assert_int_equal(attempt(SANDBOX_PROGRAMS, keeps_all_capabilities), 0);
    assert_int_equal(attempt(SANDBOX_DATABASE, keeps_what_leads_into_containers), 0);
    assert_int_equal(attempt(SANDBOX_HOST, keeps_what_reads), 0);
    assert_int_equal(attempt(SANDBOX_LOOK, keeps_no_capability), 0);
}

static char *socket_path;
static int reach_socket(void) {
    return failure(faccessat(AT_FDCWD, socket_path, W_OK, AT_EACCESS));
}

static void the_socket_of_another_user_stays_within_reach(void **state) {
    (void)state;
    if (geteuid() != 0)
        return;
    _cleanup_free_ char *directory = xasprintf("%s/theirs", place), *path = xasprintf("%s/socket", directory);
    assert_int_equal(mkdir(directory, 0700), 0);
    assert_int_equal(mknod(path, S_IFSOCK | 0660, 0), 0);
    assert_int_equal(chown(path, 12345, 12345), 0);
    assert_int_equal(chown(directory, 12345, 12345), 0);
    socket_path = path;
    assert_int_equal(attempt_in(&(struct sandbox){ .kind = SANDBOX_LOOK, .socket = path }, reach_socket), 0);
    assert_int_equal(attempt_in(&(struct sandbox){ .kind = SANDBOX_LOOK }, reach_socket), EACCES);
}

static pid_t container; /* the first process of something like one */

/* As reach.c does it, and sessions.c. */
static int look_into_container(void) {
    struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT };
    _cleanup_free_ char *path = xasprintf("/proc/%d/root", (int)container),
                        *namespace = xasprintf("/proc/%d/ns/mnt", (int)container);
    struct stat status;
    _cleanup_close_ int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0 || stat(namespace, &status) < 0)
        return errno;
    _cleanup_close_ int inside = (int)syscall(SYS_openat2, root, "/tmp", &how, sizeof(how));
    return failure(inside);
}

static void the_way_into_a_container_is_open_to_those_that_need_it(void **state) {
    (void)state;
    int ready[2];
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    container = fork();
    assert_true(container >= 0);
    if (container == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        bool made = unshare(CLONE_NEWNS) == 0 && write(ready[1], "x", 1) == 1;
        close(ready[1]);
        while (made)
            pause();
        _exit(0);
    }
    close(ready[1]);
    char letter;
    bool made = read(ready[0], &letter, 1) == 1; /* else not as root, which alone may */
    close(ready[0]);
    int database = made ? attempt(SANDBOX_DATABASE, look_into_container) : 0,
        look = made ? attempt(SANDBOX_LOOK, look_into_container) : EACCES;
    kill(container, SIGKILL);
    waitpid(container, NULL, 0);
    assert_int_equal(database, 0);
    assert_int_equal(look, EACCES);
}

static const char *opened;
static int open_it(void) {
    _cleanup_free_ char *path = xasprintf("%s/%s", place, opened);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    return failure(fd);
}

static void put(const char *name) {
    _cleanup_free_ char *path = xasprintf("%s/%s", place, name), *directory = xstrdup(path);
    *strrchr(directory, '/') = '\0';
    assert_int_equal(durable_mkdir(directory, 0700, NULL), 0);
    assert_int_equal(durable_write(AT_FDCWD, path, "x", 1, 0600, NULL), 0);
}

static void closed_directories_cannot_be_looked_into(void **state) {
    (void)state;
    static const struct {
        const char *name;
        int expected;
    } cases[] = {
        { "etc/app.conf", 0 },
        { "etc/credentials/qaid/password", EACCES },
        { "etc/credentials/crm/password", EACCES },
        { "etc/credentials/crm/ca.pem", 0 },
        { "etc/credentials-of-others", 0 },
        { "etc/cred", 0 },
        { "run/credentials/unit/password", EACCES },
        { "run/other/file", 0 },
        { "etc/credentials/none", ENOENT },
        { "link", EACCES },
        { "etc/../run/credentials/unit/password", EACCES },
    };
    for (size_t i = 0; i < 8; i++)
        put(cases[i].name);
    _cleanup_free_ char *own = xasprintf("%s/etc/credentials", place),
                        *systemd = xasprintf("%s/run/credentials", place),
                        *none = xasprintf("%s/not-there", place),
                        *ca = xasprintf("%s/etc/credentials/crm/ca.pem", place),
                        *link = xasprintf("%s/link", place),
                        *target = xasprintf("%s/run/credentials/unit/password", place);
    char *closed[] = { own, none, systemd, NULL }, *readable[] = { ca, NULL }, *nothing[] = { none, NULL };
    assert_int_equal(symlink(target, link), 0);
    _cleanup_free_ char *lacks = sandbox_lacks();
    if (lacks)
        fail_msg("%s", lacks);
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        opened = cases[i].name;
        int seen = attempt_in(
            &(struct sandbox){ .kind = SANDBOX_LOOK, .closed = closed, .readable = readable }, open_it);
        if (seen != cases[i].expected)
            fail_msg("%s: %d, expected %d", cases[i].name, seen, cases[i].expected);
    }
    opened = cases[1].name;
    assert_int_equal(attempt_in(&(struct sandbox){ .kind = SANDBOX_LOOK, .closed = nothing }, open_it), 0);
}

static void *do_nothing(void *argument) {
    return argument;
}
static int start_thread(void) {
    pthread_t thread;
    int r = pthread_create(&thread, NULL, do_nothing, NULL);
    return r ? r : pthread_join(thread, NULL);
}
static int start_child(void) {
    int status = 0;
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    return pid < 0 ? errno : waitpid(pid, &status, 0) == pid ? status : ECHILD;
}
static int find_pattern(void) {
    struct pattern *pattern;
    if (pattern_new("(a+)b", &pattern, NULL) < 0)
        return 1;
    int r = pattern_match(pattern, "xaab", 4, NULL);
    pattern_free(pattern);
    return r == 1 ? 0 : 2;
}
static int run_jq(void) {
    _cleanup_json_ json_t *input = json_pack("{s:i}", "a", 1), *values = NULL;
    return jq_run(NULL, ".a == 1", input, NULL, &values, NULL) == 0 && json_is_true(json_array_get(values, 0))
               ? 0
               : 1;
}
/* By name: nsswitch, the resolver's plug-ins, curl's thread for it. */
static int resolve(void) {
    struct addrinfo *found = NULL;
    int r = getaddrinfo("localhost", "80", &(struct addrinfo){ .ai_socktype = SOCK_STREAM }, &found);
    if (r == 0)
        freeaddrinfo(found);
    return r ? 1 : 0;
}
/* Nobody listens: the connection is refused, and nothing else. */
static int transfer(const char *url) {
    CURL *curl = curl_easy_init();
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_cleanup(curl);
    return code == CURLE_COULDNT_CONNECT ? 0 : code == CURLE_OK ? 201 : (int)code;
}
static int ask_over_http(void) {
    return transfer("http://localhost:1/");
}
static int ask_over_tls(void) {
    return transfer("https://127.0.0.1:1/");
}

static void what_looks_need_still_works(void **state) {
    (void)state;
    static const struct {
        const char *name;
        int (*function)(void);
    } cases[] = {
        { "a thread", start_thread },           { "a child", start_child },
        { "a compiled pattern", find_pattern }, { "jq", run_jq },
        { "a name's address", resolve },        { "a request", ask_over_http },
        { "a request over TLS", ask_over_tls },
    };
    char *closed[] = { (char *)"/run/credentials", (char *)"/root", NULL };
    for (size_t i = 0; i < ELEMENTS(cases); i++)
        for (int kind = 0; kind < SANDBOX_KINDS; kind++) {
            int seen = attempt_in(&(struct sandbox){ .kind = (enum sandbox_kind)kind, .closed = closed },
                                  cases[i].function);
            if (seen != 0)
                fail_msg("%s as \"%s\": %d", cases[i].name, sandbox_kind_name((enum sandbox_kind)kind), seen);
        }
}

static int run_a_program_to_its_end(void) {
    char *argv[] = { (char *)"sh", (char *)"-c", (char *)"echo \"$(cat)\" >/dev/null; exit 3", NULL };
    struct process process = { .argv = argv, .input = "x", .deadline = deadline_in(20 * USEC_PER_SEC) };
    return process_run(&process, NULL, NULL);
}

static void programs_are_run_as_before(void **state) {
    (void)state;
    assert_int_equal(attempt(SANDBOX_PROGRAMS, run_a_program_to_its_end), 3);
}

/* As a look inherits what its worker has given up. */
static int enter_twice(void) {
    return sandbox_enter(&(struct sandbox){ .kind = SANDBOX_LOOK }, NULL) < 0 ? 1 : run_program();
}

static void a_worker_s_look_gives_up_more(void **state) {
    (void)state;
    assert_int_equal(attempt(SANDBOX_PROGRAMS, enter_twice), DIED);
}

/* Whoever adds a kind says what it needs: the loosest is what is there when nothing is said. */
static void only_what_runs_programs_may_run_programs(void **state) {
    (void)state;
    for (size_t i = 0; probe_kinds[i]; i++)
        assert_int_equal(probe_kinds[i]->sandbox == SANDBOX_PROGRAMS,
                         string_equal(probe_kinds[i]->name, "command"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_given_up_cannot_be_called),
        cmocka_unit_test(capabilities_go_but_for_what_the_kind_needs),
        cmocka_unit_test(the_socket_of_another_user_stays_within_reach),
        cmocka_unit_test(the_way_into_a_container_is_open_to_those_that_need_it),
        cmocka_unit_test(closed_directories_cannot_be_looked_into),
        cmocka_unit_test(what_looks_need_still_works),
        cmocka_unit_test(programs_are_run_as_before),
        cmocka_unit_test(a_worker_s_look_gives_up_more),
        cmocka_unit_test(only_what_runs_programs_may_run_programs),
    };
    return cmocka_run_group_tests(tests, place_make, place_remove);
}

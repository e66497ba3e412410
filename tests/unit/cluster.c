/* A PostgreSQL of the test's own. See cluster.h. */

#include "tests/unit/cluster.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <netinet/in.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "watchdog/base/durable.h"

/* PostgreSQL refuses to run as root. */
static void command(char ***argv) {
    static const char *const become[] = { "setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups",
                                          "--pdeathsig=KILL" };
    for (size_t i = 0; geteuid() == 0 && i < ELEMENTS(become); i++)
        strings_append(argv, become[i]);
}

static char **cluster_command(const struct cluster *cluster, const char *program) {
    char **argv = NULL;
    command(&argv);
    strings_appendf(&argv, "%s/%s", cluster->binaries, program);
    return argv;
}

void cluster_check(int r, const struct error *err) {
    if (r < 0)
        fail_msg("%s", error_text(err));
}

static void cluster_initdb(struct cluster *cluster) {
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_process_result_ struct process_result result = { 0 };
    _cleanup_strings_ char **argv = cluster_command(cluster, "initdb");
    static const char *const options[] = {
        "-U",       "boss", "-A", "trust", "--auth-host=scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8",
        "--no-sync"
    };
    for (size_t i = 0; i < ELEMENTS(options); i++)
        strings_append(&argv, options[i]);
    strings_appendf(&argv, "%s/data", cluster->directory);
    const struct process initdb = { .argv = argv, .directory = "/", .deadline = SOON };
    if (process_run(&initdb, &result, &err) != 0)
        fail_msg("%s", error_text(&err));
}

static void cluster_launch(struct cluster *cluster) {
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_strings_ char **argv = cluster_command(cluster, "postgres");
    strings_append(&argv, "-D");
    strings_appendf(&argv, "%s/data", cluster->directory);
    strings_append(&argv, "-k");
    strings_append(&argv, cluster->directory);
    strings_append(&argv, "-p");
    strings_append(&argv, cluster->port);
    static const char *const settings[] = {
        "listen_addresses=127.0.0.1",  "fsync=off",         "jit=off",
        "max_prepared_transactions=2", "wal_level=logical", "max_connections=30",
        "shared_buffers=16MB",         "autovacuum=off",    "dynamic_shared_memory_type=mmap",
        "logging_collector=off"
    };
    for (size_t i = 0; i < ELEMENTS(settings); i++) {
        strings_append(&argv, "-c");
        strings_append(&argv, settings[i]);
    }
    const struct process postgres = { .argv = argv, .directory = "/", .deadline = USEC_INFINITY };
    cluster_check(process_start(&postgres, &cluster->postmaster, &err), &err);
    for (usec_t deadline = SOON; deadline_left(deadline) > 0;) {
        error_done(&err);
        if (server_connect(cluster->server, "postgres", deadline, &cluster->connection, &err) == 0)
            return;
        if (process_poll(&cluster->postmaster, NULL) != 1)
            break;
        deadline_sleep(deadline, 30 * USEC_PER_MSEC);
    }
    fail_msg("no server: %s: %s", error_text(&err), cluster->postmaster.errors.text);
}

static void cluster_free_port(struct cluster *cluster) {
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof(address);
    _cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(bind(fd, (struct sockaddr *)&address, size) == 0);
    assert_true(getsockname(fd, (struct sockaddr *)&address, &size) == 0);
    snprintf(cluster->port, sizeof(cluster->port), "%u", ntohs(address.sin_port));
}

/* In memory where there is room: thousands of small files are made and removed. */
static char *place(void) {
    struct statvfs room;
    bool memory = statvfs("/dev/shm", &room) == 0 && room.f_bavail * room.f_frsize > ((uint64_t)1 << 30);
    return xasprintf("%s/test-cluster.XXXXXX", memory ? "/dev/shm" : "/tmp");
}

void cluster_start(struct cluster *cluster) {
    *cluster = (struct cluster){ 0 };
    glob_t found = { 0 };
    if (glob("/usr/lib/postgresql/*/bin", 0, NULL, &found) != 0)
        fail_msg("PostgreSQL's programs are not there: install the package postgresql");
    cluster->binaries = xstrdup(found.gl_pathv[found.gl_pathc - 1]);
    globfree(&found);
    cluster->directory = place();
    assert_non_null(mkdtemp(cluster->directory));
    const struct passwd *user = getpwnam("postgres");
    if (geteuid() == 0)
        assert_true(user && chown(cluster->directory, user->pw_uid, user->pw_gid) == 0);
    cluster_free_port(cluster);
    const struct server_way way = { .name = "the test's socket",
                                    .host = cluster->directory,
                                    .port = cluster->port };
    server_new(&way, 1, "boss", CLUSTER_ID, "postgres", &cluster->server);
    cluster_initdb(cluster);
    cluster_launch(cluster);
}

void cluster_stop(struct cluster *cluster) {
    PQfinish(cluster->connection);
    /* at once, but by itself: killed, it would leave its shared memory behind */
    if (cluster->postmaster.pid)
        kill(cluster->postmaster.pid, SIGQUIT);
    for (usec_t deadline = SOON; cluster->postmaster.pid && process_poll(&cluster->postmaster, NULL) == 1;)
        if (!deadline_sleep(deadline, 10 * USEC_PER_MSEC))
            process_stop(&cluster->postmaster, 0);
    durable_remove_tree(AT_FDCWD, cluster->directory, NULL);
    server_free(cluster->server);
    free(cluster->directory);
    free(cluster->binaries);
}

int cluster_setup(void **state) {
    *state = xcalloc(1, sizeof(struct cluster));
    cluster_start(*state);
    return 0;
}

int cluster_teardown(void **state) {
    cluster_stop(*state);
    free(*state);
    return 0;
}

/* A statement that must succeed; its first value (owned by the caller), or NULL. */
char *cluster_sql(PGconn *connection, const char *sql) {
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_result_ PGresult *result = NULL;
    cluster_check(server_query(connection, SOON, &result, &err, sql, SQL_NONE), &err);
    return PQntuples(result) > 0 && sql_text(result, 0, 0) ? xstrdup(sql_text(result, 0, 0)) : NULL;
}

void cluster_do(PGconn *connection, const char *sql) {
    free(cluster_sql(connection, sql));
}

PGconn *cluster_connect(struct cluster *cluster, const char *database) {
    _cleanup_error_ struct error err = ERROR_NONE;
    PGconn *connection = NULL;
    cluster_check(server_connect(cluster->server, database, SOON, &connection, &err), &err);
    return connection;
}

/* A program and what goes through its pipes. */
struct run {
    const struct program_call *call;
    struct pollfd fds[3]; /* its input, output and errors; fd -1: closed */
    char input[65536];
    ssize_t size, used;
    struct buffer errors;
};

static void run_close(struct run *run, int i) {
    if (run->fds[i].fd >= 0)
        close(run->fds[i].fd);
    run->fds[i].fd = -1;
}

static int run_feed(struct run *run) {
    if (run->used == run->size) {
        run->used = 0;
        run->size = run->call->on_input(run->call->userdata, run->input, sizeof(run->input));
        if (run->size < 0)
            return (int)run->size;
    }
    ssize_t sent =
        run->size > 0 ? write(run->fds[0].fd, run->input + run->used, (size_t)(run->size - run->used)) : 0;
    if (sent > 0)
        run->used += sent;
    else if (run->size == 0 || errno != EAGAIN)
        run_close(run, 0); /* its end, or it reads no more: its exit status tells */
    return 0;
}

static int run_take(struct run *run, int i) {
    char block[65536];
    ssize_t size = read(run->fds[i].fd, block, sizeof(block));
    if (size <= 0)
        run_close(run, i);
    else if (i == 2)
        buffer_append(&run->errors, block, (size_t)size);
    else if (run->call->on_output)
        return run->call->on_output(run->call->userdata, block, (size_t)size);
    return 0;
}

static int run_all(struct run *run) {
    while (run->fds[0].fd >= 0 || run->fds[1].fd >= 0 || run->fds[2].fd >= 0) {
        if (poll(run->fds, 3, deadline_poll(run->call->deadline)) <= 0)
            return -ETIME;
        int r = run->fds[0].fd >= 0 && run->fds[0].revents ? run_feed(run) : 0;
        for (int i = 1; r == 0 && i < 3; i++)
            if (run->fds[i].fd >= 0 && run->fds[i].revents)
                r = run_take(run, i);
        if (r < 0)
            return r;
    }
    return 0;
}

static pid_t run_start(struct run *run, char **argv) {
    int pipes[3][2];
    for (int i = 0; i < 3; i++)
        assert_int_equal(pipe2(pipes[i], O_CLOEXEC), 0);
    pid_t child = fork();
    if (child == 0) {
        for (size_t i = 0; run->call->environment && run->call->environment[i]; i++)
            putenv(run->call->environment[i]);
        dup2(pipes[0][0], 0);
        dup2(pipes[1][1], 1);
        dup2(pipes[2][1], 2);
        signal(SIGPIPE, SIG_DFL);
        execvp(argv[0], argv);
        _exit(127);
    }
    close(pipes[0][0]);
    close(pipes[1][1]);
    close(pipes[2][1]);
    fcntl(pipes[0][1], F_SETFL, O_NONBLOCK);
    run->fds[0] = (struct pollfd){ .fd = pipes[0][1], .events = POLLOUT };
    run->fds[1] = (struct pollfd){ .fd = pipes[1][0], .events = POLLIN };
    run->fds[2] = (struct pollfd){ .fd = pipes[2][0], .events = POLLIN };
    if (!run->call->on_input)
        run_close(run, 0);
    return child;
}

int cluster_run(void *context, const struct program_call *call, int *ret_exit, char **ret_errors,
                struct error *err) {
    _cleanup_free_ struct run *run = xcalloc(1, sizeof(*run));
    _cleanup_strings_ char **argv = NULL;
    run->call = call;
    command(&argv);
    for (size_t i = 0; call->argv[i]; i++)
        strings_append(&argv, call->argv[i]);
    (void)context;
    signal(SIGPIPE, SIG_IGN);
    pid_t child = run_start(run, argv);
    int r = run_all(run), status = 0;
    for (int i = 0; i < 3; i++)
        run_close(run, i);
    if (r < 0)
        kill(child, SIGKILL);
    waitpid(child, &status, 0);
    *ret_exit = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (r == 0)
        *ret_errors = buffer_take(&run->errors);
    buffer_done(&run->errors);
    return r < 0 ? error_errno(err, -r, "\"%s\" was ended", call->argv[0]) : 0;
}

/* The state directory and the locks. See state.h. */

#include "watchdog/transaction/state.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "watchdog/base/durable.h"
#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"

#define RECORD_LIMIT ((size_t)64 * 1024 * 1024)
/* For the last child of a killed run to end: it lets go of its locks one after another. */
#define REST_TIME (10 * USEC_PER_SEC)
#define RESERVE_SIZE (4 * 1024 * 1024)

static const char *const directories[] = { "", "/transactions", "/snapshots", "/images", "/quarantine" };

int state_open(const char *root, const char *app, bool create, struct state **ret, struct error *err) {
    _cleanup_state_ struct state *state = xcalloc(1, sizeof(*state));
    *state = (struct state){ xstrdup(root), xstrdup(app), xasprintf("%s/%s", root, app), -1, -1, -1, -1 };
    for (size_t i = 0; create && i < ELEMENTS(directories); i++) {
        _cleanup_free_ char *path = xasprintf("%s%s", state->directory, directories[i]);
        int r = durable_mkdir(path, 0700, err);
        if (r < 0)
            return error_prefix(err, "state directory");
    }
    struct stat status;
    if (stat(state->directory, &status) < 0)
        return error_errno(err, errno, "no state of \"%s\": \"%s\"", app, state->directory);
    if (!S_ISDIR(status.st_mode) || (status.st_mode & 022) ||
        (status.st_uid != 0 && status.st_uid != geteuid()))
        return error_set(err, EPERM,
                         "state directory \"%s\": expected a directory of root that only root can write",
                         state->directory);
    *ret = take_ptr(state);
    return 0;
}

void state_free(struct state *state) {
    if (!state)
        return;
    int fds[] = { state->lock_fd, state->project_fd, state->server_fd, state->slot_fd };
    for (size_t i = 0; i < ELEMENTS(fds); i++)
        if (fds[i] >= 0)
            close(fds[i]);
    free(state->root);
    free(state->app);
    free(state->directory);
    free(state);
}

void cleanup_state(struct state **state) {
    state_free(*state);
}

char *state_path(const struct state *state, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    _cleanup_free_ char *rest = xvasprintf(format, arguments);
    va_end(arguments);
    return xasprintf("%s/%s", state->directory, rest);
}

char *state_transaction_path(const struct state *state, const char *id, const char *name) {
    return name ? state_path(state, "transactions/%s/%s", id, name)
                : state_path(state, "transactions/%s", id);
}

/* Who holds the lock, as he wrote it: a process id and its start time, so that a reused id is not believed.
 */
static char *holder_line(pid_t pid) {
    _cleanup_free_ char *path = xasprintf("/proc/%d/stat", pid);
    _cleanup_free_ char *text = NULL;
    if (file_read(AT_FDCWD, path, 4096, &text, NULL, NULL) < 0)
        return NULL;
    const char *rest = strrchr(text, ')'); /* proc(5): the command may hold anything */
    for (int field = 2; rest && field < 22; field++)
        rest = strchr(rest + 1, ' ');
    if (!rest)
        return NULL;
    return xasprintf("%d %.*s\n", pid, (int)strcspn(rest + 1, " \n"), rest + 1);
}

static bool holder_lives(int fd, pid_t *ret_pid) {
    char line[64] = "";
    ssize_t size = pread(fd, line, sizeof(line) - 1, 0);
    *ret_pid = size > 0 ? (pid_t)strtol(line, NULL, 10) : 0;
    _cleanup_free_ char *now = *ret_pid > 0 ? holder_line(*ret_pid) : NULL;
    return now && string_equal(now, line);
}

static int lock_file(const char *path, const char *what, usec_t deadline, int *ret_fd, struct error *err) {
    /* Not O_CLOEXEC: whatever this run starts holds the lock until it is gone. */
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
    if (fd < 0)
        return error_errno(err, errno, "cannot open the lock \"%s\"", path);
    while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        pid_t pid = 0;
        int number = errno;
        bool lives = number == EWOULDBLOCK && holder_lives(fd, &pid);
        if (number == EINTR)
            continue;
        if (number == EWOULDBLOCK && !lives && deadline_sleep(deadline, 50 * USEC_PER_MSEC))
            continue;
        close(fd);
        if (number != EWOULDBLOCK)
            return error_errno(err, number, "cannot lock \"%s\"", path);
        return lives ? error_set(err, EBUSY, "another run (process %d) works on %s", pid, what)
                     : error_set(err, EBUSY, "children of an earlier run on %s are still alive", what);
    }
    _cleanup_free_ char *line = holder_line(getpid());
    if (ftruncate(fd, 0) < 0 || (line && pwrite(fd, line, strlen(line), 0) < 0)) {
        int number = errno;
        close(fd);
        return error_errno(err, number, "cannot write the lock \"%s\"", path);
    }
    *ret_fd = fd;
    return 0;
}

static int make_reserve(const struct state *state, struct error *err) {
    _cleanup_free_ char *path = state_path(state, "reserve");
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return error_errno(err, errno, "cannot create \"%s\"", path);
    int number = posix_fallocate(fd, 0, RESERVE_SIZE);
    if (number == ENOSPC || number == EDQUOT)
        return error_errno(err, number, "the state directory \"%s\" has no room", state->directory);
    return 0; /* a file system that cannot reserve has none to give back */
}

int state_lock(struct state *state, usec_t deadline, struct error *err) {
    _cleanup_free_ char *path = state_path(state, "lock");
    _cleanup_free_ char *what = xasprintf("\"%s\"", state->app);
    if (state->lock_fd >= 0)
        return 0;
    int r = lock_file(path, what, deadline, &state->lock_fd, err);
    /* An open transaction has to be ended whether there is room or not. */
    _cleanup_free_ char *open_path = state_path(state, "transaction.json");
    if (r >= 0 && access(open_path, F_OK) < 0)
        r = make_reserve(state, err);
    return r;
}

bool state_is_locked(const struct state *state, pid_t *ret_pid) {
    _cleanup_free_ char *path = state_path(state, "lock");
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    return fd >= 0 && holder_lives(fd, ret_pid);
}

static int lock_named(const char *kind, const char *name, usec_t deadline, int *ret_fd, struct error *err) {
    if (*ret_fd >= 0)
        return 0;
    int r = durable_mkdir(STATE_LOCK_DIRECTORY, 0700, err);
    if (r < 0)
        return r;
    _cleanup_free_ char *path = xasprintf(STATE_LOCK_DIRECTORY "/%s-%s.lock", kind, name);
    for (char *at = path + strlen(STATE_LOCK_DIRECTORY) + 1; *at; at++)
        if (*at == '/')
            *at = '_';
    _cleanup_free_ char *what = xasprintf("the %s \"%s\"", kind, name);
    return lock_file(path, what, deadline, ret_fd, err);
}

int state_lock_project(struct state *state, const char *project, struct error *err) {
    return lock_named("project", project, deadline_in(REST_TIME), &state->project_fd, err);
}

int state_lock_server(struct state *state, const char *system_identifier, struct error *err) {
    return lock_named("database-server", system_identifier, deadline_in(REST_TIME), &state->server_fd, err);
}

int state_lock_slot(struct state *state, unsigned slots, struct error *err) {
    int r = -EBUSY;
    for (unsigned slot = 1; r == -EBUSY && slot <= slots; slot++) {
        _cleanup_free_ char *name = xasprintf("%u", slot);
        error_done(err);
        r = lock_named("slot", name, deadline_in(0), &state->slot_fd, err);
    }
    return r;
}

static int load_json(const char *path, json_t **ret, struct error *err) {
    _cleanup_free_ char *text = NULL;
    size_t size;
    int r = file_read(AT_FDCWD, path, RECORD_LIMIT, &text, &size, err);
    return r < 0 ? r : json_parse(text, size, path, ret, err);
}

static int save_json(const char *path, const json_t *json, struct error *err) {
    _cleanup_free_ char *text = json_dumps(json, JSON_INDENT(2) | JSON_ENCODE_ANY | JSON_REAL_PRECISION(12));
    if (!text)
        abort();
    return durable_write(AT_FDCWD, path, text, strlen(text), 0600, err);
}

static int load_record(const char *path, struct record **ret, struct error *err) {
    _cleanup_json_ json_t *json = NULL;
    int r = load_json(path, &json, err);
    return r < 0 ? r : record_decode(json, path, ret, err);
}

int state_load(const struct state *state, struct record **ret, struct error *err) {
    _cleanup_free_ char *path = state_path(state, "transaction.json");
    return load_record(path, ret, err);
}

/* On a full disk the reserve gives way, so that a transaction that has stopped the application can be ended.
 */
int state_save(const struct state *state, const struct record *record, struct error *err) {
    _cleanup_free_ char *path = state_path(state, "transaction.json");
    _cleanup_free_ char *reserve = state_path(state, "reserve");
    _cleanup_json_ json_t *json = record_encode(record);
    int r = save_json(path, json, err);
    if (r != -ENOSPC && r != -EDQUOT)
        return r;
    return unlink(reserve) < 0 ? r : save_json(path, json, err);
}

int state_close(const struct state *state, const struct record *record, struct error *err) {
    _cleanup_free_ char *open_path = state_path(state, "transaction.json");
    _cleanup_free_ char *directory = state_transaction_path(state, record->id, NULL);
    _cleanup_free_ char *full_path = state_transaction_path(state, record->id, "record.json");
    _cleanup_free_ char *public_path = state_path(state, "transactions/%s.json", record->id);
    _cleanup_json_ json_t *full = record_encode(record), *public = record_public(record);
    int r = durable_mkdir(directory, 0700, err);
    if (r >= 0)
        r = save_json(full_path, full, err);
    if (r >= 0)
        r = save_json(public_path, public, err);
    if (r >= 0)
        r = durable_unlink(AT_FDCWD, open_path, err);
    return r < 0 ? error_prefix(err, "cannot close the transaction %s", record->id) : 0;
}

int state_forget(const struct state *state, const struct record *record, struct error *err) {
    _cleanup_free_ char *open_path = state_path(state, "transaction.json");
    _cleanup_free_ char *directory = state_transaction_path(state, record->id, NULL);
    int r = durable_unlink(AT_FDCWD, open_path, err);
    return r < 0 ? r : durable_remove_tree(AT_FDCWD, directory, err);
}

int state_load_closed(const struct state *state, const char *id, struct record **ret, struct error *err) {
    if (strchr(id, '/') || *id == '.')
        return error_set(err, EINVAL, "\"%s\" is not a transaction's id", id);
    _cleanup_free_ char *path = state_transaction_path(state, id, "record.json");
    return load_record(path, ret, err);
}

/* A file that holds one JSON value of a kind; none at all is an empty one. */
static int load_list(const struct state *state, const char *name, json_t *empty, json_t **ret,
                     struct error *err) {
    _cleanup_json_ json_t *fallback = empty;
    _cleanup_free_ char *path = state_path(state, "%s", name);
    int r = load_json(path, ret, err);
    if (r == -ENOENT) {
        error_done(err);
        *ret = take_ptr(fallback);
        return 0;
    }
    if (r >= 0 && json_typeof(*ret) != json_typeof(fallback))
        return error_set(err, EBADMSG, "%s: expected %s", path,
                         json_is_array(fallback) ? "a list" : "an object");
    return r;
}

int state_remember_pin(const struct state *state, const char *service, const char *value,
                       const char *original, struct error *err) {
    _cleanup_json_ json_t *pins = NULL;
    int r = load_list(state, "pins.json", json_object(), &pins, err);
    if (r < 0)
        return r;
    json_t *pin = json_object();
    json_object_set_new(pin, "value", json_text_string(value));
    json_object_set_new(pin, "original", json_text_string(original));
    json_object_set_new(pins, service, pin);
    _cleanup_free_ char *path = state_path(state, "pins.json");
    return save_json(path, pins, err);
}

int state_find_pin(const struct state *state, const char *service, const char *value, char **ret_original,
                   struct error *err) {
    _cleanup_json_ json_t *pins = NULL;
    int r = state ? load_list(state, "pins.json", json_object(), &pins, err) : 0;
    const json_t *pin = json_get_object(pins, service);
    if (r < 0 || !pin || !string_equal(json_get_string(pin, "value", NULL), value))
        return r;
    const char *original = json_get_string(pin, "original", NULL);
    if (!original)
        return 0;
    *ret_original = xstrdup(original);
    return 1;
}

int state_add_bad(const struct state *state, const struct record *record, struct error *err) {
    _cleanup_json_ json_t *list = NULL;
    int r = load_list(state, "known-bad.json", json_array(), &list, err);
    if (r < 0)
        return r;
    size_t i;
    const json_t *entry;
    json_array_foreach(list, i,
                       entry) if (string_equal(json_get_string(entry, "id", ""), record->id)) return 0;
    json_t *digests = json_object();
    for (i = 0; i < record->services_count; i++)
        if (record->services[i].changes)
            json_object_set_new(digests, record->services[i].service,
                                json_text_string(record->services[i].candidate_digest));
    json_t *bad = json_object();
    json_object_set_new(bad, "id", json_text_string(record->id));
    json_object_set_new(bad, "reason", json_text_string(record->cause ? record->cause : ""));
    json_object_set_new(bad, "digests", digests);
    json_array_append_new(list, bad);
    _cleanup_free_ char *path = state_path(state, "known-bad.json");
    return save_json(path, list, err);
}

/* What a service would run in the candidate: its new digest, or the one that it has. */
static const char *candidate_digest(const struct record *record, const char *service) {
    const struct record_service *found = record_service(record, service);
    if (!found)
        return "";
    const char *digest = found->changes ? found->candidate_digest : found->digest;
    return digest ? digest : "";
}

int state_is_bad(const struct state *state, const struct record *record, char **ret_id, char **ret_reason,
                 struct error *err) {
    _cleanup_json_ json_t *list = NULL;
    int r = load_list(state, "known-bad.json", json_array(), &list, err);
    if (r < 0)
        return r;
    size_t i;
    const json_t *entry;
    json_array_foreach(list, i, entry) {
        const char *service;
        json_t *digest;
        json_t *digests = json_get_object(entry, "digests");
        size_t same = 0;
        json_object_foreach(digests, service, digest) same +=
            (size_t)string_equal(candidate_digest(record, service), json_string_value(digest));
        if (same > 0 && same == json_object_size(digests)) {
            *ret_id = xstrdup(json_get_string(entry, "id", ""));
            *ret_reason = xstrdup(json_get_string(entry, "reason", ""));
            return 1;
        }
    }
    return 0;
}

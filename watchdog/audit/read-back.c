/* The journal read back. See read-back.h. The child writes one JSON object a line: {"file": NUMBER} before it
 * opens one, {"outcome": …}, {"damaged": SENTENCE}. */

#include "watchdog/audit/read-back.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-id128.h>
#include <systemd/sd-journal.h>

#include "watchdog/audit/journal.h"
#include "watchdog/audit/outcomes.h"
#include "watchdog/base/aside.h"
#include "watchdog/base/durable.h"
#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"

#define OUTPUT_LIMIT ((size_t)64 * 1024 * 1024)
#define FIELD_LIMIT ((size_t)64 * 1024)
#define FILES_LIMIT 10000
#define NAMED_LIMIT 3 /* damaged files that are named */

const struct read_back read_back_default = { .time = 10 * USEC_PER_SEC, .limit = 1000 };

struct journal_file {
    char *path;
    struct timespec changed;
};

struct files {
    struct journal_file *list;
    size_t count;
};

static void files_done(struct files *files) {
    for (size_t i = 0; i < files->count; i++)
        free(files->list[i].path);
    free(files->list);
}
#define _cleanup_files_ __attribute__((cleanup(files_done)))

/* root's records are in the system's journal, never in those that journald keeps for each user
 * (journald.conf(5), SplitMode=). One that was not closed ends in "~". */
static bool is_system_journal(const char *name) {
    return string_starts_with(name, "system") &&
           (string_ends_with(name, ".journal") || string_ends_with(name, ".journal~"));
}

static void add_files(struct files *files, const char *directory) {
    DIR *opened = opendir(directory);
    for (struct dirent *entry; opened && files->count < FILES_LIMIT && (entry = readdir(opened));) {
        struct stat status;
        if (!is_system_journal(entry->d_name) || fstatat(dirfd(opened), entry->d_name, &status, 0) < 0 ||
            !S_ISREG(status.st_mode) || status.st_size == 0)
            continue;
        files->list = xrealloc(files->list, files->count + 1, sizeof(*files->list));
        files->list[files->count++] =
            (struct journal_file){ xasprintf("%s/%s", directory, entry->d_name), status.st_mtim };
    }
    if (opened)
        closedir(opened);
}

static int newest_first(const void *a, const void *b) {
    const struct timespec *x = &((const struct journal_file *)a)->changed,
                          *y = &((const struct journal_file *)b)->changed;
    if (x->tv_sec != y->tv_sec)
        return x->tv_sec < y->tv_sec ? 1 : -1;
    return x->tv_nsec < y->tv_nsec ? 1 : x->tv_nsec > y->tv_nsec ? -1 : 0;
}

static void find_files(const struct read_back *source, const char *machine_id, struct files *files) {
    static const char *const places[] = { "/run/log/journal", "/var/log/journal" };
    for (size_t i = 0; !source->directory && i < ELEMENTS(places); i++) {
        _cleanup_free_ char *directory = xasprintf("%s/%s", places[i], machine_id);
        add_files(files, directory);
    }
    if (source->directory)
        add_files(files, source->directory);
    if (files->count > 0)
        qsort(files->list, files->count, sizeof(*files->list), newest_first);
}

/* What the child needs to know. */
struct task {
    const struct read_back *source;
    const char *app, *machine_id;
    const struct files *files;
    size_t first; /* the file it begins with */
    size_t found; /* records that are there already */
};

static void say(int fd, const char *name, json_t *value) {
    _cleanup_json_ json_t *message = json_object();
    json_object_set_new(message, name, value);
    _cleanup_free_ char *text = json_text(message), *line = xasprintf("%s\n", text);
    if (write_all(fd, line, strlen(line)) < 0)
        _exit(0); /* nobody listens any more */
}

static int add_matches(sd_journal *journal, const char *app) {
    _cleanup_free_ char *of_app = app ? xasprintf("UPGRADE_APP=%s", app) : NULL;
    int r = sd_journal_add_match(journal, "_UID=0", 0);
    if (r >= 0 && of_app)
        r = sd_journal_add_match(journal, of_app, 0);
    for (const enum event *event = closing_events; r >= 0 && *event != EVENT_COUNT; event++) {
        _cleanup_free_ char *match = xasprintf("MESSAGE_ID=%s", events[*event].message_id);
        r = sd_journal_add_match(journal, match, 0);
    }
    return r;
}

static char *field(sd_journal *journal, const char *name) {
    const void *data;
    size_t size, skip = strlen(name) + 1;
    if (sd_journal_get_data(journal, name, &data, &size) < 0 || size < skip)
        return NULL;
    return xstrndup((const char *)data + skip, size - skip);
}

/* NULL where the present record does not count. */
static json_t *read_record(sd_journal *journal, const struct task *task) {
    struct outcome_fields fields = { 0 };
    _cleanup_strings_ char **held = NULL;
    uint64_t realtime = 0;
    for (const struct outcome_field *row = outcome_field_table; row->name; row++) {
        _cleanup_free_ char *value = field(journal, row->name);
        if (!value)
            continue;
        strings_append(&held, value);
        *(const char **)((char *)&fields + row->offset) = held[strings_count(held) - 1];
    }
    (void)sd_journal_get_realtime_usec(journal, &realtime);
    fields.realtime = realtime;
    return outcome_counts(&fields, task->app, task->machine_id) ? outcome_to_json(&fields) : NULL;
}

/* sd-journal lets go of a file in which it meets damage, and says nothing: it is seen by what is left. */
static bool was_dropped(sd_journal *journal) {
    uint64_t bytes = 0;
    return sd_journal_get_usage(journal, &bytes) < 0 || bytes == 0;
}

static int read_file(int fd, const struct task *task, const char *path, size_t *found) {
    sd_journal *journal = NULL;
    const char *paths[] = { path, NULL };
    int r = sd_journal_open_files(&journal, paths, 0);
    if (r < 0)
        return r == -ENOENT ? 0 : r; /* journald has removed it meanwhile */
    (void)sd_journal_set_data_threshold(journal, FIELD_LIMIT);
    r = add_matches(journal, task->app);
    if (r >= 0)
        r = sd_journal_seek_tail(journal);
    while (r >= 0 && *found < task->source->limit && (r = sd_journal_previous(journal)) > 0) {
        json_t *outcome = read_record(journal, task);
        if (!outcome)
            continue;
        say(fd, "outcome", outcome);
        (*found)++;
    }
    if (r >= 0 && was_dropped(journal))
        r = -EBADMSG;
    sd_journal_close(journal);
    return r;
}

static int read_files(int fd, void *userdata) {
    const struct task *task = userdata;
    size_t found = task->found;
    for (size_t i = task->first; i < task->files->count && found < task->source->limit; i++) {
        say(fd, "file", json_integer((json_int_t)i));
        int r = read_file(fd, task, task->files->list[i].path, &found);
        if (r < 0)
            say(fd, "damaged", json_text_string(strerror(-r)));
    }
    return 0;
}

/* What a child said. */
struct answer {
    json_t *outcomes;
    char **damaged; /* paths */
    size_t last;    /* the file it was at */
};

static void take_line(struct answer *answer, const struct files *files, const char *line, size_t size) {
    _cleanup_json_ json_t *message = NULL;
    if (json_parse(line, size, "a line", &message, NULL) < 0)
        return; /* the last one of a child that was killed */
    json_int_t number = json_get_integer(message, "file", -1);
    if (number >= 0 && (size_t)number < files->count)
        answer->last = (size_t)number;
    if (json_get_object(message, "outcome"))
        json_array_append(answer->outcomes, json_get_object(message, "outcome"));
    if (json_get_string(message, "damaged", NULL))
        strings_appendf(&answer->damaged, "\"%s\" (%s)", files->list[answer->last].path,
                        json_get_string(message, "damaged", ""));
}

static void take_lines(struct answer *answer, const struct files *files, const struct buffer *output) {
    for (const char *at = output->text, *end; at && (end = strchr(at, '\n')); at = end + 1)
        take_line(answer, files, at, (size_t)(end - at));
}

/* Goes on behind a file that has killed its reader. */
static void run(struct task *task, struct answer *answer, char ***warnings) {
    usec_t deadline = deadline_in(task->source->time);
    for (int r = -EPROTO; r == -EPROTO && task->first < task->files->count;) {
        _cleanup_buffer_ struct buffer output = { 0 };
        _cleanup_error_ struct error err = ERROR_NONE;
        struct aside child;
        answer->last = task->first;
        r = aside_start(read_files, task, &child, &err);
        if (r >= 0)
            r = aside_finish(&child, deadline, OUTPUT_LIMIT, &output, &err);
        take_lines(answer, task->files, &output);
        if (r == -EPROTO)
            strings_appendf(&answer->damaged, "\"%s\" (%s)", task->files->list[answer->last].path,
                            error_text(&err));
        else if (r != 0)
            strings_appendf(warnings,
                            "the journal was not read to its end (%s); it was at \"%s\", what is older is "
                            "missing here",
                            error_text(&err), task->files->list[answer->last].path);
        task->first = answer->last + 1;
        task->found = json_array_size(answer->outcomes);
    }
}

static void tell_damaged(char *const *damaged, char ***warnings) {
    size_t count = strings_count(damaged);
    struct buffer names = { 0 };
    for (size_t i = 0; i < count && i < NAMED_LIMIT; i++)
        buffer_printf(&names, "%s%s", i ? ", " : "", damaged[i]);
    if (count > NAMED_LIMIT)
        buffer_printf(&names, " and %zu more", count - NAMED_LIMIT);
    if (count > 0)
        strings_appendf(warnings, "journal files that cannot be read were passed over: %s", names.text);
    buffer_done(&names);
}

static int by_time(const void *a, const void *b) {
    const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
    int r = strcmp(json_get_string(y, "id", ""), json_get_string(x, "id", ""));
    r = r ? r : strcmp(json_get_string(x, "app", ""), json_get_string(y, "app", ""));
    return r ? r : strcmp(json_get_string(y, "finished", ""), json_get_string(x, "finished", ""));
}

static bool same_transaction(const json_t *a, const json_t *b) {
    return string_equal(json_get_string(a, "id", ""), json_get_string(b, "id", "")) &&
           string_equal(json_get_string(a, "app", ""), json_get_string(b, "app", ""));
}

static json_t *in_order(const json_t *list) {
    size_t count = json_array_size(list);
    json_t *result = json_array(), **items = xcalloc(count + 1, sizeof(*items));
    for (size_t i = 0; i < count; i++)
        items[i] = json_array_get(list, i);
    qsort(items, count, sizeof(*items), by_time);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || !same_transaction(items[i - 1], items[i]))
            json_array_append(result, items[i]);
    free(items);
    return result;
}

json_t *read_back_outcomes(const struct read_back *source, const char *app, char ***warnings) {
    char own[SD_ID128_STRING_MAX] = "";
    sd_id128_t id;
    if (!source->machine_id && sd_id128_get_machine(&id) >= 0)
        sd_id128_to_string(id, own);
    _cleanup_files_ struct files files = { 0 };
    struct task task = { .source = source, .app = app, .files = &files };
    struct answer answer = { .outcomes = json_array() };
    task.machine_id = source->machine_id ? source->machine_id : own;
    if (*task.machine_id)
        find_files(source, task.machine_id, &files);
    run(&task, &answer, warnings);
    tell_damaged(answer.damaged, warnings);
    json_t *result = in_order(answer.outcomes);
    json_decref(answer.outcomes);
    strings_free(answer.damaged);
    return result;
}

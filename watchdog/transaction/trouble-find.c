/* Finding out what trouble.h wants to know. Runs in a child of a round: what cannot be told stays zero. */

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "watchdog/base/durable.h"
#include "watchdog/base/json.h"
#include "watchdog/database/query.h"
#include "watchdog/transaction/trouble.h"

#define TEXT_LIMIT 65536
#define ROTATED 10 /* files of a rotated log that are looked for */
#define MEASURED (500 * USEC_PER_MSEC)
#define LIKELY_BUSY 60.0 /* below it, measuring the application's share is not worth its time */

static void add_disk(struct trouble_facts *facts, const char *path) {
    struct statvfs status;
    if (!path || facts->disks_count == ELEMENTS(facts->disks) || statvfs(path, &status) < 0)
        return;
    facts->disks[facts->disks_count++] =
        (struct trouble_disk){ .path = path,
                               .size = (uint64_t)status.f_blocks * status.f_frsize,
                               .available = (uint64_t)status.f_bavail * status.f_frsize,
                               .files = status.f_files,
                               .files_available = status.f_favail };
}

static uint64_t bytes_below(const char *path, usec_t deadline) {
    char *const paths[] = { (char *)path, NULL };
    FTS *walk = fts_open(paths, FTS_PHYSICAL | FTS_XDEV | FTS_NOCHDIR, NULL);
    uint64_t bytes = 0;
    for (FTSENT *entry; walk && deadline_left(deadline) > 0 && (entry = fts_read(walk));)
        if (entry->fts_info == FTS_F)
            bytes += (uint64_t)entry->fts_statp->st_blocks * 512;
    if (walk)
        fts_close(walk);
    return bytes;
}

static uint64_t trees_growth(struct context *context, usec_t deadline) {
    uint64_t grown = 0;
    size_t index;
    json_t *tree;
    if (context_open_snapshot(context, NULL) < 0)
        return 0;
    json_array_foreach(json_get_array(context->snapshot->document, "trees"), index, tree) {
        const char *path = json_get_string(tree, "host_path", NULL);
        uint64_t before = (uint64_t)json_get_integer(tree, "bytes", 0);
        uint64_t now = path ? bytes_below(path, deadline) : 0;
        grown += now > before ? now - before : 0;
    }
    return grown;
}

/* Our own session: the worker's belongs to it. */
static uint64_t databases_growth(struct context *context, usec_t deadline) {
    const struct record *record = context->record;
    _cleanup_connection_ PGconn *connection = NULL;
    uint64_t grown = 0;
    if (context->settings->database.url) /* it grows on another host's disks */
        return 0;
    if (!context->server || server_connect(context->server, NULL, deadline, &connection, NULL) < 0)
        return 0;
    for (size_t i = 0; i < record->databases_count; i++) {
        _cleanup_result_ PGresult *result = NULL;
        if (server_query(connection, deadline, &result, NULL,
                         "SELECT pg_database_size(oid) FROM pg_database WHERE datname = $1",
                         SQL_VALUES(record->databases[i].name)) < 0 ||
            PQntuples(result) != 1)
            continue;
        int64_t now = strtoll(PQgetvalue(result, 0, 0), NULL, 10), before = record->databases[i].size;
        grown += now > before ? (uint64_t)(now - before) : 0;
    }
    return grown;
}

/* Of the "json-file" driver; the others' are small or not ours to find. */
static uint64_t log_bytes(const struct container *container) {
    const char *path = json_get_string(container->inspect, "LogPath", "");
    uint64_t bytes = 0;
    struct stat status;
    for (int i = 0; *path && i <= ROTATED; i++) {
        _cleanup_free_ char *name = i ? xasprintf("%s.%d", path, i) : xstrdup(path);
        if (stat(name, &status) == 0)
            bytes += (uint64_t)status.st_blocks * 512;
    }
    return bytes;
}

/* Writable layers and logs of the containers that were made since the switch. */
static uint64_t containers_growth(struct context *context, const struct container *list, size_t count,
                                  usec_t deadline) {
    _cleanup_free_ char *filters =
        xasprintf("{\"label\":[\"com.docker.compose.project=%s\"]}", context->record->project);
    _cleanup_free_ char *escaped = url_escape(filters);
    _cleanup_free_ char *path = xasprintf("/containers/json?all=1&size=1&filters=%s", escaped);
    _cleanup_json_ json_t *sizes = NULL;
    uint64_t grown = 0;
    size_t index;
    json_t *of;
    engine_request(context->engine, "GET", path, NULL, deadline, &sizes, NULL);
    for (size_t i = 0; i < count; i++) {
        if (list[i].created < context->record->switched || context_is_database(context, &list[i]))
            continue;
        grown += log_bytes(&list[i]);
        json_array_foreach(sizes, index, of) if (string_equal(json_get_string(of, "Id", ""), list[i].id))
            grown += (uint64_t)json_get_integer(of, "SizeRw", 0);
    }
    return grown;
}

struct use {
    uint64_t memory;    /* bytes */
    uint64_t processor; /* nanoseconds in all */
    uint64_t system;    /* nanoseconds of all processors */
};

/* memory.usage_in_bytes and memory.current count the page cache, which is given back when it is needed. */
static struct use use_of(struct engine *engine, const char *container, usec_t deadline) {
    _cleanup_free_ char *path = xasprintf("/containers/%s/stats?stream=false&one-shot=true", container);
    _cleanup_json_ json_t *stats = NULL;
    if (engine_request(engine, "GET", path, NULL, deadline, &stats, NULL) < 0)
        return (struct use){ 0 };
    const json_t *memory = json_get_object(stats, "memory_stats"),
                 *details = json_get_object(memory, "stats");
    const json_t *processor = json_get_object(stats, "cpu_stats");
    json_int_t usage = json_get_integer(memory, "usage", 0);
    json_int_t cache =
        json_get_integer(details, "total_inactive_file", json_get_integer(details, "inactive_file", 0));
    return (struct use){
        .memory = usage > cache ? (uint64_t)(usage - cache) : 0,
        .processor = (uint64_t)json_get_integer(json_get_object(processor, "cpu_usage"), "total_usage", 0),
        .system = (uint64_t)json_get_integer(processor, "system_cpu_usage", 0),
    };
}

static struct use use_of_all(struct context *context, const struct container *list, size_t count,
                             usec_t deadline) {
    struct use sum = { 0 };
    for (size_t i = 0; i < count; i++) {
        if (!container_runs(&list[i]) || context_is_database(context, &list[i]))
            continue;
        struct use use = use_of(context->engine, list[i].id, deadline);
        sum.memory += use.memory;
        sum.processor += use.processor;
        sum.system = use.system ? use.system : sum.system;
    }
    return sum;
}

uint64_t trouble_memory(struct context *context, usec_t deadline) {
    struct container *list = NULL;
    size_t count = 0;
    if (context_containers(context, &list, &count, NULL) < 0)
        return 0;
    uint64_t memory = use_of_all(context, list, count, deadline).memory;
    containers_free(list, count);
    return memory;
}

/* "avg10=" of the line that begins with @line: Documentation/accounting/psi.rst. */
static double pressure(const char *path, const char *line) {
    _cleanup_free_ char *text = NULL;
    if (file_read(AT_FDCWD, path, TEXT_LIMIT, &text, NULL, NULL) < 0)
        return 0;
    const char *at = strstr(text, line), *value = at ? strstr(at, "avg10=") : NULL;
    return value ? strtod(value + strlen("avg10="), NULL) : 0;
}

/* In kibibytes: proc(5). */
static uint64_t meminfo(const char *text, const char *name) {
    const char *at = strstr(text, name);
    return at ? strtoull(at + strlen(name), NULL, 10) * 1024 : 0;
}

static void read_memory(struct trouble_facts *facts) {
    _cleanup_free_ char *text = NULL;
    if (file_read(AT_FDCWD, "/proc/meminfo", TEXT_LIMIT, &text, NULL, NULL) < 0)
        return;
    facts->memory = meminfo(text, "MemTotal:");
    facts->memory_available = meminfo(text, "MemAvailable:");
    facts->memory_stalled = pressure("/proc/pressure/memory", "full ");
}

/* Where the kernel does not tell what waits: more than four runnable tasks for each processor. */
static double processors_waited(void) {
    double waited = pressure("/proc/pressure/cpu", "some "), load;
    if (waited > 0 || getloadavg(&load, 1) != 1)
        return waited;
    return load > 4.0 * (double)sysconf(_SC_NPROCESSORS_ONLN) ? 100.0 : 0;
}

static void read_processors(struct context *context, struct trouble_facts *facts, usec_t deadline) {
    struct container *list = NULL;
    size_t count = 0;
    facts->cpu_waited = processors_waited();
    if (facts->cpu_waited < LIKELY_BUSY || context_containers(context, &list, &count, NULL) < 0)
        return;
    struct use before = use_of_all(context, list, count, deadline);
    deadline_sleep(deadline, MEASURED);
    struct use after = use_of_all(context, list, count, deadline);
    if (after.system > before.system && after.processor >= before.processor)
        facts->cpu_release =
            100.0 * (double)(after.processor - before.processor) / (double)(after.system - before.system);
    containers_free(list, count);
}

static void read_disks(struct context *context, struct trouble_facts *facts, usec_t deadline) {
    struct container *list = NULL;
    size_t count = 0;
    add_disk(facts, context->state->directory);
    const char *docker = NULL;
    if (context->engine && engine_root_directory(context->engine, deadline, &docker, NULL) >= 0)
        add_disk(facts, docker);
    for (size_t i = 0; i < context->record->trees_count; i++)
        add_disk(facts, context->record->trees[i].path);
    _cleanup_free_ char *found = trouble_of_disks(facts);
    if (!found || context_containers(context, &list, &count, NULL) < 0)
        return;
    facts->grown = containers_growth(context, list, count, deadline) + trees_growth(context, deadline) +
                   databases_growth(context, deadline);
    containers_free(list, count);
}

/* Of a server elsewhere: it does not answer, or has just been started again, as after a failover. That it has
 * no session left or lets us not in may be the release's doing. */
static char *server_trouble(struct context *context, usec_t deadline) {
    _cleanup_connection_ PGconn *connection = NULL;
    _cleanup_result_ PGresult *result = NULL;
    _cleanup_error_ struct error err = ERROR_NONE;
    if (!context->elsewhere)
        return NULL;
    int r = server_connect(context->elsewhere, NULL, deadline, &connection, &err);
    if (r == -ECONNREFUSED || r == -ETIME || r == -EAGAIN)
        return xasprintf("the database server of Url= does not answer: %s", error_text(&err));
    if (r < 0 || server_query(connection, deadline, &result, NULL,
                              "SELECT now() - pg_postmaster_start_time() < interval '1 minute',"
                              " extract(epoch FROM now() - pg_postmaster_start_time())::bigint",
                              SQL_NONE) < 0)
        return NULL;
    usec_t ago = strtoull(sql_text(result, 0, 1), NULL, 10) * USEC_PER_SEC;
    bool since_switch = context->record->switched && clock_realtime() > context->record->switched + ago;
    return sql_boolean(result, 0, 0) && since_switch
               ? xstrdup("the database server of Url= was just started again")
               : NULL;
}

/* What costs time to find out is only asked for when there is something to excuse. */
void trouble_find(void *userdata, bool slow, usec_t deadline, char **ret_trouble, char **ret_busy) {
    struct context *context = userdata;
    struct trouble_facts facts = { .memory_before = (uint64_t)context->record->memory };
    *ret_trouble = server_trouble(context, deadline);
    *ret_busy = NULL;
    if (*ret_trouble)
        return;
    read_disks(context, &facts, deadline);
    read_memory(&facts);
    if (trouble_memory_is_short(&facts))
        facts.memory_release = trouble_memory(context, deadline);
    *ret_trouble = trouble_of_disks(&facts);
    if (!*ret_trouble)
        *ret_trouble = trouble_of_memory(&facts);
    if (slow && !*ret_trouble)
        read_processors(context, &facts, deadline);
    *ret_busy = trouble_of_processors(&facts);
}

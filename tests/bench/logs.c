/*
 * bench-logs [FILE]: how many lines a second of processor time one core judges, with every built-in set and
 * two patterns of a person's own: the median of seven runs over 300,000 lines, for ordinary lines, JSON
 * lines, logfmt, stack traces, or the lines of FILE. The lines come with Docker's times, in pieces of 64 KiB,
 * as engine_logs() gives them.
 */

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "probes/judge.h"
#include "probes/lines.h"
#include "probes/migrations.h"
#include "watchdog/base/clock.h"
#include "watchdog/base/memory.h"

#define LINES 300000
#define RUNS 7
#define PIECE ((size_t)64 * 1024)

struct kind {
    const char *name;
    const char *lines[8]; /* NULL-ended, one after another; "%zu" is the line's number */
};

static const struct kind kinds[] = {
    { "plain",
      { "2026-11-23 03:15:00.123 INFO  [worker-3] Request %zu GET /api/projects/17/runs?limit=50 200 in 12 "
        "ms",
        "2026-11-23 03:15:00.124 DEBUG [worker-1] SELECT id, name FROM projects WHERE owner = $1 -- %zu",
        "2026-11-23 03:15:00.125 WARN  [worker-2] retrying job %zu after error: connection reset by peer",
        NULL } },
    { "json",
      { "{\"level\":30,\"time\":1764000000000,\"pid\":1,\"hostname\":\"a\",\"req\":{\"id\":%zu,\"method\":"
        "\"GET\",\"url\":\"/\"},"
        "\"msg\":\"request completed\"}",
        NULL } },
    { "logfmt",
      { "time=2026-11-23T03:15:00Z level=info msg=\"request completed\" method=GET path=/api status=200 "
        "id=%zu",
        NULL } },
    { "traces",
      { "Exception in thread \"main\" x.Y: request %zu went wrong",
        "\tat org.example.app.Service.run(Service.java:100)", "\tat org.example.app.Main.main(Main.java:10)",
        "Caused by: x.Z: it was closed", "\tat org.example.app.Other.call(Other.java:33)", "\t... 23 more",
        NULL } },
};

static void make(const struct kind *kind, struct buffer *log) {
    usec_t time = USEC_PER_SEC * 1764000000;
    for (size_t i = 0, n = 0; n < LINES; i = kind->lines[i + 1] ? i + 1 : 0, n++) {
        char stamp[LOG_TIME_SIZE];
        line_time(time + n, stamp);
        const char *line = kind->lines[i], *number = strstr(line, "%zu");
        if (number)
            buffer_printf(log, "%s %.*s%zu%s\n", stamp, (int)(number - line), line, n, number + 3);
        else
            buffer_printf(log, "%s %s\n", stamp, line);
    }
}

static size_t read_file(const char *path, struct buffer *log) {
    _cleanup_file_ FILE *file = fopen(path, "re");
    _cleanup_free_ char *line = NULL;
    size_t size = 0, count = 0;
    while (file && getline(&line, &size, file) > 0) {
        char stamp[LOG_TIME_SIZE];
        line_time(USEC_PER_SEC * 1764000000 + count++, stamp);
        buffer_printf(log, "%s %s", stamp, line);
    }
    return count;
}

struct run {
    struct judge judge;
    struct judge_record record;
};

static int take_line(void *userdata, const char *time, const char *text, size_t size) {
    struct run *run = userdata;
    int r = judge_line(&run->judge, &run->record, time, text, size);
    return r < 0 ? r : 0;
}

/* Others may be using the machine. */
static double processor_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double run_once(const struct patterns *fail, const struct patterns *pass, const struct buffer *log) {
    struct run run = { .judge = { .fail = fail, .pass = pass } };
    struct line_stream stream = { 0 };
    double began = processor_seconds();
    int r = 0;
    for (size_t at = 0; at < log->size && r >= 0; at += PIECE)
        r = lines_feed(&stream, log->text + at, log->size - at < PIECE ? log->size - at : PIECE, take_line,
                       &run);
    r = r < 0 ? r : judge_end(&run.judge, &run.record);
    double seconds = processor_seconds() - began;
    if (r < 0 || run.judge.line)
        fprintf(stderr, "bench-logs: %s\n", r < 0 ? error_text(&run.judge.err) : run.judge.line);
    lines_done(&stream);
    judge_record_done(&run.record);
    judge_done(&run.judge);
    return seconds;
}

static int compare(const void *one, const void *other) {
    double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

static void measure(const struct patterns *fail, const struct patterns *pass, const char *name,
                    const struct buffer *log, size_t lines) {
    double seconds[RUNS];
    for (int i = 0; i < RUNS; i++)
        seconds[i] = run_once(fail, pass, log);
    qsort(seconds, RUNS, sizeof(*seconds), compare);
    fflush(stdout);
    printf("%-16s %9.0f lines/s  %6.1f MB/s  (median of %d)\n", name, (double)lines / seconds[RUNS / 2],
           (double)log->size / seconds[RUNS / 2] / 1e6, RUNS);
}

int main(int argc, char **argv) {
    _cleanup_error_ struct error err = ERROR_NONE;
    struct patterns fail = { 0 }, pass = { 0 };
    int r = patterns_add(&fail, "(?i)migration failed", &err);
    for (const struct pattern_set *set = migration_patterns; set->name && r == 0; set++) {
        _cleanup_free_ char *name = xasprintf("@%s", set->name);
        r = patterns_add(&fail, name, &err);
    }
    if (r == 0)
        r = patterns_add(&pass, "listening on port \\d+", &err);
    if (r < 0) {
        fprintf(stderr, "bench-logs: %s\n", error_text(&err));
        return 1;
    }
    patterns_ready(&fail);
    for (size_t i = 0; i < ELEMENTS(kinds) && argc == 1; i++) {
        _cleanup_buffer_ struct buffer log = { 0 };
        make(&kinds[i], &log);
        measure(&fail, &pass, kinds[i].name, &log, LINES);
    }
    if (argc > 1) {
        _cleanup_buffer_ struct buffer log = { 0 };
        size_t lines = read_file(argv[1], &log);
        measure(&fail, &pass, argv[1], &log, lines);
    }
    if (argc == 1) {
        const struct patterns none = { 0 };
        struct patterns sets = fail;
        _cleanup_buffer_ struct buffer log = { 0 };
        sets.count = 0;
        make(&kinds[1], &log);
        measure(&sets, &none, "json, sets only", &log, LINES);
    }
    patterns_done(&fail);
    patterns_done(&pass);
    return 0;
}

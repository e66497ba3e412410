/* Reading logs. See log-reading.h. */

#include "probes/log-reading.h"

#include <errno.h>
#include <string.h>

#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"
#include "watchdog/config/settings.h"
#include "watchdog/docker/log-driver.h"
#include "watchdog/docker/logs.h"

#define READ_LIMIT ((size_t)512 * 1024 * 1024) /* bytes in one look; the next one goes on from there */
/* The baseline reads what its containers said first and last: an old container's log can be very long. */
#define BASELINE_FIRST (10 * USEC_PER_MINUTE)
#define BASELINE_LAST USEC_PER_DAY
#define BASELINE_LIMIT ((size_t)128 * 1024 * 1024)
/* The two streams are stamped by two writers, so their lines may be a little out of order. */
#define OVERLAP (5 * USEC_PER_SEC)
#define TAIL_LEAST 1000 /* lines */
#define TAIL_MOST 1000000
/* All that Docker keeps must last for so many looks, or one that comes late loses lines. */
#define LOOKS_KEPT 4

void log_reading_init(struct log_reading *reading) {
    *reading = (struct log_reading){ .judge = { .err = ERROR_NONE } };
    for (int i = 0; i < 2; i++)
        reading->streams[i].reading = reading;
}

void log_reading_done(struct log_reading *reading) {
    for (int i = 0; i < 2; i++) {
        lines_done(&reading->streams[i].lines);
        judge_record_done(&reading->streams[i].record);
    }
    judge_done(&reading->judge);
    free(reading->lost);
}

usec_t log_reading_first(const struct log_reading *reading) {
    usec_t first = 0;
    for (int i = 0; i < 2; i++) {
        usec_t time;
        if (timestamp_parse(reading->streams[i].lines.first, &time) == 0 && (first == 0 || time < first))
            first = time;
    }
    return first;
}

static int take_line(void *userdata, const char *time, const char *text, size_t size) {
    struct log_stream *stream = userdata;
    struct log_reading *reading = stream->reading;
    if (reading->reaches && log_reading_first(reading) > reading->reaches) {
        reading->gap = true;
        return -ECANCELED;
    }
    reading->reaches = 0;
    if (!stream->lines.again) {
        reading->lines++;
        reading->bytes += size;
        stream->grown = true;
    }
    int r = judge_line(&reading->judge, &stream->record, time, text, size);
    if (r > 0) {
        stream->before = stream->lines.last;
        memcpy(stream->began, time, strlen(time) + 1);
    }
    return r < 0 ? r : 0;
}

static int feed(void *userdata, enum frame_stream stream, const char *data, size_t size) {
    struct log_reading *reading = userdata;
    struct log_stream *to = &reading->streams[stream == FRAME_ERRORS];
    return lines_feed(&to->lines, data, size, take_line, to);
}

/* @complete: nothing more will come. Else a record that has grown in this look may go on growing. */
static int end_stream(struct log_stream *stream, bool complete) {
    int r = lines_end(&stream->lines, take_line, stream);
    struct judge_record *record = &stream->record;
    stream->held = !complete && stream->grown && record->record.lines > 0 && !record_is_full(&record->record);
    if (stream->held)
        judge_hold(&stream->reading->judge, record);
    else if (r == 0)
        r = judge_end(&stream->reading->judge, record);
    return r;
}

/* Returns 0, 1 when there is more than the limit, or -errno. */
static int read_part(const struct probe_look *look, struct logs logs, bool complete,
                     struct log_reading *reading, struct error *err) {
    logs.timestamps = true;
    logs.on_data = feed;
    logs.userdata = reading;
    logs.deadline = look->deadline;
    int r = engine_logs(look->view->engine, &logs, err);
    for (int i = 0; i < 2 && r >= 0; i++) {
        int ended = end_stream(&reading->streams[i], complete && r == 0);
        r = ended < 0 ? ended : r;
    }
    if (r < 0 && reading->judge.err.number) {
        /* the line that it was about is not judged, and not read again */
        replace_string(reading->lost,
                       xasprintf("a line could not be judged: %s", error_text(&reading->judge.err)));
        return error_move(err, &reading->judge.err);
    }
    return r;
}

/* A log that is rotated away between two looks can only be seen here: what is lost later would make a good
 * release look unknown. */
static void judge_rotation(const struct probe_look *look, const struct container *container,
                           struct log_reading *reading) {
    const struct log_driver driver = log_driver_of(container->inspect);
    usec_t needed = LOOKS_KEPT * look->view->settings->watch.interval;
    const struct log_extent extent = { .bytes = reading->bytes,
                                       .lines = reading->lines,
                                       .began = container_run_began(container),
                                       .first = log_reading_first(reading),
                                       .now = clock_realtime() };
    if (log_rotates_within(&driver, &extent, needed))
        reading->lost =
            xasprintf("all that Docker keeps of it is written anew within %llu s, so lines would be "
                      "lost between two looks; raise max-size or max-file of its logging driver",
                      (unsigned long long)(needed / USEC_PER_SEC));
}

int log_read_baseline(const struct probe_look *look, const struct container *container,
                      struct log_reading *reading, struct error *err) {
    usec_t now = clock_realtime(), began = container_run_began(container), first_end = began + BASELINE_FIRST;
    struct logs logs = { .container = container->id, .since = began, .limit = BASELINE_LIMIT };
    if (first_end < now)
        logs.until = first_end;
    int r = read_part(look, logs, true, reading, err);
    if (r < 0)
        return r;
    if (first_end < now) {
        logs.since = now - BASELINE_LAST > first_end ? now - BASELINE_LAST : first_end;
        logs.until = 0;
        r = read_part(look, logs, true, reading, err);
    }
    if (r >= 0)
        judge_rotation(look, container, reading);
    return r < 0 ? r : 0;
}

static void load_mark(const json_t *state, const char *name, struct line_mark *mark) {
    const json_t *value = json_get_array(state, name);
    const char *time = json_string_value(json_array_get(value, 0));
    if (!time)
        return;
    snprintf(mark->time, sizeof(mark->time), "%s", time);
    mark->lines = (unsigned)json_integer_value(json_array_get(value, 1));
}

static json_t *mark_to_json(const struct line_mark *mark) {
    return json_pack("[s, I]", mark->time, (json_int_t)mark->lines);
}

static const char *const from_names[] = { "output", "errors" };
static const char *const seen_names[] = { "output_seen", "errors_seen" };

/* Sets the streams to where the last look ended; else to @since. */
static void load_position(struct log_reading *reading, const json_t *state, usec_t since) {
    for (size_t i = 0; i < 2; i++) {
        struct log_stream *stream = &reading->streams[i];
        struct line_mark from = { 0 };
        if (since)
            line_time(since, from.time);
        load_mark(state, from_names[i], &from);
        struct line_mark seen = from;
        load_mark(state, seen_names[i], &seen);
        lines_begin(&stream->lines, &from, &seen);
        judge_forget(&stream->record);
        stream->grown = stream->held = false;
    }
    reading->judge.passed = json_get_boolean(state, "passed", false);
    reading->gap = false;
}

json_t *log_reading_state(const struct log_reading *reading) {
    json_t *state =
        json_pack("{s:b, s:I}", "passed", reading->judge.passed, "lines", (json_int_t)reading->lines);
    const char *held = NULL;
    for (size_t i = 0; i < 2; i++) {
        const struct log_stream *stream = &reading->streams[i];
        json_object_set_new(state, from_names[i],
                            mark_to_json(stream->held ? &stream->before : &stream->lines.last));
        if (!stream->held)
            continue;
        json_object_set_new(state, seen_names[i], mark_to_json(&stream->lines.last));
        if (!held || strcmp(stream->began, held) < 0)
            held = stream->began;
    }
    if (held)
        json_object_set_new(state, "held", json_string(held));
    if (reading->lost)
        json_object_set_new(state, "lost", json_text_string(reading->lost));
    return state;
}

/* The stream whose last line was read latest: it must be found again. NULL: none was read yet. */
static const struct log_stream *last_read(const struct log_reading *reading) {
    const struct log_stream *last = NULL;
    for (int i = 0; i < 2; i++) {
        const struct line_mark *mark = &reading->streams[i].lines.seen.mark;
        if (mark->lines > 0 && (!last || strcmp(mark->time, last->lines.seen.mark.time) > 0))
            last = &reading->streams[i];
    }
    return last;
}

/* How far back it must be read: to the last line that was read, and to the records that may have grown. */
static usec_t position_of(const struct log_reading *reading, const json_t *state, usec_t since) {
    const struct log_stream *last = last_read(reading);
    usec_t position = since, held;
    if (last)
        timestamp_parse(last->lines.seen.mark.time, &position);
    if (timestamp_parse(json_get_string(state, "held", ""), &held) == 0 && held < position)
        position = held;
    return position;
}

static bool has_gap(const struct log_reading *reading, const struct container *container) {
    const struct log_stream *last = last_read(reading);
    if (last)
        return !last->lines.seen.found;
    for (int i = 0; i < 2; i++)
        if (reading->streams[i].lines.from.found)
            return false;
    const struct log_driver driver = log_driver_of(container->inspect);
    const struct log_extent extent = { .bytes = reading->bytes,
                                       .lines = reading->lines,
                                       .began = container_run_began(container),
                                       .first = log_reading_first(reading),
                                       .now = clock_realtime() };
    return log_may_be_cut(&driver, &extent);
}

/* Docker finds a time in a log by reading all that is before it, but the end at once: so the end is asked
 * for, about as much as was new the last time, and only where that does not reach back far enough all since
 * then. */
static int read_from(const struct probe_look *look, const struct container *container, const json_t *state,
                     struct log_reading *reading, struct error *err) {
    usec_t since = look->view->since_realtime, position;
    bool complete = !container_runs(container);
    json_int_t expected = 2 * json_get_integer(state, "lines", 0) + TAIL_LEAST;
    struct logs logs = { .container = container->id, .limit = READ_LIMIT };
    load_position(reading, state, since);
    position = position_of(reading, state, since);
    /* a container that began after it has nothing before it to reach back to */
    if (position > container->created) {
        logs.tail = expected < TAIL_MOST ? (unsigned)expected : TAIL_MOST;
        reading->reaches = position;
        int r = read_part(look, logs, complete, reading, err);
        if (!reading->gap)
            return r;
        error_done(err);
        load_position(reading, state, since);
        reading->reaches = 0;
    }
    logs.tail = 0;
    logs.since = position > OVERLAP ? position - OVERLAP : 0;
    return read_part(look, logs, complete, reading, err);
}

int log_read_new(const struct probe_look *look, const struct container *container, const json_t *state,
                 struct log_reading *reading, struct error *err) {
    const char *lost = json_get_string(state, "lost", NULL);
    int r = read_from(look, container, state, reading, err);
    if (lost)
        replace_string(reading->lost, xstrdup(lost));
    else if (r >= 0 && has_gap(reading, container))
        reading->lost = xstrdup("lines of it were rotated away before they could be read; raise max-size or "
                                "max-file of its logging driver");
    return r;
}

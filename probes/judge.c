/* Judging a log. See judge.h. */

#include "probes/judge.h"

#include <string.h>

#include "probes/messages.h"

#define SHAPES_LIMIT 20000
#define EVIDENCE_LIMIT ((size_t)4096)

static bool knows(const struct judge *judge, uint64_t shape) {
    char text[SHAPE_SIZE];
    shape_format(shape, text);
    return json_object_get(judge->harmless, text) != NULL;
}

static void learn(const struct judge *judge, uint64_t shape) {
    char text[SHAPE_SIZE];
    shape_format(shape, text);
    if (json_object_size(judge->shapes) < SHAPES_LIMIT)
        json_object_set_new(judge->shapes, text, json_true());
}

/* The line in the light of what is said around it. */
static uint64_t together(uint64_t line, uint64_t causes) {
    return (line ^ causes) * UINT64_C(0x9E3779B97F4A7C15);
}

static void found(struct judge *judge, struct judge_record *record, const char *text, size_t size) {
    if (judge->line)
        return;
    judge->line = xstrndup(text, size);
    record->has_failed = true;
}

static void line_matched(struct judge *judge, struct judge_record *record, const char *text, size_t size) {
    uint64_t shape = line_shape(SHAPE_BEGIN, text, size);
    record->matched = true;
    if (judge->shapes)
        learn(judge, shape);
    else if (!knows(judge, shape))
        found(judge, record, text, size);
    if (record->pending_count < JUDGE_PENDING)
        record->pending[record->pending_count++] = shape;
}

/* A line's own text (@is_data: structured, what it says is judged by itself), or one line of a message. */
static int judge_text(struct judge *judge, struct judge_record *record, const char *text, size_t size,
                      bool is_data) {
    int passes = judge->passed ? 0 : patterns_match(judge->pass, text, size, is_data, &judge->err);
    int fails = passes < 0 ? passes : patterns_match(judge->fail, text, size, is_data, &judge->err);
    if (fails < 0)
        return fails;
    judge->passed = judge->passed || passes > 0;
    if (fails > 0)
        line_matched(judge, record, text, size);
    return 0;
}

/* What a record said over its lines, where none of them said it alone. */
static int judge_whole(struct judge *judge, struct judge_record *record) {
    const struct record *lines = &record->record;
    if (lines->lines < 2 || lines->text.size == 0)
        return 0;
    size_t size = lines->text.size - 1;
    int passes = judge->passed ? 0 : patterns_match(judge->pass, lines->text.text, size, false, &judge->err);
    judge->passed = judge->passed || passes > 0;
    int fails = passes < 0 || record->matched
                    ? passes
                    : patterns_match(judge->fail, lines->text.text, size, false, &judge->err);
    if (fails <= 0 || record->matched)
        return fails < 0 ? fails : 0;
    if (record->pending_count < JUDGE_PENDING)
        record->pending[record->pending_count++] = SHAPE_BEGIN;
    return 0;
}

/* The line that failed is what a person is told first. */
static void add_cause(struct judge *judge, const struct record *record) {
    _cleanup_free_ char *cause = record_cause(record, judge->line);
    const char *line = judge->line + strspn(judge->line, " \t");
    if (cause && !strstr(line, cause))
        replace_string(judge->line, xasprintf("%s … %s", line, cause));
}

/* "first line … the line that failed, and what follows" */
static void keep_evidence(struct judge *judge, const struct record *record) {
    _cleanup_buffer_ struct buffer evidence = { 0 };
    const char *text = record->text.text ? record->text.text : "";
    size_t size = record->text.size, first = strcspn(text, "\n");
    const char *line = size ? memmem(text, size, judge->line, strlen(judge->line)) : NULL;
    size_t at = line ? (size_t)(line - text) : size;
    if (line && at + strlen(judge->line) < EVIDENCE_LIMIT) {
        buffer_append(&evidence, text, size < EVIDENCE_LIMIT ? size : EVIDENCE_LIMIT);
    } else {
        if (size && first < EVIDENCE_LIMIT / 4)
            buffer_printf(&evidence, "%.*s\n…\n", (int)first, text);
        buffer_append(&evidence, judge->line, strlen(judge->line));
        if (line && at + strlen(judge->line) < size)
            buffer_append(&evidence, line + strlen(judge->line), size - at - strlen(judge->line));
    }
    while (evidence.size > 0 && evidence.text[evidence.size - 1] == '\n')
        evidence.text[--evidence.size] = '\0';
    replace_string(judge->evidence, buffer_take(&evidence));
    add_cause(judge, record);
}

void judge_forget(struct judge_record *record) {
    record_clear(&record->record);
    *record = (struct judge_record){ .record = record->record };
}

/* Known lines with unknown causes. */
static void judge_pending(struct judge *judge, struct judge_record *record) {
    const struct record *lines = &record->record;
    for (size_t i = 0; i < record->pending_count && lines->lines > 1; i++) {
        if (record->pending[i] == lines->causes)
            continue; /* the first line, and no more was said */
        uint64_t shape = together(record->pending[i], lines->causes);
        if (judge->shapes)
            learn(judge, shape);
        else if (!judge->line && !knows(judge, shape))
            found(judge, record, lines->text.text, strcspn(lines->text.text, "\n"));
    }
}

int judge_end(struct judge *judge, struct judge_record *record) {
    int r = judge_whole(judge, record);
    if (r == 0)
        judge_pending(judge, record);
    if (record->has_failed)
        keep_evidence(judge, &record->record);
    judge_forget(record);
    return r;
}

void judge_hold(struct judge *judge, struct judge_record *record) {
    if (record->has_failed)
        keep_evidence(judge, &record->record);
    judge_forget(record);
}

/* A message, and the line that it is of. */
struct saying {
    struct judge *judge;
    struct judge_record *of;
};

static int judge_message(void *userdata, const char *time, const char *text, size_t size) {
    const struct saying *saying = userdata;
    if (!memchr(text, '\n', size))
        return judge_text(saying->judge, saying->of, text, size, false);
    /* a record of its own */
    struct judge_record record = { 0 };
    int r = 0;
    for (size_t at = 0; at < size && r >= 0;) {
        size_t part = strcspn(text + at, "\n");
        _cleanup_free_ char *line = xstrndup(text + at, part);
        r = judge_text(saying->judge, &record, line, part, false);
        record_add(&record.record, time, line, part);
        at += part + 1;
    }
    if (r >= 0)
        r = judge_end(saying->judge, &record);
    judge_record_done(&record);
    return r;
}

/* A JSON line in which nothing is escaped and no needle stands says nothing that a set could find: most
 * lines, and parsing costs more than all the rest. */
static bool is_dull(const struct judge *judge, const char *text, size_t size) {
    return *text == '{' && !memchr(text, '\\', size) && text[size - 1] == '}' &&
           (judge->passed || !patterns_may_match(judge->pass, text, size)) &&
           !patterns_may_match(judge->fail, text, size);
}

int judge_line(struct judge *judge, struct judge_record *record, const char *time, const char *text,
               size_t size) {
    enum line_format format;
    struct saying saying = { judge, record };
    if (size == 0 && record->record.lines == 0)
        return 0;
    bool begins = !record_continues(&record->record, time, text, size);
    int r = begins && record->record.lines > 0 ? judge_end(judge, record) : 0;
    bool dull = size > 0 && is_dull(judge, text, size);
    if (r == 0 && !dull)
        r = line_messages(text, size, judge_message, &saying, &format);
    if (r == 0 && !dull)
        r = judge_text(judge, record, text, size, format == LINE_JSON);
    if (r < 0)
        return r;
    record_add(&record->record, time, text, size);
    return begins;
}

void judge_record_done(struct judge_record *record) {
    record_done(&record->record);
    *record = (struct judge_record){ 0 };
}

void judge_done(struct judge *judge) {
    free(judge->line);
    free(judge->evidence);
    error_done(&judge->err);
    judge->line = judge->evidence = NULL;
}

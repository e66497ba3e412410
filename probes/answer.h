#pragma once

/*
 * What an answer is worth: captured values, patterns, jq, the baseline, the version, the time. The kinds
 * `http`, `sql` and `command` differ in how they come to an answer; what it must be is asked with the same
 * keys, and judged here.
 *
 * What one gets wrong: values are captured first and judged last, since all that is said about an answer has
 * to be masked.
 */

#include "probes/keys.h"
#include "probes/placeholders.h"
#include "probes/probe.h"
#include "watchdog/base/memory.h"

enum answer_source {
    ANSWER_JQ,      /* name=PROGRAM */
    ANSWER_PATTERN, /* name~PATTERN */
    ANSWER_FIELD,   /* name@FIELD: of an HTML form */
    ANSWER_HEADER,  /* name:HEADER: of the answer */
    ANSWER_COOKIE,  /* name$COOKIE */
};

struct answer_capture {
    char *name;
    char *source;
    enum answer_source from;
};

/* MaxTime=: a fixed time, or a multiple of the baseline's. */
struct answer_time {
    char *text; /* as written; NULL: no limit */
    usec_t fixed;
    double factor; /* 0: fixed counts */
};

/* The keys that are judged here. A kind's settings begin with it, so that ANSWER_KEYS fits. */
struct answer_settings {
    char **match, **no_match;
    char **asserts;
    char *same; /* a jq program, or "~PATTERN" */
    struct {
        struct answer_capture *list;
        size_t count;
    } captures;
    struct answer_time max_time;
    char *version; /* a jq program, or "~PATTERN" */
    char *version_of;
    struct jq_programs *prepared; /* of answer_prepare(); NULL: none */
};

int key_capture(const char *value, void *target, struct error *err);
int key_max_time(const char *value, void *target, struct error *err);
int key_same(const char *value, void *target, struct error *err);
int key_version(const char *value, void *target, struct error *err);

#define ANSWER_KEYS                                                                                          \
    { "Match", key_patterns, offsetof(struct answer_settings, match), .repeatable = true,                    \
      .help = "a PCRE2 pattern that the answer must match" },                                                \
        { "NoMatch", key_patterns, offsetof(struct answer_settings, no_match), .repeatable = true,           \
          .help = "a PCRE2 pattern that the answer must not match" },                                        \
        { "Assert", key_jqs, offsetof(struct answer_settings, asserts), .repeatable = true,                  \
          .help = "a jq program over the answer that must give true; $baseline is the baseline's answer" },  \
        { "Same", key_same, 0,                                                                               \
          .help = "a jq program whose value, or ~PATTERN whose finds, must be what they were at the "        \
                  "baseline" },                                                                              \
        { "Capture", key_capture, 0, .repeatable = true,                                                     \
          .help = "name=JQ, name~PATTERN, name@FIELD, name:HEADER or name$COOKIE: a value for %{name} in "   \
                  "probes after this one" },                                                                 \
        { "MaxTime", key_max_time, 0,                                                                        \
          .help = "the longest that the answer may take: a time, or a multiple of the baseline's (3x)" },    \
        { "Version", key_version, 0,                                                                         \
          .help = "a jq program or ~PATTERN that gives the version that answers" },                          \
    {                                                                                                        \
        "VersionOf", key_text, offsetof(struct answer_settings, version_of),                                 \
            .help = "the service whose version Version= gives"                                               \
    }

/* The same as a table, for documentation. */
extern const struct probe_key answer_keys[];

void answer_settings_done(struct answer_settings *settings);
/* Whether the keys fit together; the error names the key. For a kind's check(). @is_http: its answers have
 * headers and cookies. */
int answer_check(const struct answer_settings *settings, bool is_http, const struct settings *application,
                 struct error *err);
/* Compiles the jq programs that each look runs. */
void answer_prepare(struct answer_settings *settings);
/* Appends the names that are captured. */
void answer_captures(const struct answer_settings *settings, char ***names);

/* One answer on its way to a report. */
struct judgement {
    const struct probe_look *look;
    const struct answer_settings *settings;
    struct secrets *secrets;
    struct probe_report *report;
    char *subject;    /* what was asked, with names of values, not the values: "GET /api/projects" */
    char *said;       /* what it did: "answered 200" */
    const char *what; /* the answer in a sentence: "a body" */
    const char *text; /* the answer; valid for the judgement's life */
    size_t size;
    bool is_html;          /* captures are decoded from it */
    const char *headers;   /* the lines of an HTTP answer's; NULL: it has none */
    const json_t *cookies; /* lines in Netscape's format; NULL: it has none */
    bool wants_json;       /* also without a key that does */
    usec_t took;
    json_t *json;     /* the answer parsed, owned; NULL: it is no JSON, or nobody wants it */
    char *json_error; /* why it is none */
    json_t *kept;     /* what the baseline keeps of it; members may be added */
    char *missing;    /* what could not be captured */
    bool was_stopped; /* because a limit stopped it */
};

/* Parses the answer where a key wants that (and @json is not set already), captures into the object @captures
 * and adds what was captured to the secrets. */
void answer_begin(struct judgement *judgement, json_t *captures);
/* Match=, NoMatch=, whether it is JSON, Assert=, what is missing, Version=, Same=, MaxTime=. Returns whether
 * all hold: the report then says pass, "SUBJECT SAID"; else it says what does not. */
bool answer_judge(struct judgement *judgement);
/* Gives the report what was kept, and evidence where it did not pass; frees what the judgement owns. */
void answer_end(struct judgement *judgement);

/* Whether an answer that took so long, or did not come in that time, may be the work of a busy machine, by
 * what it took at the baseline: for report->slow. */
bool answer_is_only_slow(const struct probe_look *look, usec_t took);

/* "SUBJECT …", masked. Returns false, for callers to return with. */
bool answer_failed(struct judgement *judgement, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* "SUBJECT WHAT: WHY", masked: it could not be judged. Returns false. */
bool answer_unknown(struct judgement *judgement, const char *what, const char *why);

/* Runs a jq program of the key @key over the answer, with $baseline. Returns true with the values it gave;
 * else the report says why not. @ret is a new reference. */
bool answer_jq(struct judgement *judgement, const char *key, const char *program, json_t **ret);

/* With --explain: a step of the judgement for the person who writes probes. @values (may be NULL) is a new
 * reference, masked here. */
void answer_note(struct judgement *judgement, const char *key, const char *program, json_t *values,
                 const char *outcome);

#pragma once

/*
 * What a probe is. A probe looks once and says what it saw: pass, fail, or unknown when it could not look. It
 * does not retry, does not act and knows no policy: what the reports mean together is decided in
 * watchdog/transaction/verdict.c alone. A kind of probe is one const struct in one file, listed in set.c.
 *
 * The one thing a reader would get wrong: "unknown" is zero and means "could not look"; an application that
 * refuses, resets or keeps silent was looked at, and failed.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "watchdog/base/clock.h"
#include "watchdog/base/error.h"
#include "watchdog/base/sandbox.h"

struct settings;
struct engine;
struct container;
struct probe_set;
struct credentials;

enum probe_result { PROBE_UNKNOWN = 0, PROBE_PASS, PROBE_FAIL };

/* "unknown", "pass", "fail". */
const char *probe_result_name(enum probe_result result);

/* What one look saw. All strings and JSON are owned; secrets are masked in all but @session. */
struct probe_report {
    char *probe; /* the section's name */
    enum probe_result result;
    bool fatal;    /* with fail: waiting longer is of no use (crash loop, migration error, OOM kill) */
    bool slow;     /* with fail: only the time that it took was wrong, and a busy machine may explain it */
    bool answered; /* with fail: the application answered, was not asking to be waited for, and was wrong */
    bool ready;    /* with pass: a health check or a line of the log said that what is new has started */
    bool looked;   /* false: not due (Every=), the result is that of the latest look */
    bool advisory; /* Severity=advisory: reports, does not decide */
    bool progress; /* no probe of a section, but Progress=: a pass says that a migration is at work */
    unsigned fail_after, fail_share; /* the probe's own rules; 0: those of [Watch] */
    char *sentence;    /* for a person, lower case: "POST /api/auth/login answered 500, wanted 200" */
    char *evidence;    /* the answer's beginning or the log line, control characters escaped; "" none */
    json_t *measured;  /* object, numbers for the report: {"status": 200, "milliseconds": 12}; NULL none */
    json_t *answer;    /* what the baseline keeps of it; NULL nothing */
    json_t *session;   /* secret: {"captures": {name: value}, "cookies": [line]}; never written to a file */
    json_t *state;     /* what the next look of this probe wants to know of this one; NULL nothing */
    json_t *explained; /* with look->explain: what was sent, seen and compared, in order; NULL nothing */
    usec_t took;
    usec_t retry_after; /* not to be looked at again for so long (429); 0: no wish */
};
void probe_report_done(struct probe_report *report);

/* For --explain: sets, or appends to the list, the member @name of what the report explains. Takes the
 * reference; texts in @value must have been masked. */
void probe_explain(struct probe_report *report, const char *name, json_t *value);
void probe_explain_append(struct probe_report *report, const char *name, json_t *value);

/* Sets result and sentence (printf), replacing what was there. probe_fatal() is a fail with fatal=true. */
void probe_pass(struct probe_report *report, const char *format, ...) __attribute__((format(printf, 2, 3)));
void probe_fail(struct probe_report *report, const char *format, ...) __attribute__((format(printf, 2, 3)));
void probe_fatal(struct probe_report *report, const char *format, ...) __attribute__((format(printf, 2, 3)));
void probe_unknown(struct probe_report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A service and what should run of it, as the transaction's record says. All strings are borrowed. */
struct probe_expected {
    const char *service;
    const char *image_id; /* "sha256:…"; NULL: whatever runs (baseline) */
    bool must_run;        /* false: a person had stopped it before; it is not looked at */
    const char *version;  /* the label of the image that should run; NULL or "": not known */
    bool one_shot;        /* ends by itself, with exit status 0 */
    bool changes;         /* another image than before the switch */
    bool is_database;     /* never changed by an upgrade: its trouble is the host's, and so unknown */
};

/* What a round looks at. Everything is borrowed and must outlive the round. */
struct probe_view {
    const struct settings *settings;
    struct engine *engine; /* each request connects by itself: a forked child may use it */
    const char *project;   /* the Compose project */
    usec_t since_realtime; /* the switch; log lines and restarts before it do not count. 0: the whole life */
    usec_t first_pass_realtime; /* the first full pass; 0: not yet */
    const struct probe_expected *expected;
    size_t expected_count;
    const char *gate;   /* the gate service; NULL: none */
    const char *twin;   /* the twin container's name while the gate is shut: requests go to it; else NULL */
    bool twin_is_asked; /* a probe that decides makes requests: the twin need not wait for its health check */
    const json_t *signs; /* {container's id: {"oom": times, "stopped": realtime}}; NULL: none followed */
    const json_t
        *baseline;       /* of baseline_make(); NULL: this round makes one, or compares with nothing. With
                            is_baseline: the one that an earlier round made, to find out what changes by itself */
    bool is_baseline;    /* the old release is looked at: what its log says is no sign, but remembered */
    const char *explain; /* the probe that is to explain itself, for a person: it and what it comes
                            after are looked at, and no others, and all of them explain; NULL: none */
    /* What else is wrong with the host: the same as round.h's trouble and busy, owned by the caller, NULL
     * none. Called in a child of the round with @host, and with @slow when a
     * probe failed that was only slow; may be NULL. */
    void (*look_at_host)(void *host, bool slow, usec_t deadline, char **ret_trouble, char **ret_busy);
    /* Overwrites the secrets that @host holds: called in each other child of the round. May be NULL. */
    void (*forget)(void *host);
    void *host;
    bool is_undone; /* the old release comes up after an undo: a line that is found in its log counts in this
                       look only, since its world was put together while it was written */
    bool stop_on_fatal; /* a fatal sign of a deciding probe ends the round: the rest stays not looked at */
};

/* The table of keys of a kind: it drives parsing and documentation. Ended by an entry without a name. */
struct probe_key {
    const char *name;
    int (*parse)(const char *value, void *target, struct error *err); /* the error says what was expected */
    size_t offset; /* of the target in struct probe (common keys) or in the kind's settings */
    bool required, repeatable;
    const char *help; /* one line for the man page */
};

struct probe {
    char *name;
    char *file; /* where its section begins */
    unsigned line;
    const struct probe_kind *kind;
    bool advisory, progress;         /* as in struct probe_report */
    unsigned fail_after, fail_share; /* as in struct probe_report */
    usec_t every;   /* 0: each round; after a look that did not pass it is looked at in the next round */
    usec_t timeout; /* of one look */
    char **after;   /* names; their captures and cookies are ours too */
    void *settings; /* the kind's */
};

/* One look: what run() is given. */
struct probe_look {
    const struct probe *probe;
    const struct probe_view *view;
    struct probe_docker *docker;           /* docker.h: containers of the project, read on first use */
    const json_t *state;                   /* of this probe's previous look; NULL: none */
    const struct credentials *credentials; /* those that the probes of this child use; secret */
    const json_t *captures;                /* object name → string: what predecessors captured; secret */
    const json_t *cookies;                 /* array of Netscape cookie lines of predecessors; secret */
    const json_t *baseline;                /* what @answer was at the baseline; NULL: none */
    usec_t deadline;                       /* on clock_boottime() */
    bool explain;                          /* wants probe_explain() */
};

struct probe_kind {
    const char *name;
    const char *help;
    const struct probe_key *keys;
    size_t settings_size;
    usec_t timeout;            /* where Timeout= is not set */
    enum sandbox_kind sandbox; /* what its looks may still do */
    bool makes_requests;       /* to the application, by way of the gate or its twin */
    /* Fills in what stands there when no key says otherwise; before the keys are read. May be NULL. */
    void (*init)(void *settings);
    /* Whether the keys fit together. The error names key and expectation; the caller puts file, line and
     * section before it. May be NULL. */
    int (*check)(const struct probe *probe, const struct probe_set *set, const struct settings *settings,
                 struct error *err);
    /* Whether what the settings name outside of the configuration is there and may be used: for `check` and
     * `preflight`, not for recovery. The error names the key. May be NULL. */
    int (*ready)(const struct probe *probe, struct error *err);
    /* Appends the names that its settings use as %{name}, and those that it captures. May be NULL. */
    void (*placeholders)(const struct probe *probe, char ***names);
    void (*captures)(const struct probe *probe, char ***names);
    /* Appends the files that its looks read, wherever they lie. May be NULL. */
    void (*files)(const struct probe *probe, char ***paths);
    /* Makes what is the same in each look, before the first round: children have it by fork(). May be NULL.
     */
    void (*prepare)(struct probe *probe);
    /* Looks once, in a forked child that is killed soon after look->deadline. */
    void (*run)(const struct probe_look *look, struct probe_report *report);
    /* Frees what the settings hold. */
    void (*done)(void *settings);
};

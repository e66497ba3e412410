#pragma once

/*
 * The supervisor: the main process of a run. It holds the lock and the record, starts one worker per phase,
 * keeps the deadlines, answers systemd, and never blocks, nor parses anything from outside.
 */

#include "watchdog/transaction/state.h"

/* Who is told what happens: the terminal, the journal. Any function may be NULL. */
struct observer {
    /* A new transaction's record is on disk for the first time: whatever asked for it has been heard. */
    void (*opened)(void *userdata, const struct record *record);
    /* The phase begins; its record is on disk. */
    void (*phase)(void *userdata, const struct record *record);
    /* Numbers move: @total 0 is not known. */
    void (*progress)(void *userdata, const char *text, uint64_t done, uint64_t total);
    /* About once a second, so that a clock can be shown. */
    void (*tick)(void *userdata);
    /* A round of probes: a list of probe_report_to_json(). */
    void (*reports)(void *userdata, const json_t *reports);
    /* Something worth a line; @kind as in audit/journal.h. */
    void (*event)(void *userdata, const struct record *record, const char *kind, const char *text);
    /* A probe of the window has begun to fail, or cannot look any more: @result "fail" or "unknown". */
    void (*probe)(void *userdata, const struct record *record, const char *probe, const char *result,
                  const char *sentence);
    /* The transaction is closed, or left open (outcome none, or rollback-failed). */
    void (*end)(void *userdata, const struct record *record);
    void *userdata;
};

/* What an end means for a script: DESIGN.md section 8. */
enum exit_code {
    EXIT_DONE = 0,
    EXIT_ABORTED = 1,
    EXIT_USAGE = 2,
    EXIT_CONFIGURATION = 3,
    EXIT_REFUSED = 4,
    EXIT_ROLLED_BACK = 5,
    EXIT_INCOMPLETE = 6,
    EXIT_LOCKED = 7,
};
enum exit_code exit_code_of(enum outcome outcome);

/*
 * Runs @record from @first to its end. The caller holds the lock, and has put app.conf into the transaction's
 * directory. With @first PHASE_NONE the record is one that a dead run left: the world is brought to rest,
 * looked at, and the transaction finished from there. Returns an exit code. SIGTERM and SIGINT are asked-for
 * ends, as the phase table says.
 */
enum exit_code supervisor_run(struct state *state, struct record *record, enum phase first,
                              const struct observer *observer);

/* The table of the transaction, and the short functions that read it. See machine.h. */

#include "watchdog/transaction/machine.h"

#include "watchdog/base/memory.h"

#define ROWS(...)                                                                                            \
    .rows = (const struct row[]){ __VA_ARGS__ }, .rows_count = ELEMENTS(((const struct row[]){ __VA_ARGS__ }))

/*
 * The lift of the fence on the way back (back-out, undo-start): with all rows under a condition, a phase that
 * is begun again with the fence already lifted passes over it. Nothing is restored any more from then on.
 * Policies are given back before the old release is started: a Docker that crashes in between starts it again
 * by itself.
 */
const struct phase_row machine_phases[PHASE_COUNT] = {
    [PHASE_PREFLIGHT] = { .name = "preflight",
                          .deadline = 2 * USEC_PER_MINUTE,
                          .next = PHASE_BASELINE,
                          .upgrade = true,
                          .failed = FATE_FORGET,
                          .stopped = FATE_FORGET,
                          .dead = FATE_FORGET,
                          .comment = "what is there, and could an upgrade run",
                          ROWS({ STEP_INSPECT }, { STEP_CHECK, .seen = SEEN_FORGET }) },
    [PHASE_BASELINE] = { .name = "baseline",
                         .deadline = 5 * USEC_PER_MINUTE,
                         .next = PHASE_RESOLVE,
                         .upgrade = true,
                         .failed = FATE_FORGET,
                         .stopped = FATE_FORGET,
                         .dead = FATE_FORGET,
                         .comment = "all probes on the running release",
                         ROWS({ STEP_BASELINE, .seen = SEEN_FORGET }) },
    [PHASE_RESOLVE] = { .name = "resolve",
                        .deadline = 2 * USEC_PER_MINUTE,
                        .next = PHASE_FETCH,
                        .upgrade = true,
                        .failed = FATE_FORGET,
                        .stopped = FATE_FORGET,
                        .dead = FATE_FORGET,
                        .comment = "candidate digests from the registry, known-bad list",
                        ROWS({ STEP_RESOLVE, .seen = SEEN_FORGET }) },
    [PHASE_FETCH] = { .name = "fetch",
                      .deadline = USEC_PER_HOUR,
                      .next = PHASE_BACKUP,
                      .upgrade = true,
                      .failed = FATE_FORGET,
                      .stopped = FATE_FORGET,
                      .dead = FATE_FORGET,
                      .comment = "images by digest, no tag moved",
                      ROWS({ STEP_FETCH, .seen = SEEN_FORGET }, { STEP_SYNC }) },
    [PHASE_BACKUP] = { .name = "backup",
                       .deadline = 6 * USEC_PER_HOUR,
                       .next = PHASE_QUIESCE,
                       .upgrade = true,
                       .failed = FATE_FORGET,
                       .stopped = FATE_FORGET,
                       .dead = FATE_FORGET,
                       .comment = "dump, files and images, verified, while the application runs",
                       ROWS({ STEP_DUMP }, { STEP_COPY_FILES }, { STEP_ARCHIVE_IMAGES },
                            { STEP_SEAL_SNAPSHOT }, { STEP_SYNC }) },
    [PHASE_QUIESCE] = { .name = "quiesce",
                        .deadline = 5 * USEC_PER_MINUTE,
                        .next = PHASE_FREEZE,
                        .upgrade = true,
                        .failed = FATE_BACK_OUT,
                        .stopped = FATE_BACK_OUT,
                        .dead = FATE_BACK_OUT,
                        .comment = "stop every service but the database, then fence it",
                        ROWS({ STEP_CHECKPOINT }, { STEP_COMPARE_RUNNING, .seen = SEEN_BACK_OUT },
                             { STEP_POLICIES_OFF }, { STEP_STOP },
                             { STEP_SEE_STOPPED, .seen = SEEN_BACK_OUT }, { STEP_FENCE },
                             { STEP_END_SESSIONS }) },
    [PHASE_FREEZE] = { .name = "freeze",
                       .next = PHASE_SWITCH,
                       .upgrade = true,
                       .failed = FATE_BACK_OUT,
                       .stopped = FATE_BACK_OUT,
                       .dead = FATE_BACK_OUT,
                       .comment = "clone the database, second pass over the files",
                       ROWS({ STEP_SEE_STOPPED, .seen = SEEN_BACK_OUT }, { STEP_CLONE }, { STEP_SECOND_PASS },
                            { STEP_SYNC }) },
    [PHASE_SWITCH] = { .name = "switch",
                       .deadline = 5 * USEC_PER_MINUTE,
                       .next = PHASE_WATCH,
                       .upgrade = true,
                       .failed = FATE_BACK_OUT_OR_UNDO,
                       .stopped = FATE_BACK_OUT_OR_UNDO,
                       .dead = FATE_BACK_OUT_OR_AGAIN,
                       .comment = "new pins and tags in force, the fence lifted, containers made",
                       ROWS({ STEP_PINS_NEW, IF_FENCED }, { STEP_TAGS_NEW, IF_FENCED },
                            { STEP_SYNC, IF_FENCED }, { STEP_AWAIT_FOREIGN, IF_FENCED, SEEN_BACK_OUT },
                            { STEP_SEE_STOPPED, IF_FENCED, SEEN_BACK_OUT }, { STEP_LIFT, IF_FENCED },
                            { STEP_DATABASE_HEALTH }, { STEP_CREATE_NEW }, { STEP_POLICIES_BACK }) },
    [PHASE_WATCH] = { .name = "watch",
                      .next = PHASE_COMMIT,
                      .upgrade = true,
                      .failed = FATE_AGAIN,
                      .stopped = FATE_UNDO_OR_LEAVE,
                      .dead = FATE_AGAIN,
                      .comment = "probes through the window, the gate opened at the first full pass",
                      ROWS({ STEP_START_NEW }, { STEP_WATCH, .seen = SEEN_UNDO }) },
    [PHASE_COMMIT] = { .name = "commit",
                       .deadline = 10 * USEC_PER_MINUTE,
                       .next = PHASE_NONE,
                       .upgrade = true,
                       .failed = FATE_AGAIN,
                       .stopped = FATE_GO_ON,
                       .dead = FATE_AGAIN,
                       .comment = "the point of no return; then tidy up",
                       ROWS({ STEP_START_DATABASE, .repeat = true }, { STEP_POLICIES_BACK },
                            { STEP_START_ALL }, { STEP_REMOVE_TWIN }, { STEP_SETTLE_CLONE }, { STEP_RETAIN },
                            { STEP_LAST_LOOK, .seen = SEEN_REPEAT }) },
    [PHASE_BACK_OUT] = { .name = "back-out",
                         .deadline = 20 * USEC_PER_MINUTE,
                         .next = PHASE_NONE,
                         .failed = FATE_AGAIN,
                         .stopped = FATE_GO_ON,
                         .dead = FATE_AGAIN,
                         .comment = "the old release again, on the original database",
                         ROWS({ STEP_START_DATABASE }, { STEP_POLICIES_OFF, IF_FENCED, .repeat = true },
                              { STEP_STOP, IF_FENCED_OR_FROM_QUIESCE },
                              { STEP_PINS_BEFORE, IF_FENCED_FROM_SWITCH },
                              { STEP_TAGS_OLD, IF_FENCED_FROM_SWITCH },
                              { STEP_AWAIT_FOREIGN, IF_FENCED, SEEN_REPEAT },
                              { STEP_CREATE_OLD, IF_FENCED_FROM_SWITCH },
                              { STEP_RESTORE_FILES, IF_FENCED_FROM_SWITCH }, { STEP_SYNC, IF_FENCED },
                              { STEP_SEE_NEVER_STARTED, IF_FENCED, SEEN_REPEAT }, { STEP_LIFT, IF_FENCED },
                              { STEP_DATABASE_HEALTH, .repeat = true }, { STEP_POLICIES_BACK },
                              { STEP_START_OLD }, { STEP_REMOVE_TWIN },
                              { STEP_PROBE_OLD, .seen = SEEN_INCOMPLETE }, { STEP_DROP_CLONE },
                              { STEP_DROP_HOLDS }, { STEP_RETAIN },
                              { STEP_LAST_LOOK, .seen = SEEN_REPEAT }) },
    [PHASE_UNDO_STOP] = { .name = "undo-stop",
                          .deadline = 5 * USEC_PER_MINUTE,
                          .next = PHASE_UNDO_DATA,
                          .failed = FATE_AGAIN,
                          .stopped = FATE_GO_ON,
                          .dead = FATE_AGAIN,
                          .comment = "stop what failed, fence the database",
                          /* Stopped before the database is asked for: what failed may hold all its
                             connections. */
                          ROWS({ STEP_POLICIES_OFF, .repeat = true }, { STEP_STOP },
                               { STEP_SEE_STOPPED, .seen = SEEN_REPEAT }, { STEP_START_DATABASE },
                               { STEP_KEEP_LOGS }, { STEP_COUNT_WRITES }, { STEP_FENCE },
                               { STEP_END_SESSIONS }) },
    [PHASE_UNDO_DATA] = { .name = "undo-data",
                          .deadline = 6 * USEC_PER_HOUR,
                          .next = PHASE_UNDO_PINS,
                          .failed = FATE_AGAIN,
                          .stopped = FATE_GO_ON,
                          .dead = FATE_AGAIN,
                          .comment = "swap the databases, restore the files",
                          ROWS({ STEP_PREPARE_DATABASES }, { STEP_SWAP }, { STEP_RESTORE_FILES },
                               { STEP_RESTORE_ROLES }, { STEP_SYNC }) },
    [PHASE_UNDO_PINS] = { .name = "undo-pins",
                          .deadline = 5 * USEC_PER_MINUTE,
                          .next = PHASE_UNDO_START,
                          .failed = FATE_AGAIN,
                          .stopped = FATE_GO_ON,
                          .dead = FATE_AGAIN,
                          .comment = "the old images pinned, the old tags",
                          ROWS({ STEP_PINS_OLD }, { STEP_TAGS_OLD }, { STEP_SYNC }) },
    [PHASE_UNDO_START] = { .name = "undo-start",
                           .deadline = 20 * USEC_PER_MINUTE,
                           .next = PHASE_NONE,
                           .failed = FATE_AGAIN,
                           .stopped = FATE_GO_ON,
                           .dead = FATE_AGAIN,
                           .comment = "the fence lifted, the old release started and probed",
                           ROWS({ STEP_START_DATABASE }, { STEP_POLICIES_OFF, IF_FENCED, .repeat = true },
                                { STEP_STOP, IF_FENCED }, { STEP_AWAIT_FOREIGN, IF_FENCED, SEEN_REPEAT },
                                { STEP_CREATE_OLD, IF_FENCED }, { STEP_RESTORE_FILES, IF_FENCED },
                                { STEP_SYNC, IF_FENCED }, { STEP_SEE_NEVER_STARTED, IF_FENCED, SEEN_REPEAT },
                                { STEP_SEE_IDENTITY, IF_FENCED, SEEN_UNDO_DATA }, { STEP_LIFT, IF_FENCED },
                                { STEP_DATABASE_HEALTH, .repeat = true }, { STEP_POLICIES_BACK },
                                { STEP_START_OLD }, { STEP_REMOVE_TWIN },
                                { STEP_PROBE_OLD, .seen = SEEN_INCOMPLETE }, { STEP_DROP_HOLDS },
                                { STEP_RETAIN }, { STEP_LAST_LOOK, .seen = SEEN_REPEAT }) },
    [PHASE_FORGET] = { .name = "forget",
                       .deadline = 5 * USEC_PER_MINUTE,
                       .next = PHASE_NONE,
                       .failed = FATE_AGAIN,
                       .stopped = FATE_GO_ON,
                       .dead = FATE_AGAIN,
                       .comment = "drop what was prepared; the application was not touched",
                       /* also of a night without news: what is kept for a day or a fortnight is not to stay
                          until the next release */
                       ROWS({ STEP_END_OURS }, { STEP_DROP_HOLDS }, { STEP_RETAIN }) },
    [PHASE_REST] = { .name = "rest",
                     .deadline = 10 * USEC_PER_MINUTE,
                     .next = PHASE_NONE,
                     .failed = FATE_AGAIN,
                     .stopped = FATE_GO_ON,
                     .dead = FATE_AGAIN,
                     .comment = "recovery: the world comes to rest before it is looked at",
                     ROWS({ STEP_START_DATABASE }, { STEP_END_OURS }, { STEP_REPAIR_NAMES }) },
};

static const char *const step_names[STEP_COUNT] = {
    [STEP_INSPECT] = "inspect",
    [STEP_CHECK] = "check",
    [STEP_BASELINE] = "baseline",
    [STEP_RESOLVE] = "resolve",
    [STEP_FETCH] = "fetch",
    [STEP_DUMP] = "dump",
    [STEP_COPY_FILES] = "copy-files",
    [STEP_ARCHIVE_IMAGES] = "archive-images",
    [STEP_SEAL_SNAPSHOT] = "seal-snapshot",
    [STEP_CHECKPOINT] = "checkpoint",
    [STEP_COMPARE_RUNNING] = "compare-running",
    [STEP_POLICIES_OFF] = "policies-off",
    [STEP_STOP] = "stop",
    [STEP_SEE_STOPPED] = "see-stopped",
    [STEP_FENCE] = "fence",
    [STEP_END_SESSIONS] = "end-sessions",
    [STEP_CLONE] = "clone",
    [STEP_SECOND_PASS] = "second-pass",
    [STEP_PINS_NEW] = "pins-new",
    [STEP_TAGS_NEW] = "tags-new",
    [STEP_SYNC] = "sync",
    [STEP_AWAIT_FOREIGN] = "await-foreign",
    [STEP_LIFT] = "lift",
    [STEP_DATABASE_HEALTH] = "database-health",
    [STEP_CREATE_NEW] = "create-new",
    [STEP_POLICIES_BACK] = "policies-back",
    [STEP_START_NEW] = "start-new",
    [STEP_WATCH] = "watch",
    [STEP_START_ALL] = "start-all",
    [STEP_REMOVE_TWIN] = "remove-twin",
    [STEP_SETTLE_CLONE] = "settle-clone",
    [STEP_RETAIN] = "retain",
    [STEP_LAST_LOOK] = "last-look",
    [STEP_PINS_BEFORE] = "pins-before",
    [STEP_PINS_OLD] = "pins-old",
    [STEP_TAGS_OLD] = "tags-old",
    [STEP_CREATE_OLD] = "create-old",
    [STEP_RESTORE_FILES] = "restore-files",
    [STEP_SEE_NEVER_STARTED] = "see-never-started",
    [STEP_SEE_IDENTITY] = "see-identity",
    [STEP_START_OLD] = "start-old",
    [STEP_PROBE_OLD] = "probe-old",
    [STEP_DROP_CLONE] = "drop-clone",
    [STEP_KEEP_LOGS] = "keep-logs",
    [STEP_COUNT_WRITES] = "count-writes",
    [STEP_PREPARE_DATABASES] = "prepare-databases",
    [STEP_SWAP] = "swap",
    [STEP_RESTORE_ROLES] = "restore-roles",
    [STEP_END_OURS] = "end-ours",
    [STEP_REPAIR_NAMES] = "repair-names",
    [STEP_START_DATABASE] = "start-database",
    [STEP_DROP_HOLDS] = "drop-holds",
};

const char *phase_name(enum phase phase) {
    return machine_phases[phase].name ? machine_phases[phase].name : "none";
}

enum phase phase_by_name(const char *name) {
    for (enum phase phase = PHASE_NONE + 1; phase < PHASE_COUNT; phase++)
        if (string_equal(machine_phases[phase].name, name))
            return phase;
    return PHASE_NONE;
}

const char *step_name(enum step step) {
    return step_names[step];
}

bool machine_applies(const struct row *row, const struct machine_world *world) {
    switch (row->condition) {
    case IF_ALWAYS:
        return true;
    case IF_FENCED:
        return world->fenced;
    case IF_FENCED_FROM_SWITCH:
        return world->fenced && world->back_out_from == PHASE_SWITCH;
    case IF_FENCED_OR_FROM_QUIESCE:
        return world->fenced || world->back_out_from == PHASE_QUIESCE;
    }
    return true;
}

static const struct phase_row *phase_row(enum phase phase, const struct machine_world *world) {
    return &(world->phases ? world->phases : machine_phases)[phase];
}

static struct machine_move to_phase(enum phase phase) {
    return (struct machine_move){ MOVE_PHASE, phase, 0 };
}

static struct machine_move by_fate(enum fate fate, enum phase phase, const struct machine_world *world) {
    switch (fate) {
    case FATE_FORGET:
        return to_phase(PHASE_FORGET);
    case FATE_BACK_OUT:
        return to_phase(PHASE_BACK_OUT);
    case FATE_BACK_OUT_OR_UNDO:
        if (!world->fenced && world->system_stopping)
            return (struct machine_move){ MOVE_LEAVE, phase, 0 };
        return to_phase(world->fenced ? PHASE_BACK_OUT : PHASE_UNDO_STOP);
    case FATE_BACK_OUT_OR_AGAIN:
        return to_phase(world->fenced ? PHASE_BACK_OUT : phase);
    case FATE_UNDO_OR_LEAVE:
        if (world->first_pass || world->system_stopping)
            return (struct machine_move){ MOVE_LEAVE, phase, 0 };
        return to_phase(PHASE_UNDO_STOP);
    case FATE_AGAIN:
        return to_phase(phase);
    case FATE_GO_ON:
        return (struct machine_move){ world->system_stopping ? MOVE_LEAVE : MOVE_WAIT, phase, 0 };
    }
    return (struct machine_move){ MOVE_INCOMPLETE, phase, 0 };
}

struct machine_move machine_failed(enum phase phase, const struct machine_world *world) {
    const struct phase_row *row = phase_row(phase, world);
    if (row->failed == FATE_BACK_OUT_OR_UNDO && !world->fenced && world->attempts + 1 < MACHINE_ATTEMPTS)
        return to_phase(phase);
    if (row->failed == FATE_AGAIN && world->attempts + 1 >= MACHINE_ATTEMPTS) {
        /* A window that cannot be watched says nothing against a release; unproved, it goes all the same. */
        if (phase == PHASE_WATCH && !world->first_pass)
            return to_phase(PHASE_UNDO_STOP);
        return (struct machine_move){ phase == PHASE_WATCH ? MOVE_LEAVE : MOVE_INCOMPLETE, phase, 0 };
    }
    return by_fate(row->failed, phase, world);
}

struct machine_move machine_recover(enum phase phase, const struct machine_world *world) {
    return by_fate(phase_row(phase, world)->dead, phase, world);
}

struct machine_move machine_stop(enum phase phase, const struct machine_world *world) {
    return by_fate(phase_row(phase, world)->stopped, phase, world);
}

static struct machine_move by_sight(enum phase phase, size_t row, const struct machine_world *world) {
    const struct row *rows = phase_row(phase, world)->rows;
    switch (rows[row].seen) {
    case SEEN_BACK_OUT:
        return to_phase(PHASE_BACK_OUT);
    case SEEN_UNDO:
        return to_phase(PHASE_UNDO_STOP);
    case SEEN_UNDO_DATA:
        return to_phase(PHASE_UNDO_DATA);
    case SEEN_FORGET:
        return to_phase(PHASE_FORGET);
    case SEEN_REPEAT:
        while (row > 0 && !rows[row].repeat)
            row--;
        return (struct machine_move){ MOVE_STEP, phase, row };
    case SEEN_INCOMPLETE:
    case SEEN_NEVER:
        break;
    }
    return (struct machine_move){ MOVE_INCOMPLETE, phase, row };
}

struct machine_move machine_next(enum phase phase, size_t row, enum answer answer,
                                 const struct machine_world *world) {
    if (answer == ANSWER_FAILED)
        return machine_failed(phase, world);
    if (answer == ANSWER_SEEN)
        return by_sight(phase, row, world);
    if (row + 1 < phase_row(phase, world)->rows_count)
        return (struct machine_move){ MOVE_STEP, phase, row + 1 };
    if (phase_row(phase, world)->next == PHASE_NONE)
        return (struct machine_move){ MOVE_CLOSE, phase, 0 };
    return to_phase(phase_row(phase, world)->next);
}

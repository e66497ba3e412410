/*
 * The list of altered tables. Some rows guard against what another row guards against as well: such a pair is
 * taken away together.
 *
 * Rows whose absence no promise of the model depends on:
 *   inspect, check, baseline, resolve, fetch, archive-images, keep-logs, count-writes, restore-roles, retain,
 *   seal-snapshot, checkpoint   have no effect in the model (evidence, refusals, what takes less time)
 *   fetch/sync                  images are not in the model
 *   backup/sync                 freeze syncs as well, before anything depends on the dump
 *   compare-running             a person who stops services before quiesce is not in the model
 *   database-health                  a database that is down makes the next step fail as well
 *   start-database             but commit's: a rest, which comes before, starts it too
 *   policies-off but quiesce's  what was started nevertheless is seen, and the phase repeated
 *   undo-stop/see-stopped       what runs is stopped again before the fence is lifted
 *   quiesce/end-sessions        a source in use makes the clone fail, and the transaction backs out
 *   undo-stop/fence, /end-sessions   prepare-databases does both again
 *   undo-start/see-identity     the phase is reached through a swap alone
 *   back-out, undo-start: probe-old  is evidence, the old release is taken to pass
 *   switch/policies-back        commit gives them back too
 *   watch/start-new             the window starts what is down
 *   forget; drop-holds           what they drop is not in the model, but for the twin (remove-twin)
 */

#include "tests/unit/model-mutations.h"

#include <stdlib.h>
#include <string.h>

#include "watchdog/base/memory.h"

#define WITHOUT(phase, step)                                                                                 \
    { EDIT_DROP, PHASE_##phase, STEP_##step }
#define UNCONDITIONAL(phase, step)                                                                           \
    { EDIT_ALWAYS, PHASE_##phase, STEP_##step }
#define FIRST(phase, step, other)                                                                            \
    { EDIT_BEFORE, PHASE_##phase, STEP_##step, STEP_##other }
#define FATE(which, phase, fate)                                                                             \
    { EDIT_##which, PHASE_##phase, 0, 0, FATE_##fate }

const struct mutation mutations[] = {
    { "backup makes no dump", 1, { WITHOUT(BACKUP, DUMP) } },
    { "backup copies no files", 0, { WITHOUT(BACKUP, COPY_FILES) } },
    { "quiesce leaves the policies", 1, { WITHOUT(QUIESCE, POLICIES_OFF) } },
    { "quiesce stops nothing", 0, { WITHOUT(QUIESCE, STOP) } },
    { "quiesce does not fence", 0, { WITHOUT(QUIESCE, FENCE) } },
    { "nobody looks whether anything runs",
      1,
      { WITHOUT(QUIESCE, SEE_STOPPED), WITHOUT(FREEZE, SEE_STOPPED), WITHOUT(SWITCH, SEE_STOPPED) } },
    { "freeze makes no clone", 0, { WITHOUT(FREEZE, CLONE) } },
    { "freeze makes no second pass", 0, { WITHOUT(FREEZE, SECOND_PASS) } },
    { "freeze is not synced", 1, { WITHOUT(FREEZE, SYNC) } },
    { "switch leaves the pins", 0, { WITHOUT(SWITCH, PINS_NEW) } },
    { "switch leaves the tags", 0, { WITHOUT(SWITCH, TAGS_NEW) } },
    { "switch is not synced", 0, { WITHOUT(SWITCH, SYNC) } },
    { "switch does not wait for a foreign compose", 0, { WITHOUT(SWITCH, AWAIT_FOREIGN) } },
    { "switch does not look whether anything runs", 0, { WITHOUT(SWITCH, SEE_STOPPED) } },
    { "switch does not lift the fence", 0, { WITHOUT(SWITCH, LIFT) } },
    { "switch lifts the fence before the pins are new", 0, { FIRST(SWITCH, LIFT, PINS_NEW) } },
    { "switch lifts the fence before it is synced", 1, { FIRST(SWITCH, LIFT, SYNC) } },
    { "switch looks before it waits for a foreign compose",
      0,
      { FIRST(SWITCH, SEE_STOPPED, AWAIT_FOREIGN) } },
    { "switch does not make the containers", 0, { WITHOUT(SWITCH, CREATE_NEW) } },
    { "switch gives policies back to the old containers", 1, { FIRST(SWITCH, POLICIES_BACK, CREATE_NEW) } },
    { "nobody watches", 0, { WITHOUT(WATCH, WATCH) } },
    { "commit leaves the database down", 1, { WITHOUT(COMMIT, START_DATABASE) } },
    { "commit keeps the policies", 0, { WITHOUT(COMMIT, POLICIES_BACK) } },
    { "commit keeps the gate shut", 0, { WITHOUT(COMMIT, START_ALL) } },
    { "commit leaves the twin", 0, { WITHOUT(COMMIT, REMOVE_TWIN), WITHOUT(COMMIT, SETTLE_CLONE) } },
    { "commit leaves the clone", 0, { WITHOUT(COMMIT, SETTLE_CLONE) } },
    { "commit does not look back", 1, { WITHOUT(COMMIT, LAST_LOOK) } },
    { "back-out stops nothing", 0, { WITHOUT(BACK_OUT, STOP) } },
    { "back-out trusts that nothing was started", 0, { WITHOUT(BACK_OUT, SEE_NEVER_STARTED) } },
    { "back-out leaves the new pins", 0, { WITHOUT(BACK_OUT, PINS_BEFORE) } },
    { "back-out leaves the new tags", 0, { WITHOUT(BACK_OUT, TAGS_OLD) } },
    { "back-out does not wait for a foreign compose", 0, { WITHOUT(BACK_OUT, AWAIT_FOREIGN) } },
    { "back-out leaves the new containers", 1, { WITHOUT(BACK_OUT, CREATE_OLD) } },
    { "back-out leaves the files", 0, { WITHOUT(BACK_OUT, RESTORE_FILES) } },
    { "back-out restores files of a freeze that did not end", 1, { UNCONDITIONAL(BACK_OUT, RESTORE_FILES) } },
    { "back-out is not synced", 0, { WITHOUT(BACK_OUT, SYNC) } },
    { "back-out does not lift the fence", 0, { WITHOUT(BACK_OUT, LIFT) } },
    { "back-out lifts the fence first", 0, { FIRST(BACK_OUT, LIFT, STOP) } },
    { "back-out starts nothing", 0, { WITHOUT(BACK_OUT, START_OLD) } },
    { "back-out keeps the policies", 0, { WITHOUT(BACK_OUT, POLICIES_BACK) } },
    { "back-out leaves the clone", 0, { WITHOUT(BACK_OUT, DROP_CLONE) } },
    { "back-out does not look back", 1, { WITHOUT(BACK_OUT, LAST_LOOK) } },
    { "undo-stop stops nothing", 0, { WITHOUT(UNDO_STOP, STOP) } },
    { "undo-data does not swap", 0, { WITHOUT(UNDO_DATA, SWAP) } },
    { "undo-data takes the clone for granted", 1, { WITHOUT(UNDO_DATA, PREPARE_DATABASES) } },
    { "no undo restores the files",
      0,
      { WITHOUT(UNDO_DATA, RESTORE_FILES), WITHOUT(UNDO_START, RESTORE_FILES) } },
    { "no undo syncs the files", 1, { WITHOUT(UNDO_DATA, SYNC), WITHOUT(UNDO_START, SYNC) } },
    { "undo-pins leaves the new pins", 0, { WITHOUT(UNDO_PINS, PINS_OLD) } },
    { "undo-pins leaves the new tags", 0, { WITHOUT(UNDO_PINS, TAGS_OLD) } },
    { "undo-pins is not synced", 1, { WITHOUT(UNDO_PINS, SYNC), WITHOUT(UNDO_START, SYNC) } },
    { "undo-start stops nothing", 0, { WITHOUT(UNDO_START, STOP) } },
    { "undo-start trusts that nothing was started", 0, { WITHOUT(UNDO_START, SEE_NEVER_STARTED) } },
    { "undo-start does not wait for a foreign compose", 0, { WITHOUT(UNDO_START, AWAIT_FOREIGN) } },
    { "undo-start leaves the new containers", 2, { WITHOUT(UNDO_START, CREATE_OLD) } },
    { "undo-start does not restore the files again", 0, { WITHOUT(UNDO_START, RESTORE_FILES) } },
    { "undo-start restores the files again when the old release serves",
      1,
      { UNCONDITIONAL(UNDO_START, RESTORE_FILES) } },
    { "undo-start does not lift the fence", 0, { WITHOUT(UNDO_START, LIFT) } },
    { "undo-start lifts the fence first", 0, { FIRST(UNDO_START, LIFT, STOP) } },
    { "undo-start lifts the fence before the files are on disk", 1, { FIRST(UNDO_START, LIFT, SYNC) } },
    { "undo-start starts nothing", 0, { WITHOUT(UNDO_START, START_OLD) } },
    { "undo-start keeps the policies", 0, { WITHOUT(UNDO_START, POLICIES_BACK) } },
    { "undo-start leaves the twin",
      0,
      { WITHOUT(UNDO_START, REMOVE_TWIN), WITHOUT(UNDO_START, DROP_HOLDS) } },
    { "undo-start does not look back", 1, { WITHOUT(UNDO_START, LAST_LOOK) } },
    { "recovery leaves sessions of the dead run", 1, { WITHOUT(REST, END_OURS) } },
    { "recovery leaves names of a killed compose", 1, { WITHOUT(REST, REPAIR_NAMES) } },
    { "recovery leaves the database down", 1, { WITHOUT(REST, START_DATABASE) } },
    { "dead in quiesce: forgotten", 1, { FATE(DEAD, QUIESCE, FORGET) } },
    { "dead in freeze: forgotten", 1, { FATE(DEAD, FREEZE, FORGET) } },
    { "dead in freeze: left to itself", 1, { FATE(DEAD, FREEZE, UNDO_OR_LEAVE) } },
    { "dead in switch: always backed out", 1, { FATE(DEAD, SWITCH, BACK_OUT) } },
    { "dead in switch: forgotten", 1, { FATE(DEAD, SWITCH, FORGET) } },
    { "failed in switch: always backed out", 1, { FATE(FAILED, SWITCH, BACK_OUT) } },
    { "dead in watch: forgotten", 1, { FATE(DEAD, WATCH, FORGET) } },
    { "dead in watch: backed out", 1, { FATE(DEAD, WATCH, BACK_OUT) } },
    { "dead in commit: undone", 1, { FATE(DEAD, COMMIT, BACK_OUT_OR_UNDO) } },
    { "dead in back-out: forgotten", 2, { FATE(DEAD, BACK_OUT, FORGET) } },
    { "dead in undo-stop: forgotten", 1, { FATE(DEAD, UNDO_STOP, FORGET) } },
    { "dead in undo-data: backed out", 1, { FATE(DEAD, UNDO_DATA, BACK_OUT) } },
    { "dead in undo-pins: backed out", 1, { FATE(DEAD, UNDO_PINS, BACK_OUT) } },
    { "dead in undo-start: forgotten", 1, { FATE(DEAD, UNDO_START, FORGET) } },
    { "stopped in undo-data: backed out", 1, { FATE(STOPPED, UNDO_DATA, BACK_OUT) } },
};
const size_t mutations_count = ELEMENTS(mutations);

static size_t find(const struct phase_row *phase, enum step step) {
    for (size_t i = 0; i < phase->rows_count; i++)
        if (phase->rows[i].step == step)
            return i;
    abort(); /* the table has changed: so must the list */
}

/* A mark for repetition goes on to the next row. */
static void drop(struct phase_row *phase, struct row *rows, enum step step) {
    size_t at = find(phase, step);
    bool repeat = rows[at].repeat;
    memmove(rows + at, rows + at + 1, (--phase->rows_count - at) * sizeof(*rows));
    if (repeat && at < phase->rows_count)
        rows[at].repeat = true;
}

static void move_before(struct phase_row *phase, struct row *rows, enum step step, enum step other) {
    size_t from = find(phase, step);
    struct row row = rows[from];
    drop(phase, rows, step);
    size_t to = find(phase, other);
    memmove(rows + to + 1, rows + to, (phase->rows_count++ - to) * sizeof(*rows));
    rows[to] = row;
}

static void apply(struct phase_row *phase, struct row *rows, const struct edit *edit) {
    switch (edit->kind) {
    case EDIT_NONE:
        break;
    case EDIT_DROP:
        drop(phase, rows, edit->step);
        break;
    case EDIT_ALWAYS:
        rows[find(phase, edit->step)].condition = IF_ALWAYS;
        break;
    case EDIT_BEFORE:
        move_before(phase, rows, edit->step, edit->other);
        break;
    case EDIT_DEAD:
        phase->dead = edit->fate;
        break;
    case EDIT_FAILED:
        phase->failed = edit->fate;
        break;
    case EDIT_STOPPED:
        phase->stopped = edit->fate;
        break;
    }
}

void mutation_apply(const struct mutation *mutation, struct mutated *ret) {
    memcpy(ret->phases, machine_phases, sizeof(ret->phases));
    for (size_t i = 0; i < PHASE_COUNT; i++) {
        struct phase_row *phase = &ret->phases[i];
        if (phase->rows_count >= MUTATION_ROWS)
            abort();
        if (phase->rows_count)
            memcpy(ret->rows[i], phase->rows, phase->rows_count * sizeof(*phase->rows));
        phase->rows = ret->rows[i];
    }
    for (size_t i = 0; i < ELEMENTS(mutation->edits); i++)
        apply(&ret->phases[mutation->edits[i].phase], ret->rows[mutation->edits[i].phase],
              &mutation->edits[i]);
}

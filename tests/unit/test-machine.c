/*
 * The phase table. First what a glance at it must find; then every order of two faults in a world with
 * Docker, both releases, users and a person at the keyboard (model-world.h), over every kind of application
 * and candidate; then altered tables, each of which must be found out.
 *
 * MODEL=short explores less (for builds with sanitizers).
 */

#include "tests/unit/unit.h"

#include <assert.h>
#include <string.h>

#include "tests/unit/model-explore.h"
#include "tests/unit/model-mutations.h"
#include "watchdog/base/memory.h"

static bool is_short(void) {
    return string_equal(getenv("MODEL"), "short");
}

/* A phase may fail twice by a fault and is still tried again. */
static_assert(MACHINE_ATTEMPTS > 2, "two faults are an end by themselves");

#define SETUPS (3 * 3 * 4 * 2 * 2)

/* Every kind of application and candidate; neighbours differ in everything, so that the first few are varied.
 */
static struct setup setup_number(unsigned number) {
    unsigned n = number * 37 % SETUPS;
    struct setup setup = { .gate = n % 3,
                           .restart = n / 3 % 3,
                           .candidate = n / 9 % 4,
                           .gate_changes = n / 36 % 2,
                           .pinned = n / 72 };
    setup.database_stays_down = setup.restart == RESTART_NEVER;
    return setup;
}

/* With no choices but what the one more thing depends on. */
static bool is_plain(const struct setup *setup) {
    return setup->gate_changes && !setup->pinned && setup->gate != GATE_RULE_WINDOW;
}

static void tell_setup(const struct setup *setup) {
    static const char *const gates[] = { "no gate", "gate until the first pass", "gate through the window" };
    static const char *const restarts[] = { "always", "unless-stopped", "no" };
    static const char *const candidates[] = { "good", "failing", "migrating half-way", "failing late" };
    print_message("%s, restart: %s, database %s, %s candidate%s%s%s%s%s\n", gates[setup->gate],
                  restarts[setup->restart], setup->database_stays_down ? "stays down" : "restarts",
                  candidates[setup->candidate], setup->gate_changes ? ", new image of the gate" : "",
                  setup->pinned ? ", pinned before" : "", setup->clone_dropped ? ", clone dropped" : "",
                  setup->stubborn ? ", stubborn person" : "", setup->rollback ? ", rollback by hand" : "");
}

/* States explored. Fails with the whole trace when a promise is broken. */
static size_t explore(struct exploration *exploration, const struct setup *setup, unsigned faults,
                      size_t ends[PHASE_COUNT]) {
    struct model model = { setup, machine_phases };
    const char *violation = exploration_run(exploration, &model, faults);
    if (violation) {
        _cleanup_free_ char *trace = exploration_trace(exploration);
        tell_setup(setup);
        print_message("%s", trace);
        fail_msg("%s", violation);
    }
    for (enum phase phase = 0; phase < PHASE_COUNT; phase++)
        ends[phase] += exploration_ends(exploration, phase);
    return exploration_states(exploration);
}

static void promises_hold_in_every_order_of_faults(void **state) {
    struct exploration *exploration = *state;
    size_t states = 0, ends[PHASE_COUNT] = { 0 };
    unsigned step = is_short() ? 6 : 1, faults = is_short() ? 1 : 2;
    for (unsigned i = 0; i < SETUPS; i += step) {
        struct setup setup = setup_number(i);
        states += explore(exploration, &setup, faults, ends);
    }
    print_message("%zu states; ends: %zu upgraded, %zu rolled back, %zu backed out, %zu forgotten\n", states,
                  ends[PHASE_COMMIT], ends[PHASE_UNDO_START], ends[PHASE_BACK_OUT], ends[PHASE_FORGET]);
    assert_true(ends[PHASE_COMMIT] && ends[PHASE_UNDO_START] && ends[PHASE_BACK_OUT] && ends[PHASE_FORGET]);
}

/* What multiplies the states is looked at where it can matter. */
static void promises_hold_where_one_thing_more_happens(void **state) {
    struct exploration *exploration = *state;
    bool little = is_short();
    size_t states[4] = { 0 }, ends[PHASE_COUNT] = { 0 };
    for (unsigned i = 0; i < SETUPS; i++) {
        struct setup setup = setup_number(i), more = setup;
        if (!is_plain(&setup) || (little && i % 3 != 0))
            continue;
        more.stubborn = true;
        states[0] += explore(exploration, &more, little ? 0 : 1, ends);
        more = setup;
        more.rollback = true;
        states[1] += explore(exploration, &more, little ? 1 : 2, ends);
        more = setup;
        more.database_stays_down = true;
        if (setup.restart == RESTART_ALWAYS)
            states[2] += explore(exploration, &more, little ? 1 : 2, ends);
        more = setup;
        more.clone_dropped = true;
        if (setup.candidate != CANDIDATE_GOOD && setup.restart != RESTART_UNLESS_STOPPED)
            states[3] += explore(exploration, &more, little ? 1 : 2, ends);
    }
    print_message("%zu states with a stubborn person, %zu of rollbacks by hand, %zu with a database that "
                  "stays down, %zu where the clone may be dropped\n",
                  states[0], states[1], states[2], states[3]);
}

static const char *break_promise(struct exploration *exploration, const struct phase_row *phases,
                                 unsigned faults) {
    const char *violation = NULL;
    for (unsigned i = 0; i < 2 * SETUPS && !violation; i++) {
        struct setup setup = setup_number(i / 2);
        setup.clone_dropped = i % 2;
        if (setup.clone_dropped && !is_plain(&setup))
            continue;
        struct model model = { &setup, phases };
        violation = exploration_run(exploration, &model, faults);
    }
    return violation;
}

static void each_altered_table_breaks_a_promise(void **state) {
    struct exploration *exploration = *state;
    size_t missed = 0;
    for (size_t i = 0; i < mutations_count; i++) {
        static struct mutated mutated;
        if (is_short() && i % 8 != 0)
            continue;
        mutation_apply(&mutations[i], &mutated);
        const char *violation = break_promise(exploration, mutated.phases, mutations[i].faults);
        missed += !violation;
        print_message("%s: %s\n", mutations[i].name, violation ? violation : "NOTHING HAPPENS");
    }
    assert_int_equal(missed, 0);
}

static void every_phase_is_whole(void **state) {
    (void)state;
    for (enum phase phase = PHASE_NONE + 1; phase < PHASE_COUNT; phase++) {
        const struct phase_row *row = &machine_phases[phase];
        assert_true(row->rows_count > 0);
        assert_non_null(row->comment);
        assert_int_equal(phase_by_name(phase_name(phase)), phase);
        assert_true(row->deadline || phase == PHASE_FREEZE || phase == PHASE_WATCH);
        for (size_t i = 0, repeat = 0; i < row->rows_count; i++) {
            repeat += row->rows[i].repeat;
            assert_true(row->rows[i].seen != SEEN_REPEAT || repeat);
        }
    }
    for (enum step step = 0; step < STEP_COUNT; step++)
        assert_non_null(step_name(step));
    assert_int_equal(phase_by_name("nonsense"), PHASE_NONE);
    assert_string_equal(phase_name(PHASE_NONE), "none");
}

static void the_way_forward_is_the_contract_s(void **state) {
    (void)state;
    static const char *const names[] = { "preflight", "baseline", "resolve", "fetch", "backup",
                                         "quiesce",   "freeze",   "switch",  "watch", "commit" };
    enum phase phase = PHASE_PREFLIGHT;
    for (size_t i = 0; i < ELEMENTS(names); i++, phase = machine_phases[phase].next) {
        assert_string_equal(phase_name(phase), names[i]);
        assert_true(machine_phases[phase].upgrade);
    }
    assert_int_equal(phase, PHASE_NONE);
}

/* DESIGN.md section 4, "found dead here", and what it says of SIGTERM. */
static void recovery_and_stops_go_where_the_contract_says(void **state) {
    (void)state;
    enum { DEAD, STOP };
    static const struct {
        int event;
        enum phase phase;
        struct machine_world world;
        enum move move;
        enum phase to;
    } cases[] = {
        { DEAD, PHASE_PREFLIGHT, { 0 }, MOVE_PHASE, PHASE_FORGET },
        { DEAD, PHASE_BACKUP, { 0 }, MOVE_PHASE, PHASE_FORGET },
        { DEAD, PHASE_QUIESCE, { 0 }, MOVE_PHASE, PHASE_BACK_OUT },
        { DEAD, PHASE_FREEZE, { .fenced = true }, MOVE_PHASE, PHASE_BACK_OUT },
        { DEAD, PHASE_SWITCH, { .fenced = true }, MOVE_PHASE, PHASE_BACK_OUT },
        { DEAD, PHASE_SWITCH, { 0 }, MOVE_PHASE, PHASE_SWITCH },
        { DEAD, PHASE_WATCH, { .first_pass = true }, MOVE_PHASE, PHASE_WATCH },
        { DEAD, PHASE_COMMIT, { 0 }, MOVE_PHASE, PHASE_COMMIT },
        { DEAD, PHASE_BACK_OUT, { .fenced = true }, MOVE_PHASE, PHASE_BACK_OUT },
        { DEAD, PHASE_UNDO_STOP, { 0 }, MOVE_PHASE, PHASE_UNDO_STOP },
        { DEAD, PHASE_UNDO_DATA, { .fenced = true }, MOVE_PHASE, PHASE_UNDO_DATA },
        { DEAD, PHASE_UNDO_PINS, { .fenced = true }, MOVE_PHASE, PHASE_UNDO_PINS },
        { DEAD, PHASE_UNDO_START, { 0 }, MOVE_PHASE, PHASE_UNDO_START },
        { STOP, PHASE_FETCH, { 0 }, MOVE_PHASE, PHASE_FORGET },
        { STOP, PHASE_FREEZE, { .fenced = true }, MOVE_PHASE, PHASE_BACK_OUT },
        { STOP, PHASE_SWITCH, { .fenced = true }, MOVE_PHASE, PHASE_BACK_OUT },
        { STOP, PHASE_SWITCH, { 0 }, MOVE_PHASE, PHASE_UNDO_STOP },
        { STOP, PHASE_SWITCH, { .system_stopping = true }, MOVE_LEAVE, PHASE_SWITCH },
        { STOP, PHASE_WATCH, { 0 }, MOVE_PHASE, PHASE_UNDO_STOP },
        { STOP, PHASE_WATCH, { .system_stopping = true }, MOVE_LEAVE, PHASE_WATCH },
        { STOP, PHASE_WATCH, { .first_pass = true }, MOVE_LEAVE, PHASE_WATCH },
        { STOP, PHASE_COMMIT, { 0 }, MOVE_WAIT, PHASE_COMMIT },
        { STOP, PHASE_UNDO_DATA, { 0 }, MOVE_WAIT, PHASE_UNDO_DATA },
        { STOP, PHASE_UNDO_DATA, { .system_stopping = true }, MOVE_LEAVE, PHASE_UNDO_DATA },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        struct machine_move move = cases[i].event == DEAD ? machine_recover(cases[i].phase, &cases[i].world)
                                                          : machine_stop(cases[i].phase, &cases[i].world);
        assert_int_equal(move.move, cases[i].move);
        assert_int_equal(move.phase, cases[i].to);
    }
}

static void a_phase_that_fails_again_and_again_needs_a_person(void **state) {
    (void)state;
    for (unsigned attempts = 0; attempts < MACHINE_ATTEMPTS; attempts++) {
        struct machine_world world = { .attempts = attempts };
        struct machine_move move = machine_failed(PHASE_UNDO_DATA, &world);
        bool last = attempts + 1 == MACHINE_ATTEMPTS;
        assert_int_equal(move.move, last ? MOVE_INCOMPLETE : MOVE_PHASE);
        assert_int_equal(machine_recover(PHASE_UNDO_DATA, &world).move, MOVE_PHASE);
    }
}

static int begin(void **state) {
    *state = exploration_new();
    return 0;
}

static int end(void **state) {
    exploration_free(*state);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_phase_is_whole),
        cmocka_unit_test(the_way_forward_is_the_contract_s),
        cmocka_unit_test(recovery_and_stops_go_where_the_contract_says),
        cmocka_unit_test(a_phase_that_fails_again_and_again_needs_a_person),
        cmocka_unit_test(promises_hold_in_every_order_of_faults),
        cmocka_unit_test(promises_hold_where_one_thing_more_happens),
        cmocka_unit_test(each_altered_table_breaks_a_promise),
    };
    return cmocka_run_group_tests(tests, begin, end);
}

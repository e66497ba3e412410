/*
 * The program in the model: the worker's walk through the rows and the supervisor's records, as worker.c and
 * supervisor.c do them. What to do next is asked of machine.c, with the same arguments.
 */

#include "tests/unit/model-world.h"

#include "watchdog/base/memory.h"

static struct machine_world view(const struct model *model, const struct world *world) {
    return (struct machine_world){
        .phases = model->phases,
        .fenced = world_fenced(world),
        .first_pass = world->first_pass,
        .back_out_from = (enum phase)world->back_out_from,
        .system_stopping = world->why == WHY_SYSTEM_STOPS,
        .attempts = world->attempts,
    };
}

static const struct row *row_at(const struct model *model, const struct world *world) {
    return &model->phases[world->phase].rows[world->row];
}

static void answer(struct world *world, uint8_t answered) {
    world->operation = answered;
}

/*
 * From row .row on to the first one that applies and has something to do. Whether a row applies is read from
 * the database: with the database down the phase has failed. The last row's answer waits for the supervisor.
 */
static void settle(const struct model *model, struct world *world) {
    for (;;) {
        const struct operation *unused;
        const struct row *row = row_at(model, world);
        struct machine_world machine_world = view(model, world);
        world->operation = 0;
        if (row->condition != IF_ALWAYS && !world->database_up) {
            answer(world, ANSWERED_FAILED);
            return;
        }
        if (machine_applies(row, &machine_world) && step_operations(row->step, &unused) > 0)
            return;
        struct machine_move move = machine_next(world->phase, world->row, ANSWER_DONE, &machine_world);
        if (move.move != MOVE_STEP) {
            answer(world, ANSWERED_DONE);
            return;
        }
        world->row = (uint8_t)move.row;
    }
}

static void begin_rows(const struct model *model, struct world *world, enum phase phase) {
    world->phase = (uint8_t)phase;
    world->row = 0;
    world->mark = MARK_NONE;
    world->spoiled = false;
    settle(model, world);
}

void program_begin(const struct model *model, struct world *world) {
    begin_rows(model, world, (enum phase)world->recorded);
}

/* The record is written, then the phase begins. */
static void begin_phase(const struct model *model, struct world *world, enum phase phase) {
    if (phase == PHASE_BACK_OUT && world->recorded != PHASE_BACK_OUT)
        world->back_out_from = world->recorded;
    if (phase != world->recorded)
        world->attempts = 0;
    else if (world->attempts < MACHINE_ATTEMPTS)
        world->attempts = (world->attempts + 1) & 3u;
    world->recorded = (uint8_t)phase;
    world->why = WHY_DIED;
    begin_rows(model, world, phase);
}

/* What only lived in the program's memory is gone. */
void program_dies(struct world *world) {
    world->mode = MODE_DEAD;
    world->why = WHY_DIED;
    world->mark = MARK_NONE;
    world->spoiled = false;
    world->phase = world->row = world->operation = 0;
}

static void carry_out(const struct model *model, struct world *world, struct machine_move move) {
    switch (move.move) {
    case MOVE_STEP:
    case MOVE_PHASE:
        begin_phase(model, world, move.phase);
        break;
    case MOVE_CLOSE:
        world->mode = MODE_CLOSED;
        break;
    case MOVE_LEAVE:
        program_dies(world);
        break;
    case MOVE_INCOMPLETE:
        world->mode = MODE_INCOMPLETE;
        break;
    case MOVE_WAIT:
        break;
    }
}

static bool needs_rest(enum phase phase) {
    return phase >= PHASE_QUIESCE && phase != PHASE_FORGET;
}

static void after_rest(const struct model *model, struct world *world) {
    enum phase phase = (enum phase)world->recorded;
    struct machine_world machine_world = view(model, world);
    bool stops = model->phases[phase].stopped != FATE_GO_ON;
    if (world->why == WHY_DIED)
        carry_out(model, world, machine_recover(phase, &machine_world));
    else if (world->why == WHY_FAILED || !stops)
        carry_out(model, world, machine_failed(phase, &machine_world));
    else
        carry_out(model, world, machine_stop(phase, &machine_world));
}

/* The worker is gone, for this reason: to rest, and from there on. */
static void turn(const struct model *model, struct world *world, enum why why) {
    world->why = why;
    if (needs_rest((enum phase)world->recorded))
        begin_rows(model, world, PHASE_REST);
    else
        after_rest(model, world);
}

static void answered(const struct model *model, struct world *world) {
    struct machine_world machine_world = view(model, world);
    enum answer given = world->operation == ANSWERED_SEEN ? ANSWER_SEEN : ANSWER_DONE;
    struct machine_move move = machine_next(world->phase, world->row, given, &machine_world);
    if (world->operation == ANSWERED_FAILED && world->phase == PHASE_REST)
        begin_rows(model, world, PHASE_REST);
    else if (world->operation == ANSWERED_FAILED)
        turn(model, world, WHY_FAILED);
    else if (world->phase == PHASE_REST)
        after_rest(model, world);
    else
        carry_out(model, world, move);
}

/* A row has answered: on to the next one, or the supervisor's turn. */
static void end_row(const struct model *model, struct world *world, enum result result) {
    struct machine_world machine_world = view(model, world);
    if (result == RESULT_FAILED) {
        answer(world, ANSWERED_FAILED);
        return;
    }
    enum answer given = result == RESULT_SEEN ? ANSWER_SEEN : ANSWER_DONE;
    struct machine_move move = machine_next(world->phase, world->row, given, &machine_world);
    if (move.move == MOVE_STEP) {
        world->row = (uint8_t)move.row;
        settle(model, world);
    } else {
        answer(world, result == RESULT_SEEN ? ANSWERED_SEEN : ANSWERED_DONE);
    }
}

static void operate(const struct model *model, const struct world *world, struct successors *ret) {
    const struct operation *operations;
    const struct row *row = row_at(model, world);
    size_t count = step_operations(row->step, &operations);
    const struct operation *operation = &operations[world->operation];
    struct world after = *world;
    enum result result = operation->run(model->setup, &after, operation->argument);
    if (result == RESULT_NEXT && world->operation + 1u < count)
        after.operation++;
    else if (result != RESULT_JUMPED && result != RESULT_WAIT)
        end_row(model, &after, result);
    successors_add(ret, &after, result == RESULT_WAIT ? ACTION_WAITS : ACTION_PROGRAM, 0);
}

void program_successors(const struct model *model, const struct world *world, struct successors *ret) {
    struct world after = *world;
    if (world->mode == MODE_DEAD) {
        after.mode = MODE_RUNS;
        turn(model, &after, WHY_DIED);
        successors_add(ret, &after, ACTION_RECOVER, 0);
    } else if (world->mode == MODE_RUNS && world->operation >= ANSWERED_DONE) {
        answered(model, &after);
        successors_add(ret, &after, ACTION_PROGRAM, 0);
    } else if (world->mode == MODE_RUNS) {
        operate(model, world, ret);
    }
}

/* A refusal; somebody's `up` that does not end. */
static bool may_see(const struct row *row, const struct world *world) {
    return row->seen == SEEN_FORGET ||
           (row->step == STEP_AWAIT_FOREIGN && row->seen != SEEN_NEVER && world_composes(world));
}

void program_optional(const struct model *model, const struct world *world, struct successors *ret) {
    struct world after = *world;
    if (world->mode != MODE_RUNS || world->operation >= ANSWERED_DONE ||
        !may_see(row_at(model, world), world))
        return;
    end_row(model, &after, RESULT_SEEN);
    successors_add(ret, &after, ACTION_PROGRAM_SEES, 0);
}

bool program_in_step(const struct model *model, const struct world *world, enum step step) {
    return world->mode == MODE_RUNS && world->operation < ANSWERED_DONE && row_at(model, world)->step == step;
}

bool program_has_looked(const struct model *model, const struct world *world) {
    return world->mode == MODE_RUNS && world->operation == ANSWERED_DONE &&
           row_at(model, world)->step == STEP_LAST_LOOK;
}

/* Docker goes on with the stops that a dead worker asked for. */
static void leave_stops(const struct model *model, struct world *world) {
    if (!program_in_step(model, world, STEP_STOP))
        return;
    for (enum service service = BACKEND; service <= GATE; service++)
        if (world_runs(world, service))
            world->stops_in_flight = (world->stops_in_flight | 1u << service) & 3u;
}

static void asked(const struct model *model, struct world *world, enum why why) {
    world->why = why;
    struct machine_world machine_world = view(model, world);
    struct machine_move move = machine_stop((enum phase)world->recorded, &machine_world);
    if (move.move == MOVE_LEAVE)
        carry_out(model, world, move);
    else
        turn(model, world, why);
}

void program_faults(const struct model *model, const struct world *world, struct successors *ret) {
    struct world base = *world;
    if (world->mode != MODE_RUNS)
        return;
    leave_stops(model, &base);
    struct world *after = successors_add(ret, &base, ACTION_KILLED, 0);
    program_dies(after);
    if (world->operation >= ANSWERED_DONE)
        return;
    if (world->phase == PHASE_REST) {
        after = successors_add(ret, &base, ACTION_STEP_FAILS, 0);
        begin_rows(model, after, PHASE_REST);
        return;
    }
    after = successors_add(ret, &base, ACTION_STEP_FAILS, 0);
    turn(model, after, WHY_FAILED);
    enum fate stopped = model->phases[world->recorded].stopped;
    if (stopped != FATE_GO_ON) {
        after = successors_add(ret, &base, ACTION_STOP_ASKED, 0);
        asked(model, after, WHY_ASKED);
    }
    after = successors_add(ret, &base, ACTION_SYSTEM_STOPS, 0);
    asked(model, after, WHY_SYSTEM_STOPS);
}

const char *program_words(const struct model *model, const struct world *world) {
    const struct operation *operations;
    if (world->mode != MODE_RUNS)
        return "";
    if (world->operation == ANSWERED_SEEN)
        return "the row saw what it looks for";
    if (world->operation == ANSWERED_FAILED)
        return "the phase has failed";
    if (world->operation == ANSWERED_DONE)
        return "the phase is done";
    step_operations(row_at(model, world)->step, &operations);
    return operations[world->operation].words;
}

/*
 * What each step of the phase table does to the world of model-world.h, as indivisible operations: between
 * two of them anybody else may act, and the program may die. A step without operations has no effect that the
 * model knows (evidence, retention, progress).
 */

#include "tests/unit/model-world.h"

#include "watchdog/base/memory.h"

#define OPERATION(name)                                                                                      \
    static enum result name(const struct setup *setup __attribute__((unused)), struct world *world,          \
                            unsigned service __attribute__((unused)))

static enum result jump(struct world *world, unsigned operation) {
    world->operation = (uint8_t)operation;
    return RESULT_JUMPED;
}

/* Followed only where the clone may be gone when it is wanted. */
OPERATION(dump) {
    if (!world->database_up)
        return RESULT_FAILED;
    if (setup->clone_dropped) {
        world->dump = DUMP_GOOD;
        world->dump_unsynced = true;
        world->dump_has_write = world->databases[FIRST].writes & WRITE_BEFORE;
    }
    return RESULT_NEXT;
}

OPERATION(copy_files) {
    world->snapshot = (struct snapshot){ .kind = SNAPSHOT_FIRST_PASS, .writes = world->files.writes };
    return RESULT_NEXT;
}

OPERATION(compare_running) {
    return world_services_run(world) ? RESULT_DONE : RESULT_SEEN;
}

OPERATION(policy_off) {
    world->containers[service].own_policy = false;
    if (service == GATE)
        world_shut_gate(world);
    return RESULT_NEXT;
}

OPERATION(policy_back) {
    bool shut = world->recorded == PHASE_SWITCH || (world->recorded == PHASE_WATCH && !world->gate_opening);
    if (service != GATE || setup->gate == GATE_RULE_NONE || !shut)
        world->containers[service].own_policy = true;
    return RESULT_NEXT;
}

OPERATION(stop) {
    world_stop(world, service);
    return RESULT_NEXT;
}

OPERATION(see_stopped) {
    return world_anything_runs(world) ? RESULT_SEEN : RESULT_DONE;
}

OPERATION(fence) {
    if (!world->database_up)
        return RESULT_FAILED;
    world->session = world_connected(world);
    world_application(world)->fenced = true;
    return RESULT_NEXT;
}

OPERATION(end_sessions) {
    if (!world->database_up)
        return RESULT_FAILED;
    world->session = false;
    return RESULT_NEXT;
}

/* A source in use is an error; what stands under the clone's name goes first. */
OPERATION(clone_begin) {
    if (!world->database_up || world_connected(world))
        return RESULT_FAILED;
    world->databases[SECOND] = (struct database){ .kind = IN_THE_MAKING };
    return RESULT_NEXT;
}

OPERATION(clone_end) {
    if (world->databases[SECOND].kind != IN_THE_MAKING)
        return RESULT_FAILED;
    world_finish_clone(world);
    return RESULT_NEXT;
}

OPERATION(clone_record) {
    world->clone_known = true;
    return RESULT_NEXT;
}

OPERATION(second_pass) {
    if (world->snapshot.kind == SNAPSHOT_NONE)
        return RESULT_FAILED;
    world->snapshot = (struct snapshot){ SNAPSHOT_COMPLETE, .wrong = world->files.kind != FILES_OLD,
                                         .unsynced = true, .writes = world->files.writes };
    return RESULT_NEXT;
}

OPERATION(exact_record) {
    world->exact = true;
    return RESULT_NEXT;
}

/* What a pass took away, the new release's text does not have. */
OPERATION(pins_new) {
    world->references.pinned = false;
    return RESULT_NEXT;
}

OPERATION(pins_before) {
    world->references.pinned = setup->pinned;
    return RESULT_NEXT;
}

OPERATION(pins_old) {
    world->references.pinned = true;
    return RESULT_NEXT;
}

static enum result tag(struct world *world, unsigned service, enum image image) {
    if (service == BACKEND)
        world->references.backend_tag = image;
    else
        world->references.gate_tag = image;
    return RESULT_NEXT;
}

OPERATION(tag_new) {
    return service == GATE && !setup->gate_changes ? RESULT_NEXT : tag(world, service, IMAGE_NEW);
}

OPERATION(tag_old) {
    return tag(world, service, IMAGE_OLD);
}

OPERATION(sync_all) {
    world_sync(world);
    return RESULT_NEXT;
}

/* Seen is one that does not end in time: program_optional(). */
OPERATION(await_foreign) {
    return world_composes(world) ? RESULT_WAIT : RESULT_DONE;
}

OPERATION(lift) {
    if (!world->database_up)
        return RESULT_FAILED;
    world_application(world)->fenced = false;
    world->session = false;
    world->mark = MARK_NONE;
    return RESULT_NEXT;
}

OPERATION(database_health) {
    return world->database_up ? RESULT_DONE : RESULT_FAILED;
}

/*
 * Compose makes the new container under a temporary name and gives it its own at the end. A name that a
 * killed Compose left stays for ever. Only the backend's is followed, and only where a container is expected
 * to be replaced.
 */
OPERATION(replace) {
    struct container *container = &world->containers[service];
    bool misnamed = container->misnamed;
    if (container->image != world_reference(setup, world, service)) {
        world_compose(world, service, world_reference(setup, world, service), false);
        container->misnamed = true;
    }
    return misnamed ? jump(world, world->operation + 2) : RESULT_NEXT;
}

OPERATION(give_name) {
    world->containers[service].misnamed = false;
    return RESULT_NEXT;
}

OPERATION(create) {
    world_compose(world, service, world_reference(setup, world, service), false);
    return RESULT_NEXT;
}

OPERATION(up) {
    world_compose(world, service, world_reference(setup, world, service), true);
    return RESULT_NEXT;
}

OPERATION(start) {
    world_start(world, service);
    return RESULT_NEXT;
}

/* The gate's part in starting what should run. */
OPERATION(up_open_gate) {
    return setup->gate == GATE_RULE_NONE || world->gate_opening ? up(setup, world, service) : RESULT_NEXT;
}

OPERATION(start_twin) {
    if (setup->gate == GATE_RULE_NONE || world->gate_opening)
        return RESULT_NEXT;
    world->containers[service].image = world_reference(setup, world, GATE);
    world_start(world, service);
    return RESULT_NEXT;
}

OPERATION(start_database) {
    world->database_up = true;
    return RESULT_NEXT;
}

enum { WATCH_LOOK, WATCH_SHUT, WATCH_FIRST_PASS = WATCH_SHUT + 3, WATCH_OPEN, WATCH_AGAIN = WATCH_OPEN + 4 };

/* A round of probes, and what follows from it. */
OPERATION(look) {
    enum schema schema = world_application(world)->schema;
    bool shut = setup->gate != GATE_RULE_NONE && !world->gate_opening;
    if (world_runs(world, BACKEND) && world->containers[BACKEND].image == IMAGE_OLD)
        return RESULT_SEEN;
    if (shut && world_runs(world, GATE))
        return jump(world, WATCH_SHUT);
    if (setup->candidate == CANDIDATE_MIGRATES_HALF && schema == SCHEMA_HALF)
        return RESULT_SEEN;
    if (!world->database_up || !world_runs(world, BACKEND) || !world_runs(world, shut ? TWIN : GATE))
        return jump(world, WATCH_AGAIN);
    if (!world_connected(world))
        return RESULT_SEEN;
    if (schema != SCHEMA_NEW)
        return RESULT_WAIT;
    if (setup->candidate == CANDIDATE_FAILS)
        return RESULT_SEEN;
    if (!world->first_pass)
        return jump(world, WATCH_FIRST_PASS);
    if (setup->gate == GATE_RULE_FIRST_PASS && !world->gate_opening)
        return jump(world, WATCH_OPEN);
    return setup->candidate == CANDIDATE_FAILS_LATE ? RESULT_SEEN : RESULT_DONE;
}

OPERATION(look_again) {
    return jump(world, WATCH_LOOK);
}

OPERATION(record_first_pass) {
    world->first_pass = true;
    return setup->gate == GATE_RULE_FIRST_PASS ? RESULT_NEXT : jump(world, WATCH_LOOK);
}

OPERATION(record_gate_opening) {
    world->gate_opening = setup->gate != GATE_RULE_NONE;
    return RESULT_NEXT;
}

OPERATION(remove_container) {
    world->containers[service] = (struct container){ .state = ABSENT };
    return RESULT_NEXT;
}

OPERATION(last_look) {
    bool good = world->database_up && world->containers[TWIN].state == ABSENT && world_services_run(world) &&
                world_has_policy(setup, world, BACKEND) && world_has_policy(setup, world, GATE);
    return good ? RESULT_DONE : RESULT_SEEN;
}

/* Containers' starts are noted before anything is restored; what runs at that moment is not among those that
 * may have been started before. */
OPERATION(restore_begin) {
    world->mark = MARK_TAKEN;
    if (world_anything_runs(world))
        world->mark = MARK_STARTED_SINCE;
    if (!world->exact)
        return RESULT_DONE;
    world->files.kind = FILES_WRONG;
    world->spoiled = false;
    return RESULT_NEXT;
}

OPERATION(restore_end) {
    world->files.kind = FILES_OLD;
    if (world->snapshot.kind != SNAPSHOT_COMPLETE || world->snapshot.wrong || world->spoiled)
        world->files.kind = FILES_WRONG;
    world->files.writes = world->snapshot.writes;
    world->spoiled = false;
    return RESULT_NEXT;
}

OPERATION(see_never_started) {
    return world_anything_runs(world) || world->mark == MARK_STARTED_SINCE ? RESULT_SEEN : RESULT_DONE;
}

OPERATION(see_identity) {
    if (!world->database_up)
        return RESULT_FAILED;
    return world->databases[SECOND].application ? RESULT_DONE : RESULT_SEEN;
}

/* What is down is the host's trouble: the phase begins again. */
OPERATION(probe_old) {
    if (!world->database_up || !world_services_run(world))
        return RESULT_FAILED;
    if (world->containers[BACKEND].image != IMAGE_OLD || !world_connected(world))
        return RESULT_SEEN;
    return RESULT_DONE;
}

OPERATION(drop_second) {
    struct database *database = &world->databases[SECOND];
    if (!world->database_up)
        return RESULT_FAILED;
    if (!database->application && database->kind != IN_THE_MAKING)
        *database = (struct database){ .kind = NOWHERE };
    return RESULT_NEXT;
}

OPERATION(settle_clone) {
    return setup->pinned ? drop_second(setup, world, service) : RESULT_NEXT;
}

enum { PREPARE_FENCE = 3 };

OPERATION(prepare) {
    if (!world->database_up)
        return RESULT_FAILED;
    if (world_has_spare(world))
        return jump(world, PREPARE_FENCE);
    world->databases[SECOND] = (struct database){ BEING_RESTORED, .fenced = true };
    return RESULT_NEXT;
}

OPERATION(prepare_end) {
    struct database *database = &world->databases[SECOND];
    if (!world->database_up || world->dump != DUMP_GOOD)
        return RESULT_FAILED;
    database->kind = RESTORED;
    if (world->dump_has_write)
        database->writes = WRITE_BEFORE;
    return RESULT_NEXT;
}

OPERATION(prepare_record) {
    world->restored_known = true;
    return RESULT_NEXT;
}

/* Neither may be in use; by OID, so that a second time changes nothing. */
OPERATION(swap) {
    if (!world->database_up || world_connected(world) || !world_has_spare(world))
        return RESULT_FAILED;
    world->databases[FIRST].application = false;
    world->databases[SECOND].application = true;
    return RESULT_NEXT;
}

/* Ends and awaits what outlived its author in the database. */
OPERATION(end_ours) {
    if (world->databases[SECOND].kind == IN_THE_MAKING)
        world->databases[SECOND] = (struct database){ .kind = NOWHERE };
    return RESULT_NEXT;
}

#define EACH(what, function)                                                                                 \
    { what ": backend", function, BACKEND }, {                                                               \
        what ": gate", function, GATE                                                                        \
    }
#define CREATE                                                                                               \
    { "compose creates, not started: backend", replace, BACKEND },                                           \
        { "compose gives the name: backend", give_name, BACKEND }, {                                         \
        "compose creates, not started: gate", create, GATE                                                   \
    }
#define UP                                                                                                   \
    { "the database started if it is down", start_database, 0 }, { "compose up: backend", up, BACKEND },     \
        { "compose up: gate, unless it is shut", up_open_gate, GATE }, {                                     \
        "the twin", start_twin, TWIN                                                                         \
    }

#define OPERATIONS(...)                                                                                      \
    { (const struct operation[]){ __VA_ARGS__ }, ELEMENTS(((const struct operation[]){ __VA_ARGS__ })) }

static const struct {
    const struct operation *list;
    size_t count;
} operations[STEP_COUNT] = {
    [STEP_DUMP] = OPERATIONS({ "the dump is complete", dump }),
    [STEP_COPY_FILES] = OPERATIONS({ "first pass over the files", copy_files }),
    [STEP_COMPARE_RUNNING] = OPERATIONS({ "what runs is compared", compare_running }),
    [STEP_POLICIES_OFF] = OPERATIONS(EACH("policy off", policy_off)),
    [STEP_STOP] = OPERATIONS({ "stop: gate", stop, GATE }, { "stop: backend", stop, BACKEND },
                             { "stop: twin", stop, TWIN }),
    [STEP_SEE_STOPPED] = OPERATIONS({ "look whether anything runs", see_stopped }),
    [STEP_FENCE] = OPERATIONS({ "the fence is set", fence }),
    [STEP_END_SESSIONS] = OPERATIONS({ "sessions are ended", end_sessions }),
    [STEP_CLONE] =
        OPERATIONS({ "CREATE DATABASE begins", clone_begin }, { "CREATE DATABASE ends", clone_end },
                   { "the clone's OID is recorded", clone_record }),
    [STEP_SECOND_PASS] = OPERATIONS({ "second pass over the files", second_pass },
                                    { "recorded: the snapshot is exact", exact_record }),
    [STEP_PINS_NEW] = OPERATIONS({ "Compose files for the new release", pins_new }),
    [STEP_TAGS_NEW] = OPERATIONS({ "tag to the new image: backend", tag_new, BACKEND },
                                 { "tag to the new image: gate", tag_new, GATE }),
    [STEP_SYNC] = OPERATIONS({ "everything is on disk", sync_all }),
    [STEP_AWAIT_FOREIGN] = OPERATIONS({ "foreign compose processes are awaited", await_foreign }),
    [STEP_LIFT] = OPERATIONS({ "the fence is lifted", lift }),
    [STEP_DATABASE_HEALTH] = OPERATIONS({ "the database's health", database_health }),
    [STEP_CREATE_NEW] = OPERATIONS(CREATE),
    [STEP_POLICIES_BACK] = OPERATIONS(EACH("policy given back", policy_back)),
    [STEP_START_NEW] = OPERATIONS(UP),
    [STEP_WATCH] = OPERATIONS(
        { "a round of probes", look }, { "policy off: gate opened by hand", policy_off, GATE },
        { "stop: gate opened by hand", stop, GATE }, { "look again", look_again },
        { "recorded: first full pass", record_first_pass }, { "recorded: gate opening", record_gate_opening },
        { "policy given back: gate", policy_back, GATE }, { "the gate is opened", up_open_gate, GATE },
        { "look again", look_again }, UP, { "look again", look_again }),
    [STEP_START_ALL] = OPERATIONS({ "recorded: gate opening", record_gate_opening }, EACH("start", start)),
    [STEP_REMOVE_TWIN] = OPERATIONS({ "the twin is removed", remove_container, TWIN }),
    [STEP_SETTLE_CLONE] = OPERATIONS({ "the clone is kept or dropped", settle_clone },
                                     { "containers of ours are removed", remove_container, TWIN }),
    [STEP_LAST_LOOK] = OPERATIONS({ "the last look", last_look }),
    [STEP_PINS_BEFORE] = OPERATIONS({ "Compose files as before", pins_before }),
    [STEP_PINS_OLD] = OPERATIONS({ "the old release pinned", pins_old }),
    [STEP_TAGS_OLD] = OPERATIONS({ "tag to the old image: backend", tag_old, BACKEND },
                                 { "tag to the old image: gate", tag_old, GATE }),
    [STEP_CREATE_OLD] = OPERATIONS(CREATE),
    [STEP_RESTORE_FILES] = OPERATIONS({ "containers' starts noted, files half restored", restore_begin },
                                      { "files restored", restore_end }),
    [STEP_SEE_NEVER_STARTED] = OPERATIONS({ "look whether anything was started", see_never_started }),
    [STEP_SEE_IDENTITY] = OPERATIONS({ "look whose the name is", see_identity }),
    [STEP_START_OLD] = OPERATIONS(EACH("compose up", up)),
    [STEP_PROBE_OLD] = OPERATIONS({ "the old release is probed", probe_old }),
    [STEP_DROP_CLONE] = OPERATIONS({ "the clone is dropped", drop_second }),
    [STEP_PREPARE_DATABASES] =
        OPERATIONS({ "clone verified, else a restore of the dump begins", prepare },
                   { "the dump is restored", prepare_end },
                   { "the restored database's OID is recorded", prepare_record },
                   { "the fence is set again", fence }, { "sessions are ended again", end_sessions }),
    [STEP_SWAP] = OPERATIONS({ "the databases are swapped", swap }),
    [STEP_END_OURS] = OPERATIONS({ "what a dead run left in the database is ended", end_ours }),
    [STEP_REPAIR_NAMES] = OPERATIONS({ "names repaired", give_name, BACKEND }),
    [STEP_START_DATABASE] = OPERATIONS({ "the database started if it is down", start_database }),
    [STEP_DROP_HOLDS] = OPERATIONS({ "containers of ours are removed", remove_container, TWIN }),
};

size_t step_operations(enum step step, const struct operation **ret) {
    *ret = operations[step].list;
    return operations[step].count;
}

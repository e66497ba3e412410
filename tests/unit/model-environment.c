/*
 * Everybody but the program: both releases, users, one person at the keyboard, Docker, the power. What they
 * do may break a promise at once.
 */

#include "tests/unit/model-world.h"

static struct world *add(struct successors *ret, const struct world *world, enum action_kind action,
                         unsigned detail) {
    return successors_add(ret, world, action, detail);
}

static void violate(struct successors *ret, const char *violation) {
    if (!ret->violation)
        ret->violation = violation;
}

/* A program's own writes are durable as soon as anybody can rely on them. */
static void files_become(struct world *world, enum files_kind kind, uint8_t writes) {
    bool synced =
        world->files.kind == world->durable_files.kind && world->files.writes == world->durable_files.writes;
    world->files.kind = kind;
    world->files.writes = writes & 7u;
    if (synced)
        world->durable_files = world->files;
}

/* In two moves, the second of which one candidate never makes. */
static void migrate(const struct model *model, const struct world *world, struct successors *ret) {
    const struct database *second = &world->databases[SECOND];
    struct world after = *world;
    struct database *database = world_application(&after);
    if (second->application)
        violate(ret, "P1: the new release connects to the restored database");
    if (database->schema == SCHEMA_NEW ||
        (database->schema == SCHEMA_HALF && model->setup->candidate == CANDIDATE_MIGRATES_HALF))
        return;
    if (second->kind != CLONED && !model->setup->clone_dropped)
        violate(ret, "P1: the new release migrates the only copy");
    if (database->schema == SCHEMA_OLD) {
        database->schema = SCHEMA_HALF;
        files_become(&after, FILES_WRONG, after.files.writes);
    } else {
        database->schema = SCHEMA_NEW;
        files_become(&after, FILES_NEW, after.files.writes);
    }
    add(ret, &after, ACTION_MIGRATES, 0);
}

static void new_release(const struct model *model, const struct world *world, struct successors *ret) {
    if (world_connected(world)) {
        migrate(model, world, ret);
    } else if (world->files.kind == FILES_OLD) {
        struct world after = *world;
        files_become(&after, FILES_WRONG, after.files.writes);
        add(ret, &after, ACTION_TOUCHES_FILES, 0);
    }
}

static void old_release(const struct world *world, struct successors *ret) {
    struct world copy = *world;
    if (!world_connected(world))
        return;
    if (world_application(&copy)->schema != SCHEMA_OLD)
        violate(ret, "P1: the old release runs on the migrated database");
    else if (world->files.kind != FILES_OLD)
        violate(ret, "P1: the old release serves with files that are not its own");
}

/* Docker starts it again at once where it has a policy: then it counts as running all the time. */
static void backend_exits(const struct model *model, const struct world *world, struct successors *ret) {
    struct world after = *world;
    bool broken = model->setup->candidate == CANDIDATE_MIGRATES_HALF &&
                  world->containers[BACKEND].image == IMAGE_NEW &&
                  world_application(&after)->schema == SCHEMA_HALF;
    bool policy = model->setup->restart != RESTART_NEVER && world->containers[BACKEND].own_policy;
    if (policy || (world_connected(world) && !broken))
        return;
    world_stop(&after, BACKEND);
    add(ret, &after, ACTION_EXITS, 0);
}

static uint8_t write_class(const struct world *world) {
    if (world->containers[BACKEND].image == IMAGE_NEW)
        return WRITE_NEW;
    return world->recorded <= PHASE_QUIESCE ? WRITE_BEFORE : WRITE_OLD;
}

/* P4, and whether a rollback could still lose it. */
static bool write_comes_too_early(const struct setup *setup, const struct world *world) {
    if (setup->rollback)
        return false;
    if (setup->gate == GATE_RULE_FIRST_PASS)
        return !world->first_pass;
    return setup->gate == GATE_RULE_WINDOW && world->recorded != PHASE_COMMIT;
}

static void user_writes(const struct model *model, const struct world *world, struct successors *ret) {
    struct world after = *world;
    struct database *database = world_application(&after);
    uint8_t class = write_class(world);
    enum schema serves = class == WRITE_NEW ? SCHEMA_NEW : SCHEMA_OLD;
    if (!world_runs(world, GATE) || !world_connected(world) || database->schema != serves)
        return;
    if (class == WRITE_NEW && write_comes_too_early(model->setup, world)) {
        if (!world->gate_by_hand)
            violate(ret, "P4: a write is accepted too early");
        return; /* by hand: allowed, and nobody promised to keep it */
    }
    if (world->accepted & class)
        return;
    after.accepted = (after.accepted | class) & 7u;
    database->writes = (uint8_t)(database->writes | class);
    files_become(&after, world->files.kind, (uint8_t)(world->files.writes | class));
    add(ret, &after, ACTION_WRITE, class);
}

static void clone_finishes(const struct model *model, const struct world *world, struct successors *ret) {
    struct world after = *world;
    if (world->databases[SECOND].kind != IN_THE_MAKING || program_in_step(model, world, STEP_CLONE))
        return;
    world_finish_clone(&after);
    add(ret, &after, ACTION_CLONE_FINISHES, 0);
}

static void stops_land(const struct world *world, struct successors *ret) {
    for (enum service service = BACKEND; service <= GATE; service++)
        if (world->stops_in_flight & 1u << service) {
            struct world after = *world;
            world_stop(&after, service);
            add(ret, &after, ACTION_STOP_LANDS, service);
        }
}

static void person_composes(struct world *world, enum service service, enum image image) {
    bool ran = world_runs(world, service);
    world->database_up = true;
    world_compose(world, service, image, true);
    if (service == GATE && !ran)
        world->gate_by_hand = true;
}

static void person_leaves(const struct setup *setup, struct world *world) {
    world->person = PERSON_LEFT;
    if (setup->stubborn)
        world->person = PERSON_WAITS;
    world->person_backend = world->person_gate = IMAGE_OLD;
}

/* `docker compose up -d` reads the file first and takes its effects one after another. */
static void person_acts(const struct model *model, const struct world *world, struct successors *ret) {
    struct world after = *world;
    switch (world->person) {
    case PERSON_WAITS:
        after.person_backend = world_reference(model->setup, world, BACKEND);
        after.person_gate = world_reference(model->setup, world, GATE);
        after.person = PERSON_READ;
        add(ret, &after, ACTION_PERSON_READS, 0);
        return;
    case PERSON_READ:
        person_composes(&after, BACKEND, world->person_backend);
        after.person = PERSON_DID_BACKEND;
        break;
    case PERSON_DID_BACKEND:
        person_composes(&after, GATE, world->person_gate);
        after.person = PERSON_LEFT;
        break;
    case PERSON_LEFT:
        return;
    }
    if (after.person == PERSON_LEFT)
        person_leaves(model->setup, &after);
    add(ret, &after, ACTION_PERSON_ACTS, world->person);
}

/* A restore goes entry by entry: whatever runs may change what is restored already. */
static void spoil(const struct model *model, const struct world *world, struct successors *ret) {
    struct world after = *world;
    if (!program_in_step(model, world, STEP_RESTORE_FILES) || world->operation == 0)
        return;
    after.spoiled = true;
    add(ret, &after, ACTION_SPOILS_FILES, 0);
}

/* What goes on in a world without faults, the program apart. */
void environment_successors(const struct model *model, const struct world *world, struct successors *ret) {
    if (world_runs(world, BACKEND)) {
        if (world->containers[BACKEND].image == IMAGE_NEW)
            new_release(model, world, ret);
        else
            old_release(world, ret);
        backend_exits(model, world, ret);
        spoil(model, world, ret);
    }
    clone_finishes(model, world, ret);
    stops_land(world, ret);
    user_writes(model, world, ret);
    if (world->mode != MODE_CLOSED)
        person_acts(model, world, ret);
}

/* What dockerd starts when it starts. A container that was created and never started stays so. */
static void dockerd_restarts(const struct setup *setup, struct world *world) {
    world->session = false;
    world->stops_in_flight = 0;
    if (world->databases[SECOND].kind == IN_THE_MAKING)
        world->databases[SECOND] = (struct database){ .kind = NOWHERE };
    for (enum service service = BACKEND; service < CONTAINERS; service++) {
        bool ran = world_runs(world, service),
             policy = service != TWIN && world->containers[service].own_policy;
        bool by_hand = world->gate_by_hand;
        enum container_state state = world->containers[service].state;
        world_stop(world, service);
        if (policy && ((setup->restart == RESTART_ALWAYS && state >= STOPPED) ||
                       (setup->restart == RESTART_UNLESS_STOPPED && ran)))
            world_start(world, service);
        if (service == GATE)
            world->gate_by_hand = by_hand;
    }
    world->database_up = !setup->database_stays_down;
}

enum { LOSES_FILES = 1, LOSES_REFERENCES = 2, LOSES_SNAPSHOT = 4, LOSES_DUMP = 8, LOSES_ALL = 16 };

static unsigned what_can_be_lost(const struct world *world) {
    const struct references *now = &world->references, *then = &world->durable_references;
    unsigned can = 0;
    if (world->files.kind != world->durable_files.kind || world->files.writes != world->durable_files.writes)
        can |= LOSES_FILES;
    if (now->pinned != then->pinned || now->backend_tag != then->backend_tag ||
        now->gate_tag != then->gate_tag)
        can |= LOSES_REFERENCES;
    if (world->dump_unsynced)
        can |= LOSES_DUMP;
    return world->snapshot.unsynced ? can | LOSES_SNAPSHOT : can;
}

static void power_cut(const struct model *model, const struct world *world, struct successors *ret) {
    unsigned can = what_can_be_lost(world);
    for (unsigned lost = 0; lost < LOSES_ALL; lost++) {
        if (lost & ~can)
            continue;
        struct world after = *world;
        if (lost & LOSES_FILES)
            after.files = after.durable_files;
        if (lost & LOSES_REFERENCES)
            after.references = after.durable_references;
        if (lost & LOSES_SNAPSHOT)
            after.snapshot.kind = SNAPSHOT_TORN;
        if (lost & LOSES_DUMP)
            after.dump = DUMP_TORN;
        world_sync(&after);
        program_dies(&after);
        if (after.person != PERSON_WAITS)
            person_leaves(model->setup, &after);
        dockerd_restarts(model->setup, &after);
        add(ret, &after, ACTION_POWER, lost);
    }
}

void environment_faults(const struct model *model, const struct world *world, struct successors *ret) {
    /* With a policy "no", what a crash ends after the last look stays so by its owner's wish. */
    bool stays = model->setup->restart == RESTART_NEVER || model->setup->database_stays_down;
    if (!stays || !program_has_looked(model, world))
        dockerd_restarts(model->setup, add(ret, world, ACTION_DOCKERD, 0));
    power_cut(model, world, ret);
    if (model->setup->clone_dropped && world->databases[SECOND].kind == CLONED &&
        !world->databases[SECOND].application && world->clone_known) {
        struct world *after = add(ret, world, ACTION_CLONE_DROPPED, 0);
        after->databases[SECOND] = (struct database){ .kind = NOWHERE };
    }
}

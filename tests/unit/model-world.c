/* The small world's own rules, and what must be true at an end. See model-world.h. */

#include "tests/unit/model-world.h"

#include <stdlib.h>

/* Long after an upgrade: the snapshot and, perhaps, the clone are there. */
static void was_upgraded(const struct setup *setup, struct world *world) {
    world->containers[BACKEND].image = IMAGE_NEW;
    world->containers[GATE].image = setup->gate_changes ? IMAGE_NEW : IMAGE_OLD;
    world->databases[FIRST].schema = SCHEMA_NEW;
    world->databases[SECOND] = (struct database){ CLONED, .fenced = true };
    world->clone_known = true;
    world->snapshot.kind = SNAPSHOT_COMPLETE;
    world->exact = true;
    world->dump = DUMP_GOOD;
    world->files.kind = FILES_NEW;
    world->references = (struct references){ .backend_tag = IMAGE_NEW };
    if (setup->gate_changes)
        world->references.gate_tag = IMAGE_NEW;
    world->first_pass = true;
    world->gate_opening = true;
    world->recorded = PHASE_UNDO_STOP;
}

struct world world_begin(const struct setup *setup) {
    struct world world = { 0 };
    for (enum service service = BACKEND; service <= GATE; service++)
        world.containers[service] = (struct container){ IMAGE_OLD, RUNNING, .own_policy = true };
    world.databases[FIRST] = (struct database){ ORIGINAL, .application = true };
    world.database_up = true;
    world.references.pinned = setup->pinned;
    world.recorded = PHASE_PREFLIGHT;
    if (setup->rollback)
        was_upgraded(setup, &world);
    world_sync(&world);
    return world;
}

static const struct database *application(const struct world *world) {
    return &world->databases[world->databases[SECOND].application ? SECOND : FIRST];
}

struct database *world_application(struct world *world) {
    return &world->databases[world->databases[SECOND].application ? SECOND : FIRST];
}

bool world_fenced(const struct world *world) {
    return application(world)->fenced;
}

/* While a clone is made, connecting to its source hangs. */
bool world_connected(const struct world *world) {
    return world->database_up && world->containers[BACKEND].state == RUNNING &&
           (!world_fenced(world) || world->session) && world->databases[SECOND].kind != IN_THE_MAKING;
}

bool world_runs(const struct world *world, enum service service) {
    return world->containers[service].state == RUNNING;
}

void world_finish_clone(struct world *world) {
    world->databases[SECOND] = world->databases[FIRST];
    world->databases[SECOND].kind = CLONED;
    world->databases[SECOND].application = false;
    world->databases[SECOND].fenced = true;
}

bool world_has_spare(const struct world *world) {
    enum database_kind kind = world->databases[SECOND].kind;
    return (kind == CLONED && world->clone_known) || (kind == RESTORED && world->restored_known);
}

bool world_services_run(const struct world *world) {
    return world_runs(world, BACKEND) && world_runs(world, GATE);
}

bool world_anything_runs(const struct world *world) {
    bool runs = false;
    for (enum service service = 0; service < CONTAINERS; service++)
        runs = runs || world_runs(world, service);
    return runs;
}

bool world_composes(const struct world *world) {
    return world->person == PERSON_READ || world->person == PERSON_DID_BACKEND;
}

/* The policy that acts; a service that never had one is never without its own. */
bool world_has_policy(const struct setup *setup, const struct world *world, enum service service) {
    return setup->restart == RESTART_NEVER || world->containers[service].own_policy;
}

enum image world_reference(const struct setup *setup, const struct world *world, enum service service) {
    const struct references *references = &world->references;
    if (references->pinned)
        return IMAGE_OLD;
    if (service == BACKEND)
        return references->backend_tag;
    return setup->gate_changes ? references->gate_tag : IMAGE_OLD;
}

static void unflight(struct world *world, enum service service) {
    world->stops_in_flight = world->stops_in_flight & ~(1u << service) & 3u;
}

/* As long as a person's start left it its policy, Docker may start it again: that is still the person's. */
void world_shut_gate(struct world *world) {
    const struct container *gate = &world->containers[GATE];
    if (gate->state != RUNNING && !gate->own_policy)
        world->gate_by_hand = false;
}

void world_stop(struct world *world, enum service service) {
    struct container *container = &world->containers[service];
    if (container->state != RUNNING)
        return;
    container->state = STOPPED;
    unflight(world, service);
    if (service == BACKEND)
        world->session = false;
    if (service == GATE)
        world_shut_gate(world);
}

void world_start(struct world *world, enum service service) {
    struct container *container = &world->containers[service];
    if (container->state == RUNNING)
        return;
    container->state = RUNNING;
    if (world->mark == MARK_TAKEN)
        world->mark = MARK_STARTED_SINCE;
}

void world_compose(struct world *world, enum service service, enum image image, bool start) {
    struct container *container = &world->containers[service];
    if (container->image != image) {
        world_stop(world, service);
        if (service == GATE)
            world->gate_by_hand = false;
        container->image = image;
        container->state = CREATED;
        container->own_policy = true;
    }
    if (start)
        world_start(world, service);
}

void world_sync(struct world *world) {
    world->durable_files = world->files;
    world->durable_references = world->references;
    world->snapshot.unsynced = false;
    world->dump_unsynced = false;
}

static bool references_synced(const struct world *world) {
    const struct references *now = &world->references, *then = &world->durable_references;
    return now->pinned == then->pinned && now->backend_tag == then->backend_tag &&
           now->gate_tag == then->gate_tag;
}

bool world_synced(const struct world *world) {
    return world->files.kind == world->durable_files.kind &&
           world->files.writes == world->durable_files.writes && references_synced(world);
}

/* Nothing of ours stands about, and the application is as its owner set it up. */
static const char *check_tidy(const struct setup *setup, const struct world *world) {
    if (world_fenced(world))
        return "P1: the fence stands on the application's database";
    for (enum service service = BACKEND; service <= GATE; service++) {
        if (!world_has_policy(setup, world, service))
            return "P1: a restart policy is not given back";
        if (world->containers[service].misnamed)
            return "P1: a container keeps the name that a killed Compose gave it";
    }
    if (world->containers[TWIN].state != ABSENT)
        return "the twin is left behind";
    if (!world_synced(world))
        return "P1: a power cut after the end would take back what was done";
    if (world->databases[SECOND].kind == IN_THE_MAKING || world->databases[SECOND].kind == BEING_RESTORED)
        return "an unfinished database is left behind";
    return NULL;
}

static const char *check_runs(const struct world *world) {
    if (!world_services_run(world))
        return "P1: a service that ran before does not run";
    if (world->stops_in_flight)
        return "P1: a stop in flight will kill a service after the end";
    return world->database_up ? NULL : "P1: the database does not run";
}

static const char *check_old(const struct setup *setup, const struct world *world) {
    const struct database *database = application(world);
    uint8_t need = world->accepted & (WRITE_BEFORE | WRITE_OLD);
    if (world->containers[BACKEND].image != IMAGE_OLD || world->containers[GATE].image != IMAGE_OLD)
        return "P1: the new release runs";
    if (database->schema != SCHEMA_OLD)
        return "P1: the database is not the old release's";
    if (world->files.kind != FILES_OLD)
        return "P1: the files are not the old release's";
    if (world_reference(setup, world, BACKEND) != IMAGE_OLD ||
        world_reference(setup, world, GATE) != IMAGE_OLD)
        return "P6: the references in force are the new release's";
    if ((world->files.writes & need) != need)
        return "P3: an accepted write is not in the files";
    if (database->kind == RESTORED && !world->dump_has_write)
        need = need & WRITE_OLD; /* the clone is gone: the dump's minute counts */
    if ((database->writes & need) != need)
        return "P3: an accepted write is not in the database";
    return NULL;
}

static const char *check_untouched(const struct setup *setup, const struct world *world) {
    if (!world->databases[FIRST].application)
        return "P7: the databases are swapped";
    if (world->databases[SECOND].kind != NOWHERE)
        return "P7: the clone is left behind";
    if (world->references.pinned != setup->pinned || world->references.backend_tag != IMAGE_OLD ||
        world->references.gate_tag != IMAGE_OLD)
        return "P7: Compose file or tags are not as before";
    return NULL;
}

static const char *check_rolled_back(const struct world *world) {
    uint8_t need = world->accepted & (WRITE_BEFORE | WRITE_NEW);
    if (!world->references.pinned)
        return "P6: rolled back without a pin";
    if (world->references.backend_tag != IMAGE_OLD || world->references.gate_tag != IMAGE_OLD)
        return "P1: rolled back, but a tag is the new release's";
    if (world->databases[FIRST].application || world->databases[FIRST].kind != ORIGINAL)
        return "P2: the failed database is not set aside";
    if ((world->databases[FIRST].writes & need) != need)
        return "P2: an accepted write is not in the failed database either";
    return NULL;
}

static const char *check_upgraded(const struct setup *setup, const struct world *world) {
    const struct database *database = application(world);
    enum image gate = setup->gate_changes ? IMAGE_NEW : IMAGE_OLD;
    if (world->containers[BACKEND].image != IMAGE_NEW || world->containers[GATE].image != gate)
        return "P1: the old release runs after upgraded";
    if (database != &world->databases[FIRST] || database->schema != SCHEMA_NEW ||
        world->files.kind != FILES_NEW)
        return "P1: upgraded to a mixture";
    if (world_reference(setup, world, BACKEND) != IMAGE_NEW || world_reference(setup, world, GATE) != gate)
        return "P1: the references in force are the old release's after upgraded";
    if ((database->writes & world->accepted) != world->accepted ||
        (world->files.writes & world->accepted) != world->accepted)
        return "P3: an accepted write is lost by an upgrade";
    if (world->databases[SECOND].kind == CLONED && setup->pinned)
        return "the clone is kept although it should be dropped";
    return NULL;
}

const char *world_check_end(const struct setup *setup, const struct world *world) {
    const char *wrong = check_tidy(setup, world);
    if (!wrong && world->recorded != PHASE_FORGET)
        wrong = check_runs(world);
    if (!wrong)
        wrong = world->recorded == PHASE_COMMIT ? check_upgraded(setup, world) : check_old(setup, world);
    if (!wrong && world->recorded == PHASE_UNDO_START)
        wrong = check_rolled_back(world);
    if (!wrong && (world->recorded == PHASE_BACK_OUT || world->recorded == PHASE_FORGET))
        wrong = check_untouched(setup, world);
    return wrong;
}

struct world *successors_add(struct successors *successors, const struct world *world,
                             enum action_kind action, unsigned detail) {
    size_t i = successors->count++;
    if (i >= SUCCESSORS_MAX)
        abort();
    successors->list[i].world = *world;
    successors->list[i].action = action;
    successors->list[i].detail = detail;
    return &successors->list[i].world;
}

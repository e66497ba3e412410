/*
 * Breadth first over a set of states: an array in the order of discovery, each with its parent, and an open
 * addressing table of indices into it. First all that happens without a fault, then all that one fault adds,
 * then a second one: a state that fewer faults lead to is not looked at again. What led from one state to the
 * next is found again when a trace is told.
 */

#include "tests/unit/model-explore.h"

#include <string.h>

#include "watchdog/base/memory.h"

#define NOWHERE_TO_GO UINT32_MAX
#define TABLE_BEGINS ((size_t)1 << 14)

struct entry {
    struct world world;
    uint32_t parent;
    uint32_t next; /* the state that follows when nothing goes wrong and nobody types */
};

struct exploration {
    const struct model *model;
    struct entry *entries;
    size_t count, capacity;
    uint32_t *table; /* index + 1; 0: free */
    size_t table_size, table_capacity;
    size_t violating; /* index of the state that breaks a promise */
    const char *violation;
    size_t ends[PHASE_COUNT];
};

struct exploration *exploration_new(void) {
    struct exploration *self = xcalloc(1, sizeof(*self));
    self->capacity = TABLE_BEGINS;
    self->entries = xcalloc(self->capacity, sizeof(*self->entries));
    self->table_capacity = TABLE_BEGINS;
    self->table = xcalloc(self->table_capacity, sizeof(*self->table));
    return self;
}

void exploration_free(struct exploration *self) {
    if (!self)
        return;
    free(self->entries);
    free(self->table);
    free(self);
}

static uint64_t hash(const struct world *world) {
    uint64_t words[(sizeof(*world) + 7) / 8] = { 0 }, value = 0;
    memcpy(words, world, sizeof(*world));
    for (size_t i = 0; i < ELEMENTS(words); i++) {
        value = (value ^ words[i]) * 0x9e3779b97f4a7c15u;
        value ^= value >> 32;
    }
    return value;
}

/* The slot of @world, or the free one where it belongs. */
static size_t slot_of(const struct exploration *self, const struct world *world) {
    size_t mask = self->table_size - 1, slot = hash(world) & mask;
    while (self->table[slot] &&
           memcmp(&self->entries[self->table[slot] - 1].world, world, sizeof(*world)) != 0)
        slot = (slot + 1) & mask;
    return slot;
}

/* Small again for each run: most are short. */
static void clear_table(struct exploration *self, size_t size) {
    if (size > self->table_capacity) {
        free(self->table);
        self->table = xcalloc(size, sizeof(*self->table));
        self->table_capacity = size;
    } else {
        memset(self->table, 0, size * sizeof(*self->table));
    }
    self->table_size = size;
}

static void grow(struct exploration *self) {
    if (self->count == self->capacity) {
        self->capacity *= 2;
        self->entries = xrealloc(self->entries, self->capacity, sizeof(*self->entries));
    }
    if (self->count * 2 < self->table_size)
        return;
    clear_table(self, self->table_size * 4);
    for (size_t i = 0; i < self->count; i++)
        self->table[slot_of(self, &self->entries[i].world)] = (uint32_t)i + 1;
}

/* The index of @world among the entries. */
static uint32_t discover(struct exploration *self, const struct world *world, size_t parent) {
    size_t slot = slot_of(self, world);
    if (self->table[slot])
        return self->table[slot] - 1;
    self->entries[self->count] = (struct entry){ *world, (uint32_t)parent, NOWHERE_TO_GO };
    self->table[slot] = (uint32_t)++self->count;
    grow(self);
    return (uint32_t)self->count - 1;
}

static void violate(struct exploration *self, size_t index, const char *violation) {
    if (self->violation || !violation)
        return;
    self->violating = index;
    self->violation = violation;
}

static void successors_without_fault(const struct model *model, const struct world *world,
                                     struct successors *ret) {
    ret->count = 0;
    ret->violation = NULL;
    program_successors(model, world, ret);
    program_optional(model, world, ret);
    environment_successors(model, world, ret);
}

static void successors_by_fault(const struct model *model, const struct world *world,
                                struct successors *ret) {
    ret->count = 0;
    if (world->mode == MODE_CLOSED)
        return;
    program_faults(model, world, ret);
    environment_faults(model, world, ret);
}

/* The program's step; where it waits, what it waits for. */
static bool is_undisturbed(const struct successors *successors, size_t i) {
    bool waits = successors->count > 0 && successors->list[0].action == ACTION_WAITS;
    switch (successors->list[i].action) {
    case ACTION_PROGRAM:
    case ACTION_RECOVER:
        return true;
    case ACTION_MIGRATES:
    case ACTION_PERSON_ACTS:
        return waits;
    default:
        return false;
    }
}

static void visit(struct exploration *self, size_t index, struct successors *successors) {
    struct world world = self->entries[index].world;
    successors_without_fault(self->model, &world, successors);
    violate(self, index, successors->violation);
    if (world.mode == MODE_INCOMPLETE)
        violate(self, index, "P1: a person is needed although the host is well");
    if (world.mode == MODE_CLOSED) {
        self->ends[world.recorded]++;
        violate(self, index, world_check_end(self->model->setup, &world));
    }
    for (size_t i = 0; i < successors->count; i++) {
        uint32_t found = discover(self, &successors->list[i].world, index);
        if (is_undisturbed(successors, i))
            self->entries[index].next = found;
    }
}

static void visit_from(struct exploration *self, size_t first) {
    struct successors successors;
    for (size_t i = first; i < self->count && !self->violation; i++)
        visit(self, i, &successors);
}

/* One fault in each of these states. */
static void fault_each(struct exploration *self, size_t first, size_t end) {
    struct successors successors;
    for (size_t i = first; i < end && !self->violation; i++) {
        struct world world = self->entries[i].world;
        successors_by_fault(self->model, &world, &successors);
        for (size_t j = 0; j < successors.count; j++)
            discover(self, &successors.list[j].world, i);
    }
}

/*
 * P8: left alone, the program comes to an end from each state. Follows .next from each and turns the ways
 * that end around, so that each state is passed once.
 */
static void check_progress(struct exploration *self) {
    uint8_t *known = xcalloc(self->count, 1); /* 1: on the present way, 2: comes to an end */
    for (size_t i = 0; i < self->count && !self->violation; i++) {
        size_t at = i;
        while (known[at] == 0 && self->entries[at].next != NOWHERE_TO_GO) {
            known[at] = 1;
            at = self->entries[at].next;
        }
        if (known[at] == 1)
            violate(self, at, "P8: the program does the same again and again");
        else if (known[at] == 0 && self->entries[at].world.mode != MODE_CLOSED)
            violate(self, at, "P8: the program waits for something that does not happen");
        for (size_t done = i; known[done] == 1; done = self->entries[done].next)
            known[done] = 2;
        known[at] = 2;
    }
    free(known);
}

/* A good release is installed and a bad one taken back when nothing goes wrong. */
static void check_purpose(struct exploration *self) {
    const struct setup *setup = self->model->setup;
    bool good = setup->candidate == CANDIDATE_GOOD && !setup->rollback;
    size_t at = 0;
    while (self->entries[at].next != NOWHERE_TO_GO)
        at = self->entries[at].next;
    if (self->entries[at].world.recorded != (good ? PHASE_COMMIT : PHASE_UNDO_START))
        violate(self, at, good ? "a good release is not installed" : "a bad release is not rolled back");
}

const char *exploration_run(struct exploration *self, const struct model *model, unsigned faults) {
    struct world begin = world_begin(model->setup);
    size_t layer = 0;
    self->model = model;
    self->count = 0;
    self->violation = NULL;
    memset(self->ends, 0, sizeof(self->ends));
    clear_table(self, TABLE_BEGINS);
    program_begin(model, &begin);
    discover(self, &begin, 0);
    visit_from(self, 0);
    for (unsigned i = 0; i < faults && !self->violation; i++) {
        size_t end = self->count;
        fault_each(self, layer, end);
        visit_from(self, end);
        layer = end;
    }
    if (!self->violation)
        check_progress(self);
    if (!self->violation)
        check_purpose(self);
    return self->violation;
}

size_t exploration_states(const struct exploration *self) {
    return self->count;
}

size_t exploration_ends(const struct exploration *self, enum phase phase) {
    return self->ends[phase];
}

static const char *const services[] = { "backend", "gate", "twin" };

static void tell(const struct model *model, const struct world *before, enum action_kind action,
                 unsigned detail, struct buffer *ret) {
    static const char *const words[] = {
        [ACTION_RECOVER] = "the program starts again",
        [ACTION_MIGRATES] = "new release: migrates database and files",
        [ACTION_TOUCHES_FILES] = "new release: cannot connect, but changes files",
        [ACTION_SPOILS_FILES] = "backend: changes files that were just restored",
        [ACTION_EXITS] = "backend: exits",
        [ACTION_CLONE_FINISHES] = "PostgreSQL: the clone is finished, though nobody waits for it",
        [ACTION_PERSON_READS] = "PERSON: docker compose up -d reads the file",
        [ACTION_KILLED] = "FAULT: the program is killed",
        [ACTION_STEP_FAILS] = "FAULT: the step fails here",
        [ACTION_STOP_ASKED] = "FAULT: SIGTERM",
        [ACTION_SYSTEM_STOPS] = "FAULT: SIGTERM, the system is stopping",
        [ACTION_DOCKERD] = "FAULT: dockerd crashes and starts again",
        [ACTION_CLONE_DROPPED] = "FAULT: somebody drops the clone",
    };
    switch (action) {
    case ACTION_PROGRAM:
    case ACTION_PROGRAM_SEES:
    case ACTION_WAITS:
        buffer_printf(ret, "%s/%s: %s%s", phase_name(before->phase),
                      step_name(model->phases[before->phase].rows[before->row].step),
                      program_words(model, before),
                      action == ACTION_WAITS          ? " (waits)"
                      : action == ACTION_PROGRAM_SEES ? " (seen)"
                                                      : "");
        break;
    case ACTION_WRITE:
        buffer_printf(ret, "USER: writes, %s", detail == WRITE_NEW ? "new release" : "old release");
        break;
    case ACTION_STOP_LANDS:
        buffer_printf(ret, "Docker: a stop in flight lands: %s", services[detail]);
        break;
    case ACTION_PERSON_ACTS:
        buffer_printf(ret, "PERSON: that docker compose does its %s", services[detail - PERSON_READ]);
        break;
    case ACTION_POWER:
        buffer_printf(ret, "FAULT: power cut%s%s%s%s", detail & 1 ? ", restored files lost" : "",
                      detail & 2 ? ", pins and tags lost" : "", detail & 4 ? ", second pass torn" : "",
                      detail & 8 ? ", dump torn" : "");
        break;
    default:
        buffer_printf(ret, "%s", words[action]);
    }
}

static void tell_container(const struct world *world, size_t i, struct buffer *ret) {
    static const char *const states[] = { "is gone", "created", "stopped", "runs" };
    const struct container *container = &world->containers[i];
    buffer_printf(ret, "; %s %s", services[i], states[container->state]);
    if (container->state != ABSENT)
        buffer_printf(ret, " (%s image, %s policy%s)", container->image == IMAGE_NEW ? "new" : "old",
                      container->own_policy ? "own" : "no", container->misnamed ? ", misnamed" : "");
}

static void tell_database(const struct world *world, size_t i, struct buffer *ret) {
    static const char *const kinds[] = { "no second database",  "database in the making", "clone",
                                         "dump being restored", "restored dump",          "original" };
    static const char *const schemas[] = { "old", "half migrated", "new" };
    const struct database *database = &world->databases[i];
    buffer_printf(ret, "; %s", kinds[database->kind]);
    if (database->kind != NOWHERE)
        buffer_printf(ret, " (%s, %s schema, %s, writes %u)",
                      database->application ? "has the name" : "name of ours", schemas[database->schema],
                      database->fenced ? "fenced" : "open", database->writes);
}

static void tell_files(const struct world *world, struct buffer *ret) {
    static const char *const kinds[] = { "old", "wrong", "new" };
    buffer_printf(ret, "; files %s, writes %u", kinds[world->files.kind], world->files.writes);
}

static void tell_references(const struct world *world, struct buffer *ret) {
    const struct references *references = &world->references;
    buffer_printf(ret, "; Compose file %s, backend's tag %s, gate's tag %s",
                  references->pinned ? "pins old" : "unpinned", references->backend_tag ? "new" : "old",
                  references->gate_tag ? "new" : "old");
}

#define DIFFERS(member) (memcmp(&before->member, &after->member, sizeof(before->member)) != 0)

/* What an event changed. */
static void tell_changes(const struct world *before, const struct world *after, struct buffer *ret) {
    for (size_t i = 0; i < CONTAINERS; i++)
        if (DIFFERS(containers[i]))
            tell_container(after, i, ret);
    for (size_t i = 0; i < DATABASES; i++)
        if (DIFFERS(databases[i]))
            tell_database(after, i, ret);
    if (DIFFERS(files))
        tell_files(after, ret);
    if (DIFFERS(references))
        tell_references(after, ret);
    if (before->database_up != after->database_up)
        buffer_printf(ret, "; the database %s", after->database_up ? "is up" : "is DOWN");
    if (before->recorded != after->recorded || before->attempts != after->attempts)
        buffer_printf(ret, "; RECORDED: %s, attempt %u", phase_name(after->recorded), after->attempts + 1u);
    if (after->mode == MODE_CLOSED)
        buffer_printf(ret, "; CLOSED");
}

static bool tell_which(const struct model *model, const struct world *before, const struct world *after,
                       void (*generate)(const struct model *, const struct world *, struct successors *),
                       struct buffer *ret) {
    struct successors successors;
    generate(model, before, &successors);
    for (size_t i = 0; i < successors.count; i++)
        if (memcmp(&successors.list[i].world, after, sizeof(*after)) == 0) {
            tell(model, before, successors.list[i].action, successors.list[i].detail, ret);
            return true;
        }
    return false;
}

static void tell_event(const struct model *model, const struct world *before, const struct world *after,
                       struct buffer *ret) {
    buffer_printf(ret, "  ");
    if (!tell_which(model, before, after, successors_without_fault, ret))
        tell_which(model, before, after, successors_by_fault, ret);
    tell_changes(before, after, ret);
    buffer_append(ret, "\n", 1);
}

char *exploration_trace(const struct exploration *self) {
    struct buffer text = { 0 };
    size_t length = 0;
    for (size_t i = self->violating; i != 0; i = self->entries[i].parent)
        length++;
    size_t *way = xcalloc(length + 1, sizeof(*way));
    for (size_t i = self->violating, at = length; at > 0; i = self->entries[i].parent)
        way[at--] = i;
    for (size_t i = 1; i <= length; i++)
        tell_event(self->model, &self->entries[way[i - 1]].world, &self->entries[way[i]].world, &text);
    free(way);
    return buffer_take(&text);
}

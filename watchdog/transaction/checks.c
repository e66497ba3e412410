/* Preconditions. See checks.h. What is said here is what a person reads at 3 a.m.: what was found, and what
 * cures it. */

#include "watchdog/transaction/checks.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "probes/set.h"
#include "watchdog/base/durable.h"
#include "watchdog/base/json.h"
#include "watchdog/base/sandbox.h"
#include "watchdog/database/facts.h"
#include "watchdog/database/clone.h"
#include "watchdog/docker/log-driver.h"
#include "watchdog/docker/project.h"
#include "watchdog/snapshot/offhost.h"
#include "watchdog/transaction/apart.h"
#include "watchdog/transaction/data.h"
#include "watchdog/transaction/external.h"
#include "watchdog/transaction/foreign.h"
#include "watchdog/transaction/inspect.h"
#include "watchdog/transaction/strays.h"
#include "watchdog/transaction/way.h"

#define CALL_TIME (30 * USEC_PER_SEC)
#define MEBIBYTE ((uint64_t)1024 * 1024)

struct looks {
    struct context *context;
    const struct project *project;
    struct finding **findings;
    size_t *count;
};

#define FIND(looks, name, ok, advisory, cure, ...)                                                           \
    findings_add((looks)->findings, (looks)->count, name, ok, advisory, cure, __VA_ARGS__)

static void look_at_service(struct looks *looks, const struct record_service *service) {
    size_t containers = 0;
    for (size_t i = 0; i < looks->project->containers_count; i++) {
        const struct container *container = &looks->project->containers[i];
        containers +=
            string_equal(container->service, service->service) && !container->one_off && !*container->ours;
    }
    if (containers > 1)
        FIND(looks, "scale", false, false, "run one container of each service",
             "service \"%s\" has %zu containers; several are not supported by this version yet",
             service->service, containers);
    const struct container *container = project_container(looks->project, service->service);
    if (container &&
        (string_equal(container->status, "restarting") || string_equal(container->status, "paused")))
        FIND(looks, "containers", false, false, "look at its log with docker compose logs",
             "service \"%s\" is %s", service->service, container->status);
    if (container && string_equal(container->health, "unhealthy"))
        FIND(looks, "containers", false, false, "look at its log with docker compose logs",
             "service \"%s\" is unhealthy", service->service);
}

/* Only where a probe wants logs: else nobody reads it. */
static void look_at_log(struct looks *looks, const struct record_service *service) {
    const struct container *container = project_container(looks->project, service->service);
    _cleanup_free_ char *problem = container ? log_driver_problem(container->inspect) : NULL;
    const struct settings *settings = looks->context->settings;
    bool wanted = false;
    for (size_t i = 0; i < settings->probes_count; i++)
        for (size_t k = 0; k < settings->probes[i].keys_count; k++)
            wanted = wanted || (string_equal(settings->probes[i].keys[k].name, "Kind") &&
                                string_equal(settings->probes[i].keys[k].value, "logs"));
    if (problem && wanted)
        FIND(looks, "logs", false, true, "", "the log of \"%s\" cannot be read: %s", service->service,
             problem);
}

/* An upgrade makes containers anew where Compose finds another image: of a service that it does not follow it
 * would start one that nobody has asked for, and so would the rollback. */
static void look_at_name(struct looks *looks, const struct record_service *service) {
    const struct container *container = project_container(looks->project, service->service);
    const char *name = *service->image ? service->image : container ? container->image_reference : "";
    _cleanup_error_ struct error err = ERROR_NONE;
    int r = *name ? inspect_image_name(looks->context, service, name, &err) : 0;
    if (r < 0 || r == 1)
        FIND(looks, "images", false, false, "type `docker compose up -d` first", "%s", error_text(&err));
}

/* A variable that was only there in the shell that brought the service up: to anybody else, and to this
 * program, the files mean another image, which may well be an older one. */
static void look_at_variables(struct looks *looks, const struct record_service *service,
                              const struct image_place *place) {
    const struct container *container = project_container(looks->project, service->service);
    if (!container || !strchr(place->value, '$') ||
        string_equal(container->image_reference, service->image) ||
        strstr(container->image_reference, "@sha256:"))
        return;
    FIND(looks, "pins", false, false,
         "write the variable into .env as it is meant, and type `docker compose up -d`",
         "service \"%s\" was made from \"%s\", but its \"%s\" means \"%s\" in a clean shell",
         service->service, container->image_reference, place->value, service->image);
}

static void look_at_pin(struct looks *looks, const struct record_service *service) {
    _cleanup_image_place_ struct image_place place = { 0 };
    _cleanup_error_ struct error err = ERROR_NONE;
    if (inspect_image_place(looks->context, service->service, &place, &err) >= 0) {
        if (!place.followed)
            look_at_name(looks, service);
        look_at_variables(looks, service, &place);
        for (char **sharer = place.sharers; sharer && *sharer; sharer++) {
            const struct record_service *other = record_service(looks->context->record, *sharer);
            if (other && inspect_is_placed(looks->context, *sharer, place.path) &&
                (other->database || !string_equal(other->image_id, service->image_id)))
                FIND(looks, "pins", false, false,
                     "type `docker compose up -d` first, or give them lines of their own",
                     "services \"%s\" and \"%s\" take their image from the same line of \"%s\", but do not "
                     "run the same one",
                     service->service, *sharer, place.path);
        }
        return;
    }
    FIND(looks, "pins", false, false, "write the image as a plain `image: name:tag` in one Compose file",
         "a rollback could not pin the old image: %s", error_text(&err));
}

static void look_at_services(struct looks *looks) {
    const struct record *record = looks->context->record;
    size_t followed = 0;
    for (size_t i = 0; i < record->services_count; i++) {
        const struct record_service *service = &record->services[i];
        look_at_service(looks, service);
        if (service->database)
            continue;
        look_at_log(looks, service);
        if (service->tag && service->digest) {
            followed++;
            look_at_pin(looks, service);
        } else {
            look_at_name(looks, service);
            FIND(looks, "services", true, true, "", "service \"%s\" is never upgraded: its image %s",
                 service->service,
                 !service->tag ? "is built here or named by a digest alone" : "came from no registry");
        }
    }
    if (followed)
        FIND(looks, "services", true, false, "", "%zu service%s of a registry's tag", followed,
             followed == 1 ? " follows an image" : "s follow images");
    else
        FIND(looks, "services", false, false, "name images of a registry by name:tag",
             "no service follows a tag of a registry: there is nothing to upgrade");
}

static void look_at_gate(struct looks *looks) {
    const struct record_service *gate = record_gate(looks->context->record);
    if (!gate)
        return;
    const struct service *service = project_service(looks->project, gate->service);
    bool ok = service && !service->host_network && gate->ran;
    FIND(looks, "gate", ok, false, ok ? "" : "publish its ports instead, and have it running", "%s",
         ok ? "the gate runs"
         : service && service->host_network
             ? "the gate uses the host's network: a twin could not run beside it"
             : "the gate does not run");
}

static void look_at_way(struct looks *looks) {
    const struct record_service *gate = record_gate(looks->context->record);
    const char *url = looks->context->settings->application.base_url;
    const struct container *container = gate ? project_container(looks->project, gate->service) : NULL;
    _cleanup_free_ char *host = url ? way_host(url) : NULL;
    if (!container || !host || project_service(looks->project, host))
        return;
    _cleanup_free_ char *problem = way_problem(url, gate->service, container->inspect);
    if (problem)
        FIND(looks, "gate", false, false,
             "let BaseUrl= lead to a port of the gate on this host, and give the probes Header=Host: and "
             "Header=X-Forwarded-Proto: where the application wants to hear them",
             "%s", problem);
}

struct places {
    struct data_place *list;
    size_t count;
};

/* One that is not there is no mount: Data= has been looked at before, and Ignore= may say too much. */
static void add_places(struct looks *looks, char *const *values, struct places *places) {
    for (; values && *values; values++) {
        struct data_place place;
        if (data_place_find(looks->context, looks->project, *values, &place, NULL) < 0)
            continue;
        places->list = xrealloc(places->list, places->count + 1, sizeof(*places->list));
        places->list[places->count++] = place;
    }
}

static void places_done(struct places *places) {
    for (size_t i = 0; i < places->count; i++)
        data_place_done(&places->list[i]);
    free(places->list);
}

static bool is_listed(const struct places *places, const struct mount *mount) {
    for (size_t i = 0; i < places->count; i++)
        if (data_place_covers(&places->list[i], mount))
            return true;
    return false;
}

static bool is_special(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 && !S_ISDIR(status.st_mode) && !S_ISREG(status.st_mode);
}

static void look_at_mounts(struct looks *looks) {
    const struct settings *settings = looks->context->settings;
    struct places places = { 0 };
    size_t writable = 0, missing = 0;
    add_places(looks, settings->snapshot.data, &places);
    add_places(looks, settings->snapshot.ignore, &places);
    for (size_t i = 0; i < looks->project->mounts_count; i++) {
        const struct mount *mount = &looks->project->mounts[i];
        if (mount->read_only || string_equal(mount->service, settings->database.service) ||
            is_special(mount->host_path))
            continue;
        writable++;
        if (is_listed(&places, mount))
            continue;
        missing++;
        FIND(looks, "mounts", false, false, "list it in [Snapshot] Data= or Ignore=, or mount it read-only",
             "service \"%s\" can write to %s (%s%s), which is neither in Data= nor in Ignore=",
             mount->service, mount->target, mount->anonymous ? "an anonymous volume: " : "",
             mount->anonymous                      ? "Data=SERVICE:/path"
             : string_equal(mount->type, "volume") ? mount->source
                                                   : mount->host_path);
    }
    places_done(&places);
    if (!missing)
        FIND(looks, "mounts", true, false, "", "%zu writable mounts, each in Data= or Ignore=", writable);
}

static void look_at_foreign(struct looks *looks) {
    const struct record *record = looks->context->record;
    char **found = foreign_compose(record->directory, record->project, context_supervisor(looks->context));
    for (size_t i = 0; found && found[i]; i++)
        FIND(looks, "foreign-compose", false, false,
             "end it, and start the project with `docker compose up -d`", "%s holds the project", found[i]);
    if (!found)
        FIND(looks, "foreign-compose", true, false, "", "no other Compose process holds the project");
    strings_free(found);
}

static void look_at_strays(struct looks *looks) {
    strays_find(looks->project, looks->context->compose, context_deadline(looks->context, CALL_TIME),
                looks->findings, looks->count);
}

/* Of the directory, or of where it will be made: `check` may be the first that is asked. */
static uint64_t free_bytes(const char *path) {
    _cleanup_free_ char *there = xstrdup(path);
    struct statvfs status;
    while (statvfs(there, &status) < 0) {
        char *slash = strrchr(there, '/');
        if (errno != ENOENT || !slash || slash == there)
            return 0;
        *slash = '\0';
    }
    return (uint64_t)status.f_bavail * status.f_frsize;
}

static uint64_t databases_size(const struct record *record) {
    uint64_t size = 0;
    for (size_t i = 0; i < record->databases_count; i++)
        size += (uint64_t)record->databases[i].size;
    return size;
}

/* What the copies of the trees will take. One that cannot be told in time is said, not counted as nothing. */
static uint64_t look_at_trees(struct looks *looks) {
    const struct context *context = looks->context;
    const struct record *record = context->record;
    uint64_t needed = 0;
    for (size_t i = 0; i < record->trees_count; i++) {
        const struct record_tree *tree = &record->trees[i];
        _cleanup_error_ struct error err = ERROR_NONE;
        _cleanup_free_ char *previous =
            context->state
                ? snapshots_previous_tree(context->state->directory, record->app, record->id, tree->name)
                : NULL;
        const struct tree_run run = { .deadline = context_deadline(context, CALL_TIME) };
        uint64_t bytes = 0;
        int r = tree_estimate(tree->path, previous, &run, &bytes, &err);
        needed += bytes;
        if (r == -EXDEV)
            FIND(looks, "data", false, false, "", "Data=%s: %s", tree->name, error_text(&err));
        else if (r < 0)
            FIND(looks, "room", false, true, "look at it with du",
                 "the size of Data=%s is not known, and not counted: %s", tree->name, error_text(&err));
    }
    return needed;
}

static void look_at_room(struct looks *looks) {
    const struct context *context = looks->context;
    uint64_t needed =
        databases_size(context->record) + 512 * MEBIBYTE; /* dump, logs, and some room to work */
    needed += look_at_trees(looks);
    uint64_t there = free_bytes(context->state ? context->state->directory : "/var/lib");
    bool ok = there >= needed;
    FIND(looks, "room", ok, false, ok ? "" : "free some space, or lower Keep= and Quarantine=",
         "the snapshot needs up to %llu MiB in the state directory, %llu MiB are free",
         (unsigned long long)(needed / MEBIBYTE), (unsigned long long)(there / MEBIBYTE));
    const char *docker = NULL;
    struct error err = { 0 };
    if (engine_root_directory(context->engine, context_deadline(context, CALL_TIME), &docker, &err) < 0) {
        FIND(looks, "docker-room", false, false, "", "%s", error_text(&err));
        return;
    }
    there = free_bytes(docker);
    ok = there >= 512 * MEBIBYTE;
    FIND(looks, "docker-room", ok, false, ok ? "" : "free some space, `docker image prune` may help",
         "%llu MiB are free in Docker's directory", (unsigned long long)(there / MEBIBYTE));
}

static void look_at_freeze(struct looks *looks) {
    const struct context *context = looks->context;
    char predicted[DURATION_SIZE], allowed[DURATION_SIZE];
    usec_t time = clone_predict(databases_size(context->record), checks_clone_speed(context->state));
    bool ok = time <= context->settings->snapshot.max_freeze;
    FIND(looks, "freeze", ok, false,
         ok ? "" : "raise [Snapshot] MaxFreeze= if so long a downtime is acceptable",
         "the clone is expected to take %s, MaxFreeze= allows %s", duration_format(predicted, time),
         duration_format(allowed, context->settings->snapshot.max_freeze));
}

static void look_at_off_host(struct looks *looks) {
    const char *directory = looks->context->settings->snapshot.off_host;
    _cleanup_error_ struct error err = ERROR_NONE;
    if (!directory)
        return;
    int r = offhost_look(directory, looks->context->state->directory, NULL, &err);
    FIND(looks, "off-host", r >= 0, false, r >= 0 ? "" : "mount the other disk, or leave the key out", "%s",
         r < 0 ? error_text(&err) : "OffHost= is there");
}

static int look_at_database(struct looks *looks, struct error *err) {
    struct context *context = looks->context;
    _cleanup_server_facts_ struct server_facts facts = { 0 };
    struct finding *found = NULL;
    size_t count = 0;
    uint64_t room = UINT64_MAX;
    char **addresses = NULL;
    int r = context_open_maintenance(context, err);
    if (r >= 0)
        r = server_facts_read(context->maintenance, context_deadline(context, CALL_TIME), &facts, err);
    if (r >= 0 && (!context->database.id || server_room(&context->database, &facts, &room, NULL) < 0))
        room = UINT64_MAX;
    if (r >= 0)
        addresses = preconditions_addresses(looks->project->containers, looks->project->containers_count);
    if (r >= 0 && context->settings->database.url)
        r = external_look(context, looks->findings, looks->count, &addresses, err);
    if (r >= 0)
        r = preconditions_look(context->server, context->settings->database.names, addresses, room,
                               context_deadline(context, CALL_TIME), &found, &count, err);
    for (size_t i = 0; i < count; i++)
        FIND(looks, found[i].name, found[i].ok, found[i].advisory, found[i].cure, "%s", found[i].sentence);
    findings_free(found, count);
    strings_free(addresses);
    return r;
}

static void look_at_fence(struct looks *looks) {
    bool fenced = false;
    if (context_fenced(looks->context, &fenced, NULL) >= 0 && fenced)
        FIND(looks, "fence", false, false,
             "ALTER DATABASE … ALLOW_CONNECTIONS true, if that was not on purpose",
             "a database of the application refuses connections");
}

static void look_at_sandbox(struct looks *looks) {
    _cleanup_free_ char *lacks = sandbox_lacks();
    if (lacks)
        FIND(looks, "sandbox", false, true, "", "%s", lacks);
}

static void look_at_probes(struct looks *looks) {
    _cleanup_probe_set_ struct probe_set *set = NULL;
    _cleanup_error_ struct error err = ERROR_NONE;
    int r = probe_set_new(looks->context->settings, &set, &err);
    if (r >= 0)
        r = probe_set_check_needs(set, looks->context->settings, &err);
    FIND(looks, "probes", r >= 0, false, "", "%s",
         r >= 0 ? "every probe's credentials can be read" : error_text(&err));
}

static void look_at_files(struct looks *looks) {
    _cleanup_error_ struct error err = ERROR_NONE;
    int r = compose_verify_files(looks->context->compose, context_deadline(looks->context, CALL_TIME), &err);
    FIND(looks, "compose-files", r >= 0, false, r >= 0 ? "" : "name them with [App] File=", "%s",
         r >= 0 ? "the Compose files in force are known" : error_text(&err));
}

uint64_t checks_clone_speed(const struct state *state) {
    _cleanup_free_ char *path = state ? state_path(state, "clone-speed") : NULL, *text = NULL;
    if (!path || file_read(AT_FDCWD, path, 64, &text, NULL, NULL) < 0)
        return 0;
    return strtoull(text, NULL, 10);
}

int checks_run(struct context *context, struct finding **ret, size_t *ret_count, struct error *err) {
    _cleanup_project_ struct project *project = NULL;
    int r = context_open_compose(context, err);
    if (r >= 0)
        r = project_load(context->settings, context->engine, context->compose,
                         context_deadline(context, CALL_TIME), &project, err);
    if (r < 0)
        return r;
    struct looks looks = { context, project, ret, ret_count };
    FIND(&looks, "docker", true, false, "", "Docker %s, API %s, Compose %s",
         engine_server_version(context->engine), engine_api_version(context->engine),
         compose_version(context->compose));
    look_at_files(&looks);
    look_at_services(&looks);
    look_at_gate(&looks);
    look_at_way(&looks);
    look_at_mounts(&looks);
    apart_look(context, project, ret, ret_count);
    look_at_foreign(&looks);
    look_at_strays(&looks);
    r = look_at_database(&looks, err);
    if (r < 0)
        return r;
    look_at_fence(&looks);
    look_at_freeze(&looks);
    look_at_room(&looks);
    look_at_off_host(&looks);
    look_at_probes(&looks);
    look_at_sandbox(&looks);
    return 0;
}

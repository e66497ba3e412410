/* Names of services. See services.h. */

#include "watchdog/commands/services.h"

#include <errno.h>

#include "watchdog/base/json.h"
#include "watchdog/base/text.h"
#include "watchdog/docker/compose.h"

#define ASK_TIME (30 * USEC_PER_SEC)

static int read_services(const struct settings *settings, json_t **ret, struct error *err) {
    _cleanup_engine_ struct engine *engine = NULL;
    _cleanup_compose_ struct compose *compose = NULL;
    _cleanup_json_ json_t *config = NULL;
    usec_t deadline = deadline_in(ASK_TIME);
    int r = engine_new(NULL, deadline, &engine, err);
    if (r >= 0)
        r = compose_new(settings, engine, deadline, &compose, err);
    if (r >= 0)
        r = compose_config(compose, deadline, &config, err);
    if (r >= 0)
        *ret = json_incref(json_get_object(config, "services"));
    return r;
}

static const char *nearest_service(json_t *services, const char *name) {
    struct nearest nearest = { .wanted = name };
    const char *known;
    json_t *service;
    json_object_foreach(services, known, service) nearest_consider(&nearest, known);
    return nearest.best;
}

/* "the project has no service …" as the text of *err; 0 when it has. */
static int check_name(json_t *services, const char *name, struct error *err) {
    if (json_object_get(services, name))
        return 0;
    const char *best = nearest_service(services, name);
    return best ? error_set(err, EINVAL, "the project has no service \"%s\"; did you mean %s?", name, best)
                : error_set(err, EINVAL,
                            "the project has no service \"%s\", expected one of its Compose files", name);
}

static int check_probes(json_t *services, const struct settings *settings, struct error *err) {
    for (size_t i = 0; i < settings->probes_count; i++) {
        const struct probe_section *probe = &settings->probes[i];
        for (size_t k = 0; k < probe->keys_count; k++) {
            const struct setting_key *key = &probe->keys[k];
            if (string_equal(key->name, "Service") && check_name(services, key->value, err) < 0)
                return error_prefix(err, "%s:%u: [Probe %s] %s=", key->file, key->line, probe->name,
                                    key->name);
        }
    }
    return 0;
}

int services_check(const struct settings *settings, struct error *err) {
    const struct {
        const char *section, *key, *name;
    } named[] = {
        { "Database", "Service", settings->database.service },
        { "Watch", "Gate", settings->watch.gate },
    };
    _cleanup_json_ json_t *services = NULL;
    _cleanup_error_ struct error asking = ERROR_NONE;
    int r = read_services(settings, &services, &asking);
    if (r == -EPROTO || r == -EBADMSG) /* Compose was asked, and cannot make sense of its files */
        return settings_refuse(settings, "App", settings->application.files ? "File" : "Directory", err, "%s",
                               error_text(&asking));
    if (r < 0 || !services)
        return 0;
    for (size_t i = 0; i < ELEMENTS(named); i++)
        if (named[i].name && check_name(services, named[i].name, err) < 0)
            return settings_refuse(settings, named[i].section, named[i].key, err, "%s", error_text(err));
    return check_probes(services, settings, err);
}

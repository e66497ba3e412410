/* Containers that nobody would start again. See strays.h. */

#include "watchdog/transaction/strays.h"

#include <errno.h>
#include <string.h>

#include "watchdog/base/memory.h"

static const char consequence[] = "it would be stopped, and nobody would start it again";

bool stray_is(const struct project *project, const struct container *container) {
    if (*container->ours)
        return false;
    if (container->one_off)
        return container_runs(container);
    return !project_service(project, container->service) &&
           (container_runs(container) || !string_equal(container->policy, "no"));
}

void stray_find(const struct container *container, const json_t *everything, struct finding **findings,
                size_t *count) {
    if (container->one_off) {
        findings_add(findings, count, "orphans", false, false, "wait for its end, or stop it",
                     "the container \"%s\" of a `docker compose run` is %s: %s", container->name,
                     container->status, consequence);
        return;
    }
    const json_t *service = json_object_get(json_object_get(everything, "services"), container->service);
    const json_t *profile = json_array_get(json_object_get(service, "profiles"), 0);
    if (json_is_string(profile)) {
        _cleanup_free_ char *cure =
            xasprintf("write Profile=%s in [App], or remove it with `docker compose rm -s %s`",
                      json_string_value(profile), container->service);
        findings_add(findings, count, "orphans", false, false, cure,
                     "service \"%s\" is of the profile \"%s\", which [App] does not name, and its container "
                     "\"%s\" is %s: %s",
                     container->service, json_string_value(profile), container->name, container->status,
                     consequence);
        return;
    }
    findings_add(
        findings, count, "orphans", false, false,
        "remove it with `docker compose up -d --remove-orphans`, or name the Compose file that it is "
        "from by File= in [App]",
        "the container \"%s\" (service \"%s\") is of the project, but no service of its "
        "configuration: %s",
        container->name, container->service, consequence);
}

void strays_find(const struct project *project, struct compose *compose, usec_t deadline,
                 struct finding **findings, size_t *count) {
    _cleanup_json_ json_t *everything = NULL;
    for (size_t i = 0; i < project->containers_count; i++) {
        const struct container *container = &project->containers[i];
        if (!stray_is(project, container))
            continue;
        if (!everything && !container->one_off)
            compose_config_all(compose, deadline, &everything, NULL);
        stray_find(container, everything, findings, count);
    }
}

int strays_refuse(const struct project *project, struct compose *compose, usec_t deadline,
                  struct error *err) {
    struct finding *findings = NULL;
    size_t count = 0;
    strays_find(project, compose, deadline, &findings, &count);
    int r = count ? error_set(err, EBUSY, "%s; %s", findings[0].sentence, findings[0].cure) : 0;
    findings_free(findings, count);
    return r;
}

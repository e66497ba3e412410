/* Masking. See masking.h. */

#include "probes/masking.h"

#include <string.h>

#include "probes/placeholders.h"
#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"
#include "watchdog/config/credentials.h"

static void add_captures(const json_t *session, struct secrets *secrets) {
    const char *name;
    const json_t *value;
    json_object_foreach(json_object_get(session, "captures"), name, value)
        secrets_add(secrets, json_string_value(value));
}

/* All there are: the application may log or echo what another probe sent. Held no longer than this report:
 * what is in memory is in the memory of the next child, too. */
static void gather_secrets(const struct probe_set *set, const struct probe_view *view,
                           const struct probe_memory *memory, struct secrets *secrets) {
    for (size_t i = 0; i < set->count; i++) {
        const struct probe *probe = &set->probes[i];
        _cleanup_strings_ char **names = NULL;
        add_captures(memory->entries[i].last.session, secrets);
        if (probe->kind->placeholders)
            probe->kind->placeholders(probe, &names);
        for (size_t k = 0; names && names[k]; k++) {
            _cleanup_credential_ char *credential = NULL;
            if (credential_read(view->settings, names[k], &credential, NULL) == 0)
                secrets_add(secrets, credential);
        }
    }
}

static void mask_found(const struct secrets *secrets, json_t *found) {
    const char *name;
    json_t *value;
    void *next;
    json_object_foreach_safe(found, next, name, value) {
        const char *text = json_is_string(value) ? json_string_value(value) : "";
        _cleanup_free_ char *masked = secrets_mask(secrets, text, strlen(text));
        json_object_set_new(found, name, json_text_string(masked));
    }
}

void report_mask(const struct probe_set *set, const struct probe_view *view,
                 const struct probe_memory *memory, struct probe_report *report) {
    struct secrets secrets = { 0 };
    gather_secrets(set, view, memory, &secrets);
    add_captures(report->session, &secrets);
    if (report->sentence)
        replace_string(report->sentence, secrets_mask(&secrets, report->sentence, strlen(report->sentence)));
    if (report->evidence)
        replace_string(report->evidence, secrets_mask(&secrets, report->evidence, strlen(report->evidence)));
    mask_found(&secrets, json_object_get(report->state, "found"));
    secrets_done(&secrets);
}

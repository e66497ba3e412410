/* A transaction's changes. See changes.h. */

#include "watchdog/audit/changes.h"

#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"

#define DIGEST_SHOWN 19 /* "sha256:" and twelve digits, as Docker shortens it */

char *changes_release(const json_t *release) {
    const char *version = json_get_string(release, "version", "");
    return *version ? xstrdup(version)
                    : xstrndup(json_get_string(release, "digest", "unknown"), DIGEST_SHOWN);
}

char *changes_text(const json_t *transaction, bool classes) {
    struct buffer text = { 0 };
    size_t i;
    const json_t *service;
    json_array_foreach(json_get_array(transaction, "services"), i, service) {
        const json_t *from = json_get_object(service, "from"), *to = json_get_object(service, "to");
        const char *change = json_get_string(service, "change", "");
        if (string_equal(json_get_string(from, "digest", "a"), json_get_string(to, "digest", "b")))
            continue;
        _cleanup_free_ char *before = changes_release(from), *after = changes_release(to);
        buffer_printf(&text, "%s%s %s → %s", text.size ? ", " : "", json_get_string(service, "service", "?"),
                      before, after);
        if (classes && *change)
            buffer_printf(&text, " (%s)", change);
    }
    return buffer_take(&text);
}

char *changes_table(const json_t *lost) {
    const char *table = json_get_string(lost, "table", "?"),
               *database = json_get_string(lost, "database", NULL);
    return database ? xasprintf("%s of %s", table, database) : xstrdup(table);
}

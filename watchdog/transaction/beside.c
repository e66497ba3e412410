/* Beside the application's databases. See beside.h. */

#include "watchdog/transaction/beside.h"

#include <fcntl.h>
#include <string.h>

#include "watchdog/base/durable.h"
#include "watchdog/base/json.h"
#include "watchdog/database/beside.h"

#define LOOK_TIME (5 * USEC_PER_SEC) /* downtime */
#define FILE_LIMIT ((size_t)16 * 1024 * 1024)

static char *file_of(const struct context *context) {
    return state_transaction_path(context->state, context->record->id, "beside.json");
}

static json_t *extensions_of(struct context *context, const char *database, usec_t deadline) {
    _cleanup_connection_ PGconn *inside = NULL;
    json_t *extensions = NULL;
    if (server_connect(context->server, database, deadline, &inside, NULL) >= 0)
        extensions_read(inside, deadline, &extensions, NULL);
    return extensions;
}

static int look(struct context *context, json_t **ret) {
    const struct record *record = context->record;
    usec_t deadline = context_deadline(context, LOOK_TIME);
    int r = context_open_maintenance(context, NULL);
    if (r >= 0)
        r = beside_read(context->maintenance, deadline, ret, NULL);
    if (r < 0)
        return r;
    json_t *extensions = json_object();
    for (size_t i = 0; i < record->databases_count; i++) {
        json_t *found = extensions_of(context, record->databases[i].name, deadline);
        if (found)
            json_object_set_new(extensions, record->databases[i].name, found);
    }
    json_object_set_new(*ret, "extensions", extensions);
    return 0;
}

void beside_remember(struct context *context) {
    _cleanup_json_ json_t *beside = NULL;
    if (look(context, &beside) < 0)
        return;
    _cleanup_free_ char *text = json_text(beside), *path = file_of(context);
    durable_write(AT_FDCWD, path, text, strlen(text), 0600, NULL);
}

static void note_all(struct record *record, json_t *owned) {
    _cleanup_json_ json_t *sentences = owned;
    size_t i;
    const json_t *sentence;
    json_array_foreach(sentences, i, sentence) record_note(record, "%s", json_string_value(sentence));
}

void beside_tell(struct context *context) {
    struct record *record = context->record;
    _cleanup_free_ char *path = file_of(context), *text = NULL;
    _cleanup_json_ json_t *before = NULL, *now = NULL;
    _cleanup_strings_ char **ours = NULL;
    size_t size;
    if (file_read(AT_FDCWD, path, FILE_LIMIT, &text, &size, NULL) < 0 ||
        json_parse(text, size, path, &before, NULL) < 0 || look(context, &now) < 0)
        return;
    for (size_t i = 0; i < record->databases_count; i++) {
        const struct record_database *database = &record->databases[i];
        strings_append(&ours, database->clone);
        strings_append(&ours, database->failed);
        strings_append(&ours, database->restored);
        /* dropped or renamed: that is told elsewhere */
        strings_append(&ours, database->name);
    }
    note_all(record, beside_difference(before, now, ours));
    for (size_t i = 0; i < record->databases_count; i++) {
        const char *name = record->databases[i].name;
        const json_t *had = json_object_get(json_object_get(before, "extensions"), name),
                     *has = json_object_get(json_object_get(now, "extensions"), name);
        if (had && has)
            note_all(record, extensions_difference(had, has, name));
    }
}

/* A message and its JSON. See message.h. */

#include "watchdog/notify/message.h"

#include <errno.h>

#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"

static const char *const kinds[] = {
    [MESSAGE_NONE] = "none",
    [MESSAGE_STARTED] = "started",
    [MESSAGE_UPGRADED] = "upgraded",
    [MESSAGE_UP_TO_DATE] = "up-to-date",
    [MESSAGE_REFUSED] = "refused",
    [MESSAGE_REJECTED] = "rejected",
    [MESSAGE_ABORTED] = "aborted",
    [MESSAGE_ROLLED_BACK] = "rolled-back",
    [MESSAGE_ROLLBACK_FAILED] = "rollback-failed",
    [MESSAGE_FAILED] = "failed",
    [MESSAGE_TEST] = "test",
    NULL,
};

#define AT(member) offsetof(struct message, member)

const struct field message_fields[] = {
    { "kind", FIELD_WORD, AT(kind), .words = kinds },
    { "app", FIELD_STRING, AT(app) },
    { "key", FIELD_STRING, AT(key) },
    { "created", FIELD_TIME, AT(created) },
    { "transaction", FIELD_JSON, AT(transaction) },
    { "known_bad", FIELD_BOOLEAN, AT(known_bad) },
    { "bad", FIELD_BOOLEAN, AT(bad) },
    { "lost_unknown", FIELD_BOOLEAN, AT(lost_unknown) },
    { "open", FIELD_BOOLEAN, AT(open) },
    { "detail", FIELD_STRING, AT(detail) },
    { "sent", FIELD_STRINGS, AT(sent) },
    { "attempts", FIELD_INTEGER, AT(attempts) },
    { "retry", FIELD_TIME, AT(retry) },
    { 0 },
};

const char *message_kind_name(enum message_kind kind) {
    return kinds[kind];
}

enum message_kind message_kind_by_name(const char *name) {
    for (enum message_kind kind = MESSAGE_NONE + 1; kinds[kind]; kind++)
        if (string_equal(kinds[kind], name))
            return kind;
    return MESSAGE_NONE;
}

struct message *message_new(const char *app, enum message_kind kind, const char *id) {
    struct message *message = xcalloc(1, sizeof(*message));
    message->kind = (int)kind;
    message->app = xstrdup(app);
    message->key = xasprintf("%s-%s", id, kinds[kind]);
    message->created = clock_realtime();
    return message;
}

void message_free(struct message *message) {
    if (message)
        codec_free(message_fields, message);
    free(message);
}

void cleanup_message(struct message **message) {
    message_free(*message);
}

usec_t message_pause(int64_t attempts) {
    usec_t pause = USEC_PER_MINUTE;
    for (int64_t i = 1; i < attempts && pause < USEC_PER_HOUR; i++)
        pause *= 2;
    return pause < USEC_PER_HOUR ? pause : USEC_PER_HOUR;
}

bool message_due(const struct message *message, usec_t now) {
    return message->retry <= now || message->retry - now > USEC_PER_HOUR;
}

json_t *message_encode(const struct message *message) {
    return codec_encode(message_fields, message);
}

int message_decode(const json_t *json, const char *place, struct message **ret, struct error *err) {
    _cleanup_message_ struct message *message = xcalloc(1, sizeof(*message));
    int r = codec_decode(message_fields, json, place, message, err);
    if (r < 0)
        return r;
    if (!message->kind || !message->app || !message->key)
        return error_set(err, EBADMSG, "%s: expected a message with kind, app and key", place);
    *ret = take_ptr(message);
    return 0;
}

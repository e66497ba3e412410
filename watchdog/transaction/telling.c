/* Messages about a transaction. See telling.h. */

#include "watchdog/transaction/telling.h"

#include "watchdog/base/memory.h"
#include "watchdog/notify/spool.h"

static int put(const struct state *state, const struct record *record, enum message_kind kind,
               struct error *err) {
    _cleanup_message_ struct message *message = message_new(record->app, kind, record->id);
    message->transaction = record_public(record);
    message->bad = record->bad;
    message->known_bad = record->known_bad;
    message->lost_unknown = record->lost_unknown;
    message->open = kind == MESSAGE_ROLLBACK_FAILED;
    return spool_put(state->directory, message, err);
}

int telling_start(const struct state *state, const struct record *record, struct error *err) {
    return record->kind == KIND_UPGRADE ? put(state, record, MESSAGE_STARTED, err) : 0;
}

int telling_end(const struct state *state, const struct record *record, struct error *err) {
    enum message_kind kind = message_kind_by_name(outcome_name((enum outcome)record->outcome));
    return kind == MESSAGE_NONE || record->kind == KIND_SNAPSHOT ? 0 : put(state, record, kind, err);
}

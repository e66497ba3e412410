/* Whether somebody is told. See occasion.h. */

#include "watchdog/notify/occasion.h"

#include <string.h>

#include "watchdog/base/digest.h"
#include "watchdog/base/json.h"

/* Ids begin with their time. A message that could not be sent is looked at again when newer ones are closed.
 */
static bool is_before(const json_t *one, const json_t *two) {
    return strcmp(json_get_string(one, "id", ""), json_get_string(two, "id", "")) < 0;
}

/* Up to and with this one. */
static unsigned refusals_in_a_row(const struct message *message, const json_t *history) {
    unsigned count = 1;
    size_t i;
    const json_t *earlier;
    json_array_foreach(history, i, earlier) {
        if (!is_before(earlier, message->transaction) || json_get_boolean(earlier, "known_bad", 0) ||
            !string_equal(json_get_string(earlier, "kind", "upgrade"), "upgrade"))
            continue;
        if (!string_equal(json_get_string(earlier, "outcome", ""), "refused"))
            break;
        count++;
    }
    return count;
}

static bool is_by_hand(const struct message *message) {
    return !string_equal(json_get_string(message->transaction, "kind", "upgrade"), "upgrade");
}

const char *occasion_word(const struct message *message, const json_t *history) {
    switch ((enum message_kind)message->kind) {
    case MESSAGE_REFUSED:
        return !message->known_bad && refusals_in_a_row(message, history) == OCCASION_REFUSALS
                   ? "refused-again"
                   : "refused";
    case MESSAGE_UPGRADED:
    case MESSAGE_UP_TO_DATE:
    case MESSAGE_REJECTED:
    case MESSAGE_ABORTED:
    case MESSAGE_ROLLED_BACK:
        return is_by_hand(message) ? NULL : message_kind_name((enum message_kind)message->kind);
    case MESSAGE_ROLLBACK_FAILED:
    case MESSAGE_FAILED:
    case MESSAGE_TEST:
        return message_kind_name((enum message_kind)message->kind);
    case MESSAGE_NONE:
    case MESSAGE_STARTED:
        break;
    }
    return NULL;
}

char *occasion_once(const struct message *message) {
    _cleanup_buffer_ struct buffer digests = { 0 };
    char digest[DIGEST_TEXT_SIZE];
    size_t i;
    const json_t *service;
    if (message->kind != MESSAGE_REJECTED)
        return NULL;
    json_array_foreach(json_get_array(message->transaction, "services"), i, service)
        buffer_printf(&digests, "%s=%s\n", json_get_string(service, "service", ""),
                      json_get_string(json_get_object(service, "to"), "digest", ""));
    digest_memory(digests.text ? digests.text : "", digests.size, digest);
    return xasprintf("rejected-%s", digest);
}

bool occasion_wanted(const struct settings *settings, const struct message *message, const json_t *history) {
    const char *word = occasion_word(message, history), *at = settings->notify.on;
    if (message->kind == MESSAGE_TEST)
        return true;
    while (word && at && *at) {
        size_t size = strcspn(at, " ");
        if (strlen(word) == size && strncmp(word, at, size) == 0)
            return true;
        /* Whoever wants each refusal wants the third one too. */
        if (string_equal(word, "refused-again") && size == strlen("refused") &&
            strncmp(at, "refused", size) == 0)
            return true;
        at += size + (at[size] == ' ');
    }
    return false;
}

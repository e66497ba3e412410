/* What a message says. See wording.h. */

#include "watchdog/notify/wording.h"

#include <string.h>

#include "watchdog/audit/changes.h"
#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"
#include "watchdog/base/text.h"

#define SUBJECT_LIMIT 160 /* bytes of the reason in the subject */
#define TABLES_SHOWN 8

/* One kind of message. "%s" of a headline is the application; of a state, a deed and a command too. */
struct words {
    const char *urgency;
    const char *headline;
    const char *state;   /* in which state everything is now */
    const char *deed;    /* what is to be done */
    const char *command; /* the one that tells more; of a transaction it gets the id behind it */
    bool of_transaction;
};

static const struct words words_of[] = {
    [MESSAGE_UPGRADED] = { "info", "%s was upgraded",
                           "The new release is up and has passed its probes through the whole window.",
                           "Nothing.", "upgrade-watchdog report %s", true },
    [MESSAGE_UP_TO_DATE] = { "info", "%s is up to date", "Nothing was touched.", "Nothing.",
                             "upgrade-watchdog status %s", false },
    [MESSAGE_REFUSED] = { "warning", "%s could not be upgraded",
                          "The old release goes on serving; nothing was touched.",
                          "By day, see what stands in the way, and cure it. It is tried again the next "
                          "night.",
                          "upgrade-watchdog check %s", false },
    [MESSAGE_REJECTED] = { "warning", "A new release of %s was rejected",
                           "The old release goes on serving; nothing was touched.",
                           "Nothing tonight. This release is not tried again by itself.",
                           "upgrade-watchdog report %s", true },
    [MESSAGE_ABORTED] = { "warning", "The upgrade of %s was broken off",
                          "The old release runs, on the database and the files that it had.",
                          "Nothing tonight. It is tried again the next night.", "upgrade-watchdog report %s",
                          true },
    [MESSAGE_ROLLED_BACK] = { "warning", "%s was rolled back",
                              "The old release is up again and passes its probes, with database and files as "
                              "they were "
                              "at the moment it was stopped. It is pinned.",
                              "Nothing tonight. The next run tries this release again.",
                              "upgrade-watchdog report %s", true },
    [MESSAGE_ROLLBACK_FAILED] = { "urgent", "%s needs a person: its rollback is incomplete",
                                  "Nothing was thrown away. The application may be down: what could not be "
                                  "put back is "
                                  "stopped and fenced, and everything is kept as it is.",
                                  "Now: the command below says in which state things are and what finishes "
                                  "it. When the "
                                  "cause is gone, `upgrade-watchdog recover %s` goes on.",
                                  "upgrade-watchdog status %s", false },
    [MESSAGE_FAILED] = { "urgent", "The upgrades of %s need a person",
                         "No transaction is open: the application runs as it did.",
                         "By day, see what is wrong: no upgrade is made until it is cured.",
                         "journalctl -eu upgrade-watchdog@%s.service", false },
    [MESSAGE_TEST] = { "info", "A test message about %s", "Nothing has happened.",
                       "Nothing: messages from this host arrive.", "upgrade-watchdog status %s", false },
};

static char *put_in(const char *text, const char *app) {
    const char *at = strstr(text, "%s");
    return at ? xasprintf("%.*s%s%s", (int)(at - text), text, app, at + 2) : xstrdup(text);
}

/* Cut at a character, not in one. */
static char *shortened(const char *text, size_t limit) {
    size_t size = strlen(text);
    if (size <= limit)
        return xstrdup(text);
    for (size = limit; size > 0 && ((unsigned char)text[size] & 0xC0) == 0x80;)
        size--;
    return xasprintf("%.*s…", (int)size, text);
}

static void line(struct buffer *text, const char *name, const char *value) {
    _cleanup_free_ char *harmless = text_harmless(value ? value : "", 0);
    if (*harmless)
        buffer_printf(text, "%s%s\n", name, harmless);
}

static char *where_kept(const json_t *quarantine) {
    const json_t *databases = json_get_array(quarantine, "databases"), *name;
    struct buffer text = { 0 };
    size_t i;
    if (json_array_size(databases) < 2)
        return xasprintf("database \"%s\"", json_get_string(quarantine, "database", "of the failed release"));
    json_array_foreach(databases, i, name) buffer_printf(
        &text, "%s\"%s\"", i ? ", " : "databases ", json_is_string(name) ? json_string_value(name) : "?");
    return buffer_take(&text);
}

static void add_lost(struct buffer *text, const struct message *message) {
    const json_t *lost = json_get_array(message->transaction, "lost"), *table;
    _cleanup_buffer_ struct buffer list = { 0 };
    size_t i;
    if (message->kind != MESSAGE_ROLLED_BACK && message->kind != MESSAGE_ROLLBACK_FAILED)
        return;
    json_array_foreach(lost, i, table) {
        _cleanup_free_ char *name = changes_table(table);
        if (i < TABLES_SHOWN)
            buffer_printf(&list, "%s%s (%lld added, %lld changed, %lld deleted)", i ? ", " : "", name,
                          (long long)json_get_integer(table, "added", 0),
                          (long long)json_get_integer(table, "changed", 0),
                          (long long)json_get_integer(table, "deleted", 0));
    }
    if (i > TABLES_SHOWN)
        buffer_printf(&list, " and %zu other tables", i - TABLES_SHOWN);
    if (list.size) {
        _cleanup_free_ char *where = where_kept(json_get_object(message->transaction, "quarantine"));
        _cleanup_free_ char *said = xasprintf("%s. The rows are kept in the %s.", list.text, where);
        line(text, "Lost:     ", said);
    } else {
        line(text, "Lost:     ",
             message->lost_unknown
                 ? "What was written since the switch could not be counted; it is kept in quarantine."
                 : "Nothing that was written.");
    }
}

static const char *state_of(const struct message *message, const struct words *words) {
    if (message->kind == MESSAGE_FAILED && message->open)
        return "A transaction is open and nobody works on it: the application may be down. Recovery is tried "
               "again by itself "
               "every few minutes.";
    return words->state;
}

static const char *deed_of(const struct message *message, const struct words *words) {
    if (message->kind == MESSAGE_ROLLED_BACK && message->bad)
        return "Nothing tonight. This release is not tried again by itself.";
    if (message->kind == MESSAGE_FAILED && message->open)
        return "Now: `upgrade-watchdog status %s` says how things are, `upgrade-watchdog recover %s` "
               "finishes what is open.";
    return words->deed;
}

static char *text_of(const struct message *message, const struct words *words, const char *host,
                     const char *change, const char *reason, const char *command) {
    struct buffer text = { 0 };
    char when[TIMESTAMP_SIZE];
    const json_t *seconds = json_get_object(message->transaction, "seconds");
    double downtime = json_number_value(json_object_get(seconds, "downtime"));
    _cleanup_free_ char *once = put_in(deed_of(message, words), message->app),
                        *deed = put_in(once, message->app);
    _cleanup_free_ char *at = xasprintf("%s, %s", host, timestamp_format(when, message->created));
    line(&text, "What:     ", reason);
    line(&text, "Release:  ", change);
    line(&text, "State:    ", state_of(message, words));
    add_lost(&text, message);
    if (downtime > 0) {
        char took[DURATION_SIZE];
        _cleanup_free_ char *down =
            xasprintf("for %s", duration_format(took, (usec_t)(downtime * (double)USEC_PER_SEC + 0.5)));
        line(&text, "Down:     ", down);
    }
    line(&text, "To do:    ", deed);
    line(&text, "See:      ", command);
    line(&text, "Host:     ", at);
    return buffer_take(&text);
}

static json_t *text_or_null(const char *text) {
    return text && *text ? json_text_string(text) : json_null();
}

static void copy(json_t *to, const json_t *transaction, const char *name, const char *from) {
    json_object_set_new(to, name, text_or_null(json_get_string(transaction, from, NULL)));
}

json_t *wording(const struct message *message, const char *host) {
    static const struct words none = { "info", "%s", "", "", "upgrade-watchdog status %s", false };
    const struct words *words = (size_t)message->kind < ELEMENTS(words_of) && words_of[message->kind].headline
                                    ? &words_of[message->kind]
                                    : &none;
    const json_t *transaction = message->transaction;
    const char *id = json_get_string(transaction, "id", NULL);
    const char *reason = message->detail ? message->detail : json_get_string(transaction, "reason", "");
    char when[TIMESTAMP_SIZE];
    _cleanup_free_ char *headline = put_in(words->headline, message->app),
                        *change = changes_text(transaction, false);
    _cleanup_free_ char *bare = put_in(words->command, message->app);
    _cleanup_free_ char *command = xasprintf("%s%s%s", bare, words->of_transaction && id ? " " : "",
                                             words->of_transaction && id ? id : "");
    _cleanup_free_ char *brief = shortened(reason, SUBJECT_LIMIT), *harmless = text_harmless(brief, 0);
    _cleanup_free_ char *subject = xasprintf("%s%s%s", headline, *harmless ? ": " : "", harmless);
    _cleanup_free_ char *text = text_of(message, words, host, change, reason, command);
    json_t *json = json_object();
    json_object_set_new(json, "app", json_text_string(message->app));
    json_object_set_new(json, "host", json_text_string(host));
    json_object_set_new(json, "kind", json_string(message_kind_name((enum message_kind)message->kind)));
    json_object_set_new(json, "urgency", json_string(words->urgency));
    json_object_set_new(json, "created", json_string(timestamp_format(when, message->created)));
    json_object_set_new(json, "subject", json_text_string(subject));
    json_object_set_new(json, "text", json_text_string(text));
    json_object_set_new(json, "command", json_text_string(command));
    copy(json, transaction, "id", "id");
    copy(json, transaction, "outcome", "outcome");
    copy(json, transaction, "phase", "phase");
    json_object_set_new(json, "reason", text_or_null(reason));
    copy(json, transaction, "failed_probe", "failed_probe");
    json_object_set_new(json, "change", text_or_null(change));
    json_object_set_new(json, "transaction", transaction ? json_incref(message->transaction) : json_null());
    return json;
}

/* Empties the spool. See send.h. */

#include "watchdog/notify/send.h"

#include <errno.h>
#include <string.h>
#include <sys/utsname.h>

#include "watchdog/audit/history.h"
#include "watchdog/audit/journal.h"
#include "watchdog/base/json.h"
#include "watchdog/notify/delivery.h"
#include "watchdog/notify/occasion.h"
#include "watchdog/notify/spool.h"

#define ATTEMPTS_LEAST 10
#define HISTORY_LIMIT 60 /* closed transactions that a row of refusals is looked for in */

void send_result_done(struct send_result *result) {
    strings_free(result->failures);
    *result = (struct send_result){ 0 };
}

char *send_host(void) {
    struct utsname name;
    return xstrdup(uname(&name) == 0 ? name.nodename : "?");
}

struct sender {
    const char *state_directory;
    const struct settings *settings;
    char *directory, *host;
    struct channel *channels;
    size_t channels_count;
    usec_t deadline;
    struct send_result *result;
};

static struct journal journal_of(const struct message *message) {
    return (struct journal){ message->app, json_get_string(message->transaction, "id", NULL), NULL, NULL };
}

static void tell_failure(struct sender *sender, const struct message *message, const char *channel,
                         const struct error *why) {
    struct journal journal = journal_of(message);
    strings_appendf(&sender->result->failures, "%s: %s", channel, error_text(why));
    journal_send(&journal, EVENT_NOT_TOLD, NULL, "the message \"%s\" could not be sent by %s: %s",
                 message_kind_name((enum message_kind)message->kind), channel, error_text(why));
}

/* Is it for this channel, and does it not have it yet? */
static bool is_for(const struct message *message, const struct channel *channel, bool wanted) {
    return (wanted || channel->kind == CHANNEL_PING) && !strings_contain(message->sent, channel->name);
}

/* 1: every channel that is to have it has it; 0: it waits for another time. */
static int try_channels(struct sender *sender, struct message *message, bool wanted, struct error *err) {
    bool all = true;
    int unwritten = 0;
    for (size_t i = 0; i < sender->channels_count; i++) {
        const struct channel *channel = &sender->channels[i];
        _cleanup_error_ struct error why = ERROR_NONE;
        if (!is_for(message, channel, wanted))
            continue;
        if (deadline_left(sender->deadline) == 0) {
            all = false;
            continue;
        }
        if (deliver(sender->settings, channel, message, sender->host, &why) < 0) {
            all = false;
            tell_failure(sender, message, channel->name, &why);
            continue;
        }
        strings_append(&message->sent, channel->name);
        int r = spool_put(sender->directory, message, err);
        unwritten = r < 0 ? r : unwritten; /* on a full disk, the others are told all the same */
    }
    return unwritten < 0 ? unwritten : all;
}

static int finish(struct sender *sender, const struct message *message, bool wanted, struct error *err) {
    _cleanup_free_ char *once = occasion_once(message);
    struct journal journal = journal_of(message);
    int r = once && wanted ? spool_remember(sender->directory, once, err) : 0;
    if (r >= 0)
        r = spool_remove(sender->directory, message, true, err);
    if (r >= 0 && wanted && message->sent) {
        _cleanup_free_ char *channels = strings_join(message->sent, ", ");
        journal_send(&journal, EVENT_TOLD, NULL, "the message \"%s\" was sent by %s",
                     message_kind_name((enum message_kind)message->kind), channels);
    }
    sender->result->sent += r >= 0 && message->sent;
    return r < 0 ? r : 0;
}

/* Before it is tried: whatever dies in between, it is not tried again at once, and again. */
static int note_attempt(struct sender *sender, struct message *message, struct error *err) {
    message->attempts++;
    message->retry = clock_realtime() + message_pause(message->attempts);
    return spool_put(sender->directory, message, err);
}

/* Later, or never: a beginning that is told after its end would look like another one. */
static int put_off(struct sender *sender, const struct message *message, struct error *err) {
    usec_t now = clock_realtime();
    struct journal journal = journal_of(message);
    if (message->kind == MESSAGE_STARTED)
        return spool_remove(sender->directory, message, false, err);
    /* attempts too: a clock that was set has not waited */
    if (now > message->created && now - message->created > SEND_GIVEN_UP_AFTER &&
        message->attempts > ATTEMPTS_LEAST) {
        journal_send(&journal, EVENT_NOT_TOLD, NULL, "the message \"%s\" is given up after three days",
                     message_kind_name((enum message_kind)message->kind));
        return spool_remove(sender->directory, message, false, err);
    }
    sender->result->waiting++;
    return 0;
}

static bool was_told(const struct sender *sender, const struct message *message) {
    _cleanup_free_ char *once = occasion_once(message);
    return spool_told(sender->directory, message->key) || (once && spool_told(sender->directory, once));
}

static int send_one(struct sender *sender, struct message *message, struct error *err) {
    _cleanup_strings_ char **warnings = NULL;
    _cleanup_json_ json_t *history = NULL;
    int r = history_read(sender->state_directory, message->app, HISTORY_LIMIT, &history, &warnings, err);
    if (r < 0)
        return r;
    bool wanted = occasion_wanted(sender->settings, message, history) && !was_told(sender, message);
    _cleanup_error_ struct error full = ERROR_NONE;
    (void)note_attempt(sender, message, &full); /* somebody is told on a full disk, too */
    r = try_channels(sender, message, wanted, err);
    if (r < 0) /* who has it cannot be written down: it goes, which needs no room, rather than be told all
                  night */
        return spool_remove(sender->directory, message, false, NULL) < 0 ? r : 0;
    r = r > 0 ? finish(sender, message, wanted, err) : put_off(sender, message, err);
    return r < 0 ? r : 0;
}

/* One look at the spool. *ret_any: there was something due. */
static int pass(struct sender *sender, bool now, bool *ret_any, struct error *err) {
    _cleanup_strings_ char **warnings = NULL;
    struct message **messages;
    size_t count;
    *ret_any = false;
    int r = spool_read(sender->directory, &messages, &count, &warnings, err);
    if (r < 0)
        return r;
    for (char **warning = warnings; warning && *warning; warning++)
        strings_append(&sender->result->failures, *warning);
    /* one that cannot be put away (a read-only disk) stands in no other's way */
    for (size_t i = 0; i < count && deadline_left(sender->deadline) > 0; i++)
        if (now || message_due(messages[i], clock_realtime())) {
            *ret_any = true;
            int sent = send_one(sender, messages[i], r < 0 ? NULL : err);
            r = r < 0 ? r : sent;
        }
    messages_free(messages, count);
    return r;
}

int send_spool(const char *state_directory, const struct settings *settings, bool now, usec_t deadline,
               struct send_result *ret, struct error *err) {
    struct sender sender = {
        .state_directory = state_directory, .settings = settings, .deadline = deadline, .result = ret
    };
    bool any = true;
    sender.directory = xasprintf("%s/%s", state_directory, settings->app);
    _cleanup_free_ char *directory = sender.directory;
    _cleanup_close_ int lock = -1;
    int r = spool_lock(directory, &lock, err);
    if (r < 0)
        return r;
    sender.host = send_host();
    channels_of(settings, &sender.channels, &sender.channels_count);
    /* what came meanwhile is found by another look */
    while (r >= 0 && any && deadline_left(deadline) > 0)
        r = pass(&sender, now, &any, err), now = false;
    channels_free(sender.channels, sender.channels_count);
    free(sender.host);
    return r;
}

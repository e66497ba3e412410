/* One message by one way. See delivery.h. */

#include "watchdog/notify/delivery.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "probes/jq.h"
#include "probes/placeholders.h"
#include "watchdog/base/aside.h"
#include "watchdog/base/durable.h"
#include "watchdog/base/json.h"
#include "watchdog/config/credentials.h"
#include "watchdog/notify/mail.h"
#include "watchdog/notify/post.h"
#include "watchdog/notify/program.h"
#include "watchdog/notify/wording.h"

#define CHILD_MEMORY ((size_t)1024 * 1024 * 1024)
#define REASON_LIMIT ((size_t)4096)
#define FAILED 1                 /* exit status of the child */
#define GRACE (5 * USEC_PER_SEC) /* for the child to say that its time is over */

static void cleanup_secrets(struct secrets *secrets) {
    secrets_done(secrets);
}
#define _cleanup_secrets_ __attribute__((cleanup(cleanup_secrets)))

#define _cleanup_credentials_ __attribute__((cleanup(credentials_done)))

/* Those that the way names. */
static struct credentials credentials_of(const struct settings *settings, const struct channel *channel) {
    struct credentials credentials = { 0 };
    _cleanup_strings_ char **names = NULL;
    placeholders_names(channel->value, &names);
    for (char **header = settings->notify.headers; header && *header; header++)
        placeholders_names(*header, &names);
    for (char **name = names; name && *name; name++)
        credentials_add(&credentials, settings, *name);
    return credentials;
}

static void wipe_strings(char ***list) {
    for (char **text = *list; text && *text; text++)
        explicit_bzero(*text, strlen(*text));
    strings_free(*list);
}

/* A credential that stands for the whole address is put in as it is, one inside of it percent-encoded. */
static int fill_address(struct secrets *secrets, const char *address, char **ret, struct error *err) {
    const char *end = strchr(address, '}');
    bool whole = string_starts_with(address, "%{") && end;
    _cleanup_free_ char *head = whole ? xstrndup(address, (size_t)(end + 1 - address)) : NULL, *first = NULL,
                        *rest = NULL;
    int r = whole ? placeholders_fill(secrets, head, PLACE_TEXT, &first, err) : 0;
    if (r >= 0)
        r = placeholders_fill(secrets, whole ? end + 1 : address, PLACE_URL, &rest, err);
    if (r >= 0)
        *ret = xasprintf("%s%s", first ? first : "", rest);
    return r;
}

/* Of ntfy's address the last part of the path is the topic: it goes into the body. */
static void split_topic(char *url, json_t *said) {
    char *query = url + strcspn(url, "?#"), *slash = NULL;
    char *host = strstr(url, "://");
    for (char *at = query; host && at > host + 3; at--)
        if (at[-1] == '/') {
            slash = at - 1;
            break;
        }
    if (!slash)
        return;
    _cleanup_free_ char *topic = xstrndup(slash + 1, (size_t)(query - slash - 1));
    json_object_set_new(said, "topic", json_text_string(topic));
    memmove(slash + 1, query, strlen(query) + 1);
}

static int make_body(const char *program, const json_t *said, char **ret, struct error *err) {
    _cleanup_json_ json_t *values = NULL;
    if (!program) {
        *ret = json_text(said);
        return 0;
    }
    int r = jq_run(NULL, program, said, NULL, &values, err);
    if (r < 0)
        return error_prefix(err, "the jq program of the body");
    if (json_array_size(values) != 1)
        return error_set(err, EINVAL, "the jq program of the body gave %zu values, expected one",
                         json_array_size(values));
    *ret = json_dumps(json_array_get(values, 0), JSON_COMPACT | JSON_ENCODE_ANY);
    return 0;
}

/* https://healthchecks.io/docs/http_api/: the address itself is a success, /start and /fail stand behind it.
 */
static const char *ping_suffix(const struct message *message) {
    switch ((enum message_kind)message->kind) {
    case MESSAGE_STARTED:
        return "/start";
    case MESSAGE_UPGRADED:
    case MESSAGE_UP_TO_DATE:
    case MESSAGE_REFUSED: /* the watchdog lives, and so does the application */
    case MESSAGE_REJECTED:
    case MESSAGE_TEST:
        return "";
    case MESSAGE_ABORTED:
    case MESSAGE_ROLLED_BACK:
    case MESSAGE_ROLLBACK_FAILED:
    case MESSAGE_FAILED:
        return "/fail";
    case MESSAGE_NONE:
        break;
    }
    return NULL;
}

static int fill_headers(struct secrets *secrets, char *const *headers, char ***ret, struct error *err) {
    int r = 0;
    for (char *const *header = headers; r >= 0 && header && *header; header++) {
        _cleanup_free_ char *filled = NULL;
        r = placeholders_fill(secrets, *header, PLACE_HEADER, &filled, err);
        if (r >= 0)
            strings_append(ret, filled);
        if (filled)
            explicit_bzero(filled, strlen(filled));
    }
    return r;
}

int delivery_request(const struct settings *settings, const struct channel *channel,
                     const struct message *message, const char *host, char **ret_url, char ***ret_headers,
                     char **ret_body, struct error *err) {
    _cleanup_credentials_ struct credentials credentials = credentials_of(settings, channel);
    _cleanup_secrets_ struct secrets secrets = { .credentials = &credentials };
    _cleanup_json_ json_t *said = wording(message, host);
    _cleanup_free_ char *url = NULL, *body = NULL;
    __attribute__((cleanup(wipe_strings))) char **headers = NULL;
    int r = fill_address(&secrets, channel->value, &url, err);
    if (r < 0)
        return r;
    if (channel->kind == CHANNEL_PING) {
        size_t path = strcspn(url, "?#");
        *ret_url = xasprintf("%.*s%s%s", (int)path, url, ping_suffix(message), url + path);
        return 0;
    }
    if (channel->format && channel->format->topic)
        split_topic(url, said);
    r = make_body(channel->format ? channel->format->program : settings->notify.body, said, &body, err);
    if (r >= 0)
        r = fill_headers(&secrets, settings->notify.headers, &headers, err);
    if (r < 0)
        return r;
    *ret_url = take_ptr(url);
    *ret_headers = take_ptr(headers);
    *ret_body = take_ptr(body);
    return 0;
}

static int deliver_now(const struct settings *settings, const struct channel *channel,
                       const struct message *message, const char *host, usec_t deadline, struct error *err) {
    _cleanup_json_ json_t *said = wording(message, host);
    if (channel->kind == CHANNEL_MAIL)
        return mail_send(said, channel->value, message->created, deadline, err);
    if (channel->kind == CHANNEL_COMMAND)
        return program_tell(channel->value, said, deadline, err);
    _cleanup_free_ char *url = NULL, *body = NULL;
    __attribute__((cleanup(wipe_strings))) char **headers = NULL;
    int r = delivery_request(settings, channel, message, host, &url, &headers, &body, err);
    return r < 0 ? r : post(url, headers, body, deadline, err);
}

struct attempt {
    const struct settings *settings;
    const struct channel *channel;
    const struct message *message;
    const char *host;
    usec_t deadline;
};

static int try_it(int fd, void *userdata) {
    const struct attempt *attempt = userdata;
    _cleanup_error_ struct error err = ERROR_NONE;
    /* what is a bound for jq is too little address space for some languages' runtimes */
    if (attempt->channel->kind != CHANNEL_COMMAND)
        aside_bound_memory(CHILD_MEMORY);
    close_range(3, ~0U, CLOSE_RANGE_CLOEXEC); /* no program gets what this process has open */
    int r = deliver_now(attempt->settings, attempt->channel, attempt->message, attempt->host,
                        attempt->deadline, &err);
    if (r < 0)
        write_all(fd, error_text(&err), strnlen(error_text(&err), REASON_LIMIT));
    return r < 0 ? FAILED : 0;
}

int deliver(const struct settings *settings, const struct channel *channel, const struct message *message,
            const char *host, struct error *err) {
    struct attempt attempt = { settings, channel, message, host, deadline_in(DELIVERY_TIME) };
    _cleanup_buffer_ struct buffer reason = { 0 };
    struct aside aside;
    if (channel->kind == CHANNEL_PING ? !ping_suffix(message) : message->kind == MESSAGE_STARTED)
        return 0;
    int r = aside_start(try_it, &attempt, &aside, err);
    if (r < 0)
        return r;
    r = aside_finish(&aside, attempt.deadline + GRACE, REASON_LIMIT + 1, &reason, err);
    if (r > 0)
        return error_set(err, EIO, "%s", reason.text ? reason.text : "it failed");
    return r;
}

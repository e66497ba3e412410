/* The ways of [Notify]. See channels.h. */

#include "watchdog/notify/channels.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "probes/command.h"
#include "probes/jq.h"
#include "probes/placeholders.h"
#include "watchdog/config/value.h"

/* "https://hooks.example.org/…": who holds such an address can write there. */
static char *without_path(const char *address) {
    const char *host = strstr(address, "://"), *path = host ? strpbrk(host + 3, "/?#") : NULL;
    const char *user = host ? strchr(host + 3, '@') : NULL;
    if (!host || (user && (!path || user < path)))
        return xstrdup(address[0] == '%' ? address : "…");
    return path && path[1] ? xasprintf("%.*s/…", (int)(path - address), address) : xstrdup(address);
}

static char *shown(const char *address) {
    return string_starts_with(address, "%{") ? xstrdup(address) : without_path(address);
}

static void add(struct channel **list, size_t *count, enum channel_kind kind, const char *key,
                const char *value) {
    struct channel channel = { .kind = kind, .value = value };
    const char *blank = strchr(value, ' ');
    if (kind == CHANNEL_URL && blank) {
        _cleanup_free_ char *name = xstrndup(value, (size_t)(blank - value));
        channel.format = format_find(name);
        channel.value = blank + strspn(blank, " ");
    }
    _cleanup_free_ char *told =
        kind == CHANNEL_URL || kind == CHANNEL_PING ? shown(channel.value) : xstrdup(value);
    channel.name = xasprintf("%s=%s%s%s", key, channel.format ? channel.format->name : "",
                             channel.format ? " " : "", told);
    /* two hooks of one service are two ways: who has the message by the one does not have it by the other */
    size_t same = 1;
    for (size_t i = 0; i < *count; i++)
        same += string_starts_with((*list)[i].name, channel.name);
    if (same > 1)
        replace_string(channel.name, xasprintf("%s (%zu)", channel.name, same));
    *list = xrealloc(*list, *count + 1, sizeof(channel));
    (*list)[(*count)++] = channel;
}

void channels_of(const struct settings *settings, struct channel **ret, size_t *ret_count) {
    const struct {
        enum channel_kind kind;
        const char *key;
        char **values;
    } lists[] = {
        { CHANNEL_URL, "Url", settings->notify.urls },
        { CHANNEL_MAIL, "Mail", settings->notify.mails },
        { CHANNEL_COMMAND, "Command", settings->notify.commands },
    };
    *ret = NULL;
    *ret_count = 0;
    for (size_t i = 0; i < ELEMENTS(lists); i++)
        for (char **value = lists[i].values; value && *value; value++)
            add(ret, ret_count, lists[i].kind, lists[i].key, *value);
    if (settings->notify.ping)
        add(ret, ret_count, CHANNEL_PING, "Ping", settings->notify.ping);
}

void channels_free(struct channel *channels, size_t count) {
    for (size_t i = 0; i < count; i++)
        free(channels[i].name);
    free(channels);
}

bool channels_any(const struct settings *settings) {
    return settings->notify.urls || settings->notify.mails || settings->notify.commands ||
           settings->notify.ping;
}

static int refuse(const struct settings *settings, const char *key, struct error *err) {
    return settings_refuse(settings, "Notify", key, err, "%s", error_text(err));
}

/* One that is a credential as a whole can be looked at only when it is used. */
static int check_address(const char *address, struct error *err) {
    int r = placeholders_check(address, err);
    if (r < 0 || string_starts_with(address, "%{"))
        return r;
    if (string_starts_with(address, "http://") || string_starts_with(address, "https://"))
        return 0;
    return error_set(
        err, EINVAL,
        "\"%s\" is not an address, expected https://HOST/PATH or \"%%{NAME}\" of a credential that holds one",
        address);
}

static int check_url(const char *value, struct error *err) {
    const char *blank = strchr(value, ' ');
    _cleanup_free_ char *name = xstrndup(value, strcspn(value, " "));
    if (!blank)
        return check_address(value, err);
    if (!format_find(name))
        return error_set(err, EINVAL, "\"%s\" is no known format, expected ntfy, slack, discord or gotify",
                         name);
    return check_address(blank + strspn(blank, " "), err);
}

static int check_header(const char *value, struct error *err) {
    size_t name = strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");
    if (name == 0 || value[name] != ':')
        return error_set(err, EINVAL, "\"%s\" is no header, expected \"Name: value\"", value);
    return placeholders_check(value, err);
}

static int check_command(const char *value, struct error *err) {
    _cleanup_strings_ char **argv = NULL;
    int r = key_command(value, &argv, err);
    if (r >= 0 && access(argv[0], X_OK) < 0)
        r = error_errno(err, errno, "cannot run \"%s\"", argv[0]);
    return r;
}

static int check_list(const struct settings *settings, const char *key, char **values,
                      int (*check)(const char *value, struct error *err), struct error *err) {
    for (char **value = values; value && *value; value++)
        if (check(*value, err) < 0)
            return refuse(settings, key, err);
    return 0;
}

int channels_check(const struct settings *settings, struct error *err) {
    int r = check_list(settings, "Url", settings->notify.urls, check_url, err);
    if (r >= 0)
        r = check_list(settings, "Header", settings->notify.headers, check_header, err);
    if (r >= 0)
        r = check_list(settings, "Command", settings->notify.commands, check_command, err);
    if (r >= 0 && settings->notify.ping && check_address(settings->notify.ping, err) < 0)
        r = refuse(settings, "Ping", err);
    if (r >= 0 && settings->notify.body && jq_check(settings->notify.body, err) < 0)
        r = refuse(settings, "Body", err);
    /* a token for one is not sent to another */
    if (r >= 0 && settings->notify.headers && strings_count(settings->notify.urls) != 1)
        r = settings_refuse(
            settings, "Notify", "Header", err,
            "expected one Url= beside it: which of several gets it cannot be said; put tokens into the "
            "addresses");
    return r;
}

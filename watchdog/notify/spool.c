/* Messages on their way. See spool.h. */

#include "watchdog/notify/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>

#include "watchdog/base/durable.h"
#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"

#define SUFFIX ".json"
#define FILE_LIMIT ((size_t)16 * 1024 * 1024)
#define MESSAGES_LIMIT 200 /* a spool that nobody empties does not grow for ever: the oldest go */
#define TOLD_LIMIT 500

static char *spool_path(const char *directory, const char *name) {
    return xasprintf("%s/spool%s%s", directory, name ? "/" : "", name ? name : "");
}

static int is_message(const struct dirent *entry) {
    return entry->d_name[0] != '.' && string_ends_with(entry->d_name, SUFFIX);
}

/* Keys begin with the time of their transaction. */
static int drop_oldest(const char *directory, struct error *err) {
    _cleanup_free_ char *path = spool_path(directory, NULL);
    struct dirent **entries;
    int count = scandir(path, &entries, is_message, alphasort), r = 0;
    if (count < 0)
        return error_errno(err, errno, "cannot read \"%s\"", path);
    for (int i = 0; i < count; i++) {
        _cleanup_free_ char *old = spool_path(directory, entries[i]->d_name);
        if (r >= 0 && i < count - MESSAGES_LIMIT)
            r = durable_unlink(AT_FDCWD, old, err);
        free(entries[i]);
    }
    free(entries);
    return r;
}

int spool_put(const char *directory, const struct message *message, struct error *err) {
    _cleanup_free_ char *name = xasprintf("%s" SUFFIX, message->key);
    _cleanup_free_ char *parent = spool_path(directory, NULL), *path = spool_path(directory, name);
    _cleanup_json_ json_t *json = message_encode(message);
    if (spool_told(directory, message->key))
        return 0;
    int r = durable_mkdir(parent, 0700, err);
    if (r < 0)
        return r;
    char *text = json_dumps(json, JSON_INDENT(2));
    if (!text)
        abort();
    r = durable_write(AT_FDCWD, path, text, strlen(text), 0600, err);
    free(text);
    return r < 0 ? r : drop_oldest(directory, err);
}

static int read_one(const char *path, struct message **ret, struct error *err) {
    _cleanup_free_ char *text = NULL;
    _cleanup_json_ json_t *json = NULL;
    size_t size;
    int r = file_read(AT_FDCWD, path, FILE_LIMIT, &text, &size, err);
    if (r >= 0)
        r = json_parse(text, size, path, &json, err);
    return r < 0 ? r : message_decode(json, path, ret, err);
}

static int oldest_first(const void *a, const void *b) {
    const struct message *one = *(struct message *const *)a, *two = *(struct message *const *)b;
    return one->created < two->created ? -1 : one->created > two->created;
}

int spool_read(const char *directory, struct message ***ret, size_t *ret_count, char ***warnings,
               struct error *err) {
    _cleanup_free_ char *path = spool_path(directory, NULL);
    struct dirent **entries = NULL;
    struct message **list = NULL;
    size_t found = 0;
    int count = scandir(path, &entries, is_message, alphasort);
    if (count < 0 && errno != ENOENT)
        return error_errno(err, errno, "cannot read \"%s\"", path);
    for (int i = 0; i < count; i++) {
        _cleanup_error_ struct error damage = ERROR_NONE;
        _cleanup_free_ char *file = spool_path(directory, entries[i]->d_name),
                            *aside = xasprintf("%s.damaged", file);
        struct message *message = NULL;
        int r = read_one(file, &message, &damage);
        if (r >= 0) {
            list = xrealloc(list, found + 1, sizeof(struct message *));
            list[found++] = message;
        } else if (r != -ENOENT) {
            strings_append(warnings, error_text(&damage));
            if (r == -EBADMSG || r == -EINVAL)
                durable_rename(AT_FDCWD, file, AT_FDCWD, aside, NULL);
        }
        free(entries[i]);
    }
    free(entries);
    if (found > 1)
        qsort(list, found, sizeof(struct message *), oldest_first);
    *ret = list;
    *ret_count = found;
    return 0;
}

void messages_free(struct message **messages, size_t count) {
    for (size_t i = 0; i < count; i++)
        message_free(messages[i]);
    free(messages);
}

static int read_told(const char *directory, char ***ret, struct error *err) {
    _cleanup_free_ char *path = spool_path(directory, "told"), *text = NULL;
    size_t size;
    *ret = NULL;
    int r = file_read(AT_FDCWD, path, FILE_LIMIT, &text, &size, err);
    if (r == -ENOENT) {
        error_done(err);
        return 0;
    }
    for (char *line = text, *end; r >= 0 && line && *line; line = end) {
        end = line + strcspn(line, "\n");
        if (*end)
            *end++ = '\0';
        strings_append(ret, line);
    }
    return r;
}

bool spool_told(const char *directory, const char *key) {
    _cleanup_strings_ char **told = NULL;
    return read_told(directory, &told, NULL) >= 0 && strings_contain(told, key);
}

int spool_remember(const char *directory, const char *key, struct error *err) {
    _cleanup_strings_ char **told = NULL;
    _cleanup_free_ char *path = spool_path(directory, "told");
    _cleanup_buffer_ struct buffer text = { 0 };
    int r = read_told(directory, &told, err);
    if (r < 0 || strings_contain(told, key))
        return r;
    strings_append(&told, key);
    size_t count = strings_count(told);
    for (size_t i = count > TOLD_LIMIT ? count - TOLD_LIMIT : 0; i < count; i++)
        buffer_printf(&text, "%s\n", told[i]);
    return durable_write(AT_FDCWD, path, text.text, text.size, 0600, err);
}

int spool_remove(const char *directory, const struct message *message, bool told, struct error *err) {
    _cleanup_free_ char *name = xasprintf("%s" SUFFIX, message->key), *path = spool_path(directory, name);
    int r = told ? spool_remember(directory, message->key, err) : 0;
    return r < 0 ? r : durable_unlink(AT_FDCWD, path, err);
}

bool spool_due(const char *directory, usec_t now) {
    _cleanup_strings_ char **warnings = NULL;
    struct message **messages;
    size_t count;
    bool due = false;
    if (spool_read(directory, &messages, &count, &warnings, NULL) < 0)
        return false;
    for (size_t i = 0; i < count; i++)
        due = due || message_due(messages[i], now);
    messages_free(messages, count);
    return due;
}

int spool_lock(const char *directory, int *ret_fd, struct error *err) {
    _cleanup_free_ char *parent = spool_path(directory, NULL), *path = spool_path(directory, "lock");
    int r = durable_mkdir(parent, 0700, err);
    if (r < 0)
        return r;
    _cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return error_errno(err, errno, "cannot open \"%s\"", path);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return error_errno(err, errno == EWOULDBLOCK ? EBUSY : errno, "cannot lock \"%s\"", path);
    *ret_fd = take_fd(fd);
    return 0;
}

/* Messages on their way. See spool.h. */

#include "watchdog/notify/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "watchdog/base/durable.h"
#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"

#define SUFFIX ".json"
#define FILE_LIMIT ((size_t)16 * 1024 * 1024)
#define MESSAGES_LIMIT 200 /* a spool that nobody empties does not grow for ever: the oldest go */
#define TOLD_LIMIT 500

/* Where a message may lie: with the state of its application; else, where that takes no more, in memory. */
enum place {
    PLACE_STATE,
    PLACE_MEMORY,
    PLACES,
};

static char *spool_path(const char *directory, enum place place, const char *name) {
    const char *slash = name ? "/" : "", *base = strrchr(directory, '/');
    if (!name)
        name = "";
    return place == PLACE_STATE
               ? xasprintf("%s/spool%s%s", directory, slash, name)
               : xasprintf(SPOOL_MEMORY "/spool-%s%s%s", base ? base + 1 : directory, slash, name);
}

static int make_place(const char *directory, enum place place, struct error *err) {
    _cleanup_free_ char *path = spool_path(directory, place, NULL);
    int r = place == PLACE_MEMORY ? durable_mkdir(SPOOL_MEMORY, 0700, err) : 0;
    return r < 0 ? r : durable_mkdir(path, 0700, err);
}

/* Writes a file of the spool where there is room. What the other place has of it is older: that in memory
 * goes, that on the disk, which may be full or read-only, is passed over by whoever reads. */
static int write_somewhere(const char *directory, const char *name, const char *text, size_t size,
                           struct error *err) {
    _cleanup_free_ char *path = spool_path(directory, PLACE_STATE, name),
                        *other = spool_path(directory, PLACE_MEMORY, name);
    int r = make_place(directory, PLACE_STATE, err);
    if (r >= 0)
        r = durable_write(AT_FDCWD, path, text, size, 0600, err);
    if (r >= 0) {
        (void)unlink(other);
        return PLACE_STATE;
    }
    if (make_place(directory, PLACE_MEMORY, NULL) < 0 ||
        durable_write(AT_FDCWD, other, text, size, 0600, NULL) < 0)
        return r;
    error_done(err);
    return PLACE_MEMORY;
}

static int is_message(const struct dirent *entry) {
    return entry->d_name[0] != '.' && string_ends_with(entry->d_name, SUFFIX);
}

/* Keys begin with the time of their transaction. */
static int drop_oldest(const char *directory, enum place place, struct error *err) {
    _cleanup_free_ char *path = spool_path(directory, place, NULL);
    struct dirent **entries;
    int count = scandir(path, &entries, is_message, alphasort), r = 0;
    if (count < 0)
        return error_errno(err, errno, "cannot read \"%s\"", path);
    for (int i = 0; i < count; i++) {
        _cleanup_free_ char *old = spool_path(directory, place, entries[i]->d_name);
        if (r >= 0 && i < count - MESSAGES_LIMIT)
            r = durable_unlink(AT_FDCWD, old, err);
        free(entries[i]);
    }
    free(entries);
    return r;
}

int spool_put(const char *directory, const struct message *message, struct error *err) {
    _cleanup_free_ char *name = xasprintf("%s" SUFFIX, message->key);
    _cleanup_json_ json_t *json = message_encode(message);
    if (spool_told(directory, message->key))
        return 0;
    char *text = json_dumps(json, JSON_INDENT(2));
    if (!text)
        abort();
    int r = write_somewhere(directory, name, text, strlen(text), err);
    free(text);
    return r < 0 ? r : drop_oldest(directory, (enum place)r, err);
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

struct messages {
    struct message **list;
    size_t count;
};

static bool is_known(const struct messages *messages, const char *file) {
    for (size_t i = 0; i < messages->count; i++) {
        const char *key = messages->list[i]->key;
        if (strncmp(file, key, strlen(key)) == 0 && string_equal(file + strlen(key), SUFFIX))
            return true;
    }
    return false;
}

static void read_file(const char *directory, enum place place, const char *name, struct messages *messages,
                      char ***warnings) {
    _cleanup_error_ struct error damage = ERROR_NONE;
    _cleanup_free_ char *file = spool_path(directory, place, name), *aside = xasprintf("%s.damaged", file);
    struct message *message = NULL;
    int r = read_one(file, &message, &damage);
    if (r >= 0) {
        messages->list = xrealloc(messages->list, messages->count + 1, sizeof(struct message *));
        messages->list[messages->count++] = message;
    } else if (r != -ENOENT) {
        strings_append(warnings, error_text(&damage));
        if (r == -EBADMSG || r == -EINVAL)
            durable_rename(AT_FDCWD, file, AT_FDCWD, aside, NULL);
    }
}

static int read_place(const char *directory, enum place place, struct messages *messages, char ***warnings,
                      struct error *err) {
    _cleanup_free_ char *path = spool_path(directory, place, NULL);
    struct dirent **entries = NULL;
    int count = scandir(path, &entries, is_message, alphasort);
    if (count < 0 && errno != ENOENT && (place == PLACE_STATE || errno != EACCES))
        return error_errno(err, errno, "cannot read \"%s\"", path);
    for (int i = 0; i < count; i++) {
        if (!is_known(messages, entries[i]->d_name))
            read_file(directory, place, entries[i]->d_name, messages, warnings);
        free(entries[i]);
    }
    free(entries);
    return 0;
}

int spool_read(const char *directory, struct message ***ret, size_t *ret_count, char ***warnings,
               struct error *err) {
    struct messages messages = { 0 };
    int r =
        read_place(directory, PLACE_MEMORY, &messages, warnings, err); /* the newer, where there are both */
    if (r >= 0)
        r = read_place(directory, PLACE_STATE, &messages, warnings, err);
    if (r < 0) {
        messages_free(messages.list, messages.count);
        return r;
    }
    if (messages.count > 1)
        qsort(messages.list, messages.count, sizeof(struct message *), oldest_first);
    *ret = messages.list;
    *ret_count = messages.count;
    return 0;
}

void messages_free(struct message **messages, size_t count) {
    for (size_t i = 0; i < count; i++)
        message_free(messages[i]);
    free(messages);
}

static int read_told(const char *directory, enum place place, char ***told, struct error *err) {
    _cleanup_free_ char *path = spool_path(directory, place, "told"), *text = NULL;
    size_t size;
    int r = file_read(AT_FDCWD, path, FILE_LIMIT, &text, &size, err);
    if (r == -ENOENT || r == -ENOTDIR || (r == -EACCES && place == PLACE_MEMORY)) {
        error_done(err);
        return 0;
    }
    for (char *line = text, *end; r >= 0 && line && *line; line = end) {
        end = line + strcspn(line, "\n");
        if (*end)
            *end++ = '\0';
        if (!strings_contain(*told, line))
            strings_append(told, line);
    }
    return r;
}

static int read_all_told(const char *directory, char ***ret, struct error *err) {
    *ret = NULL;
    int r = read_told(directory, PLACE_STATE, ret, err);
    return r < 0 ? r : read_told(directory, PLACE_MEMORY, ret, err);
}

bool spool_told(const char *directory, const char *key) {
    _cleanup_strings_ char **told = NULL;
    return read_all_told(directory, &told, NULL) >= 0 && strings_contain(told, key);
}

int spool_remember(const char *directory, const char *key, struct error *err) {
    _cleanup_strings_ char **told = NULL;
    _cleanup_buffer_ struct buffer text = { 0 };
    int r = read_all_told(directory, &told, err);
    if (r < 0 || strings_contain(told, key))
        return r;
    strings_append(&told, key);
    size_t count = strings_count(told);
    for (size_t i = count > TOLD_LIMIT ? count - TOLD_LIMIT : 0; i < count; i++)
        buffer_printf(&text, "%s\n", told[i]);
    r = write_somewhere(directory, "told", text.text, text.size, err);
    return r < 0 ? r : 0;
}

int spool_remove(const char *directory, const struct message *message, bool told, struct error *err) {
    _cleanup_free_ char *name = xasprintf("%s" SUFFIX, message->key);
    int r = told ? spool_remember(directory, message->key, err) : 0;
    if (r < 0)
        return r;
    /* that on the disk first: in memory is the newer one */
    for (enum place place = 0; place < PLACES; place++) {
        _cleanup_free_ char *path = spool_path(directory, place, name);
        int removed = durable_unlink(AT_FDCWD, path, r < 0 ? NULL : err);
        r = r < 0 || removed == 0 ? r : removed;
    }
    return r;
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

static int lock_in(const char *directory, enum place place, int *ret_fd, struct error *err) {
    _cleanup_free_ char *path = spool_path(directory, place, "lock");
    int r = make_place(directory, place, err);
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

int spool_lock(const char *directory, int *ret_fd, struct error *err) {
    int r = lock_in(directory, PLACE_STATE, ret_fd, err);
    if (r >= 0 || r == -EBUSY || lock_in(directory, PLACE_MEMORY, ret_fd, NULL) < 0)
        return r;
    error_done(err);
    return 0;
}

/* The lines of a manifest. See manifest-text.h. */

#include "watchdog/snapshot/manifest-text.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "watchdog/base/digest.h"
#include "watchdog/base/json.h"

static const struct {
    mode_t mode;
    const char *name;
} types[] = {
    { S_IFREG, "file" },      { S_IFDIR, "directory" }, { S_IFLNK, "link" },    { S_IFIFO, "fifo" },
    { S_IFCHR, "character" }, { S_IFBLK, "block" },     { S_IFSOCK, "socket" },
};

static const char *type_name(mode_t mode) {
    for (size_t i = 0; i < ELEMENTS(types); i++)
        if ((mode & S_IFMT) == types[i].mode)
            return types[i].name;
    return "?";
}

/* The length of the valid UTF-8 sequence at @text (RFC 3629, section 4), 0 when there is none. */
static size_t utf8_length(const unsigned char *text) {
    if (text[0] < 0x80)
        return 1;
    size_t size = text[0] < 0xC2 ? 0 : text[0] < 0xE0 ? 2 : text[0] < 0xF0 ? 3 : text[0] < 0xF5 ? 4 : 0;
    for (size_t i = 1; i < size; i++)
        if ((text[i] & 0xC0) != 0x80)
            return 0;
    if ((text[0] == 0xE0 && text[1] < 0xA0) || (text[0] == 0xED && text[1] > 0x9F) ||
        (text[0] == 0xF0 && text[1] < 0x90) || (text[0] == 0xF4 && text[1] > 0x8F))
        return 0;
    return size;
}

/* How many bytes from @at on stand for themselves. */
static size_t plain_length(const unsigned char *at) {
    size_t length = 0;
    while (at[length] >= 0x20 && at[length] != 0x7F && at[length] != '%' && at[length] != '"' &&
           at[length] != '\\') {
        size_t size = utf8_length(at + length);
        if (size == 0)
            break;
        length += size;
    }
    return length;
}

void manifest_encode(struct buffer *buffer, const char *bytes) {
    for (const unsigned char *at = (const unsigned char *)bytes; *at;) {
        size_t size = plain_length(at);
        buffer_append(buffer, at, size);
        at += size;
        if (*at) {
            buffer_printf(buffer, "%%%02X", *at);
            at++;
        }
    }
}

char *manifest_decode(const char *text) {
    _cleanup_free_ char *bytes = xcalloc(strlen(text) + 1, 1);
    size_t size = 0;
    for (const char *at = text; *at;) {
        size_t plain = plain_length((const unsigned char *)at);
        memcpy(bytes + size, at, plain);
        size += plain;
        at += plain;
        if (!*at)
            break;
        if (*at != '%' || !isxdigit((unsigned char)at[1]) || !isxdigit((unsigned char)at[2]))
            return NULL;
        const char digits[3] = { at[1], at[2], 0 };
        bytes[size] = (char)strtoul(digits, NULL, 16);
        if (bytes[size++] == 0)
            return NULL;
        at += 3;
    }
    /* One spelling of each path only, or comparing texts would lie. */
    _cleanup_buffer_ struct buffer again = { 0 };
    manifest_encode(&again, bytes);
    if (strcmp(again.text ? again.text : "", text) != 0)
        return NULL;
    return take_ptr(bytes);
}

void manifest_time_format(struct buffer *buffer, struct timespec time) {
    buffer_printf(buffer, "%" PRId64 ".%09ld", (int64_t)time.tv_sec, time.tv_nsec);
}

int manifest_time_parse(const char *text, struct timespec *ret) {
    char *end;
    errno = 0;
    long long seconds = strtoll(text, &end, 10);
    if (errno || end == text || *end != '.' || strlen(end + 1) != 9 || strspn(end + 1, "0123456789") != 9)
        return -EINVAL;
    *ret = (struct timespec){ .tv_sec = seconds, .tv_nsec = strtol(end + 1, NULL, 10) };
    return 0;
}

static void format_text(struct buffer *buffer, const char *key, const char *bytes) {
    buffer_printf(buffer, ",\"%s\":\"", key);
    manifest_encode(buffer, bytes);
    buffer_append(buffer, "\"", 1);
}

static void format_xattrs(struct buffer *buffer, const struct manifest_entry *entry) {
    static const char digits[] = "0123456789abcdef";
    buffer_printf(buffer, ",\"xattrs\":{");
    for (size_t i = 0; i < entry->xattrs_count; i++) {
        const struct manifest_xattr *xattr = &entry->xattrs[i];
        buffer_printf(buffer, "%s\"", i > 0 ? "," : "");
        manifest_encode(buffer, xattr->name);
        buffer_printf(buffer, "\":\"");
        for (size_t j = 0; j < xattr->size; j++) {
            unsigned char byte = ((const unsigned char *)xattr->value)[j];
            const char text[2] = { digits[byte >> 4], digits[byte & 15] };
            buffer_append(buffer, text, 2);
        }
        buffer_printf(buffer, "\"");
    }
    buffer_printf(buffer, "}");
}

void manifest_entry_format(struct buffer *buffer, const struct manifest_entry *entry) {
    buffer_printf(buffer, "{\"path\":\"");
    manifest_encode(buffer, entry->path);
    buffer_printf(buffer, "\",\"type\":\"%s\",\"mode\":\"%04o\",\"uid\":%u,\"gid\":%u",
                  type_name(entry->mode), entry->mode & 07777U, entry->uid, entry->gid);
    if (S_ISREG(entry->mode))
        buffer_printf(buffer, ",\"size\":%" PRIu64, entry->size);
    buffer_printf(buffer, ",\"inode\":%" PRId64 ",\"links\":%" PRIu64 ",\"mtime\":\"", (int64_t)entry->inode,
                  entry->links);
    manifest_time_format(buffer, entry->mtime);
    buffer_printf(buffer, "\",\"ctime\":\"");
    manifest_time_format(buffer, entry->ctime);
    buffer_printf(buffer, "\",\"atime\":\"");
    manifest_time_format(buffer, entry->atime);
    buffer_printf(buffer, "\"");
    if (S_ISCHR(entry->mode) || S_ISBLK(entry->mode))
        buffer_printf(buffer, ",\"device\":[%u,%u]", major(entry->device), minor(entry->device));
    if (entry->flags & MANIFEST_IMMUTABLE)
        buffer_printf(buffer, ",\"immutable\":true");
    if (entry->flags & MANIFEST_APPEND)
        buffer_printf(buffer, ",\"append\":true");
    if (entry->target)
        format_text(buffer, "target", entry->target);
    if (entry->link)
        format_text(buffer, "link", entry->link);
    if (entry->digest[0])
        buffer_printf(buffer, ",\"sha256\":\"%s\"", entry->digest);
    if (entry->xattrs_count > 0)
        format_xattrs(buffer, entry);
    if (entry->unstable)
        buffer_printf(buffer, ",\"unstable\":true");
    if (entry->shared)
        buffer_printf(buffer, ",\"shared\":true");
    buffer_printf(buffer, "}");
}

static int parse_number(const json_t *line, const char *key, json_int_t lowest, json_int_t highest,
                        uint64_t *ret, struct error *err) {
    const json_t *value = json_object_get(line, key);
    if (!json_is_integer(value) || json_integer_value(value) < lowest || json_integer_value(value) > highest)
        return error_set(err, EBADMSG, "\"%s\": expected a number from %lld to %lld", key, (long long)lowest,
                         (long long)highest);
    *ret = (uint64_t)json_integer_value(value);
    return 0;
}

static int parse_time(const json_t *line, const char *key, struct timespec *ret, struct error *err) {
    const char *text = json_get_string(line, key, "");
    return manifest_time_parse(text, ret) < 0
               ? error_set(err, EBADMSG, "\"%s\": expected seconds with nine decimals, not \"%s\"", key, text)
               : 0;
}

static int parse_text(const json_t *line, const char *key, char **ret, struct error *err) {
    const json_t *value = json_object_get(line, key);
    if (!value)
        return 0;
    const char *text = json_string_value(value);
    /* A NUL that JSON can write hides what comes after it. */
    *ret = text && strlen(text) == json_string_length(value) ? manifest_decode(text) : NULL;
    return *ret ? 0 : error_set(err, EBADMSG, "\"%s\": expected a text with %%XX for odd bytes", key);
}

static int parse_mode(const json_t *line, mode_t *ret, struct error *err) {
    const char *type = json_get_string(line, "type", ""), *text = json_get_string(line, "mode", "");
    if (strlen(text) != 4 || strspn(text, "01234567") != 4)
        return error_set(err, EBADMSG, "\"mode\": expected four octal digits, not \"%s\"", text);
    for (size_t i = 0; i < ELEMENTS(types); i++)
        if (strcmp(type, types[i].name) == 0) {
            *ret = types[i].mode | (mode_t)strtoul(text, NULL, 8);
            return 0;
        }
    return error_set(err, EBADMSG, "\"type\": expected a type of file, not \"%s\"", type);
}

static int parse_hex(const char *text, struct manifest_xattr *ret) {
    size_t length = strlen(text);
    if (length % 2 || strspn(text, "0123456789abcdef") != length)
        return -EBADMSG;
    ret->size = length / 2;
    ret->value = xcalloc(ret->size, 1);
    for (size_t i = 0; i < ret->size; i++) {
        const char digits[3] = { text[2 * i], text[2 * i + 1], 0 };
        ((unsigned char *)ret->value)[i] = (unsigned char)strtoul(digits, NULL, 16);
    }
    return 0;
}

static int parse_xattrs(json_t *line, struct manifest_entry *entry, struct error *err) {
    json_t *object = json_get_object(line, "xattrs");
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value) {
        entry->xattrs = xrealloc(entry->xattrs, entry->xattrs_count + 1, sizeof(struct manifest_xattr));
        struct manifest_xattr *xattr = &entry->xattrs[entry->xattrs_count];
        *xattr = (struct manifest_xattr){ .name = manifest_decode(key) };
        entry->xattrs_count++;
        const char *text = json_string_value(value);
        if (!xattr->name || !text || parse_hex(text, xattr) < 0)
            return error_set(err, EBADMSG, "\"xattrs\": expected hexadecimal digits for \"%s\"", key);
        if (entry->xattrs_count > 1 && strcmp(xattr[-1].name, xattr->name) >= 0)
            return error_set(err, EBADMSG, "\"xattrs\": expected names in order");
    }
    return 0;
}

static int parse_device(const json_t *line, dev_t *ret, struct error *err) {
    const json_t *pair = json_object_get(line, "device");
    if (json_array_size(pair) != 2)
        return error_set(err, EBADMSG, "\"device\": expected two numbers");
    *ret = makedev((unsigned)json_integer_value(json_array_get(pair, 0)),
                   (unsigned)json_integer_value(json_array_get(pair, 1)));
    return 0;
}

static int parse_digest(const json_t *line, struct manifest_entry *entry, struct error *err) {
    const char *text = json_get_string(line, "sha256", "");
    if (!S_ISREG(entry->mode) || entry->link)
        return *text ? error_set(err, EBADMSG, "\"sha256\": expected of a regular file only") : 0;
    if (!digest_valid(text))
        return error_set(err, EBADMSG, "\"sha256\": expected 64 hexadecimal digits");
    memcpy(entry->digest, text, MANIFEST_DIGEST_SIZE);
    return 0;
}

static int parse(json_t *line, struct manifest_entry *entry, struct error *err) {
    uint64_t uid = 0, gid = 0;
    if (!json_is_object(line))
        return error_set(err, EBADMSG, "expected an object");
    int r = parse_text(line, "path", &entry->path, err);
    if (r >= 0 && !entry->path)
        r = error_set(err, EBADMSG, "\"path\" is missing");
    if (r < 0 || (r = parse_mode(line, &entry->mode, err)) < 0 ||
        (r = parse_number(line, "uid", 0, UINT32_MAX, &uid, err)) < 0 ||
        (r = parse_number(line, "gid", 0, UINT32_MAX, &gid, err)) < 0 ||
        (r = parse_number(line, "inode", INT64_MIN, INT64_MAX, &entry->inode, err)) < 0 ||
        (r = parse_number(line, "links", 0, INT64_MAX, &entry->links, err)) < 0 ||
        (r = parse_time(line, "mtime", &entry->mtime, err)) < 0 ||
        (r = parse_time(line, "ctime", &entry->ctime, err)) < 0 ||
        (r = parse_time(line, "atime", &entry->atime, err)) < 0 ||
        (r = parse_text(line, "target", &entry->target, err)) < 0 ||
        (r = parse_text(line, "link", &entry->link, err)) < 0 || (r = parse_xattrs(line, entry, err)) < 0 ||
        (r = parse_digest(line, entry, err)) < 0)
        return r;
    entry->uid = (uid_t)uid;
    entry->gid = (gid_t)gid;
    if (S_ISREG(entry->mode) && (r = parse_number(line, "size", 0, INT64_MAX, &entry->size, err)) < 0)
        return r;
    if ((S_ISCHR(entry->mode) || S_ISBLK(entry->mode)) && (r = parse_device(line, &entry->device, err)) < 0)
        return r;
    if (S_ISLNK(entry->mode) != (entry->target && *entry->target))
        return error_set(err, EBADMSG, "\"target\": expected of a symbolic link, and of that only");
    entry->flags = (json_get_boolean(line, "immutable", 0) ? MANIFEST_IMMUTABLE : 0) |
                   (json_get_boolean(line, "append", 0) ? MANIFEST_APPEND : 0);
    entry->unstable = json_get_boolean(line, "unstable", 0);
    entry->shared = json_get_boolean(line, "shared", 0);
    return 0;
}

int manifest_entry_parse(const json_t *line, struct manifest_entry *ret, struct error *err) {
    *ret = (struct manifest_entry){ 0 };
    int r = parse((json_t *)line, ret, err);
    if (r < 0)
        manifest_entry_done(ret);
    return r;
}

/* snapshot.json. See document.h. */

#include "watchdog/snapshot/document.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "watchdog/base/digest.h"
#include "watchdog/base/durable.h"
#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"
#include "watchdog/snapshot/store.h"

#define DOCUMENT_LIMIT ((size_t)64 * 1024 * 1024)

static void checksum(const json_t *document, char text[DIGEST_TEXT_SIZE]) {
    _cleanup_free_ char *compact = json_text(document);
    digest_memory(compact, strlen(compact), text);
}

char *document_text(const json_t *document) {
    char sum[DIGEST_TEXT_SIZE];
    checksum(document, sum);
    _cleanup_json_ json_t *whole = json_copy((json_t *)document);
    json_object_set_new(whole, "checksum", json_string(sum));
    char *text = json_dumps(whole, JSON_INDENT(1));
    if (!text)
        abort();
    return text;
}

int document_write(const json_t *document, const char *path, struct error *err) {
    _cleanup_free_ char *text = document_text(document);
    return durable_write(AT_FDCWD, path, text, strlen(text), 0600, err);
}

int document_read(const char *path, json_t **ret, struct error *err) {
    _cleanup_free_ char *text = NULL;
    _cleanup_json_ json_t *document = NULL;
    size_t size;
    int r = file_read(AT_FDCWD, path, DOCUMENT_LIMIT, &text, &size, err);
    if (r < 0)
        return r;
    _cleanup_free_ char *what = xasprintf("\"%s\"", path);
    r = json_parse(text, size, what, &document, err);
    if (r < 0)
        return r;
    json_int_t format = json_get_integer(document, "format", 0);
    if (format > SNAPSHOT_FORMAT)
        return error_set(err, ENOTSUP,
                         "\"%s\" was written by a newer version of upgrade-watchdog (format %lld)", path,
                         (long long)format);
    _cleanup_free_ char *said = xstrdup(json_get_string(document, "checksum", ""));
    char sum[DIGEST_TEXT_SIZE];
    json_object_del(document, "checksum");
    checksum(document, sum);
    if (format != SNAPSHOT_FORMAT || strcmp(said, sum) != 0)
        return error_set(err, EBADMSG, "\"%s\" is not what was written: its checksum is another", path);
    *ret = take_ptr(document);
    return 0;
}

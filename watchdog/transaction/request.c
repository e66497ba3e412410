/* Requests of a person to the unit. See request.h. */

#include "watchdog/transaction/request.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "watchdog/base/durable.h"
#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"

#define REQUEST_LIMIT ((size_t)64 * 1024)

static const char *const kinds[] = {
    [REQUEST_NONE] = "none",
    [REQUEST_UPGRADE] = "upgrade",
    [REQUEST_ROLLBACK] = "rollback",
    [REQUEST_RECOVER] = "recover",
};

void request_done(struct request *request) {
    free(request->id);
    *request = (struct request){ 0 };
}

static char *request_path(const char *app) {
    return xasprintf(STATE_LOCK_DIRECTORY "/request-%s.json", app);
}

int request_write(const char *app, const struct request *request, struct error *err) {
    _cleanup_free_ char *path = request_path(app);
    _cleanup_json_ json_t *json = json_object();
    usec_t asked = request->asked ? request->asked : clock_boottime();
    json_object_set_new(json, "command", json_string(kinds[request->kind]));
    json_object_set_new(json, "id", request->id ? json_text_string(request->id) : json_null());
    json_object_set_new(json, "again", json_boolean(request->again));
    json_object_set_new(json, "asked", json_integer((json_int_t)asked));
    int r = durable_mkdir(STATE_LOCK_DIRECTORY, 0700, err);
    if (r < 0)
        return r;
    char *text = json_dumps(json, JSON_INDENT(2));
    if (!text)
        abort();
    r = durable_write(AT_FDCWD, path, text, strlen(text), 0600, err);
    free(text);
    return r;
}

static int decode(const json_t *json, const char *path, struct request *ret, struct error *err) {
    const char *command = json_get_string(json, "command", ""), *id = json_get_string(json, "id", NULL);
    for (size_t i = REQUEST_UPGRADE; i < ELEMENTS(kinds); i++)
        if (string_equal(kinds[i], command))
            ret->kind = (int)i;
    if (ret->kind == REQUEST_NONE || !json_is_integer(json_object_get(json, "asked")))
        return error_set(err, EBADMSG,
                         "%s: expected a request with \"command\" (upgrade, rollback, recover) and \"asked\"",
                         path);
    ret->id = id ? xstrdup(id) : NULL;
    ret->again = json_get_boolean(json, "again", false);
    ret->asked = (usec_t)json_get_integer(json, "asked", 0);
    return 0;
}

static bool is_void(const struct request *request) {
    usec_t now = clock_boottime();
    return request->kind != REQUEST_RECOVER && (request->asked > now || now - request->asked > REQUEST_TIME);
}

int request_read(const char *app, struct request *ret, struct error *err) {
    _cleanup_request_ struct request request = { 0 };
    _cleanup_free_ char *path = request_path(app), *text = NULL;
    _cleanup_json_ json_t *json = NULL;
    size_t size;
    *ret = (struct request){ 0 };
    int r = file_read(AT_FDCWD, path, REQUEST_LIMIT, &text, &size, err);
    if (r == -ENOENT) {
        error_done(err);
        return 0;
    }
    if (r >= 0)
        r = json_parse(text, size, path, &json, err);
    if (r >= 0)
        r = decode(json, path, &request, err);
    if (r < 0)
        return r;
    if (is_void(&request)) {
        r = request_remove(app, err);
        return r < 0 ? r : 0;
    }
    *ret = request;
    request = (struct request){ 0 };
    return 1;
}

int request_remove(const char *app, struct error *err) {
    _cleanup_free_ char *path = request_path(app);
    return durable_unlink(AT_FDCWD, path, err);
}

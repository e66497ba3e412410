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

int request_write(const struct state *state, const struct request *request, struct error *err) {
    char asked[TIMESTAMP_SIZE];
    usec_t boottime = request->asked_boottime ? request->asked_boottime : clock_boottime();
    _cleanup_free_ char *path = state_path(state, "request.json");
    _cleanup_json_ json_t *json = json_object();
    timestamp_format(asked, request->asked ? request->asked : clock_realtime());
    json_object_set_new(json, "command", json_string(kinds[request->kind]));
    json_object_set_new(json, "id", request->id ? json_text_string(request->id) : json_null());
    json_object_set_new(json, "again", json_boolean(request->again));
    json_object_set_new(json, "asked", json_string(asked));
    json_object_set_new(json, "asked_boottime", json_integer((json_int_t)boottime));
    char *text = json_dumps(json, JSON_INDENT(2));
    if (!text)
        abort();
    int r = durable_write(AT_FDCWD, path, text, strlen(text), 0600, err);
    free(text);
    return r;
}

static int decode(const json_t *json, const char *path, struct request *ret, struct error *err) {
    const char *command = json_get_string(json, "command", ""), *id = json_get_string(json, "id", NULL);
    for (size_t i = REQUEST_UPGRADE; i < ELEMENTS(kinds); i++)
        if (string_equal(kinds[i], command))
            ret->kind = (int)i;
    if (ret->kind == REQUEST_NONE || timestamp_parse(json_get_string(json, "asked", ""), &ret->asked) < 0)
        return error_set(err, EBADMSG,
                         "%s: expected a request with \"command\" (upgrade, rollback, recover) and \"asked\"",
                         path);
    ret->id = id ? xstrdup(id) : NULL;
    ret->again = json_get_boolean(json, "again", false);
    ret->asked_boottime = (usec_t)json_get_integer(json, "asked_boottime", 0);
    return 0;
}

static bool is_near(usec_t then, usec_t now, usec_t ahead) {
    return then <= now + ahead && now <= then + REQUEST_TIME;
}

/* Whether it was meant for another hour. A second ahead is the time stamp's resolution. */
static bool is_void(const struct request *request) {
    return !is_near(request->asked, clock_realtime(), USEC_PER_SEC) ||
           !is_near(request->asked_boottime, clock_boottime(), 0);
}

int request_read(const struct state *state, struct request *ret, struct error *err) {
    _cleanup_request_ struct request request = { 0 };
    _cleanup_free_ char *path = state_path(state, "request.json"), *text = NULL;
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
    if (is_void(&request))
        return request_remove(state, err) < 0 ? -EIO : 0;
    *ret = request;
    request = (struct request){ 0 };
    return 1;
}

int request_remove(const struct state *state, struct error *err) {
    _cleanup_free_ char *path = state_path(state, "request.json");
    return durable_unlink(AT_FDCWD, path, err);
}

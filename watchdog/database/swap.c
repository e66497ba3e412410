/* The swap. See swap.h. */

#include "watchdog/database/swap.h"

#include <errno.h>
#include <inttypes.h>

#include "watchdog/database/dress.h"

/* Who is called what, at this moment; 0 and NULL where there is none. */
struct scene {
    uint32_t holder;    /* OID of the name in use */
    uint32_t aside;     /* OID of the failed name */
    char *target_name;  /* of the target's OID */
    char *current_name; /* of the current one's */
    bool target_fenced, current_fenced;
};

static void scene_done(struct scene *scene) {
    free(scene->target_name);
    free(scene->current_name);
}
#define _cleanup_scene_ __attribute__((cleanup(scene_done)))

static int scene_read(PGconn *connection, const struct swap *swap, usec_t deadline, struct scene *ret,
                      struct error *err) {
    _cleanup_result_ PGresult *result = NULL;
    _cleanup_free_ char *current = xasprintf("%" PRIu32, swap->current),
                        *target = xasprintf("%" PRIu32, swap->target);
    int r = server_query(connection, deadline, &result, err,
                         "SELECT oid, datname, NOT datallowconn FROM pg_database"
                         " WHERE oid IN ($1::oid, $2::oid) OR datname::text IN ($3, $4)",
                         SQL_VALUES(current, target, swap->recorded->name, swap->failed_name));
    if (r < 0)
        return r;
    for (int i = 0; i < PQntuples(result); i++) {
        uint32_t oid = (uint32_t)sql_integer(result, i, 0);
        const char *name = sql_text(result, i, 1);
        if (string_equal(name, swap->recorded->name))
            ret->holder = oid;
        if (string_equal(name, swap->failed_name))
            ret->aside = oid;
        if (oid == swap->target) {
            replace_string(ret->target_name, xstrdup(name));
            ret->target_fenced = sql_boolean(result, i, 2);
        }
        if (oid == swap->current) {
            replace_string(ret->current_name, xstrdup(name));
            ret->current_fenced = sql_boolean(result, i, 2);
        }
    }
    return 0;
}

static enum swap_state judge(const struct swap *swap, const struct scene *scene) {
    if (!scene->target_name)
        return SWAP_TARGET_GONE;
    if (scene->holder == swap->target)
        return SWAP_DONE;
    if (scene->holder && scene->holder != swap->current)
        return SWAP_NAME_FOREIGN;
    if (scene->aside && scene->aside != swap->current)
        return SWAP_ASIDE_FOREIGN;
    return SWAP_PENDING;
}

int swap_look(PGconn *connection, const struct swap *swap, usec_t deadline, enum swap_state *ret,
              uint32_t *ret_holder, struct error *err) {
    _cleanup_scene_ struct scene scene = { 0 };
    int r = scene_read(connection, swap, deadline, &scene, err);
    if (r < 0)
        return error_prefix(err, "cannot look at the database \"%s\"", swap->recorded->name);
    *ret = judge(swap, &scene);
    if (ret_holder)
        *ret_holder = scene.holder;
    return 0;
}

static int refuse(const struct swap *swap, const struct scene *scene, enum swap_state state,
                  struct error *err) {
    switch (state) {
    case SWAP_TARGET_GONE:
        return error_set(err, ENOENT, "there is no database with the OID %" PRIu32 " to put in its place",
                         swap->target);
    case SWAP_NAME_FOREIGN:
        return error_set(err, EEXIST,
                         "the name belongs to a database with the OID %" PRIu32 ", expected %" PRIu32,
                         scene->holder, swap->current);
    case SWAP_ASIDE_FOREIGN:
        return error_set(err, EEXIST,
                         "the name \"%s\", which it would get, belongs to a database with the OID %" PRIu32,
                         swap->failed_name, scene->aside);
    default:
        break;
    }
    if (!scene->target_fenced)
        return error_set(err, EPERM, "the database \"%s\" to put in its place is not fenced",
                         scene->target_name);
    if (scene->current_name && !scene->current_fenced)
        return error_set(err, EPERM, "the database \"%s\" is not fenced", scene->current_name);
    return 0;
}

static int rename_database(PGconn *connection, const char *from, const char *to, usec_t deadline,
                           struct error *err) {
    _cleanup_free_ char *old = sql_identifier(connection, from), *new = sql_identifier(connection, to);
    int r = server_execute(connection, deadline, err, "ALTER DATABASE %s RENAME TO %s", old, new);
    return r < 0 ? error_prefix(err, "cannot rename \"%s\" to \"%s\"", from, to) : 0;
}

/* Afterwards, also one step at a time: what stands under which OID. */
static int verify(PGconn *connection, const struct swap *swap, usec_t deadline, struct error *err) {
    _cleanup_scene_ struct scene scene = { 0 };
    int r = scene_read(connection, swap, deadline, &scene, err);
    if (r < 0)
        return r;
    if (scene.holder != swap->target || !scene.target_fenced ||
        (scene.current_name && !string_equal(scene.current_name, swap->failed_name)))
        return error_set(err, EPROTO, "it does not stand as it was put: somebody else renames databases");
    return 0;
}

static int swap_one(PGconn *connection, const struct swap *swap, usec_t deadline, struct error *err) {
    _cleanup_scene_ struct scene scene = { 0 };
    _cleanup_free_ char *name = sql_identifier(connection, swap->recorded->name);
    int r = scene_read(connection, swap, deadline, &scene, err);
    if (r < 0)
        return r;
    enum swap_state state = judge(swap, &scene);
    if (state == SWAP_DONE)
        return 0;
    r = refuse(swap, &scene, state, err);
    if (r >= 0 && scene.current_name && !string_equal(scene.current_name, swap->failed_name))
        r = rename_database(connection, scene.current_name, swap->failed_name, deadline, err);
    if (r >= 0)
        r = rename_database(connection, scene.target_name, swap->recorded->name, deadline, err);
    if (r >= 0)
        r = database_comment(connection, swap->recorded->name, swap->recorded->comment, deadline, err);
    if (r >= 0)
        r = server_execute(connection, deadline, err, "ALTER DATABASE %s IS_TEMPLATE %s", name,
                           swap->recorded->is_template ? "true" : "false");
    if (r >= 0)
        r = verify(connection, swap, deadline, err);
    return r < 0 ? r : 1;
}

int databases_swap(PGconn *connection, const struct swap *swaps, size_t count, usec_t deadline,
                   struct error *err) {
    int done = 0, r = server_begin(connection, deadline, err);
    if (r < 0)
        return r;
    for (size_t i = 0; r >= 0 && i < count; i++) {
        r = swap_one(connection, &swaps[i], deadline, err);
        if (r < 0)
            error_prefix(err, "cannot swap the database \"%s\"", swaps[i].recorded->name);
        done |= r > 0;
    }
    r = server_end(connection, deadline, r, err);
    for (size_t i = 0; r >= 0 && i < count; i++) {
        enum swap_state state;
        r = swap_look(connection, &swaps[i], deadline, &state, NULL, err);
        if (r >= 0 && state != SWAP_DONE)
            r = error_set(err, EPROTO, "the database \"%s\" is not the one that was put in its place",
                          swaps[i].recorded->name);
    }
    return r < 0 ? r : done;
}

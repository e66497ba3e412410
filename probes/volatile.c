/* What changes by itself. See volatile.h. */

#include "probes/volatile.h"

#include <string.h>

#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"

#define PATHS_LIMIT 1000
#define SHOWN_LIMIT 80

/* Two values at one place that are still to be compared. Answers come from outside, so no function calls
 * itself here: what is to be done stands in a list. */
struct pair {
    json_t *first, *second; /* borrowed */
    json_t *path;           /* owned */
};

struct pairs {
    struct pair *list;
    size_t count;
};

static void pairs_push(struct pairs *pairs, const json_t *first, const json_t *second, json_t *path) {
    pairs->list = xrealloc(pairs->list, pairs->count + 1, sizeof(*pairs->list));
    pairs->list[pairs->count++] = (struct pair){ (json_t *)first, (json_t *)second, path };
}

static void pairs_done(struct pairs *pairs) {
    for (size_t i = 0; i < pairs->count; i++)
        json_decref(pairs->list[i].path);
    free(pairs->list);
}

/* New reference. */
static json_t *path_with(const json_t *path, json_t *step) {
    json_t *longer = json_copy((json_t *)path);
    json_array_append_new(longer, step);
    return longer;
}

static json_t *step_of(size_t index, const json_t *element) {
    return json_is_object(element) || json_is_array(element) ? json_null() : json_integer((json_int_t)index);
}

static bool is_list_of_both(const json_t *first, const json_t *second) {
    return json_is_array(first) && json_is_array(second) && json_array_size(first) == json_array_size(second);
}

bool volatile_has(const json_t *paths, const json_t *path) {
    size_t i;
    const json_t *one;
    json_array_foreach(paths, i, one) if (json_equal(one, path)) return true;
    return false;
}

static void add_path(json_t *paths, const json_t *path) {
    if (volatile_has(paths, path))
        return;
    if (json_array_size(paths) >= PATHS_LIMIT) {
        json_array_clear(paths);
        json_array_append_new(paths, json_array());
        return;
    }
    json_array_append(paths, (json_t *)path);
}

static void find_in_object(struct pairs *pairs, const struct pair *pair, json_t *paths) {
    const char *name;
    json_t *value;
    json_object_foreach(pair->first, name, value) {
        const json_t *other = json_object_get(pair->second, name);
        json_t *path = path_with(pair->path, json_string(name));
        if (other) {
            pairs_push(pairs, value, other, path);
        } else {
            add_path(paths, path);
            json_decref(path);
        }
    }
    json_object_foreach(pair->second, name, value) if (!json_object_get(pair->first, name)) {
        _cleanup_json_ json_t *path = path_with(pair->path, json_string(name));
        add_path(paths, path);
    }
}

void volatile_find(const json_t *first, const json_t *second, json_t *paths) {
    struct pairs pairs = { 0 };
    pairs_push(&pairs, first, second, json_array());
    while (pairs.count > 0) {
        struct pair pair = pairs.list[--pairs.count];
        _cleanup_json_ json_t *path = pair.path;
        if (json_is_object(pair.first) && json_is_object(pair.second)) {
            find_in_object(&pairs, &pair, paths);
        } else if (is_list_of_both(pair.first, pair.second)) {
            for (size_t i = 0; i < json_array_size(pair.first); i++) {
                const json_t *one = json_array_get(pair.first, i), *other = json_array_get(pair.second, i);
                if (!json_equal(one, other))
                    pairs_push(&pairs, one, other, path_with(path, step_of(i, one)));
            }
        } else if (!json_equal(pair.first, pair.second)) {
            add_path(paths, path);
        }
    }
    pairs_done(&pairs);
}

static bool is_plain_name(const char *name) {
    size_t size = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
    return size > 0 && name[size] == '\0' && !(*name >= '0' && *name <= '9');
}

/* As jq writes it: ".steps[1].status". */
static void show_path(struct buffer *text, const json_t *place) {
    size_t i;
    const json_t *step;
    json_array_foreach(place, i, step) {
        if (json_is_null(step))
            buffer_printf(text, "%s[]", text->size ? "" : ".");
        else if (json_is_integer(step))
            buffer_printf(text, "%s[%lld]", text->size ? "" : ".", (long long)json_integer_value(step));
        else if (is_plain_name(json_string_value(step)))
            buffer_printf(text, ".%s", json_string_value(step));
        else
            buffer_printf(text, "%s[\"%s\"]", text->size ? "" : ".", json_string_value(step));
    }
    if (!text->size)
        buffer_append(text, ".", 1);
}

char *volatile_show(const json_t *path) {
    struct buffer text = { 0 };
    show_path(&text, path);
    return buffer_take(&text);
}

static void show_value(struct buffer *text, const json_t *value) {
    if (!value)
        buffer_printf(text, "not there");
    else if (json_is_array(value))
        buffer_printf(text, "a list of %zu", json_array_size(value));
    else if (json_is_object(value))
        buffer_printf(text, "an object");
    else {
        _cleanup_free_ char *shown = json_text(value);
        size_t size = strlen(shown), end = size > SHOWN_LIMIT ? SHOWN_LIMIT : size;
        while (end < size && end > 0 && ((unsigned char)shown[end] & 0xC0) == 0x80)
            end--;
        buffer_append(text, shown, end);
        if (end < size)
            buffer_append(text, "…", strlen("…"));
    }
}

static char *show_difference(const json_t *place, const json_t *before, const json_t *now) {
    struct buffer text = { 0 };
    show_path(&text, place);
    buffer_printf(&text, " was ");
    show_value(&text, before);
    buffer_printf(&text, ", is ");
    show_value(&text, now);
    return buffer_take(&text);
}

/* A place has two forms: the path that volatile places are looked up by, and the one a person reads. */
struct place {
    const json_t *before, *now;
    json_t *path, *shown; /* owned */
};

struct places {
    struct place *list;
    size_t count;
};

/* Takes the references. */
static void places_push(struct places *places, const json_t *before, const json_t *now, json_t *path,
                        json_t *shown) {
    places->list = xrealloc(places->list, places->count + 1, sizeof(*places->list));
    places->list[places->count++] = (struct place){ before, now, path, shown };
}

/* The last is looked at first, so they are put there in reverse: the first difference is the one that is
 * said. */
static void push_children(struct places *places, const struct place *place) {
    size_t begin = places->count;
    const char *name;
    json_t *value;
    if (json_is_object(place->before)) {
        json_object_foreach((json_t *)place->before, name, value) places_push(
            places, value, json_object_get(place->now, name), path_with(place->path, json_string(name)),
            path_with(place->shown, json_string(name)));
    } else {
        for (size_t i = 0; i < json_array_size(place->before); i++) {
            value = json_array_get(place->before, i);
            places_push(places, value, json_array_get(place->now, i),
                        path_with(place->path, step_of(i, value)),
                        path_with(place->shown, json_integer((json_int_t)i)));
        }
    }
    for (size_t i = begin, k = places->count; i + 1 < k; i++) {
        struct place other = places->list[--k];
        places->list[k] = places->list[i];
        places->list[i] = other;
    }
}

/* 1.0 and 1 are one number: a release may write it either way. */
static bool is_same_value(const json_t *before, const json_t *now) {
    if (json_is_number(before) && json_is_number(now) && json_typeof(before) != json_typeof(now))
        return json_number_value(before) == json_number_value(now);
    return json_equal(before, now);
}

bool volatile_same(const json_t *baseline, const json_t *now, const json_t *paths, char **ret_where) {
    struct places places = { 0 };
    bool same = true;
    places_push(&places, baseline, now, json_array(), json_array());
    while (places.count > 0) {
        struct place place = places.list[--places.count];
        bool inside = (json_is_object(place.before) && json_is_object(place.now)) ||
                      is_list_of_both(place.before, place.now);
        if (same && !volatile_has(paths, place.path)) {
            if (inside && !json_equal(place.before, place.now)) {
                push_children(&places, &place);
            } else if (!inside && !is_same_value(place.before, place.now)) {
                *ret_where = show_difference(place.shown, place.before, place.now);
                same = false;
            }
        }
        json_decref(place.path);
        json_decref(place.shown);
    }
    free(places.list);
    return same;
}

/* Puts the baseline's value in at one place of the copy, or goes on below it. */
static void settle_member(struct pairs *pairs, const struct pair *pair, const char *name,
                          const json_t *paths) {
    const json_t *before = json_object_get(pair->second, name);
    json_t *path = path_with(pair->path, json_string(name));
    if (!volatile_has(paths, path)) {
        pairs_push(pairs, json_object_get(pair->first, name), before, path);
        return;
    }
    if (before)
        json_object_set(pair->first, name, (json_t *)before);
    else
        json_object_del(pair->first, name);
    json_decref(path);
}

static void settle_element(struct pairs *pairs, const struct pair *pair, size_t index, const json_t *paths) {
    const json_t *before = json_array_get(pair->second, index), *now = json_array_get(pair->first, index);
    json_t *path = path_with(pair->path, step_of(index, now));
    if (!volatile_has(paths, path)) {
        pairs_push(pairs, now, before, path);
        return;
    }
    if (before)
        json_array_set(pair->first, index, (json_t *)before);
    json_decref(path);
}

json_t *volatile_settled(const json_t *now, const json_t *baseline, const json_t *paths) {
    _cleanup_json_ json_t *root = json_array();
    if (volatile_has(paths, root))
        return json_deep_copy(baseline);
    json_t *copy = json_deep_copy(now);
    struct pairs pairs = { 0 };
    pairs_push(&pairs, copy, baseline, json_array());
    while (pairs.count > 0) {
        struct pair pair = pairs.list[--pairs.count];
        _cleanup_json_ json_t *path = pair.path;
        const char *name;
        void *next;
        json_t *value;
        json_object_foreach_safe(pair.first, next, name, value) settle_member(&pairs, &pair, name, paths);
        json_object_foreach((json_t *)pair.second, name, value) {
            _cleanup_json_ json_t *lost = path_with(path, json_string(name));
            if (json_is_object(pair.first) && !json_object_get(pair.first, name) && volatile_has(paths, lost))
                json_object_set(pair.first, name, value);
        }
        for (size_t i = 0; i < json_array_size(pair.first); i++)
            settle_element(&pairs, &pair, i, paths);
    }
    pairs_done(&pairs);
    return copy;
}

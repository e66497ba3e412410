/* Sections become probes. See set.h. */

#include "probes/set.h"

#include <errno.h>
#include <string.h>

#include "probes/keys.h"
#include "probes/pattern.h"
#include "probes/progress.h"
#include "watchdog/base/memory.h"
#include "watchdog/config/credentials.h"
#include "watchdog/config/settings.h"

#define PROGRESS_PROBES 2 /* at most */

extern const struct probe_kind probe_containers, probe_logs, probe_http, probe_sql, probe_command;

const struct probe_kind *const probe_kinds[] = { &probe_containers, &probe_logs,    &probe_http,
                                                 &probe_sql,        &probe_command, NULL };

static int key_kind(const char *value, void *target, struct error *err) {
    struct buffer known = { 0 };
    for (size_t i = 0; probe_kinds[i]; i++) {
        if (string_equal(probe_kinds[i]->name, value)) {
            const struct probe_kind **kind = target;
            *kind = probe_kinds[i];
            buffer_done(&known);
            return 0;
        }
        buffer_printf(&known, "%s\"%s\"", i ? ", " : "", probe_kinds[i]->name);
    }
    error_set(err, EINVAL, "expected one of %s, not \"%s\"", known.text, value);
    buffer_done(&known);
    return -EINVAL;
}

static int key_severity(const char *value, void *target, struct error *err) {
    bool *advisory = target;
    *advisory = string_equal(value, "advisory");
    return *advisory || string_equal(value, "deciding")
               ? 0
               : error_set(err, EINVAL, "expected \"deciding\" or \"advisory\", not \"%s\"", value);
}

const struct probe_key probe_common_keys[] = {
    { "Kind", key_kind, offsetof(struct probe, kind), .required = true,
      .help = "what kind of probe it is: containers, logs, http, sql or command" },
    { "After", key_names, offsetof(struct probe, after), .repeatable = true,
      .help = "probes that must have passed; their captured values and cookies are used" },
    { "Severity", key_severity, offsetof(struct probe, advisory),
      .help = "\"deciding\" (default), or \"advisory\": reports without deciding" },
    { "Every", key_duration, offsetof(struct probe, every),
      .help = "look more rarely than Interval= while it passes" },
    { "Timeout", key_duration, offsetof(struct probe, timeout), .help = "the time that one look may take" },
    { "FailAfter", key_count, offsetof(struct probe, fail_after),
      .help = "so many failures in a row fail the release, in place of [Watch] FailAfter=" },
    { "FailShare", key_share, offsetof(struct probe, fail_share),
      .help = "failures in more than this share of at least 10 looks fail the release, in place of [Watch] "
              "FailShare=" },
    { 0 },
};

static int section_error(const struct probe_section *section, const struct setting_key *key,
                         struct error *err) {
    if (key)
        return error_prefix(err, "%s:%u: [Probe %s] %s=", key->file, key->line, section->name, key->name);
    return error_prefix(err, "%s:%u: [Probe %s]", section->file, section->line, section->name);
}

static const struct probe_key *find_key(const struct probe_key *keys, const char *name) {
    for (; keys && keys->name; keys++)
        if (string_equal(keys->name, name))
            return keys;
    return NULL;
}

static const struct probe_key *key_of(const struct probe *probe, const char *name, void **ret_base) {
    const struct probe_key *key = find_key(probe_common_keys, name);
    *ret_base = key ? (void *)probe : probe->settings;
    return key ? key : find_key(probe->kind->keys, name);
}

static int unknown_key(const struct probe *probe, struct error *err) {
    struct buffer known = { 0 };
    for (const struct probe_key *key = probe->kind->keys; key && key->name; key++)
        buffer_printf(&known, "%s=, ", key->name);
    for (const struct probe_key *key = probe_common_keys; key->name; key++)
        buffer_printf(&known, "%s=%s", key->name, key[1].name ? ", " : "");
    error_set(err, EINVAL, "is no key of a probe of kind \"%s\"; expected one of %s", probe->kind->name,
              known.text);
    buffer_done(&known);
    return -EINVAL;
}

/* A drop-in replaces what does not repeat; twice in one file is a mistake. */
static bool is_replaced(const struct probe_section *section, size_t index) {
    for (size_t i = index + 1; i < section->keys_count; i++)
        if (string_equal(section->keys[i].name, section->keys[index].name) &&
            !string_equal(section->keys[i].file, section->keys[index].file))
            return true;
    return false;
}

static bool was_given_before(const struct probe_section *section, size_t index) {
    for (size_t i = 0; i < index; i++)
        if (string_equal(section->keys[i].name, section->keys[index].name) &&
            string_equal(section->keys[i].file, section->keys[index].file))
            return true;
    return false;
}

static int read_key(struct probe *probe, const struct probe_section *section, size_t index,
                    struct error *err) {
    const struct setting_key *given = &section->keys[index];
    void *base;
    const struct probe_key *key = key_of(probe, given->name, &base);
    int r = 0;
    if (!key)
        r = unknown_key(probe, err);
    else if (!key->repeatable && was_given_before(section, index))
        r = error_set(err, EINVAL, "is given twice and takes one value only");
    else if (!key->repeatable && is_replaced(section, index))
        return 0;
    else
        r = key->parse(given->value, (char *)base + key->offset, err);
    return r < 0 ? section_error(section, given, err) : 0;
}

static bool is_given(const struct probe_section *section, const char *name) {
    for (size_t i = 0; i < section->keys_count; i++)
        if (string_equal(section->keys[i].name, name))
            return true;
    return false;
}

static int read_kind(struct probe *probe, const struct probe_section *section, struct error *err) {
    for (size_t i = 0; i < section->keys_count; i++)
        if (string_equal(section->keys[i].name, "Kind") &&
            key_kind(section->keys[i].value, &probe->kind, err) < 0)
            return section_error(section, &section->keys[i], err);
    if (!probe->kind) {
        error_set(err, EINVAL, "expected Kind=: containers, logs, http, sql or command");
        return section_error(section, NULL, err);
    }
    return 0;
}

static int read_probe(struct probe *probe, const struct probe_section *section, struct error *err) {
    probe->name = xstrdup(section->name);
    probe->file = xstrdup(section->file);
    probe->line = section->line;
    int r = read_kind(probe, section, err);
    if (r < 0)
        return r;
    probe->timeout = probe->kind->timeout;
    probe->settings = xcalloc(1, probe->kind->settings_size);
    if (probe->kind->init)
        probe->kind->init(probe->settings);
    for (size_t i = 0; i < section->keys_count; i++)
        if ((r = read_key(probe, section, i, err)) < 0)
            return r;
    for (const struct probe_key *key = probe->kind->keys; key && key->name; key++)
        if (key->required && !is_given(section, key->name)) {
            error_set(err, EINVAL, "expected %s=: %s", key->name, key->help);
            return section_error(section, NULL, err);
        }
    return 0;
}

static size_t index_of(const struct probe_set *set, const char *name) {
    for (size_t i = 0; i < set->count; i++)
        if (string_equal(set->probes[i].name, name))
            return i;
    return set->count;
}

bool probe_set_is_ancestor(const struct probe_set *set, size_t of, size_t whom) {
    return set->ancestors[of * set->count + whom];
}

static int join_after(struct probe_set *set, size_t index, struct error *err) {
    const struct probe *probe = &set->probes[index];
    for (char **after = probe->after; after && *after; after++) {
        size_t other = index_of(set, *after);
        if (other == set->count || other == index)
            return error_set(err, EINVAL,
                             "%s:%u: [Probe %s] After=: expected the name of another probe, not \"%s\"",
                             probe->file, probe->line, probe->name, *after);
        set->ancestors[index * set->count + other] = true;
    }
    return 0;
}

/* Puts predecessors first; what is left over when nothing can be put any more is a cycle. */
static int put_in_order(struct probe_set *set, struct error *err) {
    size_t placed = 0, before = set->count;
    bool *done = xcalloc(set->count, sizeof(*done));
    while (placed < set->count && placed != before) {
        before = placed;
        for (size_t i = 0; i < set->count; i++) {
            bool ready = !done[i];
            for (size_t k = 0; k < set->count && ready; k++)
                ready = !set->ancestors[i * set->count + k] || done[k];
            if (ready) {
                done[i] = true;
                set->order[placed++] = i;
            }
        }
    }
    int r = 0;
    for (size_t i = 0; i < set->count && placed < set->count && r == 0; i++)
        if (!done[i])
            r = error_set(err, EINVAL, "%s:%u: [Probe %s] After=: expected no cycle, it comes after itself",
                          set->probes[i].file, set->probes[i].line, set->probes[i].name);
    free(done);
    return r;
}

/* Ancestors of ancestors, and which probes are joined at all. */
static void close_over(struct probe_set *set) {
    for (size_t n = 0; n < set->count; n++) {
        bool *own = set->ancestors + set->order[n] * set->count;
        for (size_t k = 0; k < set->count; k++)
            for (size_t i = 0; own[k] && i < set->count; i++)
                own[i] = own[i] || set->ancestors[k * set->count + i];
    }
    for (size_t i = 0; i < set->count; i++)
        set->lane[i] = i;
    for (size_t i = 0; i < set->count; i++)
        for (size_t k = 0; k < set->count; k++)
            if (probe_set_is_ancestor(set, i, k) && set->lane[i] != set->lane[k]) {
                size_t from = set->lane[i], to = set->lane[k];
                for (size_t n = 0; n < set->count; n++)
                    set->lane[n] = set->lane[n] == from ? to : set->lane[n];
            }
    set->lanes = set->count;
}

/* The probe that captures @name, or the number of probes. @of: only among its ancestors. */
static size_t who_captures(const struct probe_set *set, const char *name, const size_t *of) {
    for (size_t i = 0; i < set->count; i++) {
        if ((of && !probe_set_is_ancestor(set, *of, i)) || !set->probes[i].kind->captures)
            continue;
        _cleanup_strings_ char **names = NULL;
        set->probes[i].kind->captures(&set->probes[i], &names);
        if (strings_contain(names, name))
            return i;
    }
    return set->count;
}

static int check_placeholders(const struct probe_set *set, size_t index, struct error *err) {
    const struct probe *probe = &set->probes[index];
    _cleanup_strings_ char **names = NULL;
    if (probe->kind->placeholders)
        probe->kind->placeholders(probe, &names);
    for (size_t i = 0; names && names[i]; i++) {
        size_t other = who_captures(set, names[i], NULL);
        if (other < set->count && who_captures(set, names[i], &index) == set->count)
            return error_set(err, EINVAL,
                             "%s:%u: [Probe %s]: \"%%{%s}\" is captured by [Probe %s]; expected After=%s",
                             probe->file, probe->line, probe->name, names[i], set->probes[other].name,
                             set->probes[other].name);
    }
    return 0;
}

static int check_all(struct probe_set *set, const struct settings *settings, struct error *err) {
    int r = 0;
    bool decides = false;
    for (size_t i = 0; i < set->count && r == 0; i++)
        r = join_after(set, i, err);
    if (r == 0)
        r = put_in_order(set, err);
    if (r < 0)
        return r;
    close_over(set);
    for (size_t i = 0; i < set->count && r == 0; i++) {
        const struct probe *probe = &set->probes[i];
        decides = decides || !probe->advisory;
        if (probe->kind->check && (r = probe->kind->check(probe, set, settings, err)) < 0)
            return error_prefix(err, "%s:%u: [Probe %s]", probe->file, probe->line, probe->name);
        r = check_placeholders(set, i, err);
    }
    if (r == 0 && !decides)
        r = error_set(err, EINVAL, "%s: expected at least one [Probe NAME] section without Severity=advisory",
                      settings->path);
    return r;
}

/* What is no section is looked at like one; its report says whether a migration is at work, and no more. */
static struct probe *append(struct probe_set *set, const char *name) {
    struct probe *probe = &set->probes[set->count++];
    probe->name = xstrdup(name);
    probe->file = xstrdup("[Watch]");
    probe->progress = probe->advisory = true;
    return probe;
}

static int add_progress_patterns(struct probe_set *set, const struct settings *settings, struct error *err) {
    for (char **text = settings->watch.progress; *text; text++) {
        struct pattern *pattern;
        _cleanup_error_ struct error why = ERROR_NONE;
        if (pattern_new(*text, &pattern, &why) < 0)
            return settings_refuse(settings, "Watch", "Progress", err, "%s", error_text(&why));
        pattern_free(pattern);
    }
    struct probe *probe = append(set, PROGRESS_NAME);
    probe->kind = &probe_progress;
    probe->timeout = probe_progress.timeout;
    return 0;
}

/* The same as a `sql` probe that passes while a migration is at work. */
static int add_progress_query(struct probe_set *set, const struct settings *settings, struct error *err) {
    _cleanup_error_ struct error why = ERROR_NONE;
    struct setting_key keys[] = {
        { .name = "Kind", .value = "sql", .file = "" },
        { .name = "Query", .value = settings->watch.progress_query, .file = "" },
        { .name = "Assert", .value = ". == true or (type == \"number\" and . > 0)", .file = "" },
    };
    const struct probe_section section = {
        .name = PROGRESS_QUERY_NAME, .file = "", .keys = keys, .keys_count = ELEMENTS(keys)
    };
    struct probe *probe = &set->probes[set->count++];
    if (read_probe(probe, &section, &why) < 0)
        return settings_refuse(settings, "Watch", "ProgressQuery", err, "%s", error_text(&why));
    probe->progress = probe->advisory = true;
    return 0;
}

static int add_progress(struct probe_set *set, const struct settings *settings, struct error *err) {
    int r = settings->watch.progress ? add_progress_patterns(set, settings, err) : 0;
    return r == 0 && settings->watch.progress_query ? add_progress_query(set, settings, err) : r;
}

int probe_set_new(const struct settings *settings, struct probe_set **ret, struct error *err) {
    _cleanup_probe_set_ struct probe_set *set = xcalloc(1, sizeof(*set));
    size_t count = settings->probes_count, sections = count;
    count += PROGRESS_PROBES;
    set->probes = xcalloc(count, sizeof(*set->probes));
    set->order = xcalloc(count, sizeof(*set->order));
    set->lane = xcalloc(count, sizeof(*set->lane));
    set->ancestors = xcalloc(count * count, sizeof(*set->ancestors));
    for (size_t i = 0; i < sections; i++) {
        set->count = i + 1;
        int r = read_probe(&set->probes[i], &settings->probes[i], err);
        if (r < 0)
            return r;
    }
    int r = add_progress(set, settings, err);
    if (r == 0)
        r = check_all(set, settings, err);
    if (r == 0)
        *ret = take_ptr(set);
    return r;
}

void probe_set_free(struct probe_set *set) {
    if (!set)
        return;
    for (size_t i = 0; i < set->count; i++) {
        struct probe *probe = &set->probes[i];
        if (probe->settings && probe->kind->done)
            probe->kind->done(probe->settings);
        free(probe->settings);
        free(probe->name);
        free(probe->file);
        strings_free(probe->after);
    }
    free(set->probes);
    free(set->order);
    free(set->lane);
    free(set->ancestors);
    free(set);
}

void cleanup_probe_set(struct probe_set **set) {
    probe_set_free(*set);
}

void probe_set_prepare(struct probe_set *set) {
    for (size_t i = 0; i < set->count; i++)
        if (set->probes[i].kind->prepare)
            set->probes[i].kind->prepare(&set->probes[i]);
}

const struct probe *probe_set_find(const struct probe_set *set, const char *name) {
    size_t index = index_of(set, name);
    return index < set->count ? &set->probes[index] : NULL;
}

int probe_set_check_needs(const struct probe_set *set, const struct settings *settings, struct error *err) {
    for (size_t i = 0; i < set->count; i++) {
        const struct probe *probe = &set->probes[i];
        _cleanup_strings_ char **names = NULL;
        if (probe->kind->placeholders)
            probe->kind->placeholders(probe, &names);
        int r = probe->kind->ready ? probe->kind->ready(probe, err) : 0;
        if (r < 0) {
            error_prefix(err, "%s:%u: [Probe %s]", probe->file, probe->line, probe->name);
            return r;
        }
        for (size_t k = 0; names && names[k]; k++) {
            _cleanup_credential_ char *value = NULL;
            if (who_captures(set, names[k], &i) < set->count)
                continue;
            r = credential_read(settings, names[k], &value, err);
            if (r < 0) {
                error_prefix(err, "%s:%u: [Probe %s]: \"%%{%s}\"", probe->file, probe->line, probe->name,
                             names[k]);
                return r;
            }
        }
    }
    return 0;
}

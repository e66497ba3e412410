/* INI files into settings. See settings-reader.h. */

#include "watchdog/config/settings-reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "watchdog/base/memory.h"
#include "watchdog/base/text.h"
#include "watchdog/config/database-url.h"
#include "watchdog/config/ini.h"
#include "watchdog/config/value.h"

#define PROBE_PREFIX "Probe"

static size_t rows(void) {
    size_t count = 0;
    while (settings_table[count].section)
        count++;
    return count;
}

struct position *positions_new(void) {
    return xcalloc(rows(), sizeof(struct position));
}

void positions_free(struct position *positions) {
    for (size_t i = 0; positions && i < rows(); i++)
        free(positions[i].file);
    free(positions);
}

void settings_reader_init(struct settings_reader *reader, const char *app, const char *path) {
    *reader = (struct settings_reader){
        .settings = xcalloc(1, sizeof(struct settings)),
    };
    struct settings *settings = reader->settings;
    settings->positions = positions_new();
    const char *slash = strrchr(path, '/');
    settings->app = xstrdup(app);
    settings->path = xstrdup(path);
    settings->config_directory = !slash          ? xstrdup(".")
                                 : slash == path ? xstrdup("/")
                                                 : xstrndup(path, (size_t)(slash - path));
    for (const struct setting *setting = settings_table; setting->section; setting++)
        setting_reset(setting, settings);
}

void settings_reader_done(struct settings_reader *reader) {
    for (size_t i = 0; i < reader->sections_count; i++) {
        free(reader->sections[i].name);
        free(reader->sections[i].at.file);
    }
    free(reader->sections);
    settings_free(reader->settings);
    *reader = (struct settings_reader){ 0 };
}

/* "; did you mean …?" */
static int refuse_unknown(const struct ini *ini, const char *what, const char *best, struct error *err) {
    error_set(err, EINVAL, "%s:%u: %s", ini->file, ini->line, what);
    return best ? error_set(err, EINVAL, "%s; did you mean %s?", error_text(err), best) : -EINVAL;
}

/* NAME of "Probe NAME", NULL when it is another section. */
static const char *probe_name(const char *section) {
    size_t size = strlen(PROBE_PREFIX);
    if (!string_starts_with(section, PROBE_PREFIX) || (section[size] && !strchr(" \t", section[size])))
        return NULL;
    return section + size + strspn(section + size, " \t");
}

static struct probe_section *probe_section_find(struct settings *settings, const struct ini *ini,
                                                const char *name) {
    for (size_t i = 0; i < settings->probes_count; i++)
        if (string_equal(settings->probes[i].name, name))
            return &settings->probes[i];
    settings->probes = xrealloc(settings->probes, settings->probes_count + 1, sizeof(struct probe_section));
    struct probe_section *probe = &settings->probes[settings->probes_count++];
    *probe = (struct probe_section){ .name = xstrdup(name), .file = xstrdup(ini->file), .line = ini->line };
    return probe;
}

static int section_check(struct settings_reader *reader, const struct ini *ini, struct error *err) {
    for (size_t i = 0; i < reader->sections_count; i++) {
        const struct seen_section *seen = &reader->sections[i];
        if (string_equal(seen->name, ini->name) && string_equal(seen->at.file, ini->file))
            return error_set(err, EINVAL,
                             "%s:%u: [%s]: the section is there already, in line %u; expected it once",
                             ini->file, ini->line, ini->name, seen->at.line);
    }
    if (strings_contain((char *const *)settings_later_sections, ini->name))
        return error_set(err, EINVAL, "%s:%u: [%s]: not supported by this version yet", ini->file, ini->line,
                         ini->name);
    const char *name = probe_name(ini->name);
    if (name && !value_is_name(name))
        return error_set(
            err, EINVAL,
            "%s:%u: [%s]: expected [Probe NAME] with a name of letters, digits, \"-\", \"_\" and \".\"",
            ini->file, ini->line, ini->name);
    if (!name && !setting_section_known(ini->name)) {
        struct nearest nearest = { .wanted = ini->name };
        for (const struct setting *setting = settings_table; setting->section; setting++)
            nearest_consider(&nearest, setting->section);
        nearest_consider(&nearest, PROBE_PREFIX);
        _cleanup_free_ char *best =
            nearest.best
                ? xasprintf("[%s%s]", nearest.best, string_equal(nearest.best, PROBE_PREFIX) ? " NAME" : "")
                : NULL;
        _cleanup_free_ char *what = xasprintf("[%s]: unknown section", ini->name);
        return refuse_unknown(ini, what, best, err);
    }
    return 0;
}

static int section_begin(struct settings_reader *reader, const struct ini *ini, struct error *err) {
    int r = section_check(reader, ini, err);
    if (r < 0)
        return r;
    reader->sections = xrealloc(reader->sections, reader->sections_count + 1, sizeof(struct seen_section));
    reader->sections[reader->sections_count++] =
        (struct seen_section){ xstrdup(ini->name), { xstrdup(ini->file), ini->line } };
    const char *name = probe_name(ini->name);
    if (name)
        probe_section_find(reader->settings, ini, name);
    return 0;
}

static void setting_key_done(struct setting_key *key) {
    free(key->name);
    free(key->value);
    free(key->file);
}

static void probe_keys_reset(struct probe_section *probe, const char *name) {
    size_t kept = 0;
    for (size_t i = 0; i < probe->keys_count; i++) {
        if (string_equal(probe->keys[i].name, name))
            setting_key_done(&probe->keys[i]);
        else
            probe->keys[kept++] = probe->keys[i];
    }
    probe->keys_count = kept;
}

static void probe_key_add(struct probe_section *probe, const struct ini *ini) {
    if (!*ini->value) {
        probe_keys_reset(probe, ini->name);
        return;
    }
    probe->keys = xrealloc(probe->keys, probe->keys_count + 1, sizeof(struct setting_key));
    probe->keys[probe->keys_count++] =
        (struct setting_key){ xstrdup(ini->name), xstrdup(ini->value), xstrdup(ini->file), ini->line };
}

static int key_find(const struct ini *ini, const char *section, const struct setting **ret,
                    struct error *err) {
    *ret = setting_find(section, ini->name);
    if (*ret)
        return 0;
    struct nearest nearest = { .wanted = ini->name };
    _cleanup_free_ char *best = NULL;
    for (const struct setting *setting = settings_table; setting->section; setting++) {
        if (string_equal(setting->section, section))
            nearest_consider(&nearest, setting->key);
        else if (!best && string_equal(setting->key, ini->name))
            best = xasprintf("%s= of [%s]", setting->key, setting->section);
    }
    if (!best && nearest.best)
        best = xasprintf("%s=", nearest.best);
    _cleanup_free_ char *what = xasprintf("[%s] %s=: unknown key", section, ini->name);
    return refuse_unknown(ini, what, best, err);
}

static int key_assign(struct settings_reader *reader, const struct ini *ini, const char *section,
                      struct error *err) {
    const struct setting *setting;
    int r = key_find(ini, section, &setting, err);
    if (r < 0)
        return r;
    struct position *position = &reader->settings->positions[setting - settings_table];
    if (setting->storage != SETTING_LIST && string_equal(position->file, ini->file))
        return error_set(err, EINVAL, "%s:%u: [%s] %s=: given already in line %u; expected it once",
                         ini->file, ini->line, section, ini->name, position->line);
    replace_string(position->file, xstrdup(ini->file));
    position->line = ini->line;
    if (!*ini->value) {
        setting_reset(setting, reader->settings);
        return 0;
    }
    r = setting_assign(setting, ini->value, reader->settings, err);
    return r < 0 ? error_prefix(err, "%s:%u: [%s] %s=", ini->file, ini->line, section, ini->name) : 0;
}

int settings_reader_add(struct settings_reader *reader, const char *file, const char *text, size_t size,
                        int marks, struct error *err) {
    _cleanup_ini_ struct ini ini;
    _cleanup_free_ char *section = NULL;
    ini_init(&ini, file, text, size);
    ini.marks = marks;
    int r;
    while ((r = ini_next(&ini, err)) > 0) {
        if (ini.kind == INI_SECTION) {
            replace_string(section, xstrdup(ini.name));
            r = section_begin(reader, &ini, err);
        } else if (!section) {
            r = error_set(err, EINVAL, "%s:%u: %s= before the first section, expected [Section]", ini.file,
                          ini.line, ini.name);
        } else if (probe_name(section)) {
            probe_key_add(probe_section_find(reader->settings, &ini, probe_name(section)), &ini);
        } else {
            r = key_assign(reader, &ini, section, err);
        }
        if (r < 0)
            return r;
    }
    return r;
}

/* What Url= says of role and database need not be said again; said again, it is the same. */
static int take_from_url(struct settings *settings, struct error *err) {
    _cleanup_database_url_ struct database_url url = { 0 };
    int r = database_url_parse(settings->database.url, &url, err);
    if (r < 0)
        return r;
    if (url.user && settings->database.user && !string_equal(url.user, settings->database.user))
        return settings_refuse(settings, "Database", "User", err,
                               "Url= says \"%s\", expected one role in both, or in one of them", url.user);
    if (url.user && !settings->database.user)
        settings->database.user = xstrdup(url.user);
    if (url.database && settings->database.names && !strings_contain(settings->database.names, url.database))
        return settings_refuse(settings, "Database", "Name", err, "Url= says \"%s\", which is not among them",
                               url.database);
    if (url.database && !settings->database.names)
        strings_append(&settings->database.names, url.database);
    return 0;
}

static int finish_database(struct settings *settings, struct error *err) {
    static const char *const keys[] = { "Name", "User" };
    if (settings->database.service && settings->database.url)
        return settings_refuse(settings, "Database", "Url", err,
                               "there is Service= too, expected one of them: the server is a service of the "
                               "project, or elsewhere");
    if (!settings->database.service && !settings->database.url)
        return settings_refuse(settings, "Database", "Service", err,
                               "is required, expected the name of a Compose service (or Url= in its place)");
    if (settings->database.programs && !settings->database.url)
        return settings_refuse(settings, "Database", "Programs", err,
                               "is for Url= only: they run in the container of Service=");
    int r = settings->database.url ? take_from_url(settings, err) : 0;
    for (size_t i = 0; r >= 0 && i < ELEMENTS(keys); i++) {
        const struct setting *setting = setting_find("Database", keys[i]);
        if (!setting_given(setting, settings))
            r = settings_refuse(settings, "Database", keys[i], err, "is required, expected %s%s",
                                setting->expected, settings->database.url ? " (or in Url=)" : "");
    }
    return r;
}

int settings_reader_finish(struct settings_reader *reader, struct error *err) {
    struct settings *settings = reader->settings;
    for (const struct setting *setting = settings_table; setting->section; setting++)
        if (setting->required && !setting_given(setting, settings))
            return settings_refuse(settings, setting->section, setting->key, err, "is required, expected %s",
                                   setting->expected);
    int r = finish_database(settings, err);
    if (r < 0)
        return r;
    if (settings->watch.interval > settings->watch.duration)
        return settings_refuse(settings, "Watch", "Interval", err,
                               "longer than Duration=, expected several rounds of probes in the window");
    if (settings->watch.gate_until != GATE_UNTIL_FIRST_PASS && !settings->watch.gate)
        return settings_refuse(settings, "Watch", "GateUntil", err, "there is no gate, expected Gate= too");
    if (settings->watch.gate && string_equal(settings->watch.gate, settings->database.service))
        return settings_refuse(settings, "Watch", "Gate", err,
                               "\"%s\" is the database, expected the service that lets users in",
                               settings->watch.gate);
    for (char **data = settings->snapshot.data; data && *data; data++) {
        if (string_equal(*data, ".") || string_equal(*data, settings->application.directory))
            return settings_refuse(settings, "Snapshot", "Data", err,
                                   "\"%s\" is the whole directory with its Compose files, expected the "
                                   "directories in it that hold data",
                                   *data);
        if (strings_contain(settings->snapshot.ignore, *data))
            return settings_refuse(settings, "Snapshot", "Ignore", err,
                                   "\"%s\" is in Data= too, expected it in one of them", *data);
    }
    return 0;
}

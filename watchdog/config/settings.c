/* The configuration: files found, read in order, written back as one text. See settings.h. */

#include "watchdog/config/settings.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "watchdog/base/durable.h"
#include "watchdog/base/text.h"
#include "watchdog/config/settings-reader.h"
#include "watchdog/config/value.h"

#define FILE_LIMIT (1024 * 1024)
#define SUFFIX ".conf"

static void probe_section_done(struct probe_section *probe) {
    for (size_t i = 0; i < probe->keys_count; i++) {
        free(probe->keys[i].name);
        free(probe->keys[i].value);
        free(probe->keys[i].file);
    }
    free(probe->keys);
    free(probe->name);
    free(probe->file);
}

void settings_free(struct settings *settings) {
    if (!settings)
        return;
    for (const struct setting *setting = settings_table; setting->section; setting++)
        setting_done(setting, settings);
    for (size_t i = 0; i < settings->probes_count; i++)
        probe_section_done(&settings->probes[i]);
    free(settings->probes);
    positions_free(settings->positions);
    free(settings->app);
    free(settings->path);
    free(settings->config_directory);
    free(settings);
}

int settings_refuse(const struct settings *settings, const char *section, const char *key, struct error *err,
                    const char *format, ...) {
    const struct setting *setting = setting_find(section, key);
    if (!setting)
        abort(); /* whoever calls names a row of the table */
    va_list arguments;
    va_start(arguments, format);
    error_setv(err, EINVAL, format, arguments);
    va_end(arguments);
    const struct position *position = &settings->positions[setting - settings_table];
    error_prefix(err, "[%s] %s=", section, key);
    return position->file ? error_prefix(err, "%s:%u", position->file, position->line)
                          : error_prefix(err, "%s", settings->path);
}

void cleanup_settings(struct settings **settings) {
    settings_free(*settings);
}

int settings_parse(const char *app, const char *path, const char *text, size_t size, struct settings **ret,
                   struct error *err) {
    _cleanup_settings_reader_ struct settings_reader reader;
    settings_reader_init(&reader, app, path);
    int r = settings_reader_add(&reader, path, text, size, 1, err);
    if (r >= 0)
        r = settings_reader_finish(&reader, err);
    if (r < 0)
        return r;
    *ret = take_ptr(reader.settings);
    return 0;
}

int settings_app_name(const char *app, char **ret, struct error *err) {
    int is_path = string_ends_with(app, SUFFIX);
    const char *slash = is_path ? strrchr(app, '/') : NULL;
    const char *base = slash ? slash + 1 : app;
    _cleanup_free_ char *name = xstrndup(base, strlen(base) - (is_path ? strlen(SUFFIX) : 0));
    if (!value_is_name(name))
        return error_set(
            err, EINVAL,
            "\"%s\" is not the name of an application, expected letters, digits, \"-\", \"_\" and "
            "\".\", or a path that ends in " SUFFIX,
            app);
    *ret = take_ptr(name);
    return 0;
}

/* The absolute path of the file; symbolic links are resolved in its directory only, drop-ins stand beside the
 * name that was given. */
static int path_find(const char *config_directory, const char *app, char **ret_path, char **ret_app,
                     struct error *err) {
    _cleanup_free_ char *name = NULL;
    int r = settings_app_name(app, &name, err);
    if (r < 0)
        return r;
    int is_path = string_ends_with(app, SUFFIX);
    const char *slash = is_path ? strrchr(app, '/') : NULL;
    _cleanup_free_ char *directory = !is_path       ? xstrdup(config_directory)
                                     : !slash       ? xstrdup(".")
                                     : slash == app ? xstrdup("/")
                                                    : xstrndup(app, (size_t)(slash - app));
    _cleanup_free_ char *absolute = realpath(directory, NULL);
    if (!absolute)
        return error_errno(err, errno, "cannot find the configuration directory \"%s\"", directory);
    for (const char *at = absolute; *at; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7F || !utf8_valid(absolute, strlen(absolute)))
            return error_set(err, EINVAL, "the path of the configuration directory is not plain UTF-8 text");
    *ret_path = xasprintf("%s/%s" SUFFIX, string_equal(absolute, "/") ? "" : absolute, name);
    *ret_app = take_ptr(name);
    return 0;
}

static int add_file(struct settings_reader *reader, const char *path, struct error *err) {
    _cleanup_free_ char *text = NULL;
    size_t size;
    struct stat status;
    if (stat(path, &status) < 0)
        return error_errno(err, errno, "cannot read the configuration \"%s\"", path);
    if (!S_ISREG(status.st_mode)) /* reading a pipe would wait for ever */
        return error_set(err, EINVAL, "\"%s\" is not a regular file, expected a configuration", path);
    int r = file_read(AT_FDCWD, path, FILE_LIMIT, &text, &size, err);
    return r < 0 ? r : settings_reader_add(reader, path, text, size, 0, err);
}

static int is_drop_in(const struct dirent *entry) {
    return entry->d_name[0] != '.' && string_ends_with(entry->d_name, SUFFIX);
}

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int add_drop_ins(struct settings_reader *reader, struct error *err) {
    _cleanup_free_ char *directory = xasprintf("%s.d", reader->settings->path);
    struct dirent **entries;
    int count = scandir(directory, &entries, is_drop_in, by_name);
    if (count < 0)
        return errno == ENOENT ? 0 : error_errno(err, errno, "cannot read the directory \"%s\"", directory);
    int r = 0;
    for (int i = 0; i < count; i++) {
        _cleanup_free_ char *path = xasprintf("%s/%s", directory, entries[i]->d_name);
        if (r >= 0)
            r = utf8_valid(path, strlen(path))
                    ? add_file(reader, path, err)
                    : error_set(err, EINVAL, "a file name in \"%s\" is not UTF-8", directory);
        free(entries[i]);
    }
    free(entries);
    return r;
}

/* A path that a key names, absolute or in the project's directory. */
static int check_path(const struct settings *settings, const char *section, const char *key,
                      const char *value, int may_be_directory, const char *expected, struct error *err) {
    _cleanup_free_ char *path =
        *value == '/' ? xstrdup(value) : xasprintf("%s/%s", settings->application.directory, value);
    struct stat status;
    if (stat(path, &status) < 0)
        return settings_refuse(settings, section, key, err, "\"%s\": %s, expected %s", path, strerror(errno),
                               expected);
    if (!S_ISREG(status.st_mode) && !(may_be_directory && S_ISDIR(status.st_mode)))
        return settings_refuse(settings, section, key, err, "\"%s\" is not a regular file%s, expected %s",
                               path, may_be_directory ? " or directory" : "", expected);
    return 0;
}

/* What a person may have mistyped; a recovery does not ask, it has to work with what is left. */
static int check_paths(const struct settings *settings, struct error *err) {
    const char *directory = settings->application.directory;
    struct stat status;
    if (stat(directory, &status) < 0)
        return settings_refuse(settings, "App", "Directory", err,
                               "\"%s\": %s, expected the directory of the Compose project", directory,
                               strerror(errno));
    if (!S_ISDIR(status.st_mode))
        return settings_refuse(settings, "App", "Directory", err, "\"%s\" is not a directory", directory);
    const struct {
        const char *section, *key;
        char **paths;
        int may_be_directory;
        const char *expected;
    } lists[] = {
        { "App", "File", settings->application.files, 0, "a Compose file" },
        { "App", "EnvFile", settings->application.env_files, 0, "a file of variables" },
        { "Snapshot", "Data", settings->snapshot.data, 1, "files of the application" },
    };
    for (size_t i = 0; i < ELEMENTS(lists); i++)
        for (char **item = lists[i].paths; item && *item; item++) {
            if (strchr(*item, ':')) /* volume:NAME, SERVICE:/PATH: Docker knows them */
                continue;
            int r = check_path(settings, lists[i].section, lists[i].key, *item, lists[i].may_be_directory,
                               lists[i].expected, err);
            if (r < 0)
                return r;
        }
    return 0;
}

int settings_load(const char *config_directory, const char *app, struct settings **ret, struct error *err) {
    _cleanup_free_ char *path = NULL, *name = NULL;
    int r = path_find(config_directory, app, &path, &name, err);
    if (r < 0)
        return r;
    _cleanup_settings_reader_ struct settings_reader reader;
    settings_reader_init(&reader, name, path);
    r = add_file(&reader, path, err);
    if (r >= 0)
        r = add_drop_ins(&reader, err);
    if (r >= 0)
        r = settings_reader_finish(&reader, err);
    if (r >= 0)
        r = check_paths(reader.settings, err);
    if (r < 0)
        return r;
    *ret = take_ptr(reader.settings);
    return 0;
}

static void effective_probe(struct buffer *text, const struct probe_section *probe) {
    buffer_printf(text, "\n#line %u \"%s\"\n[Probe %s]\n", probe->line, probe->file, probe->name);
    const char *file = probe->file;
    for (size_t i = 0; i < probe->keys_count; i++) {
        const struct setting_key *key = &probe->keys[i];
        if (!string_equal(key->file, file)) /* a drop-in begins its section anew */
            buffer_printf(text, "#line %u \"%s\"\n[Probe %s]\n", key->line, key->file, probe->name);
        file = key->file;
        buffer_printf(text, "#line %u \"%s\"\n%s=%s\n", key->line, key->file, key->name, key->value);
    }
}

char *settings_effective(const struct settings *settings) {
    struct buffer text = { 0 };
    const char *section = NULL;
    for (const struct setting *setting = settings_table; setting->section; setting++) {
        _cleanup_strings_ char **values = setting_values(setting, settings);
        if (values && !string_equal(section, setting->section))
            buffer_printf(&text, "%s[%s]\n", section ? "\n" : "", setting->section);
        if (values)
            section = setting->section;
        for (size_t i = 0; values && values[i]; i++)
            buffer_printf(&text, "%s=%s\n", setting->key, values[i]);
    }
    for (size_t i = 0; i < settings->probes_count; i++)
        effective_probe(&text, &settings->probes[i]);
    return buffer_take(&text);
}

/* Lines of an INI file. See ini.h. libinih cuts long lines and section names and does not tell line numbers.
 */

#include "watchdog/config/ini.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "watchdog/base/memory.h"
#include "watchdog/base/text.h"

#define SHOWN 60 /* bytes of a line that an error repeats */

void ini_init(struct ini *ini, const char *file, const char *text, size_t size) {
    *ini = (struct ini){ .text = text, .size = size, .file = xstrdup(file) };
    if (size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
        ini->at = 3;
}

void ini_done(struct ini *ini) {
    free(ini->file);
    free(ini->name);
    free(ini->value);
    *ini = (struct ini){ 0 };
}

static int is_blank(char byte) {
    return byte == ' ' || byte == '\t';
}

static void trim(const char **text, size_t *size) {
    for (; *size > 0 && is_blank(**text); (*size)--)
        (*text)++;
    while (*size > 0 && is_blank((*text)[*size - 1]))
        (*size)--;
}

/* "Key=: " where the line begins like an assignment: what is wrong with it may not be for showing. */
static char *line_key(const char *text, size_t size) {
    size_t begin = 0, end;
    while (begin < size && is_blank(text[begin]))
        begin++;
    for (end = begin; end < size && isalnum((unsigned char)text[end]); end++)
        ;
    if (end == begin || end >= size || text[end] != '=')
        return xstrdup("");
    return xasprintf("%.*s=: ", (int)(end - begin), text + begin);
}

static int line_refuse(const struct ini *ini, const char *text, size_t size, struct error *err,
                       const char *what) {
    _cleanup_free_ char *key = line_key(text, size);
    return error_set(err, EINVAL, "%s:%u: %s%s, expected text in UTF-8", ini->file, ini->line, key, what);
}

static int line_check(const struct ini *ini, const char *text, size_t size, struct error *err) {
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte == 0)
            return line_refuse(ini, text, size, err, "a NUL byte");
        if ((byte < ' ' && byte != '\t') || byte == 0x7F) {
            _cleanup_free_ char *what = xasprintf("the control character 0x%02x", byte);
            return line_refuse(ini, text, size, err, what);
        }
    }
    return utf8_valid(text, size) ? 0 : line_refuse(ini, text, size, err, "bytes that are not UTF-8");
}

/* A line for an error: its first word. What follows may be a part of a value that is not for showing. */
static char *line_shown(const char *text, size_t size) {
    size_t shown = 0, length;
    while (shown < size && shown < SHOWN && !strchr(" \t:=", text[shown]) &&
           (length = utf8_decode(text + shown, size - shown, NULL)) > 0)
        shown += length;
    return xasprintf("%.*s%s", (int)shown, text, shown < size ? "…" : "");
}

/* `#line 12 "/etc/upgrade-watchdog/qaid.conf"`: the next line is line 12 there. */
static void read_mark(struct ini *ini, const char *text, size_t size) {
    _cleanup_free_ char *mark = xstrndup(text, size);
    if (!string_starts_with(mark, "#line "))
        return;
    char *end;
    unsigned long line = strtoul(mark + 6, &end, 10);
    size_t rest = strlen(end);
    if (line == 0 || line > UINT32_MAX || rest < 3 || end[0] != ' ' || end[1] != '"' || end[rest - 1] != '"')
        return;
    replace_string(ini->file, xstrndup(end + 2, rest - 3));
    ini->line = (unsigned)line - 1;
}

static int read_section(struct ini *ini, const char *text, size_t size, struct error *err) {
    if (size < 3 || text[size - 1] != ']') {
        _cleanup_free_ char *shown = line_shown(text, size);
        return error_set(err, EINVAL, "%s:%u: \"%s\" is no section, expected [Name] and nothing after it",
                         ini->file, ini->line, shown);
    }
    text++;
    size -= 2;
    trim(&text, &size);
    if (size == 0)
        return error_set(err, EINVAL, "%s:%u: a section without a name, expected [Name]", ini->file,
                         ini->line);
    ini->kind = INI_SECTION;
    replace_string(ini->name, xstrndup(text, size));
    replace_string(ini->value, xstrdup(""));
    return 1;
}

static int read_key(struct ini *ini, const char *text, size_t size, struct error *err) {
    const char *equals = memchr(text, '=', size);
    if (!equals || equals == text) {
        _cleanup_free_ char *shown = line_shown(text, size);
        return error_set(err, EINVAL, "%s:%u: \"%s\" is neither [Section], Key=value nor a comment",
                         ini->file, ini->line, shown);
    }
    const char *name = text, *value = equals + 1;
    size_t name_size = (size_t)(equals - text), value_size = size - name_size - 1, slashes = 0;
    trim(&name, &name_size);
    trim(&value, &value_size);
    while (slashes < value_size && value[value_size - 1 - slashes] == '\\')
        slashes++;
    if (slashes % 2)
        return error_set(err, EINVAL,
                         "%s:%u: the line ends in a backslash, expected all of a value on one line",
                         ini->file, ini->line);
    ini->kind = INI_KEY;
    replace_string(ini->name, xstrndup(name, name_size));
    replace_string(ini->value, xstrndup(value, value_size));
    return 1;
}

int ini_next(struct ini *ini, struct error *err) {
    while (ini->at < ini->size) {
        const char *text = ini->text + ini->at;
        const char *end = memchr(text, '\n', ini->size - ini->at);
        size_t size = end ? (size_t)(end - text) : ini->size - ini->at;
        ini->at += size + (end != NULL);
        ini->line++;
        if (size > 0 && text[size - 1] == '\r')
            size--;
        int r = line_check(ini, text, size, err);
        if (r < 0)
            return r;
        trim(&text, &size);
        if (size == 0 || *text == ';')
            continue;
        if (*text == '#') {
            if (ini->marks)
                read_mark(ini, text, size);
            continue;
        }
        return *text == '[' ? read_section(ini, text, size, err) : read_key(ini, text, size, err);
    }
    return 0;
}

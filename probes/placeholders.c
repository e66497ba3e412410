/* `%{name}` and masking. See placeholders.h. */

#include "probes/placeholders.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"
#include "watchdog/config/credentials.h"

#define SECRET_SHORTEST 4
#define MASK "***"

static bool is_name(char letter) {
    return isalnum((unsigned char)letter) || letter == '_' || letter == '.' || letter == '-';
}

/* The next placeholder at or after @text: its begin, its name and what follows it. Returns 0 when there is
 * none, -EINVAL when one is not closed. Escaped ones (`%%{`) are stepped over. */
static int next_placeholder(const char *text, const char **ret_begin, char **ret_name, const char **ret_end) {
    for (const char *at = text; (at = strstr(at, "%{")); at += 2) {
        if (at > text && at[-1] == '%')
            continue;
        const char *end = at + 2;
        while (is_name(*end))
            end++;
        if (*end != '}' || end == at + 2)
            return -EINVAL;
        *ret_begin = at;
        *ret_name = xstrndup(at + 2, (size_t)(end - at - 2));
        *ret_end = end + 1;
        return 1;
    }
    return 0;
}

int placeholders_check(const char *text, struct error *err) {
    const char *begin;
    char *name;
    int r;
    while ((r = next_placeholder(text, &begin, &name, &text)) > 0)
        free(name);
    return r == 0 ? 0
                  : error_set(err, EINVAL,
                              "expected \"%%{name}\" with a name of letters, digits, \"_\", \".\" and \"-\" "
                              "(\"%%%%{\" stands for itself)");
}

void placeholders_names(const char *text, char ***names) {
    const char *begin;
    char *name;
    while (next_placeholder(text, &begin, &name, &text) > 0) {
        if (!strings_contain(*names, name))
            strings_append(names, name);
        free(name);
    }
}

int placeholders_check_json(const char *text, struct error *err) {
    int r = placeholders_check(text, err);
    if (r < 0)
        return r;
    struct buffer filled = { 0 };
    const char *begin, *end;
    char *name;
    bool any = false;
    /* A bare letter is valid inside a JSON string and nowhere else. */
    for (; next_placeholder(text, &begin, &name, &end) > 0; text = end, any = true) {
        buffer_append(&filled, text, (size_t)(begin - text));
        buffer_append(&filled, "x", 1);
        free(name);
    }
    buffer_append(&filled, text, strlen(text));
    _cleanup_free_ char *json = buffer_take(&filled);
    _cleanup_json_ json_t *value = NULL;
    _cleanup_error_ struct error why = ERROR_NONE;
    if (json_parse(json, strlen(json), "the value", &value, &why) < 0)
        return error_set(err, EINVAL, "expected JSON%s: %s",
                         any ? " in which each \"%{name}\" stands inside a string" : "", error_text(&why));
    return 0;
}

void secrets_done(struct secrets *secrets) {
    for (size_t i = 0; secrets->masked && secrets->masked[i]; i++)
        explicit_bzero(secrets->masked[i], strlen(secrets->masked[i]));
    strings_free(secrets->masked);
    secrets->masked = NULL;
}

/* RFC 3986, section 2.3; @style '+': blanks as forms have them. */
static char *percent_encoded(const char *text, char style) {
    struct buffer encoded = { 0 };
    for (; *text; text++) {
        if (isalnum((unsigned char)*text) || strchr("-._~", *text))
            buffer_append(&encoded, text, 1);
        else
            buffer_printf(&encoded, style == '+' && *text == ' ' ? "+" : "%%%02X", (unsigned char)*text);
    }
    return buffer_take(&encoded);
}

/* @text as it stands inside the quotes of a JSON string. */
static char *json_escaped(const char *text, size_t flags) {
    _cleanup_json_ json_t *string = json_text_string(text);
    char *quoted = json_dumps(string, JSON_ENCODE_ANY | flags);
    if (!quoted)
        abort();
    quoted[strlen(quoted) - 1] = '\0';
    memmove(quoted, quoted + 1, strlen(quoted));
    return quoted;
}

static void mask_longest_first(char **list) {
    for (size_t i = strings_count(list); i > 1 && strlen(list[i - 1]) > strlen(list[i - 2]); i--) {
        char *longer = list[i - 1];
        list[i - 1] = list[i - 2];
        list[i - 2] = longer;
    }
}

static void mask_form(struct secrets *secrets, const char *form) {
    if (strlen(form) < SECRET_SHORTEST || strings_contain(secrets->masked, form))
        return;
    strings_append(&secrets->masked, form);
    /* a secret that is part of a longer one must not leave the rest of that one standing */
    mask_longest_first(secrets->masked);
}

/* "%C3" as "%c3", "\u00FC" as "\u00fc": both are written. */
static char *lower_escapes(const char *text) {
    char *copy = xstrdup(text);
    for (char *at = copy; *at; at++) {
        size_t digits = *at == '%' ? 2 : at[0] == '\\' && at[1] == 'u' ? 5 : 0;
        for (size_t i = 1; i <= digits && at[i]; i++)
            at[i] = (char)tolower((unsigned char)at[i]);
    }
    return copy;
}

static char *html_escaped(const char *text) {
    struct buffer escaped = { 0 };
    for (; *text; text++) {
        const char *entity = *text == '&'    ? "&amp;"
                             : *text == '<'  ? "&lt;"
                             : *text == '>'  ? "&gt;"
                             : *text == '"'  ? "&quot;"
                             : *text == '\'' ? "&#39;"
                                             : NULL;
        buffer_append(&escaped, entity ? entity : text, entity ? strlen(entity) : 1);
    }
    return buffer_take(&escaped);
}

void secrets_add(struct secrets *secrets, const char *value) {
    /* as clients and servers of several languages write it: Python escapes what is not ASCII, PHP the slash
     */
    char *forms[] = { percent_encoded(value, '%'),
                      percent_encoded(value, '+'),
                      json_escaped(value, 0),
                      json_escaped(value, JSON_ENSURE_ASCII),
                      json_escaped(value, JSON_ENSURE_ASCII | JSON_ESCAPE_SLASH),
                      html_escaped(value) };
    mask_form(secrets, value);
    for (size_t i = 0; i < ELEMENTS(forms); i++) {
        char *lower = lower_escapes(forms[i]);
        mask_form(secrets, forms[i]);
        mask_form(secrets, lower);
        explicit_bzero(lower, strlen(lower));
        explicit_bzero(forms[i], strlen(forms[i]));
        free(lower);
        free(forms[i]);
    }
}

static int value_of(struct secrets *secrets, const char *name, char **ret, struct error *err) {
    const char *captured = secrets->captures ? json_get_string(secrets->captures, name, NULL) : NULL;
    if (captured) {
        *ret = xstrdup(captured);
        return 0;
    }
    if (!secrets->credentials)
        return error_set(err, ENOENT, "there is no value for \"%%{%s}\"", name);
    return credentials_get(secrets->credentials, name, ret, err);
}

static int append_value(struct buffer *filled, const char *name, const char *value, enum place place,
                        struct error *err) {
    if (place == PLACE_HEADER)
        for (const char *at = value; *at; at++)
            if ((unsigned char)*at < 0x20 || *at == 0x7F)
                return error_set(err, EINVAL,
                                 "the value of \"%%{%s}\" has a line break or another control character and "
                                 "cannot stand in a header",
                                 name);
    _cleanup_free_ char *put = place == PLACE_JSON  ? json_escaped(value, 0)
                               : place == PLACE_URL ? percent_encoded(value, '%')
                                                    : xstrdup(value);
    buffer_append(filled, put, strlen(put));
    return 0;
}

/* What stands between placeholders: `%%{` becomes `%{`. */
static void append_literal(struct buffer *filled, const char *text, size_t size) {
    const char *end = text + size, *escaped;
    while ((escaped = memmem(text, (size_t)(end - text), "%%{", 3))) {
        buffer_append(filled, text, (size_t)(escaped - text));
        buffer_append(filled, "%{", 2);
        text = escaped + 3;
    }
    buffer_append(filled, text, (size_t)(end - text));
}

int placeholders_fill(struct secrets *secrets, const char *text, enum place place, char **ret,
                      struct error *err) {
    _cleanup_buffer_ struct buffer filled = { 0 };
    const char *begin, *end;
    char *found;
    int r;
    while ((r = next_placeholder(text, &begin, &found, &end)) > 0) {
        _cleanup_free_ char *name = found;
        _cleanup_credential_ char *value = NULL;
        append_literal(&filled, text, (size_t)(begin - text));
        r = value_of(secrets, name, &value, err);
        if (r < 0)
            return r;
        secrets_add(secrets, value);
        r = append_value(&filled, name, value, place, err);
        if (r < 0)
            return r;
        text = end;
    }
    if (r < 0)
        return error_set(err, EINVAL, "a \"%%{\" is not closed");
    append_literal(&filled, text, strlen(text));
    *ret = buffer_take(&filled);
    return 0;
}

static void replace_all(struct buffer *text, const char *secret) {
    struct buffer masked = { 0 };
    const char *at = text->text, *end = at + text->size, *found;
    while ((found = memmem(at, (size_t)(end - at), secret, strlen(secret)))) {
        buffer_append(&masked, at, (size_t)(found - at));
        buffer_append(&masked, MASK, strlen(MASK));
        at = found + strlen(secret);
    }
    buffer_append(&masked, at, (size_t)(end - at));
    buffer_done(text);
    *text = masked;
}

static void mask_all(const struct secrets *secrets, struct buffer *text) {
    for (size_t i = 0; secrets && secrets->masked && secrets->masked[i]; i++)
        if (memmem(text->text, text->size, secrets->masked[i], strlen(secrets->masked[i])))
            replace_all(text, secrets->masked[i]);
}

char *secrets_mask(const struct secrets *secrets, const char *text, size_t size) {
    struct buffer masked = { 0 };
    buffer_append(&masked, text, size);
    mask_all(secrets, &masked);
    return buffer_take(&masked);
}

char *secrets_excerpt(const struct secrets *secrets, const char *text, size_t size, size_t limit) {
    struct buffer masked = { 0 }, excerpt = { 0 };
    buffer_append(&masked, text, size);
    mask_all(secrets, &masked);
    bool cut = masked.size > limit;
    size_t end = cut ? limit : masked.size;
    /* not in the middle of a UTF-8 sequence */
    while (cut && end > 0 && ((unsigned char)masked.text[end] & 0xC0) == 0x80)
        end--;
    for (size_t i = 0; i < end; i++) {
        unsigned char letter = (unsigned char)masked.text[i];
        if (letter == '\n' || letter == '\t' || letter == '\r')
            buffer_printf(&excerpt, "\\%c", letter == '\n' ? 'n' : letter == '\t' ? 't' : 'r');
        else if (letter < 0x20 || letter == 0x7F)
            buffer_printf(&excerpt, "\\x%02x", letter);
        else
            buffer_append(&excerpt, &masked.text[i], 1);
    }
    if (cut)
        buffer_append(&excerpt, "…", strlen("…"));
    buffer_done(&masked);
    _cleanup_free_ char *raw = buffer_take(&excerpt);
    _cleanup_json_ json_t *valid = json_text_string(raw);
    return xstrdup(json_string_value(valid));
}

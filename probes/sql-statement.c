/* Query=: values as bound parameters. See sql.h. */

#include "probes/sql.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

/* The lexical rules of PostgreSQL (manual, 4.1.2): what quotes or comments take up. Returns the length of one
 * that begins at @text, 0: none does. */
static size_t quoted_length(const char *text, bool after_word) {
    if (*text == '\'' || *text == '"') {
        /* E'…\'…': a backslash escapes */
        bool escapes = *text == '\'' && after_word && (text[-1] == 'E' || text[-1] == 'e');
        size_t at = 1;
        for (; text[at]; at++) {
            if (escapes && text[at] == '\\' && text[at + 1])
                at++;
            else if (text[at] == *text)
                return at + 1;
        }
        return at;
    }
    if (string_starts_with(text, "--"))
        return strcspn(text, "\n");
    if (string_starts_with(text, "/*")) {
        const char *end = strstr(text + 2, "*/");
        return end ? (size_t)(end - text) + 2 : strlen(text);
    }
    if (*text == '$' && !after_word) {
        size_t tag = 1;
        while (isalnum((unsigned char)text[tag]) || text[tag] == '_')
            tag++;
        if (text[tag] != '$' || isdigit((unsigned char)text[1]))
            return 0;
        _cleanup_free_ char *delimiter = xstrndup(text, tag + 1);
        const char *end = strstr(text + tag + 1, delimiter);
        return end ? (size_t)(end - text) + tag + 1 : strlen(text);
    }
    return 0;
}

static size_t number_of(char ***names, const char *name) {
    for (size_t i = 0; *names && (*names)[i]; i++)
        if (string_equal((*names)[i], name))
            return i + 1;
    strings_append(names, name);
    return strings_count(*names);
}

static bool has_placeholder(const char *text, size_t size) {
    _cleanup_free_ char *part = xstrndup(text, size);
    _cleanup_strings_ char **names = NULL;
    placeholders_names(part, &names);
    return names != NULL;
}

/* What is quoted is taken over as it is, with `%%{` as what it stands for. */
static void append_quoted(struct buffer *sql, const char *text, size_t size) {
    for (size_t i = 0; i < size; i++) {
        if (size - i >= 3 && strncmp(text + i, "%%{", 3) == 0)
            i++;
        buffer_append(sql, text + i, 1);
    }
}

int sql_statement(const char *query, char **ret, char ***ret_names, struct error *err) {
    _cleanup_buffer_ struct buffer sql = { 0 };
    _cleanup_strings_ char **names = NULL;
    int r = placeholders_check(query, err);
    if (r < 0)
        return r;
    for (const char *at = query; *at;) {
        bool after_word = at > query && (isalnum((unsigned char)at[-1]) || at[-1] == '_' || at[-1] == '$');
        size_t quoted = quoted_length(at, after_word);
        if (quoted && has_placeholder(at, quoted))
            return error_set(err, EINVAL,
                             "expected \"%%{name}\" outside of quotes and comments: it is a value by itself");
        if (quoted) {
            append_quoted(&sql, at, quoted);
            at += quoted;
        } else if (string_starts_with(at, "%%{")) {
            buffer_append(&sql, "%{", 2);
            at += 3;
        } else if (string_starts_with(at, "%{")) {
            size_t size = strcspn(at, "}");
            _cleanup_free_ char *name = xstrndup(at + 2, size - 2);
            buffer_printf(&sql, "$%zu", number_of(&names, name));
            at += size + 1;
        } else {
            buffer_append(&sql, at++, 1);
        }
    }
    *ret = buffer_take(&sql);
    *ret_names = take_ptr(names);
    return 0;
}

/* The first word, comments aside: it goes into a cursor, which only these can. */
static bool is_a_select(const char *sql) {
    static const char *const words[] = { "select", "with", "values", "table" };
    for (;;) {
        sql += strspn(sql, " \t\r\n(");
        size_t comment =
            string_starts_with(sql, "--") || string_starts_with(sql, "/*") ? quoted_length(sql, false) : 0;
        if (!comment)
            break;
        sql += comment;
    }
    size_t size = strspn(sql, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_");
    for (size_t i = 0; i < ELEMENTS(words); i++)
        if (size == strlen(words[i]) && strncasecmp(sql, words[i], size) == 0)
            return true;
    return false;
}

int key_query(const char *value, void *target, struct error *err) {
    _cleanup_free_ char *sql = NULL;
    _cleanup_strings_ char **names = NULL;
    char **query = target;
    int r = sql_statement(value, &sql, &names, err);
    if (r < 0)
        return r;
    size_t size = strlen(sql);
    while (size > 0 && strchr(" \t\r\n;", sql[size - 1]))
        size--;
    for (size_t i = 0; i < size;) {
        size_t quoted =
            quoted_length(sql + i, i > 0 && (isalnum((unsigned char)sql[i - 1]) || sql[i - 1] == '_'));
        if (!quoted && sql[i] == ';')
            return error_set(err, EINVAL, "expected one statement, not several");
        i += quoted ? quoted : 1;
    }
    if (!is_a_select(sql))
        return error_set(err, EINVAL, "expected a statement that reads: SELECT, WITH, VALUES or TABLE");
    replace_string(*query, xstrndup(value, strlen(value)));
    char *end = *query + strlen(*query);
    while (end > *query && strchr(" \t\r\n;", end[-1]))
        *--end = '\0';
    return 0;
}

/* The sides of a comparison. See comparison.h. */

#include "probes/comparison.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

#include "watchdog/base/memory.h"
#include "watchdog/base/text.h"

struct found {
    size_t pipe;              /* behind the last `|` at the top */
    size_t start, end;        /* of the operator behind it; start 0: none */
    unsigned int comparisons; /* behind it */
};

static bool is_word_character(char character) {
    return isalnum((unsigned char)character) || character == '_' || character == '$' || character == '@';
}

/* Behind the text that begins at @at; 0 where a program stands in it, or it has no end. */
static size_t skip_text(const char *program, size_t at) {
    for (at++; program[at]; at++) {
        if (program[at] == '"')
            return at + 1;
        if (program[at] == '\\' && (program[++at] == '(' || !program[at]))
            return 0;
    }
    return 0;
}

/* Behind the word at @at; 0 for one that makes the whole something else than a comparison. */
static size_t skip_word(const char *program, size_t at) {
    static const char *const others[] = { "and", "or",  "as",    "def",  "if",   "reduce", "foreach",
                                          "try", "?//", "label", "then", "else", "elif",   "end" };
    size_t size = 0;
    while (is_word_character(program[at + size]))
        size++;
    bool is_field = at > 0 && program[at - 1] == '.';
    for (size_t i = 0; i < ELEMENTS(others) && !is_field; i++)
        if (strlen(others[i]) == size && strncmp(others[i], program + at, size) == 0)
            return 0;
    return at + size;
}

/* Behind the operator at @at, at the top of the program; 0 where that makes it no single comparison. */
static size_t skip_operator(const char *program, size_t at, struct found *found) {
    char character = program[at];
    bool is_double = strchr("=!<>|+-*/%", character) && program[at + 1] == '=';
    if (character == '|' && !is_double) {
        if (found->comparisons > 0)
            return 0;
        found->pipe = at + 1;
        return at + 1;
    }
    if (character == '<' || character == '>' || (is_double && (character == '=' || character == '!'))) {
        found->start = at;
        found->end = at + 1 + is_double;
        return ++found->comparisons == 1 ? found->end : 0;
    }
    bool is_other = strchr(",;=:#", character) || is_double || (character == '/' && program[at + 1] == '/');
    return is_other ? 0 : at + 1;
}

static size_t skip(const char *program, size_t at, size_t *depth, struct found *found) {
    char character = program[at];
    if (character == '"')
        return skip_text(program, at);
    if (character == '#')
        return 0;
    if (strchr("([{", character)) {
        ++*depth;
        return at + 1;
    }
    if (strchr(")]}", character))
        return (*depth)-- > 0 ? at + 1 : 0;
    if (*depth > 0)
        return at + 1;
    return is_word_character(character) ? skip_word(program, at) : skip_operator(program, at, found);
}

bool comparison_split(const char *program, char **ret_sides, char ret_operator[COMPARISON_OPERATOR_SIZE]) {
    struct found found = { 0 };
    size_t depth = 0, at = 0;
    while (program[at]) {
        at = skip(program, at, &depth, &found);
        if (at == 0)
            return false;
    }
    if (depth > 0 || found.comparisons != 1)
        return false;
    memset(ret_operator, 0, COMPARISON_OPERATOR_SIZE);
    memcpy(ret_operator, program + found.start, found.end - found.start);
    *ret_sides = xasprintf("%.*s[(%.*s), (%s)]", (int)found.pipe, program, (int)(found.start - found.pipe),
                           program + found.pipe, program + found.end);
    return true;
}

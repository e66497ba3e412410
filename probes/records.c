/* What belongs together. See records.h. */

#include "probes/records.h"

#include <ctype.h>
#include <string.h>

#define BLOCK_TIME USEC_PER_SEC

enum expects {
    NOTHING = 0,
    EXCEPTION,  /* in a traceback: code, then the exception */
    TRACEBACK,  /* chained: another one comes */
    A_CAUSE,    /* the line before ended with "failed:" or pointed at a place with "^" */
    GOROUTINES, /* a panic of Go: blocks of calls */
    A_BLOCK,    /* of Prisma: all that comes at once */
};

enum kind { BLANK, OTHER, FRAME, DETAIL, CAUSE, CHAIN, BEGIN_TRACEBACK };

struct wording {
    const char *begin;
    enum kind kind;
};

/* Lines that do not begin with a space. */
static const struct wording wordings[] = {
    { "Traceback (most recent call last):", BEGIN_TRACEBACK },
    { "During handling of the above exception, another exception occurred:", CHAIN },
    { "The above exception was the direct cause of the following exception:", CHAIN },
    { "Caused by:", CAUSE },
    { "Caused by ", CAUSE },
    { "Suppressed:", CAUSE },
    { "Wrapped by:", CAUSE },
    { "---> ", CAUSE },
    { "--- End of ", FRAME },
    { "at ", FRAME },
    { "from ", FRAME },
    { "... ", FRAME },
    { "Stack trace:", FRAME },
    { "Stacktrace:", FRAME },
    { "Stack backtrace:", FRAME },
    { "stack backtrace:", FRAME },
    { "[stacktrace]", FRAME },
    { "[previous exception]", FRAME },
    { "Node.js v", FRAME },
    { "note: run with `RUST_BACKTRACE", FRAME },
    { "Tasks: TOP => ", FRAME },
    { "(See full trace by running task with --trace)", FRAME },
    { "created by ", FRAME },
    { "[signal ", FRAME },
    { "DETAIL:", DETAIL },
    { "HINT:", DETAIL },
    { "CONTEXT:", DETAIL },
    { "STATEMENT:", DETAIL },
    { "QUERY:", DETAIL },
    { "LOCATION:", DETAIL },
    { "LINE ", DETAIL },
    { "[SQL:", DETAIL },
    { "[parameters:", DETAIL },
    { "(Background on this error at:", DETAIL },
};

static bool begins(const char *text, size_t size, const char *with) {
    size_t length = strlen(with);
    return size >= length && memcmp(text, with, length) == 0;
}

/* "#12 /app/x.php(3): f()" */
static bool is_numbered_frame(const char *text, size_t size) {
    size_t at = 1;
    while (at < size && isdigit((unsigned char)text[at]))
        at++;
    return *text == '#' && at > 1 && at < size && text[at] == ' ';
}

/* "/app/db/migrate/1_x.rb:3:in `change'", since Ruby 3.4 with '...' */
static bool is_ruby_frame(const char *text, size_t size) {
    const char *in = memmem(text, size, ":in `", 5);
    if (!in)
        in = memmem(text, size, ":in '", 5);
    return in && in > text && isdigit((unsigned char)in[-1]) && !memchr(text, ' ', (size_t)(in - text));
}

/* "main.main()", "runtime.gopanic({0x1, 0x2})" */
static bool is_go_call(const char *text, size_t size) {
    return text[size - 1] == ')' && memchr(text, '(', size) && !memchr(text, ':', size);
}

static bool is_closing(const char *text, size_t size) {
    for (size_t i = 0; i < size; i++)
        if (!strchr("]})\";,", text[i]) || text[i] == '\0')
            return false;
    return true;
}

static enum kind kind_of(const char *text, size_t size) {
    if (size == 0)
        return BLANK;
    if (*text == ' ' || *text == '\t') {
        for (size_t i = 0; i < size; i++)
            if (!isspace((unsigned char)text[i])) {
                bool cause = begins(text + i, size - i, "Caused by: ") || begins(text + i, size - i, "---> ");
                return cause ? CAUSE : FRAME;
            }
        return BLANK;
    }
    for (size_t i = 0; i < ELEMENTS(wordings); i++)
        if (*text == *wordings[i].begin && begins(text, size, wordings[i].begin))
            return wordings[i].kind;
    if (is_closing(text, size) || is_numbered_frame(text, size) || is_ruby_frame(text, size))
        return FRAME;
    return OTHER;
}

/* As most loggers begin, and the runners of scripts. */
static bool looks_like_a_beginning(const char *text, size_t size) {
    static const char *const words[] = {
        "npm ", "yarn ", "> ", "info ", "INFO ", "error Command ", "{", "["
    };
    for (size_t i = 0; i < ELEMENTS(words); i++)
        if (begins(text, size, words[i]))
            return true;
    return size > 10 && isdigit((unsigned char)text[0]) && isdigit((unsigned char)text[1]) &&
           (text[2] == ':' || text[2] == '/' || text[4] == '-' || text[4] == '/');
}

/* "Error: P3018" */
static bool begins_block(const char *text, size_t size) {
    return begins(text, size, "Error: P") && size >= 12 && isdigit((unsigned char)text[8]) &&
           isdigit((unsigned char)text[11]);
}

static bool begins_panic(const char *text, size_t size) {
    return begins(text, size, "panic: ") || begins(text, size, "fatal error: ") ||
           begins(text, size, "goroutine ");
}

/* Without the " (StandardError)" that Ruby has put behind a message's first line since 3.2
 * (Exception#detailed_message). */
static size_t without_class(const char *text, size_t size) {
    const char *begin = size > 3 && text[size - 1] == ')' ? memrchr(text, '(', size) : NULL;
    if (!begin || begin - text < 2 || begin[-1] != ' ' || !isupper((unsigned char)begin[1]))
        return size;
    for (const char *at = begin + 1; at < text + size - 1; at++)
        if (!isalnum((unsigned char)*at) && *at != ':' && *at != '_')
            return size;
    return (size_t)(begin - text) - 1;
}

static bool announces(const char *text, size_t size) {
    static const char *const words[] = { "rror", "ail", "ancel", "aused", "xception", "panicked", "bort" };
    size = without_class(text, size);
    const char *begin = size > 80 ? text + size - 80 : text;
    if (size == 0 || text[size - 1] != ':')
        return false;
    for (size_t i = 0; i < ELEMENTS(words); i++)
        if (memmem(begin, (size_t)(text + size - begin), words[i], strlen(words[i])))
            return true;
    return false;
}

/* "    throw error;" is followed by "    ^", an empty line, and then the error */
static bool points(const char *text, size_t size) {
    bool caret = false;
    for (size_t i = 0; i < size; i++) {
        if (!strchr(" \t^~", text[i]) || text[i] == '\0')
            return false;
        caret = caret || text[i] == '^';
    }
    return caret;
}

static bool same_moment(const char *before, const char *time) {
    usec_t one, other;
    if (timestamp_parse(before, &one) < 0 || timestamp_parse(time, &other) < 0)
        return true;
    return other < one + BLOCK_TIME;
}

bool record_continues(const struct record *record, const char *time, const char *text, size_t size) {
    if (record->lines == 0)
        return false;
    enum kind kind = kind_of(text, size);
    if (kind == DETAIL && begins(text, size, "LINE "))
        return size > 5 && isdigit((unsigned char)text[5]);
    if (kind != OTHER)
        return true;
    switch (record->expects) {
    case EXCEPTION:
        return record->blank == 0;
    case A_CAUSE:
        return record->blank <= 1 && !looks_like_a_beginning(text, size);
    case GOROUTINES:
        return begins(text, size, "goroutine ") || begins(text, size, "exit status ") ||
               (record->blank == 0 && is_go_call(text, size));
    case A_BLOCK:
        return !looks_like_a_beginning(text, size) && same_moment(record->last_time, time);
    default:
        return false;
    }
}

static enum expects next_of(const struct record *record, enum kind kind, const char *text, size_t size) {
    if (kind == BEGIN_TRACEBACK)
        return EXCEPTION;
    if (kind == CHAIN)
        return TRACEBACK;
    if (record->expects == EXCEPTION && kind == FRAME)
        return EXCEPTION;
    if (record->lines == 0 && begins_block(text, size))
        return A_BLOCK;
    if (record->expects == A_BLOCK || record->expects == GOROUTINES)
        return record->expects;
    if (begins_panic(text, size))
        return GOROUTINES;
    /* PostgreSQL points too, into the query under an exception of Python's */
    return (points(text, size) && !record->traceback) || announces(text, size) ? A_CAUSE : NOTHING;
}

/* What a line says of the cause: nothing where it only shows the way to it. The first line's shape is taken
 * when there is a second: most records have none. */
static void note_cause(struct record *record, enum kind kind, const char *text, size_t size) {
    if (record->lines == 1)
        record->causes = record->traceback
                             ? SHAPE_BEGIN
                             : line_shape(SHAPE_BEGIN, record->text.text, strcspn(record->text.text, "\n"));
    if (kind == BEGIN_TRACEBACK && !record->traceback && record->lines > 0)
        record->causes = SHAPE_BEGIN; /* what stands before the first one may have nothing to do with it */
    else if (record->lines > 0 && (kind == CAUSE || (kind == OTHER && record->expects != GOROUTINES)))
        record->causes = line_shape(record->causes, text, size);
    record->traceback = record->traceback || kind == BEGIN_TRACEBACK;
}

static void keep(struct record *record, const char *text, size_t size) {
    if (record->cut)
        return;
    record->cut =
        record->lines >= RECORD_LINES || record->text.size + size + record->blank + 1 > RECORD_BYTES;
    if (record->cut && record->lines > 0)
        return;
    for (unsigned i = 0; i < record->blank; i++)
        buffer_append(&record->text, "\n", 1);
    buffer_append(&record->text, text, size < RECORD_BYTES ? size : RECORD_BYTES);
    buffer_append(&record->text, "\n", 1);
}

void record_add(struct record *record, const char *time, const char *text, size_t size) {
    enum kind kind = kind_of(text, size);
    if (kind == BLANK && record->lines > 0) {
        record->blank += record->blank < RECORD_LINES;
        return;
    }
    enum expects next = size ? next_of(record, kind, text, size) : NOTHING;
    note_cause(record, kind, text, size);
    keep(record, text, size);
    record->lines++;
    record->blank = 0;
    record->expects = next;
    memccpy(record->last_time, time, '\0', sizeof(record->last_time));
}

void record_clear(struct record *record) {
    struct buffer text = record->text;
    text.size = 0;
    *record = (struct record){ .text = text };
}

void record_done(struct record *record) {
    buffer_done(&record->text);
    *record = (struct record){ 0 };
}

bool record_is_full(const struct record *record) {
    return record->cut || record->lines >= RECORD_LINES;
}

static char *line_below(const struct record *record, const char *line) {
    const char *at = memmem(record->text.text, record->text.size, line, strlen(line));
    if (!at)
        return NULL;
    at += strlen(line);
    at += strspn(at, "\n");
    return *at ? xstrndup(at, strcspn(at, "\n")) : NULL;
}

/* The last one: of tracebacks that are chained, what came of it in the end. */
static char *exception_of(const struct record *record) {
    const char *found = NULL;
    for (const char *at = record->text.text; *at; at += strcspn(at, "\n"), at += *at == '\n')
        if (at > record->text.text && kind_of(at, strcspn(at, "\n")) == OTHER)
            found = at;
    return found ? xstrndup(found, strcspn(found, "\n")) : NULL;
}

char *record_cause(const struct record *record, const char *line) {
    if (!record->text.text || !record->text.size)
        return NULL;
    if (announces(line, strlen(line)))
        return line_below(record, line);
    enum kind kind = kind_of(line, strlen(line));
    return record->traceback && (kind == FRAME || kind == BEGIN_TRACEBACK) ? exception_of(record) : NULL;
}

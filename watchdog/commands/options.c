/* The command line. See options.h. */

#include "watchdog/commands/options.h"

#include <errno.h>
#include <string.h>

#include "watchdog/base/text.h"

#define SEE_HELP "see upgrade-watchdog --help"
#define HELP_COMMAND "help"

const struct command *command_find(const char *name) {
    for (const struct command *command = commands; command->name; command++)
        if (string_equal(command->name, name))
            return command;
    return NULL;
}

static const struct option_row *row_find(const struct option_row *rows, const char *name) {
    for (const struct option_row *row = rows; row && row->name; row++)
        if (string_equal(row->name, name))
            return row;
    return NULL;
}

/* What is known before the command is: an option's form, whoever has it. */
static const struct option_row *row_of_anybody(const char *name) {
    const struct option_row *row = row_find(global_options, name);
    for (const struct command *command = commands; !row && command->name; command++)
        row = row_find(command->options, name);
    return row;
}

static int refuse_unknown_option(const char *name, struct error *err) {
    struct nearest nearest = { .wanted = name };
    for (const struct option_row *row = global_options; row->name; row++)
        nearest_consider(&nearest, row->name);
    for (const struct command *command = commands; command->name; command++)
        for (const struct option_row *row = command->options; row && row->name; row++)
            nearest_consider(&nearest, row->name);
    if (nearest.best)
        return error_set(err, EINVAL, "unknown option \"%s\"; did you mean %s?", name, nearest.best);
    return error_set(err, EINVAL, "unknown option \"%s\"; " SEE_HELP, name);
}

static int refuse_unknown_command(const char *name, struct error *err) {
    struct nearest nearest = { .wanted = name };
    for (const struct command *command = commands; command->name; command++)
        nearest_consider(&nearest, command->name);
    if (nearest.best)
        return error_set(err, EINVAL, "unknown command \"%s\"; did you mean %s?", name, nearest.best);
    return error_set(err, EINVAL, "unknown command \"%s\"; " SEE_HELP, name);
}

static bool is_word_of(const char *words, const char *value) {
    size_t size = strlen(value);
    for (const char *at = words; size > 0 && at; at = strchr(at, '|')) {
        at += *at == '|';
        if (strncmp(at, value, size) == 0 && (at[size] == '|' || at[size] == '\0'))
            return true;
    }
    return false;
}

/* The command line while it is read. */
struct reader {
    char *const *argv;
    int argc, at;
    const char
        *operands[COMMAND_ARGUMENTS + 2]; /* the command is the first; one more to see that it is too many */
    size_t operands_count;
    const struct option_row **used;
    size_t used_count;
};

static void reader_done(struct reader *reader) {
    free(reader->used);
}

static int take_value(struct reader *reader, const struct option_row *row, const char *attached,
                      struct options *ret, struct error *err) {
    void *target = (char *)ret + row->offset;
    switch (row->storage) {
    case OPTION_FLAG:
        if (attached)
            return error_set(err, EINVAL, "\"%s\" takes no value", row->name);
        *(bool *)target = true;
        return 0;
    case OPTION_TEXT:
        if (!attached && reader->at + 1 < reader->argc)
            attached = reader->argv[++reader->at];
        if (!attached || !*attached)
            return error_set(err, EINVAL, "\"%s\" wants %s behind it", row->name, row->argument);
        *(const char **)target = attached;
        return 0;
    case OPTION_HOW:
        ret->verify = true;
        if (attached && !is_word_of(row->argument, attached))
            return error_set(err, EINVAL, "\"%s=%s\" is unknown, expected %s", row->name, attached,
                             row->argument);
        ret->verify_how = attached;
        return 0;
    case OPTION_LATER:
        break;
    }
    return error_set(err, EINVAL, "\"%s\" comes with a later version", row->name);
}

static int take_option(struct reader *reader, const char *argument, struct options *ret, struct error *err) {
    const char *equals = strchr(argument, '=');
    _cleanup_free_ char *name =
        string_equal(argument, "-h")
            ? xstrdup("--help")
            : xstrndup(argument, equals ? (size_t)(equals - argument) : strlen(argument));
    const struct option_row *row = row_of_anybody(name);
    if (!row)
        return refuse_unknown_option(name, err);
    reader->used = xrealloc(reader->used, reader->used_count + 1, sizeof(row));
    reader->used[reader->used_count++] = row;
    return take_value(reader, row, equals ? equals + 1 : NULL, ret, err);
}

static int take_operand(struct reader *reader, const char *argument, struct error *err) {
    if (reader->operands_count == ELEMENTS(reader->operands))
        return error_set(err, EINVAL, "too many arguments, \"%s\" and what follows", argument);
    if (!*argument)
        return error_set(err, EINVAL, "an argument is empty");
    reader->operands[reader->operands_count++] = argument;
    return 0;
}

static int take_all(struct reader *reader, struct options *ret, struct error *err) {
    bool only_operands = false;
    for (reader->at = 1; reader->at < reader->argc; reader->at++) {
        const char *argument = reader->argv[reader->at];
        int r = 0;
        if (!only_operands && string_equal(argument, "--"))
            only_operands = true;
        else if (!only_operands && argument[0] == '-' && argument[1])
            r = take_option(reader, argument, ret, err);
        else
            r = take_operand(reader, argument, err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* `help` and `help COMMAND` are --help. */
static int take_help(const struct reader *reader, struct options *ret, struct error *err) {
    ret->help = true;
    if (reader->operands_count > 2)
        return error_set(err, EINVAL, "too many arguments, \"%s\" and what follows", reader->operands[2]);
    if (reader->operands_count < 2)
        return 0;
    ret->command = command_find(reader->operands[1]);
    return ret->command ? 0 : refuse_unknown_command(reader->operands[1], err);
}

static int check_options(const struct reader *reader, const struct command *command, struct error *err) {
    for (size_t i = 0; i < reader->used_count; i++) {
        const char *name = reader->used[i]->name;
        if (!row_find(global_options, name) && !row_find(command->options, name))
            return error_set(err, EINVAL, "\"%s\" is no option of %s; see upgrade-watchdog help %s", name,
                             command->name, command->name);
    }
    return 0;
}

static int take_arguments(const struct reader *reader, const struct command *command, struct options *ret,
                          struct error *err) {
    size_t given = reader->operands_count - 1;
    if (given < command->required)
        return error_set(err, EINVAL, "%s wants %s", command->name, command->arguments);
    for (size_t i = 0; i < given; i++) {
        if (i == COMMAND_ARGUMENTS || command->offsets[i] == 0)
            return error_set(err, EINVAL, "%s does not want \"%s\", expected %s", command->name,
                             reader->operands[i + 1],
                             *command->arguments ? command->arguments : "no argument");
        *(const char **)((char *)ret + command->offsets[i]) = reader->operands[i + 1];
    }
    return 0;
}

int options_parse(int argc, char *const *argv, struct options *ret, struct error *err) {
    __attribute__((cleanup(reader_done))) struct reader reader = { .argv = argv, .argc = argc };
    *ret = (struct options){ .config_directory = "/etc/upgrade-watchdog",
                             .state_directory = "/var/lib/upgrade-watchdog" };
    int r = take_all(&reader, ret, err);
    if (r < 0)
        return r;
    if (reader.operands_count == 0)
        return ret->help || ret->version ? 0 : error_set(err, EINVAL, "a command is missing; " SEE_HELP);
    if (string_equal(reader.operands[0], HELP_COMMAND))
        return take_help(&reader, ret, err);
    ret->command = command_find(reader.operands[0]);
    if (!ret->command)
        return refuse_unknown_command(reader.operands[0], err);
    r = check_options(&reader, ret->command, err);
    if (r < 0 || ret->help || ret->version)
        return r;
    if (!ret->command->run)
        return error_set(err, EINVAL, "%s comes with a later version", ret->command->name);
    return take_arguments(&reader, ret->command, ret, err);
}

static void append_options(struct buffer *text, const char *title, const struct option_row *rows) {
    buffer_printf(text, "\n%s:\n", title);
    for (const struct option_row *row = rows; row->name; row++) {
        const char *joint = row->storage == OPTION_HOW ? "[=" : " ",
                   *end = row->storage == OPTION_HOW ? "]" : "";
        _cleanup_free_ char *left =
            row->argument ? xasprintf("%s%s%s%s", row->name, joint, row->argument, end) : xstrdup(row->name);
        buffer_printf(text, "  %-32s %s%s\n", left, row->help,
                      row->storage == OPTION_LATER ? " (comes with a later version)" : "");
    }
}

char *options_help(const struct command *command) {
    struct buffer text = { 0 };
    if (command) {
        buffer_printf(&text, "upgrade-watchdog %s%s%s: %s%s\n", command->name, *command->arguments ? " " : "",
                      command->arguments, command->summary,
                      command->run ? "" : " (comes with a later version)");
        if (command->text)
            buffer_printf(&text, "\n%s\n", command->text);
        if (command->options)
            append_options(&text, "Options", command->options);
    } else {
        buffer_printf(&text,
                      "Usage: upgrade-watchdog [OPTION…] COMMAND [APP] …\n\n"
                      "Upgrades Docker Compose applications with PostgreSQL, and rolls back by itself.\n"
                      "APP is the name of APP.conf in the configuration directory, or a path ending in "
                      ".conf.\n\nCommands:\n");
        for (const struct command *row = commands; row->name; row++) {
            _cleanup_free_ char *left = xasprintf("%s %s", row->name, row->arguments);
            buffer_printf(&text, "  %-28s %s%s\n", left, row->summary,
                          row->run ? "" : " (comes with a later version)");
        }
        buffer_printf(&text, "  %-28s %s\n", "help [COMMAND]", "what a command does, and its options");
    }
    append_options(&text, command ? "Options of every command" : "Options", global_options);
    if (!command)
        buffer_printf(&text,
                      "\nExit status: 0 done, 1 aborted, 2 wrong command line, 3 wrong configuration,\n"
                      "4 refused or rejected, 5 rolled back, 6 a person is needed, 7 locked.\n"
                      "More in upgrade-watchdog(8) and upgrade-watchdog.conf(5).\n");
    return buffer_take(&text);
}

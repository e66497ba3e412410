#pragma once

/*
 * The parts of the `command` kind that are pure or look at files.
 *
 * What one gets wrong: arguments of a program can be read by every user of the machine, so no value of a
 * `%{name}` stands there; they go through the environment or standard input.
 */

#include "probes/answer.h"

struct command_settings {
    struct answer_settings judge; /* the first, for ANSWER_KEYS */
    char **argv;
    char **environment; /* "NAME=value", with placeholders */
    char *input;        /* with placeholders; NULL: none */
};

/* Splits a command line as systemd.service(5) does without its variables: blanks separate, '…' and "…" hold
 * together, a backslash takes the next character as it is (not inside '…'). Returns 0, or -EINVAL for a quote
 * that is not closed or a backslash at the end. @ret is owned by the caller. */
int command_words(const char *line, char ***ret, struct error *err);

/* Parsers of keys.h's kind for Command=, Environment=, Input=. */
int key_command(const char *value, void *target, struct error *err);
int key_environment(const char *value, void *target, struct error *err);
int key_input(const char *value, void *target, struct error *err);

/* Whether the program at @path may be run with our rights: a regular file that can be executed, which belongs
 * to root or to us and which nobody else can write to or replace. Returns 0, or -errno with a sentence. */
int command_check_file(const char *path, struct error *err);

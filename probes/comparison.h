#pragma once

/*
 * What a jq program compares, so that a comparison that does not hold can be told with both its sides:
 * `(. | length) >= ($baseline | length)` with "24 >= 25". Pure.
 */

#include <stdbool.h>

#define COMPARISON_OPERATOR_SIZE 3

/*
 * Whether @program ends on one comparison (==, !=, <, <=, >, >=) and nothing else (jq(1): none of them is
 * associative, and only `|`, `,`, `//`, assignments, `and`, `or` bind weaker). Then *ret_sides, owned by the
 * caller, is a program that gives the array of its two sides, over the same input. What is written in a way
 * that would have to be understood further (definitions, text with programs in it, comments) is passed over.
 */
bool comparison_split(const char *program, char **ret_sides, char ret_operator[COMPARISON_OPERATOR_SIZE]);

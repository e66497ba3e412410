/* The program's entry: commands/ does the rest. */

#include <stdio.h>

int main(int argc, char **argv) {
    (void)argc;
    (void)argv;
    puts(VERSION);
    return 0;
}

/* The program's entry: a command line read, and its command run. */

#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "watchdog/base/text.h"
#include "watchdog/commands/options.h"
#include "watchdog/transaction/worker.h"

#define EXIT_WRONG_USE 2

/* A descriptor opened later must not become somebody's standard output. */
static void open_standard_streams(void) {
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        close(fd);
}

int main(int argc, char **argv) {
    open_standard_streams();
    setlocale(LC_CTYPE, "C.UTF-8");
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_DUMPABLE, 0); /* a core dump would hold secrets */

    if (argc > 1 && string_equal(argv[1], WORKER_ARGUMENT))
        return worker_main(argc - 1, argv + 1);

    struct options options;
    _cleanup_error_ struct error err = ERROR_NONE;
    if (options_parse(argc, argv, &options, &err) < 0) {
        _cleanup_free_ char *text = text_harmless(error_text(&err), 0);
        fprintf(stderr, "upgrade-watchdog: %s\n", text);
        return EXIT_WRONG_USE;
    }
    if (options.help) {
        _cleanup_free_ char *text = options_help(options.command);
        fputs(text, stdout);
        return EXIT_SUCCESS;
    }
    if (options.version) {
        puts("upgrade-watchdog " VERSION);
        return EXIT_SUCCESS;
    }
    return options.command->run(&options);
}

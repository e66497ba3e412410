/* Other programs. See process.h. */

#include "watchdog/base/process.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "watchdog/base/durable.h"

#define OUTPUT_LIMIT_DEFAULT ((size_t)1024 * 1024)

void process_result_done(struct process_result *result) {
    buffer_done(&result->output);
    buffer_done(&result->errors);
}

/* In the child, between fork and exec. */
static void become(const struct process *process, pid_t parent, int input, int output, int errors,
                   int failure) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    for (int number = 1; number < 32; number++)
        if (number != SIGKILL && number != SIGSTOP)
            signal(number, SIG_DFL);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(125);
    int number = 0;
    if (dup2(input, 0) < 0 || dup2(output, 1) < 0 || dup2(errors, 2) < 0)
        number = errno;
    if (!number && process->directory && chdir(process->directory) < 0)
        number = errno;
    if (!number) {
        if (process->environment)
            execvpe(process->argv[0], process->argv, process->environment);
        else
            execvp(process->argv[0], process->argv);
        number = errno;
    }
    write_all(failure, &number, sizeof(number));
    _exit(127);
}

static int input_file(const struct process *process, struct error *err) {
    const char *input = process->input;
    if (!input && process->input_fd > 0) {
        int fd = fcntl(process->input_fd, F_DUPFD_CLOEXEC, 3);
        return fd < 0 ? error_errno(err, errno, "cannot hand on the input") : fd;
    }
    if (!input) {
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        return fd < 0 ? error_errno(err, errno, "cannot open /dev/null") : fd;
    }
    int fd = memfd_create("input", MFD_CLOEXEC);
    if (fd < 0)
        return error_errno(err, errno, "cannot make a file in memory");
    int r = write_all(fd, input, strlen(input));
    if (r < 0 || lseek(fd, 0, SEEK_SET) < 0) {
        close(fd);
        return error_errno(err, r < 0 ? -r : errno, "cannot write a file in memory");
    }
    return fd;
}

int process_start(const struct process *process, struct process_child *ret, struct error *err) {
    _cleanup_close_ int input = input_file(process, err);
    if (input < 0)
        return input;
    int pipes[3][2] = { { -1, -1 }, { -1, -1 }, { -1, -1 } };
    for (int i = 0; i < 3; i++)
        if (pipe2(pipes[i], O_CLOEXEC) < 0) {
            int number = errno;
            for (int k = 0; k < i; k++) {
                close(pipes[k][0]);
                close(pipes[k][1]);
            }
            return error_errno(err, number, "cannot make a pipe");
        }
    pid_t parent = getpid(), pid = fork();
    if (pid == 0)
        become(process, parent, input, pipes[0][1], pipes[1][1], pipes[2][1]);
    int number = pid < 0 ? errno : 0, failure = 0;
    for (int i = 0; i < 3; i++)
        close(pipes[i][1]);
    if (!number && read(pipes[2][0], &failure, sizeof(failure)) == (ssize_t)sizeof(failure)) {
        waitpid(pid, NULL, 0);
        number = failure;
    }
    close(pipes[2][0]);
    if (number) {
        close(pipes[0][0]);
        close(pipes[1][0]);
        return error_errno(err, number, "cannot start \"%s\"", process->argv[0]);
    }
    setpgid(pid, pid);
    fcntl(pipes[0][0], F_SETFL, O_NONBLOCK);
    fcntl(pipes[1][0], F_SETFL, O_NONBLOCK);
    *ret = (struct process_child){ .pid = pid,
                                   .output_fd = pipes[0][0],
                                   .errors_fd = pipes[1][0],
                                   .output_limit =
                                       process->output_limit ? process->output_limit : OUTPUT_LIMIT_DEFAULT };
    return 0;
}

/* Keeps the end of a stream within @limit. */
static void keep_end(struct buffer *kept, const char *data, size_t size, size_t limit) {
    buffer_append(kept, data, size);
    if (kept->size > 2 * limit) {
        memmove(kept->text, kept->text + kept->size - limit, limit + 1);
        kept->size = limit;
    }
}

static void drain(struct process_child *child, const struct process *process, int *fd, int is_errors) {
    char block[16384];
    ssize_t size;
    while (*fd >= 0 && (size = read(*fd, block, sizeof(block))) != 0) {
        if (size < 0) {
            if (errno == EINTR)
                continue;
            if (errno != EAGAIN)
                break;
            return;
        }
        if (is_errors) {
            keep_end(&child->errors, block, (size_t)size, child->output_limit);
            if (process && process->on_errors)
                process->on_errors(process->userdata, block, (size_t)size);
        } else {
            size_t room =
                child->output_limit > child->output.size ? child->output_limit - child->output.size : 0;
            buffer_append(&child->output, block, (size_t)size < room ? (size_t)size : room);
            if (process && process->on_output)
                process->on_output(process->userdata, block, (size_t)size);
        }
    }
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static const char *last_line(const struct buffer *errors, int *ret_size) {
    const char *text = errors->text ? errors->text : "";
    size_t end = errors->size;
    while (end > 0 && (text[end - 1] == '\n' || text[end - 1] == '\r' || text[end - 1] == ' '))
        end--;
    size_t begin = end;
    while (begin > 0 && text[begin - 1] != '\n' && text[begin - 1] != '\r')
        begin--;
    *ret_size = (int)(end - begin > 1000 ? 1000 : end - begin);
    return text + begin;
}

static int judge(const struct process_child *child, const char *name, int status, struct error *err) {
    int size;
    const char *line = last_line(&child->errors, &size);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (WIFEXITED(status)) {
        error_set(err, EPROTO, "%s exited with %d%s%.*s", name, WEXITSTATUS(status), size ? ": " : "", size,
                  line);
        return WEXITSTATUS(status);
    }
    return error_set(err, EPROTO, "%s was ended by the signal %d%s%.*s", name, WTERMSIG(status),
                     size ? ": " : "", size, line);
}

int process_run(const struct process *process, struct process_result *ret, struct error *err) {
    struct process_child child;
    int r = process_start(process, &child, err);
    if (r < 0)
        return r;
    int timed_out = 0;
    while (child.output_fd >= 0 || child.errors_fd >= 0) {
        struct pollfd fds[] = { { child.output_fd, POLLIN, 0 }, { child.errors_fd, POLLIN, 0 } };
        int ready = poll(fds, 2, deadline_poll(process->deadline));
        if (ready == 0 || deadline_left(process->deadline) == 0) {
            timed_out = 1;
            break;
        }
        drain(&child, process, &child.output_fd, 0);
        drain(&child, process, &child.errors_fd, 1);
    }
    int status = 0;
    while (!timed_out && waitpid(child.pid, &status, WNOHANG) == 0)
        timed_out = !deadline_sleep(process->deadline, USEC_PER_MSEC);
    if (timed_out) {
        kill(-child.pid, SIGKILL);
        waitpid(child.pid, &status, 0);
        r = error_set(err, ETIME, "%s did not end in time and was killed", process->argv[0]);
    } else {
        r = judge(&child, process->argv[0], status, err);
    }
    if (child.output_fd >= 0)
        close(child.output_fd);
    if (child.errors_fd >= 0)
        close(child.errors_fd);
    if (ret)
        *ret = (struct process_result){ status, child.output, child.errors };
    else {
        buffer_done(&child.output);
        buffer_done(&child.errors);
    }
    return r;
}

static void child_done(struct process_child *child) {
    if (child->output_fd >= 0)
        close(child->output_fd);
    if (child->errors_fd >= 0)
        close(child->errors_fd);
    buffer_done(&child->output);
    buffer_done(&child->errors);
    *child = (struct process_child){ .output_fd = -1, .errors_fd = -1 };
}

int process_poll(struct process_child *child, struct error *err) {
    drain(child, NULL, &child->output_fd, 0);
    drain(child, NULL, &child->errors_fd, 1);
    int status;
    if (waitpid(child->pid, &status, WNOHANG) == 0)
        return 1;
    drain(child, NULL, &child->output_fd, 0);
    drain(child, NULL, &child->errors_fd, 1);
    int r = judge(child, "the child", status, err);
    child_done(child);
    return r == 1 ? 2 : r; /* 1 means "runs" here */
}

void process_stop(struct process_child *child, usec_t grace) {
    if (!child->pid)
        return;
    usec_t deadline = deadline_in(grace);
    kill(-child->pid, SIGTERM);
    int status;
    while (waitpid(child->pid, &status, WNOHANG) == 0)
        if (!deadline_sleep(deadline, 5 * USEC_PER_MSEC)) {
            kill(-child->pid, SIGKILL);
            waitpid(child->pid, &status, 0);
            break;
        }
    child_done(child);
}

struct relation {
    pid_t pid, parent;
    int below;
};

/* proc(5): the fourth field of stat, behind a name that may hold anything. */
static pid_t parent_of(const char *pid) {
    _cleanup_free_ char *path = xasprintf("/proc/%s/stat", pid), *text = NULL;
    if (file_read(AT_FDCWD, path, 4096, &text, NULL, NULL) < 0)
        return 0;
    const char *end = strrchr(text, ')');
    return end && strlen(end) > 4 ? (pid_t)strtol(end + 4, NULL, 10) : 0;
}

static struct relation *read_relations(size_t *ret_count) {
    struct relation *list = NULL;
    size_t count = 0;
    DIR *processes = opendir("/proc");
    for (struct dirent *entry; processes && (entry = readdir(processes));) {
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        list = xrealloc(list, count + 1, sizeof(*list));
        list[count++] =
            (struct relation){ (pid_t)strtol(entry->d_name, NULL, 10), parent_of(entry->d_name), 0 };
    }
    if (processes)
        closedir(processes);
    *ret_count = count;
    return list;
}

static int is_below(const struct relation *list, size_t count, pid_t pid) {
    for (size_t i = 0; i < count; i++)
        if (list[i].pid == pid)
            return list[i].below;
    return 0;
}

size_t process_kill_descendants(pid_t pid) {
    size_t count, found = 0, before;
    struct relation *list = read_relations(&count);
    do {
        before = found;
        for (size_t i = 0; i < count; i++)
            if (!list[i].below && (list[i].parent == pid || is_below(list, count, list[i].parent))) {
                list[i].below = 1;
                found++;
            }
    } while (found != before);
    for (size_t i = 0; i < count; i++)
        if (list[i].below)
            kill(list[i].pid, SIGKILL);
    free(list);
    return found;
}

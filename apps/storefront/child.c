#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int spawn(pid_t *process, int output, int board, char **arguments)
{
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, board, BOARD_FILE); /* without close-on-exec */
    int err = posix_spawn(process, "/proc/self/exe", &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    return -err;
}

int child_start(struct child *child, const struct board *board, const char *const *words)
{
    char parent[16];
    snprintf(parent, sizeof parent, "%d", (int)getpid());
    char *arguments[CHILD_WORDS_MAX + 5] = { "storefront", "--as", (char *)words[0], parent };
    for (int i = 1; i < CHILD_WORDS_MAX && words[i] != NULL; i++)
        arguments[i + 3] = (char *)words[i];

    int output[2];
    if (pipe2(output, O_CLOEXEC) < 0)
        return -errno;
    int err = spawn(&child->process, output[1], board->file, arguments);
    close(output[1]);
    if (err < 0) {
        close(output[0]);
        child->process = 0;
        return err;
    }
    child->output = output[0];
    return 0;
}

int child_address(const struct child *child, char *address, size_t size)
{
    size_t length = 0;
    while (length == 0 || address[length - 1] != '\n') {
        ssize_t n =
            length + 1 < size ? read(child->output, address + length, size - 1 - length) : 0;
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EPIPE;
        length += (size_t)n;
    }
    address[length - 1] = '\0';
    return 0;
}

int child_wait(struct child *child)
{
    int status = 0;
    while (waitpid(child->process, &status, 0) < 0 && errno == EINTR)
        ;
    close(child->output);
    child->process = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void child_kill(struct child *child)
{
    if (child->process == 0)
        return;
    kill(child->process, SIGKILL);
    child_wait(child);
}

void child_follow(pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) /* it has ended before */
        _exit(1);
    signal(SIGINT, SIG_IGN); /* a terminal sends it to all; the parent ends us in order */
}

#include "peers/peer.h"

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void become(const char *const words[], const int questions[2], const int answers[2])
{
    dup2(questions[0], STDIN_FILENO);
    dup2(answers[1], STDOUT_FILENO);
    execvp(words[0], (char *const *)(uintptr_t)words);
    _exit(127);
}

void peer_start(struct peer *peer, const char *name, const char *const words[])
{
    int questions[2], answers[2];
    *peer = (struct peer){ .name = name };
    signal(SIGPIPE, SIG_IGN); /* it may be missing: then it has no answer to anything */
    if (!words[0] || pipe2(questions, O_CLOEXEC) < 0)
        return;
    if (pipe2(answers, O_CLOEXEC) < 0 || (peer->process = fork()) < 0) {
        perror(name);
        exit(1);
    }
    if (peer->process == 0)
        become(words, questions, answers);
    close(questions[0]);
    close(answers[1]);
    peer->questions = fdopen(questions[1], "w");
    peer->answers = fdopen(answers[0], "r");
}

void peer_stop(struct peer *peer)
{
    if (!peer->questions)
        return;
    fclose(peer->questions);
    fclose(peer->answers);
    waitpid(peer->process, NULL, 0);
    peer->questions = NULL;
}

double peer_ns(void *arg)
{
    const struct peer_run *run = arg;
    char line[64];
    fprintf(run->peer->questions, "%s %ld\n", run->operation, run->count);
    fflush(run->peer->questions);
    if (!fgets(line, sizeof line, run->peer->answers) || line[0] == '-')
        return -1;
    return strtod(line, NULL);
}

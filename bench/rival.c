#include "rival.h"

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

void rival_start(struct rival *rival, const char *name, const char *const words[])
{
    int questions[2], answers[2];
    *rival = (struct rival){ .name = name };
    signal(SIGPIPE, SIG_IGN); /* it may be missing: then it has no answer to anything */
    if (!words[0] || pipe2(questions, O_CLOEXEC) < 0)
        return;
    if (pipe2(answers, O_CLOEXEC) < 0 || (rival->process = fork()) < 0) {
        perror(name);
        exit(1);
    }
    if (rival->process == 0)
        become(words, questions, answers);
    close(questions[0]);
    close(answers[1]);
    rival->questions = fdopen(questions[1], "w");
    rival->answers = fdopen(answers[0], "r");
}

void rival_stop(struct rival *rival)
{
    if (!rival->questions)
        return;
    fclose(rival->questions);
    fclose(rival->answers);
    waitpid(rival->process, NULL, 0);
    rival->questions = NULL;
}

double rival_ns(void *arg)
{
    const struct rival_run *run = arg;
    char line[64];
    fprintf(run->rival->questions, "%s %ld\n", run->operation, run->count);
    fflush(run->rival->questions);
    if (!fgets(line, sizeof line, run->rival->answers) || line[0] == '-')
        return -1;
    return strtod(line, NULL);
}
